// Package knative is where the service runs: the manifests in base/, for `ko apply -f knative/`, which finds them by the
// links in this folder, what varies them in overlays/ and components/, for kustomize, and in local/ a Knative on one
// machine that reads the same manifests.
package knative

import (
	"embed"
	"io/fs"
)

//go:embed base/*.yaml
var files embed.FS

// Manifests are the files that `ko apply -f knative/` deploys.
var Manifests = func() fs.FS {
	base, err := fs.Sub(files, "base")
	if err != nil {
		panic(err) // it is embedded
	}
	return base
}()
