package kafka

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
)

// forget has the next Check ask Kafka.
func (t *Topic) forget() {
	t.lock.Lock()
	defer t.lock.Unlock()
	t.outcome = outcome{}
}

// What Kafka has acknowledged last is believed for some seconds; then it is asked, once for all that want to know.
func TestCheckCostsNothing(t *testing.T) {
	t.Parallel()
	kafka := startPausable(t)
	topic := Open(kafka.Settings)
	defer topic.Close()
	if err := topic.Publish(t.Context(), newEvent(t)); err != nil {
		t.Fatal(err)
	}
	check := func() {
		var checks sync.WaitGroup
		for range 100 {
			checks.Go(func() {
				if err := topic.Check(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		checks.Wait()
	}
	before := kafka.reads.Load()
	check()
	if after := kafka.reads.Load(); after != before {
		t.Errorf("after a publication, Kafka read %d times more, want 0", after-before)
	}
	topic.forget()
	check()
	if after := kafka.reads.Load(); after == before || after > before+20 {
		t.Errorf("100 checks: Kafka read %d times, want those of one request", after-before)
	}
}

// A caller does not wait for a Kafka that does not respond. When it does, it can be used at once.
func TestCheckOfPausedKafka(t *testing.T) {
	t.Parallel()
	kafka := startPausable(t)
	topic := Open(kafka.Settings)
	defer topic.Close()
	if err := topic.Publish(t.Context(), newEvent(t)); err != nil {
		t.Fatal(err)
	}
	kafka.pause()
	topic.forget()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := topic.Check(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("while Kafka does not respond: got error %v, want context canceled", err)
	}
	kafka.resume()
	if err := topic.Check(t.Context()); err != nil {
		t.Errorf("after the pause: got error %v", err)
	}
}

// Without the topic, or without Kafka, nothing can be published. A failed publication counts as well, and not that of a
// record which is too large.
func TestCheckFails(t *testing.T) {
	t.Parallel()
	settings, _ := start(t)
	missing := settings
	missing.Topic += "-missing"
	for name, settings := range map[string]Settings{
		"no topic": missing,
		"no Kafka": {Brokers: []string{"127.0.0.1:1"}, Topic: "images"},
	} {
		t.Run(name, func(t *testing.T) {
			topic := Open(settings)
			defer topic.Close()
			for range 2 {
				if err := topic.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "kafka") {
					t.Errorf("got error %v, want that of Kafka", err)
				}
			}
			topic.forget()
			err := topic.Publish(t.Context(), newEvent(t))
			if err == nil || topic.Check(t.Context()) == nil {
				t.Errorf("after a publication that failed with %v: got no error", err)
			}
		})
	}
	topic := Open(settings)
	defer topic.Close()
	if err := topic.PublishRecord(t.Context(), Record{Value: make([]byte, 2<<20)}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got error %v, want %v", err, ErrTooLarge)
	}
	if err := topic.Check(t.Context()); err != nil {
		t.Errorf("after a record that was too large: got error %v", err)
	}
}
