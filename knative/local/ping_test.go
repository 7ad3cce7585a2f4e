package main

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/knative"
)

func TestInterval(t *testing.T) {
	for schedule, want := range map[string]time.Duration{
		"* * * * *": time.Minute, "*/1 * * * *": time.Minute, "*/10 * * * *": 10 * time.Minute,
		"": 0, "*": 0, "0 * * * *": 0, "*/0 * * * *": 0, "*/60 * * * *": 0,
		"*/-1 * * * *": 0, "* */2 * * *": 0, "@every 1m": 0,
	} {
		t.Run("schedule "+schedule, func(t *testing.T) {
			if got, err := interval(schedule); got != want || (err == nil) != (want > 0) {
				t.Errorf("got %v, error %v; want %v", got, err, want)
			}
		})
	}
}

// The PingSource of the manifests, at a shorter interval: it sends a new event each time, even if the last one failed.
func TestPing(t *testing.T) {
	d, err := readDeployment(knative.Manifests)
	if err != nil {
		t.Fatal(err)
	}
	sent := make(chan event.Event)
	sink := func(ctx context.Context, e event.Event) error {
		select {
		case sent <- e:
			return errors.New("unavailable")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	ping, err := newPing(d.pings[0], sink, slog.New(slog.DiscardHandler))
	if err != nil || ping.every != 15*time.Minute {
		t.Fatalf("got interval %v, error %v; want 15 minutes", ping.every, err)
	}
	ping.every = time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { ping.run(ctx); close(ended) }()
	first, second := <-sent, <-sent
	stop()
	<-ended
	for _, e := range []event.Event{first, second} {
		if err := e.Validate(); err != nil || e.Type() != "dev.knative.sources.ping" ||
			e.Source() != "/apis/v1/namespaces/image-service/pingsources/image-sweep" || string(e.Data()) != "{}" {
			t.Errorf("got event %v, error %v; want a ping of image-sweep with {}", e, err)
		}
	}
	if first.ID() == second.ID() {
		t.Errorf("got ID %s twice, want two events", first.ID())
	}
}

// An image that was stored and never published gets its thumbnail by a ping or by a sweep event.
func TestSweep(t *testing.T) {
	t.Parallel()
	s := startStack(t, "SWEEP_STORED_SECONDS=1", "SWEEP_QUEUED_SECONDS=1")
	s.finalState(s.upload("first.png", photo(t, imaging, "flowers_small.png"))) // creates the bucket
	client := testservers.Redis(t, s.getenv)
	for _, eventType := range []string{events.TypeImageSweep, "dev.knative.sources.ping"} {
		id, content := uuid.NewString(), photo(t, imaging, "flowers_small.png")
		putObject(t, testservers.MinIO(t, s.getenv), s.getenv("MINIO_BUCKET"), id+"/flowers.png", content)
		e := event.New()
		e.SetType(eventType)
		e.SetSource("/apis/v1/namespaces/image-service/pingsources/image-sweep")
		for deadline := time.Now().Add(time.Minute); s.state(id).Status != "completed"; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: got %+v after a minute, want completed", eventType, s.state(id))
			}
			client.Del(t.Context(), "image:sweep:"+s.getenv("MINIO_BUCKET")) // as if half a minute had passed
			e.SetID(uuid.NewString())
			if code := s.post(e); code != 202 {
				t.Fatalf("post: got status %d, want 202", code)
			}
		}
	}
}
