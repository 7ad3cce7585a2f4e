// Package knative has the manifests of the service. base/ is what `ko apply -f knative/` deploys, through the links in
// this directory; overlays/ and components/ change it with kustomize; gitops/ deploys it with Argo CD. local/ runs the
// same manifests on one machine without a cluster. The package itself only embeds base/.
package knative

import (
	"embed"
	"io/fs"
)

//go:embed base/*.yaml
var files embed.FS

// Manifests holds the files that `ko apply -f knative/` deploys.
var Manifests = func() fs.FS {
	base, err := fs.Sub(files, "base")
	if err != nil {
		panic(err) // cannot happen: the directory is embedded
	}
	return base
}()
