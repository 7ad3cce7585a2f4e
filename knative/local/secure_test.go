package main

import (
	"testing"

	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
)

// All of it over TLS, logged in everywhere: the functions, the topics that are made, the source.
func TestSecureServers(t *testing.T) {
	t.Parallel()
	s := beginWith(t, testservers.StartSecure(t).Getenv, "test-"+uuid.NewString())
	id := s.upload("branches.jpg", photograph(t, imaging, "branches.jpg"))
	if got := s.settled(id); got.Status != "completed" {
		t.Errorf("it is %+v", got)
	}
	if got := s.deadLetters(); got.Waiting != 0 {
		t.Errorf("dead letters: %+v", got)
	}
}
