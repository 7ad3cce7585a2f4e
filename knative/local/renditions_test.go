package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
