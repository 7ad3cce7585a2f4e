package main

import (
	"maps"
	"os"
	"testing"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers/otlp"
)

// An upload is one trace, from the request through Kafka to the stored thumbnail, and the spans and the counts of a
// function arrive when it ends. CI_COLLECTOR names an OpenTelemetry Collector that they pass: .ci/telemetry.
func TestTelemetry(t *testing.T) {
	receiver := otlp.Start(t)
	endpoint := receiver.URL
	if collector := os.Getenv("CI_COLLECTOR"); collector != "" {
		endpoint = receiver.Behind(collector)
	}
	s := startStack(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+endpoint)
	id := s.upload("photo.jpg", photo(t, imaging, "branches.jpg"))
	if got := s.finalState(id); got.Status != "completed" {
		t.Fatalf("got the status %s, want completed", got.Status)
	}
	uploaded := s.awaitEvents(1, events.TypeImageUploaded, id)
	s.awaitEvents(1, events.TypeImageThumbnailed, id)
	stopStages(s.stages)

	traceID := traceOf(uploaded[0])
	trace := receiver.Trace(traceID)
	want := map[string]string{
		"upload: POST /upload": "",
		"upload: receive":      "upload: POST /upload",
		"upload: store":        "upload: receive",
		"upload: announce":     "upload: receive",
		"thumbnail: POST /":    "upload: announce",
		"thumbnail: deliver":   "thumbnail: POST /",
		"thumbnail: fetch":     "thumbnail: deliver",
		"thumbnail: admit":     "thumbnail: deliver",
		"thumbnail: decode":    "thumbnail: deliver",
		"thumbnail: encode":    "thumbnail: deliver",
		"thumbnail: record":    "thumbnail: deliver",
	}
	if got := trace.Parents(); !maps.Equal(got, want) {
		t.Errorf("the spans of trace %s have the parents %v, want %v", traceID, got, want)
	}
	for _, test := range []struct {
		span, attribute string
		want            any
	}{
		{"upload: POST /upload", "http.response.status_code", int64(200)},
		{"upload: receive", "image.id", id},
		{"upload: receive", "image.format", "image/jpeg"},
		{"upload: receive", "image.pixels", int64(600 * 400)},
		{"upload: receive", "image.outcome", "accepted"},
		{"thumbnail: deliver", "image.id", id},
		{"thumbnail: deliver", "image.outcome", "success"},
		{"thumbnail: decode", "image.pixels", int64(600 * 400)},
	} {
		if got := trace.Spans[test.span].Attribute(test.attribute); got != test.want {
			t.Errorf("the span %s has %s %v, want %v", test.span, test.attribute, got, test.want)
		}
	}
	for name, got := range map[string]float64{
		"image_uploads_total":   receiver.Sum("image-service-upload", "image_uploads_total"),
		"tasks_processed_total": receiver.Sum("image-service-thumbnail", "tasks_processed_total", "status", "success"),
	} {
		if got != 1 {
			t.Errorf("got %s %v, want 1", name, got)
		}
	}
}
