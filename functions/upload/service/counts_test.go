package service

import (
	"maps"
	"testing"

	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// What an image costs the servers, which docs/capacity.md has. A client that waits for its status costs the object
// store nothing.
func TestCounts(t *testing.T) {
	t.Parallel()
	s := startUnknown(t)
	var counts *testservers.Counts
	s.getenv, counts = testservers.Count(t, s.getenv)
	s.knowsStore(s.getenv("MINIO_ENDPOINT"))
	s.url = run(t, s.getenv)
	s.awaitReady()
	// check repeats a request, because what the function asks of Redis each second, on its own, may fall into one.
	check := func(what string, request func(), wantRequests, wantCommands map[string]int) {
		t.Helper()
		var requests, commands map[string]int
		for range 20 {
			counts.Take()
			request()
			requests, commands = counts.Take()
			if maps.Equal(requests, wantRequests) && maps.Equal(commands, wantCommands) {
				return
			}
		}
		t.Errorf("%s has sent %v to the object store and %v to Redis, want %v and %v",
			what, requests, commands, wantRequests, wantCommands)
	}
	content := pngOf(t, 60, 40)
	s.upload("a.png", content) // looks for the bucket, connects, and has Redis load scripts
	s.awaitEmptyOutbox()

	var id string
	check("an upload", func() {
		id = s.upload("a.png", content)
		await(t, "the image has left the outbox", func() bool { return counts.Commands("ZREM") > 0 })
	}, map[string]int{"PUT": 1},
		map[string]int{"EVALSHA": 1, "GET": 1, "SET": 1, "PUBLISH": 1, "TIME": 1, "ZADD": 1, "ZREM": 1})

	check("asking for the status of an unfinished image", func() { s.get("/status/" + id) },
		map[string]int{"LIST": 1}, map[string]int{"GET": 1})

	answers, waiting := make(chan response), false
	wait := func() {
		id, waiting = s.upload("a.png", content), true
		s.awaitEmptyOutbox()
		counts.Take()
		go func(id string) { answers <- s.get("/status/" + id + "?wait=60") }(id)
		await(t, "the request waits", func() bool { return counts.Commands("GET") >= 2 })
	}
	complete := func() {
		t.Helper()
		for _, next := range []status.State{status.Processing, status.Completed} {
			if _, err := s.statuses().Advance(t.Context(), status.Status{ImageID: id, State: next}); err != nil {
				t.Fatal(err)
			}
		}
		if got := <-answers; got.json(t)["status"] != "completed" {
			t.Errorf("answer is %d %s, want completed", got.status, got.body)
		}
	}
	check("waiting for a status", func() {
		if waiting {
			complete()
		}
		wait()
	}, nil, map[string]int{"GET": 2, "SUBSCRIBE": 1})
	complete()
	check("a result that is waited for", func() {
		wait()
		counts.Take()
		complete()
	}, nil, map[string]int{"EVALSHA": 2, "GET": 2, "SET": 2, "PUBLISH": 2}) // all of them to set the statuses
}
