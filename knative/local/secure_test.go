package main

import (
	"testing"

	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
)

// The functions, the creation of topics and the source all use TLS and log in.
func TestSecureServers(t *testing.T) {
	t.Parallel()
	s := startStackWith(t, testservers.StartSecure(t).Getenv)
	id := s.upload("branches.jpg", photo(t, imaging, "branches.jpg"))
	if got := s.finalState(id); got.Status != "completed" {
		t.Errorf("got status %+v, want completed", got)
	}
	if got := s.letters(); got.Waiting != 0 {
		t.Errorf("got dead letters %+v, want none", got)
	}
}
