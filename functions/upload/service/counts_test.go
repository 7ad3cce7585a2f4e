package service

import (
	"maps"
	"testing"
	"time"

	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// What an image costs the servers, which docs/capacity.md has. A client that waits for its status costs the object
// store nothing.
func TestCounts(t *testing.T) {
	t.Parallel()
	s := startServers(t)
	var counts *testservers.Counts
	s.getenv, counts = testservers.Count(t, s.getenv)
	s.url = run(t, s.getenv)
	s.awaitReady()
	check := func(what string, wantRequests, wantCommands map[string]int) {
		t.Helper()
		requests, commands := counts.Take()
		if !maps.Equal(requests, wantRequests) {
			t.Errorf("%s has sent %v to the object store, want %v", what, requests, wantRequests)
		}
		if !maps.Equal(commands, wantCommands) {
			t.Errorf("%s has sent %v to Redis, want %v", what, commands, wantCommands)
		}
	}
	content := pngOf(t, 60, 40)
	upload := func() (imageID string) {
		t.Helper()
		imageID = s.upload("a.png", content)
		s.awaitEmptyOutbox()
		return imageID
	}
	upload() // looks for the bucket, connects, and has Redis load scripts

	counts.Take()
	id := s.upload("a.png", content)
	await(t, "the image has left the outbox", func() bool { return counts.Commands("ZREM") > 0 })
	check("an upload", map[string]int{"PUT": 1},
		map[string]int{"EVALSHA": 1, "GET": 1, "SET": 1, "PUBLISH": 1, "TIME": 1, "ZADD": 1, "ZREM": 1})

	answers, began := make(chan response, 1), time.Now()
	go func() { answers <- s.get("/status/" + id + "?wait=60") }()
	await(t, "the request waits", func() bool { return counts.Commands("GET") >= 2 })
	isShort := func() bool { return time.Since(began) < 2*time.Second } // on a busy machine a wait may not be
	if isShort() {
		check("waiting for a status", nil, map[string]int{"GET": 2, "SUBSCRIBE": 1})
	}
	for _, next := range []status.State{status.Processing, status.Completed} {
		if _, err := s.statuses().Advance(t.Context(), status.Status{ImageID: id, State: next}); err != nil {
			t.Fatal(err)
		}
	}
	if got := <-answers; got.json(t)["status"] != "completed" {
		t.Errorf("answer is %d %s, want completed", got.status, got.body)
	}
	if requests, _ := counts.Take(); len(requests) > 0 && isShort() {
		t.Errorf("a result has sent %v to the object store, want nothing", requests)
	}

	id = upload()
	counts.Take()
	s.get("/status/" + id)
	check("asking for the status of an unfinished image", map[string]int{"LIST": 1}, map[string]int{"GET": 1})
}
