package main

import (
	"cmp"
	"encoding/hex"
	"maps"
	"os"
	"strings"
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
	tree := newTree(receiver.Spans(), traceID)
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
	if got := tree.parents(); !maps.Equal(got, want) {
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
		if got := tree.byName[test.span].Attribute(test.attribute); got != test.want {
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

// A tree is the spans of a trace.
type tree struct {
	byName map[string]otlp.Span // function: span
	byID   map[string]string    // name
}

func newTree(spans []otlp.Span, traceID string) tree {
	found := tree{byName: map[string]otlp.Span{}, byID: map[string]string{}}
	for _, span := range spans {
		if hex.EncodeToString(span.GetTraceId()) == traceID {
			name := strings.TrimPrefix(span.Service, "image-service-") + ": " + span.GetName()
			found.byName[name], found.byID[hex.EncodeToString(span.GetSpanId())] = span, name
		}
	}
	return found
}

// parents returns the name of each span's parent.
func (f tree) parents() map[string]string {
	parents := map[string]string{}
	for name, span := range f.byName {
		parent := hex.EncodeToString(span.GetParentSpanId())
		parents[name] = cmp.Or(f.byID[parent], parent)
	}
	return parents
}
