package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
)

// The option --renditions names the document that both functions read.
func TestRenditionsOption(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "renditions.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o, err := readOptions([]string{"--listen=127.0.0.1:0", "--renditions", file}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	o.getenv = testservers.Start(t)
	write("renditions: {tiny: {width: 0}}\n")
	if _, err := start(o); err == nil || !strings.Contains(err.Error(), `line 1: renditions.tiny.width is "0"`) {
		t.Fatalf("start() with a bad document = %v, want its fault", err)
	}
	write("renditions: {tiny: {width: 9, format: png}}\n")
	running, err := start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(running.stop)
	s := &testStack{stack: running, t: t, url: "http://" + running.address, getenv: o.getenv}
	id := s.upload("a.png", photo(t, imaging, "flowers_small.png"))
	if got := s.finalState(id); got.Status != "completed" {
		t.Fatalf("got %+v, want it completed", got)
	}
	if got := s.get("/images/" + id + "/tiny"); got.status != 200 || got.header.Get("Content-Type") != "image/png" {
		t.Errorf("GET answers %d %v, want 200 and a PNG", got.status, got.header)
	}
}

// After a change of the configuration, an image gets what it lacks: when somebody asks for a rendition, and when an
// image.render is in the Broker.
func TestAddedRendition(t *testing.T) {
	t.Parallel()
	getenv := testservers.Start(t)
	var asked, sent string
	t.Run("before", func(t *testing.T) {
		s := startStackWith(t, getenv)
		content := photo(t, imaging, "flowers_small.png")
		asked, sent = s.upload("a.png", content), s.upload("b.png", content)
		for _, id := range []string{asked, sent} {
			if got := s.finalState(id); got.Status != "completed" {
				t.Fatalf("got %+v, want it completed", got)
			}
		}
	})
	s := startStackWith(t, testservers.With(getenv, "RENDITIONS=renditions: {tiny: {width: 9, format: png}}"))
	if got := s.get("/images/" + asked + "/tiny"); got.status != 404 || got.header.Get("Retry-After") == "" {
		t.Errorf("GET answers %d %v, want 404 and when to ask again", got.status, got.header)
	}
	e, err := events.Encode(events.ImageRender{ImageID: sent}, events.Envelope{Source: "/operator", ID: "1"})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.post(e); got != 202 {
		t.Fatalf("the Broker answers %d, want 202", got)
	}
	for _, id := range []string{asked, sent} {
		eventually(t, "the rendition of "+id, func() bool { return s.get("/images/"+id+"/tiny").status == 200 })
		eventually(t, "the status of "+id, func() bool {
			return strings.Contains(string(s.get("/status/"+id).body), `"name":"tiny"`)
		})
		if all := s.watcher.of(events.TypeImageThumbnailed, id); len(all) > 1 { // those of before come again to a new watcher
			t.Errorf("got %d events image.thumbnailed, want the one of the upload", len(all))
		}
	}
}
