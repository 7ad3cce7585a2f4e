//go:build e2e

package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/events"
	_ "golang.org/x/image/webp" // so that package image reads it
)

// The documents of renditions: what is added to the running deployment, and one that has a fault in the same place.
const (
	cardDocument  = "renditions:\n  card: {width: 320, height: 240, fit: cover, format: webp}\n"
	wrongDocument = "renditions:\n  card: {width: 320, height: 240, fit: crop, format: webp}\n"
)

// renditionServices are the Services that read the document.
var renditionServices = []string{"upload", "thumbnail", "thumbnail-backfill"}

// renditions adds a rendition to the running deployment: new uploads have it. A document with a fault changes nothing.
// A backfill brings the rendition to an image from before, by a function that has no pods otherwise.
func (s *installation) renditions(t *testing.T) {
	t.Helper()
	before := s.upload(t, photograph(t, 1600, 1200))
	s.completed(t, before)
	s.setRenditions(t, cardDocument)
	s.awaitRevisions(t, nil)
	after := s.upload(t, photograph(t, 1600, 1200))
	s.completed(t, after)
	s.checkCard(t, after)
	s.rejected(t, after)
	if got := s.listed(t, before); len(got) > 0 {
		t.Errorf("the status of an image from before lists %+v, want nothing", got)
	}
	s.wrongDocument(t)

	await(t, zeroWithin, "no pod of thumbnail-backfill is left", func() bool { return s.backfillPods(t) == 0 })
	ended := s.startBackfill(t, cardDocument)
	await(t, patience, "thumbnail-backfill has a pod", func() bool { return s.backfillPods(t) > 0 })
	ended()
	await(t, patience, "the image from before has the rendition", func() bool { return len(s.listed(t, before)) == 2 })
	s.checkCard(t, before)
	await(t, zeroWithin, "no pod of thumbnail-backfill is left", func() bool { return s.backfillPods(t) == 0 })

	deploy(t)
	s.awaitRevisions(t, nil)
	for _, r := range s.listed(t, before) { // their URLs work on, although the name is not configured any longer
		s.get(t, s.url+r.URL)
	}
}

// setRenditions deploys the component renditions with a document. The pods request little, so that a small node has
// place for those that fail beside those that serve.
func (s *installation) setRenditions(t *testing.T, document string) {
	t.Helper()
	deployOverlay(t, base.with(fmt.Sprintf(`
  - patch: |
      apiVersion: v1
      kind: ConfigMap
      metadata: { name: image-service-renditions, namespace: %s }
      data: { renditions.yaml: %q }
  - target: { kind: Service, name: upload|thumbnail.* }
    patch: '[{ "op": "replace", "path": "/spec/template/spec/containers/0/resources/requests/cpu", "value": "10m" }]'
`, namespace, document), "knative/components/renditions"))
}

// awaitRevisions waits until the newest revision of each function is ready and has the traffic, except for those that
// are known to fail.
func (s *installation) awaitRevisions(t *testing.T, failing []string) {
	t.Helper()
	await(t, deployWithin, "the newest revisions have the traffic", func() bool {
		return !slices.ContainsFunc(renditionServices, func(service string) bool {
			state := field(t, "ksvc/"+service, "{.metadata.generation} {.status.observedGeneration} "+
				"{.status.latestCreatedRevisionName} {.status.latestReadyRevisionName} {.status.traffic[*].revisionName} "+
				`{.status.conditions[?(@.type=="Ready")].status}`)
			words := strings.Fields(state)
			return len(words) != 6 || words[0] != words[1] || words[2] != words[3] || words[3] != words[4] ||
				words[5] != "True" || slices.Contains(failing, words[2])
		})
	})
}

// wrongDocument deploys a document with a fault, and then the one before again. The revisions before serve meanwhile.
func (s *installation) wrongDocument(t *testing.T) {
	t.Helper()
	good := map[string]string{}
	for _, service := range renditionServices {
		good[service] = field(t, "ksvc/"+service, "{.status.latestReadyRevisionName}")
	}
	traffic := s.startTraffic(t)
	s.setRenditions(t, wrongDocument)
	bad := map[string]string{}
	await(t, patience, "the new revisions have failed to start", func() bool {
		for _, service := range renditionServices {
			bad[service] = field(t, "ksvc/"+service, "{.status.latestCreatedRevisionName}")
			restarts := kubectl(t, "get", "pods", "--selector=serving.knative.dev/revision="+bad[service],
				`--output=jsonpath={.items[*].status.containerStatuses[?(@.name=="user-container")].restartCount}`)
			if bad[service] == good[service] || restarts < "1" {
				return false
			}
		}
		return true
	})
	log := kubectl(t, "logs", "--selector=serving.knative.dev/revision="+bad["upload"], "--container=user-container",
		"--tail=5")
	t.Log(strings.TrimSpace(log))
	for _, want := range []string{"line 2", "renditions.card.fit", "crop"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log of the new revision does not have %q", want)
		}
	}
	for service, revision := range good {
		if got := field(t, "ksvc/"+service, "{.status.traffic[*].revisionName}"); got != revision {
			t.Errorf("traffic of %s goes to %s, want only %s", service, got, revision)
		}
	}
	id := s.upload(t, photograph(t, 640, 480))
	s.completed(t, id)
	s.checkCard(t, id)

	s.setRenditions(t, cardDocument)
	for _, revision := range bad { // their crashing pods use resources that the next revisions need
		kubectl(t, "delete", "revision", revision, "--ignore-not-found")
	}
	s.awaitRevisions(t, slices.Collect(maps.Values(bad)))
	if sent, failures := traffic.stop(); len(failures) > 0 || sent < 100 {
		t.Errorf("%d of %d requests failed, want none of at least 100: %q", len(failures), sent, failures)
	}
}

// checkCard checks that an image has the added rendition: in its status, and at the URL there.
func (s *installation) checkCard(t *testing.T, id string) {
	t.Helper()
	all := s.listed(t, id)
	i := slices.IndexFunc(all, func(r events.Rendition) bool { return r.Name == "card" })
	if i < 0 {
		t.Fatalf("the status of %s lists %+v, want a card", id, all)
	}
	card := all[i]
	if card.Width != 320 || card.Height != 240 || card.ContentType != "image/webp" {
		t.Errorf("the status describes it as %+v, want a WebP of 320x240", card)
	}
	for _, url := range []string{card.URL, "/images/" + id + "/card"} {
		content := s.get(t, s.url+url)
		got, format, err := image.DecodeConfig(bytes.NewReader(content))
		if err != nil || format != "webp" || got.Width != 320 || got.Height != 240 || int64(len(content)) != card.Bytes {
			t.Errorf("GET %s: got %s of %dx%d and %d bytes, %v; want as in %+v",
				url, format, got.Width, got.Height, len(content), err, card)
		}
	}
}

// listed returns the renditions that the status of an image lists.
func (s *installation) listed(t *testing.T, id string) []events.Rendition {
	t.Helper()
	var answer struct {
		Result struct{ Renditions []events.Rendition }
	}
	if err := json.Unmarshal(s.get(t, s.url+"/status/"+id), &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Result.Renditions
}

func (s *installation) backfillPods(t *testing.T) int {
	t.Helper()
	return len(pods(t, "thumbnail-backfill"))
}

// startBackfill starts the command on this machine, with the servers of the deployment, and returns a function that
// waits until it has ended.
func (s *installation) startBackfill(t *testing.T, document string) (ended func()) {
	t.Helper()
	config := configOf(t)
	command := exec.CommandContext(t.Context(), "go", "run", "./functions/upload/backfill")
	var output bytes.Buffer
	command.Dir, command.Stdout, command.Stderr = root(t), &output, &output
	command.Env = append(os.Environ(), "RENDITIONS="+document, "MINIO_BUCKET="+config["MINIO_BUCKET"],
		"KAFKA_TOPIC="+config["KAFKA_TOPIC"], "KAFKA_BACKFILL_TOPIC="+config["KAFKA_BACKFILL_TOPIC"])
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		err := command.Wait()
		if t.Log(output.String()); err != nil {
			t.Fatalf("backfill: %v", err)
		}
	}
}

// rejected checks that a rendition which is not configured is 404, with the names of those that are.
func (s *installation) rejected(t *testing.T, id string) {
	t.Helper()
	status, answer := s.do(t, http.MethodGet, s.url+"/images/"+id+"/unknown", "", nil)
	if status != http.StatusNotFound || !bytes.Contains(answer, []byte(`"rendition_not_found"`)) ||
		!bytes.Contains(answer, []byte(`"card"`)) {
		t.Errorf("a rendition that is not configured: got %d %s, want 404 rendition_not_found, and card", status, answer)
	}
}
