package inbox

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/events"
)

// A topic keeps what is published, until it is down.
type topic struct {
	mutex  sync.Mutex
	events []event.Event
	err    error // of the next publications, after the first
}

func (t *topic) Publish(_ context.Context, e event.Event) error {
	t.mutex.Lock()
	defer t.mutex.Unlock()
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
		{"inbox", "2026/mein Käse.png", "v1", ""}, {"inbox", "2026/mein Käse.png", "v2", ""}, {"inbox", "b.png", "v1", ""},
		{"other", "b.png", "v1", ""}, {"inbox", "2026/mein Käse.png", "v1", ""},
		{"inbox", strings.Repeat("ä", 500), "v1", ""},
	}
	if err := New(topic).Receive(t.Context(), objects); err != nil {
		t.Fatal(err)
	}
	ids := map[string]int{}
	for _, e := range topic.events {
		got, err := events.Decode[events.ImageReceived](e)
		if err != nil || e.Source() != "s3://"+got.Bucket {
			t.Errorf("published %+v from %s, %v; want a valid event from its bucket", got, e.Source(), err)
		}
		if !slices.ContainsFunc(objects, func(o Object) bool { return o.Key == got.ObjectName && o.Version == got.Version }) {
			t.Errorf("published %+v, want one of the versions", got)
		}
		ids[e.Source()+" "+e.ID()]++
	}
	for _, o := range objects {
		e, err := o.event(t.Context())
		if err != nil || ids[e.Source()+" "+e.ID()] != len(slices.DeleteFunc(slices.Clone(objects),
			func(other Object) bool { return other != o })) {
			t.Errorf("%q was published %d times, %v; want as often as it is in the list", o, ids[e.Source()+" "+e.ID()], err)
		}
	}
	if len(topic.events) != 6 || len(ids) != 5 {
		t.Errorf("published %d events with %d names, want 6 with 5", len(topic.events), len(ids))
	}
}

func TestReceiveFails(t *testing.T) {
	t.Parallel()
	t.Run("Kafka is down", func(t *testing.T) {
		down := errors.New("down")
		err := New(&topic{err: down}).Receive(t.Context(), []Object{{"inbox", "a", "", ""}, {"inbox", "b", "", ""}})
		if !errors.Is(err, down) || errors.Is(err, events.ErrInvalid) || !strings.Contains(err.Error(), "inbox/") {
			t.Errorf("Receive() = %v, want the error of the publisher, for an object", err)
		}
	})
	for _, key := range []string{"a//b.png", "../a.png", "/a.png", "a\nb.png", strings.Repeat("a", 1025)} {
		t.Run("key "+key[:min(len(key), 20)], func(t *testing.T) {
			topic := &topic{}
			err := New(topic).Receive(t.Context(), []Object{{"inbox", "a.png", "", ""}, {"inbox", key, "", ""}})
			if !errors.Is(err, events.ErrInvalid) || len(topic.events) > 0 {
				t.Errorf("Receive() = %v, published %d events; want an invalid event and none", err, len(topic.events))
			}
		})
	}
}

// A caller that has left gets no acknowledgement of what was not published.
func TestReceiveCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	topic := &topic{}
	if err := New(topic).Receive(ctx, []Object{{"inbox", "a.png", "v1", ""}}); !errors.Is(err, context.Canceled) {
		t.Errorf("Receive() = %v, want context.Canceled", err)
	}
	if len(topic.events) != 0 {
		t.Errorf("published %v, want nothing", topic.events)
	}
}
