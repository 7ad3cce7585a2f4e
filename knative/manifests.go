// Package knative is where the service runs: the manifests in this folder, for `ko apply -f knative/`, and in local/ a
// Knative on one machine that reads the same manifests.
package knative

import "embed"

// Manifests are the files that `ko apply -f knative/` deploys.
//
//go:embed *.yaml
var Manifests embed.FS
