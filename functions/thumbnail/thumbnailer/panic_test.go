package thumbnailer

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
	"gitlab.com/yourorg/image-service/functions/logs"
	"gitlab.com/yourorg/image-service/functions/thumbnail/admission"
)

// The panic of a decoder is counted and logged so that it can be reproduced, and has the event delivered again.
func TestReportPanic(t *testing.T) {
	t.Parallel()
	s := start(t)
	photo := jpegOf(t, 100, 80)
	id := s.uploaded("a.jpg", photo).Subject()
	info, err := s.store.Stat(t.Context(), id+"/a.jpg")
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	th := &thumbnailer{
		Process: httpserver.New("thumbnail", httpserver.Settings{}), store: s.store, gate: admission.New(1, 1),
	}
	th.Log = httpserver.NewLogger(&log, "thumbnail", logs.Settings{})
	th.registerMetrics()
	panicked := &raster.PanicError{Value: "index out of range", Stack: []byte("the stack")}
	err = th.reportPanic(t.Context(), id, info, panicked)

	if got := apierror.From(err); got.Status != 500 || got.Permanent() {
		t.Errorf("got %+v, want a 500, which is delivered again", got)
	}
	families, err := th.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counted := 0.0
	for _, family := range families {
		if family.GetName() == "decoder_panics_total" {
			counted = family.GetMetric()[0].GetCounter().GetValue()
		}
	}
	if counted != 1 {
		t.Errorf("got decoder_panics_total %v, want 1", counted)
	}
	var line map[string]any
	if err := json.Unmarshal(log.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"message": "decoder_panicked", "image_id": id, "error.stack_trace": "the stack",
		"error.message":    "the decoder panicked: index out of range",
		"file.hash.sha256": fmt.Sprintf("%x", sha256.Sum256(photo)), "file.size": float64(len(photo)),
	} {
		t.Run(name, func(t *testing.T) {
			if line[name] != want {
				t.Errorf("got %v, want %v", line[name], want)
			}
		})
	}
}
