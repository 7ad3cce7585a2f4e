package thumbnailer

import (
	"maps"
	"testing"

	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
)

// What a thumbnail costs the servers, which docs/capacity.md has.
func TestCounts(t *testing.T) {
	t.Parallel()
	getenv, counts := testservers.Count(t, testservers.StartStores(t))
	s := startWith(t, getenv)
	wantRequests := map[string]int{"GET": 1, "PUT": 1}
	wantCommands := map[string]int{"GET": 3, "EVALSHA": 2, "SET": 2, "PUBLISH": 2}
	var requests, commands map[string]int
	// The first one also connects, looks for the bucket, and has Redis load scripts; one that is slow, on a busy machine,
	// may ask again.
	for range 20 {
		e := s.uploaded("a.jpg", jpegOf(t, 80, 60))
		counts.Take()
		s.deliver(e).reply(t)
		requests, commands = counts.Take()
		if maps.Equal(requests, wantRequests) && maps.Equal(commands, wantCommands) {
			return
		}
	}
	t.Errorf("sent %v to the object store and %v to Redis, want %v and %v", requests, commands, wantRequests, wantCommands)
}
