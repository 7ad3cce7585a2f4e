package thumbnailer

import (
	"maps"
	"testing"

	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
)

// What a thumbnail costs the servers, which docs/capacity.md has.
func TestCounts(t *testing.T) {
	t.Parallel()
	getenv, counts := testservers.Count(t, testservers.Start(t))
	s := startWith(t, getenv)
	for range 2 { // the first one connects, looks for the bucket, and has Redis load scripts
		e := s.uploaded("a.jpg", jpegOf(t, 80, 60))
		counts.Take()
		s.deliver(e).reply(t)
	}
	requests, commands := counts.Take()
	if want := map[string]int{"GET": 1, "PUT": 1}; !maps.Equal(requests, want) {
		t.Errorf("sent %v to the object store, want %v", requests, want)
	}
	want := map[string]int{"GET": 3, "EVALSHA": 2, "SET": 2, "PUBLISH": 2}
	if !maps.Equal(commands, want) {
		t.Errorf("sent %v to Redis, want %v", commands, want)
	}
}
