package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/knative"
)

func TestInterval(t *testing.T) {
	for schedule, want := range map[string]time.Duration{
		"* * * * *": time.Minute, "*/1 * * * *": time.Minute, "*/10 * * * *": 10 * time.Minute,
		"": 0, "*": 0, "0 * * * *": 0, "*/0 * * * *": 0, "*/60 * * * *": 0, "*/-1 * * * *": 0, "* */2 * * *": 0, "@every 1m": 0,
	} {
		if got, err := interval(schedule); got != want || (err == nil) != (want > 0) {
			t.Errorf("interval(%q) = %v, %v; want %v", schedule, got, err, want)
		}
	}
}

// The PingSource of the manifests, quicker: a new event each time, whether the last one arrived or not.
func TestPing(t *testing.T) {
	d, err := readDeployment(knative.Manifests)
	if err != nil {
		t.Fatal(err)
	}
	sent := make(chan event.Event)
	sink := func(ctx context.Context, e event.Event) error {
		select {
		case sent <- e:
			return errors.New("away")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	ping, err := newPing(d.pings[0], sink, slog.New(slog.DiscardHandler))
	if err != nil || ping.every != 15*time.Minute {
		t.Fatalf("every %v, %v; want a quarter of an hour", ping.every, err)
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
			t.Errorf("%v: %v", err, e)
		}
	}
	if first.ID() == second.ID() {
		t.Error("two pings are one event")
	}
}

// An image that was stored and never announced gets its thumbnail: by the ping, and by whoever else asks.
func TestSweep(t *testing.T) {
	t.Parallel()
	s := begin(t, "SWEEP_STORED_SECONDS=1", "SWEEP_QUEUED_SECONDS=1")
	s.settled(s.upload("first.png", photograph(t, imaging, "flowers_small.png"))) // makes the bucket
	client := testservers.Redis(t, s.getenv)
	for _, eventType := range []string{events.TypeImageSweep, "dev.knative.sources.ping"} {
		id, content := uuid.NewString(), photograph(t, imaging, "flowers_small.png")
		if _, err := testservers.MinIO(t, s.getenv).PutObject(t.Context(), s.getenv("MINIO_BUCKET"), id+"/flowers.png",
			bytes.NewReader(content), int64(len(content)), minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
		e := event.New()
		e.SetType(eventType)
		e.SetSource("/apis/v1/namespaces/image-service/pingsources/image-sweep")
		for deadline := time.Now().Add(time.Minute); s.state(id).Status != "completed"; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: after a minute it is %+v", eventType, s.state(id))
			}
			client.Del(t.Context(), "image:sweep:"+s.getenv("MINIO_BUCKET")) // as half a minute later
			e.SetID(uuid.NewString())
			if code := s.post(e); code != 202 {
				t.Fatalf("the Broker answered %d", code)
			}
		}
	}
}
