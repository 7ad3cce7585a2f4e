//go:build e2e

package e2e_test

import (
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"testing"

	"gitlab.com/yourorg/image-service/functions/fakes/testservers/otlp"
)

// telemetry adds the component opentelemetry. From zero pods to zero pods again, an upload is one trace, and no count
// is lost. With CI_COLLECTOR, the functions send to that OpenTelemetry Collector.
func (s *installation) telemetry(t *testing.T) {
	t.Helper()
	receiver := otlp.StartAt(t, machine(t))
	collector := receiver.URL
	if program := os.Getenv("CI_COLLECTOR"); program != "" {
		collector = receiver.Behind(program)
	}
	with := base.with(fmt.Sprintf(`
  - patch: |
      apiVersion: v1
      kind: ConfigMap
      metadata: { name: image-service-telemetry, namespace: %s }
      data: { OTEL_TRACES_SAMPLER_ARG: "1" }
`, namespace), "knative/components/opentelemetry")
	target, err := url.Parse(collector)
	if err != nil {
		t.Fatal(err)
	}
	alias(t, settings(t, with, "image-service-telemetry")["OTEL_EXPORTER_OTLP_ENDPOINT"], target.Host)
	deployOverlay(t, with)
	s.awaitRevisions(t, nil)
	defer suspendSweep(t)()
	s.awaitZero(t)

	const uploads = 3
	var ids []string
	for range uploads {
		id := s.upload(t, photograph(t, 640, 480))
		s.completed(t, id)
		ids = append(ids, id)
	}
	s.awaitZero(t)
	for _, id := range ids {
		checkTrace(t, receiver, id)
	}
	for name, got := range map[string]float64{
		"image_uploads_total":   receiver.Sum("image-service-upload", "image_uploads_total"),
		"tasks_processed_total": receiver.Sum("image-service-thumbnail", "tasks_processed_total", "status", "success"),
	} {
		if got != uploads {
			t.Errorf("got %s %v, want %d", name, got, uploads)
		}
	}
	deploy(t)
	s.awaitRevisions(t, nil)
	kubectl(t, "delete", "configmap/image-service-telemetry")
}

// checkTrace checks that the upload of an image and its thumbnail are one trace, whatever the spans of Knative between.
func checkTrace(t *testing.T, receiver *otlp.Receiver, image string) {
	t.Helper()
	traceID := ""
	for _, span := range receiver.Spans() {
		if span.GetName() == "receive" && span.Attribute("image.id") == image {
			traceID = hex.EncodeToString(span.GetTraceId())
		}
	}
	parents := receiver.Trace(traceID).Parents()
	for span, want := range map[string]string{
		"upload: receive":    "upload: POST /upload",
		"upload: store":      "upload: receive",
		"upload: announce":   "upload: receive",
		"thumbnail: deliver": "thumbnail: POST /",
		"thumbnail: record":  "thumbnail: deliver",
	} {
		if parents[span] != want {
			t.Errorf("trace %s of image %s has the parents %v, want %s for %s", traceID, image, parents, want, span)
			return
		}
	}
}
