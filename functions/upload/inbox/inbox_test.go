package inbox

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/events"
)

// A topic keeps what is published, until it is down.
type topic struct {
	events []event.Event
	err    error // of the next publications, after the first
}

func (t *topic) Publish(_ context.Context, e event.Event) error {
	if t.err != nil && len(t.events) > 0 {
		return t.err
	}
	t.events = append(t.events, e)
	return nil
}

// Each object version has one event, which names the object.
func TestReceive(t *testing.T) {
	t.Parallel()
	topic := &topic{}
	objects := []Object{
		{"inbox", "2026/mein Käse.png", "v1"}, {"inbox", "2026/mein Käse.png", "v2"}, {"inbox", "b.png", "v1"},
		{"other", "b.png", "v1"}, {"inbox", "2026/mein Käse.png", "v1"}, {"inbox", strings.Repeat("ä", 500), "v1"},
	}
	if err := New(topic).Receive(t.Context(), objects); err != nil {
		t.Fatal(err)
	}
	ids := map[string]Object{}
	for n, e := range topic.events {
		got, err := events.Decode[events.ImageReceived](e)
		want := events.ImageReceived{Bucket: objects[n].Bucket, ObjectName: objects[n].Key}
		if err != nil || got != want || e.Source() != "s3://"+want.Bucket {
			t.Errorf("published %+v from %s, %v; want %+v", got, e.Source(), err, want)
		}
		name := e.Source() + " " + e.ID()
		if before, known := ids[name]; known && before != objects[n] {
			t.Errorf("%q and %q have the same source and ID", before, objects[n])
		}
		ids[name] = objects[n]
	}
	if len(topic.events) != 6 || len(ids) != 5 {
		t.Errorf("published %d events with %d names, want 6 with 5", len(topic.events), len(ids))
	}
}

func TestReceiveFails(t *testing.T) {
	t.Parallel()
	t.Run("Kafka is down", func(t *testing.T) {
		down := errors.New("down")
		err := New(&topic{err: down}).Receive(t.Context(), []Object{{"inbox", "a", ""}, {"inbox", "b", ""}})
		if !errors.Is(err, down) || errors.Is(err, events.ErrInvalid) || !strings.Contains(err.Error(), "inbox/b") {
			t.Errorf("Receive() = %v, want the error of the publisher for inbox/b", err)
		}
	})
	for _, key := range []string{"a//b.png", "../a.png", "/a.png", "a\nb.png", strings.Repeat("a", 1025)} {
		t.Run("key "+key[:min(len(key), 20)], func(t *testing.T) {
			topic := &topic{}
			err := New(topic).Receive(t.Context(), []Object{{"inbox", "a.png", ""}, {"inbox", key, ""}})
			if !errors.Is(err, events.ErrInvalid) || len(topic.events) > 0 {
				t.Errorf("Receive() = %v, published %d events; want an invalid event and none", err, len(topic.events))
			}
		})
	}
}
