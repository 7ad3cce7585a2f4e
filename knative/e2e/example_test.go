//go:build e2e

package e2e_test

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/webhook/webhook"
	"go.yaml.in/yaml/v3"
)

// exampleOverlay deploys knative/overlays/example in place of the base: the production overlay with all components of
// the example at once. Changed is what this cluster and its servers cannot have; exampleChanges lists it.
func (s *installation) exampleOverlay(t *testing.T) {
	t.Helper()
	if *namesFile == "" || !secure() || !deployed("bucket-inbox") || !issuesCertificates(t) {
		t.Log("not run: it needs -names, the components bucket-inbox and servers-tls, and cert-manager")
		return
	}
	secret := webhook.NewSecret()
	endpoint := startEndpoint(t, secret)
	setEndpoints(t, endpoint.url, secret)
	key, line := newKey(t, "example")
	setAPIKeys(t, line)
	deployExample(t)
	awaitReady(t)
	s.awaitRevisions(t, nil)

	public := s.overHTTPS(t)
	status, answer := public.do(t, http.MethodPost, public.url+"/upload", "image/jpeg", photograph(t, 640, 480))
	if status != http.StatusUnauthorized {
		t.Errorf("an upload without a key: got %d %.200s, want 401", status, answer)
	}
	client := public.withKey(key)
	id := client.upload(t, photograph(t, 1600, 1200))
	client.completed(t, id)
	thumbnail, err := jpeg.Decode(bytes.NewReader(client.get(t, client.url+"/images/"+id+"/thumbnail")))
	if err != nil || thumbnail.Bounds().Size() != image.Pt(200, 150) {
		t.Errorf("the thumbnail is %v, %v, want a JPEG of 200x150", thumbnail, err)
	}
	await(t, patience, "the endpoint has the result", func() bool {
		return slices.Contains(endpoint.taken(events.TypeImageThumbnailed), id)
	})
	s.eventToThumbnail(t)
	b := inbox(t)
	s.thumbnailWithoutOwner(t, "photo.jpg", func() {
		if err := b.put(t, "2026/photo.jpg", photograph(t, 640, 480)); err != nil {
			t.Fatal(err)
		}
	})
	if letters := s.letters(t); letters.Waiting > 1 { // that of the chapter about dead letters
		t.Errorf("got dead letters %+v, want none of this chapter", letters)
	}
}

// exampleChanges are patches of the example overlay, beside those of the base. Without Knative's Kafka Broker, the
// Broker keeps the cluster's default class. Endpoints of webhooks on this machine are allowed.
const exampleChanges = `
  - target: { kind: Broker }
    patch: |
      - { op: remove, path: /metadata/annotations }
      - { op: remove, path: /spec/config }
  - patch: |
      apiVersion: v1
      kind: ConfigMap
      metadata: { name: image-service-config, namespace: %[1]s }
      data: { SOURCE_BUCKETS: %[2]s }
  - patch: |
      apiVersion: v1
      kind: ConfigMap
      metadata: { name: image-service-webhooks, namespace: %[1]s }
      data: { WEBHOOK_ALLOW_NETWORKS: %[3]s/32, WEBHOOK_ALLOW_HTTP: "true" }
`

// deployExample deploys the overlay without the kinds that the cluster does not serve. The servers' authorities are
// private, so that servers-tls is in place of servers-managed, which it includes.
func deployExample(t *testing.T) {
	t.Helper()
	const directory = "knative/overlays/example"
	text, err := os.ReadFile(filepath.Join(root(t), directory, "Kustomization"))
	if err != nil {
		t.Fatal(err)
	}
	var example struct{ Resources, Components []string }
	if err := yaml.Unmarshal(text, &example); err != nil {
		t.Fatal(err)
	}
	var chosen overlay
	for _, path := range example.Resources {
		if path != "names.yaml" {
			chosen.resources = append(chosen.resources, filepath.Join(directory, path))
		}
	}
	for _, path := range example.Components {
		switch path = filepath.Join(directory, path); filepath.Base(path) {
		case "names": // which build adds
		case "servers-managed":
			chosen.components = append(chosen.components, "knative/components/servers-tls")
		default:
			chosen.components = append(chosen.components, path)
		}
	}
	changes := fmt.Sprintf(exampleChanges, namespace, sourceBucket, machine(t))
	manifests := build(t, chosen.with(base.patches+clusterAuthority(t)+changes))
	run(t, known(t, servedKinds(t), manifests), "ko", "apply", "--filename=-")
}
