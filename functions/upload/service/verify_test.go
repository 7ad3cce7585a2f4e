package service

import (
	"io"
	"strings"
	"testing"

	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/upload/relay"
)

func TestVerifyWithoutSettings(t *testing.T) {
	t.Parallel()
	_, err := Verify(t.Context(), func(string) string { return "" }, false, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "MINIO_ENDPOINT") {
		t.Errorf("Verify() = %v, want what is missing in the settings", err)
	}
}

func TestVerifyWithoutBucket(t *testing.T) {
	t.Parallel()
	s := start(t) // which makes its own bucket, sooner or later
	getenv := testservers.With(s.getenv, "MINIO_BUCKET=images-"+uuid.NewString())
	good, err := Verify(t.Context(), getenv, false, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "no bucket") {
		t.Errorf("Verify() = %v, %v; want an error about the bucket", good, err)
	}
}

// Only a repair needs Redis and a publisher.
func TestVerifyNeedsOnlyTheBucket(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.upload("a.png", pngOf(t, 8, 8))
	without := testservers.With(testservers.WithoutRedis(s.getenv), "K_SINK=http://127.0.0.1:1")
	var out strings.Builder
	good, err := Verify(t.Context(), without, false, &out, io.Discard)
	if !good || err != nil || !strings.HasPrefix(out.String(), "1 images:") {
		t.Errorf("Verify() = %v, %v, %q; want one good image", good, err, out.String())
	}
}

// A dry run needs neither Redis nor a publisher, and an unknown reason is refused before anything is read.
func TestRetryFailedDry(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.upload("a.png", pngOf(t, 8, 8))
	if _, err := s.statuses().Fail(t.Context(), id, id+"/a.png", events.Cause{}, "damaged", "broken"); err != nil {
		t.Fatal(err)
	}
	without := testservers.WithoutRedis(s.getenv)
	var out strings.Builder
	good, err := RetryFailed(t.Context(), without, relay.Failures{}, true, &out, io.Discard)
	if !good || err != nil || !strings.HasPrefix(out.String(), "failed: "+id+"/a.png: damaged: broken\n") {
		t.Errorf("RetryFailed() = %v, %v, %q; want the image", good, err, out.String())
	}
	unknown := relay.Failures{Reasons: []events.Reason{"broken"}}
	if _, err := RetryFailed(t.Context(), without, unknown, true, io.Discard, io.Discard); err == nil {
		t.Error("RetryFailed() for an unknown reason = nil, want an error")
	}
}

// A failed image that is tried again is announced, and its status is queued until it has a result.
func TestRetryFailed(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.upload("a.png", pngOf(t, 8, 8))
	if _, err := s.statuses().Fail(t.Context(), id, id+"/a.png", events.Cause{}, "damaged", "broken"); err != nil {
		t.Fatal(err)
	}
	if got := s.status(id); got != "failed" {
		t.Fatalf("status is %q, want failed", got)
	}
	before := len(s.broker.eventsOf(events.TypeImageUploaded, id))
	good, err := RetryFailed(t.Context(), s.getenv, relay.Failures{}, false, io.Discard, io.Discard)
	if !good || err != nil {
		t.Errorf("RetryFailed() = %v, %v; want true", good, err)
	}
	if got := s.status(id); got != "queued" {
		t.Errorf("status is %q, want queued", got)
	}
	if got := s.broker.eventsOf(events.TypeImageUploaded, id); len(got) != before+1 || got[0].ID() != got[before].ID() {
		t.Errorf("published %v, want the same event once more", got)
	}
}
