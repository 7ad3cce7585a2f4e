// Package knative has the manifests of the service. base/ is what `ko apply -f knative/` deploys, through the links in
// this directory; overlays/ and components/ change it with kustomize; gitops/ deploys it with Argo CD. local/ runs the
// same manifests on one machine without a cluster. The package itself only embeds base/ and two components.
package knative

import (
	"embed"
	"io/fs"
)

//go:embed base/*.yaml components/bucket-inbox/*.yaml components/webhooks/*.yaml
var files embed.FS

// Manifests holds the files that `ko apply -f knative/` deploys, BucketInbox and Webhooks those that components add.
var (
	Manifests   = sub("base")
	BucketInbox = sub("components/bucket-inbox")
	Webhooks    = sub("components/webhooks")
)

func sub(directory string) fs.FS {
	folder, err := fs.Sub(files, directory)
	if err != nil {
		panic(err) // cannot happen: the directory is embedded
	}
	return folder
}
