package main

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
)

// An event that waits for its next attempt does not delay those behind it in its partition.
func TestRetriesDelayNothing(t *testing.T) {
	t.Parallel()
	getenv := testservers.Start(t, testservers.As("image-source"))
	produce(t, getenv, 241)
	var lock sync.Mutex
	handled := 0
	consume(t, getenv, func(ctx context.Context, record *sarama.ConsumerMessage) error {
		if e := sourceEvent(metadata{}, record); e.ID() == "0" {
			<-ctx.Done()
			return ctx.Err()
		}
		lock.Lock()
		defer lock.Unlock()
		handled++
		return nil
	})
	eventually(t, "240 events", func() bool {
		lock.Lock()
		defer lock.Unlock()
		return handled == 240
	})
}

// produce writes events, with IDs from 0, to one partition.
func produce(t *testing.T, getenv func(string) string, count int) {
	t.Helper()
	producer, err := sarama.NewSyncProducer(testservers.Kafka(t, getenv))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	var records []*sarama.ProducerMessage
	for i := range count {
		records = append(records, &sarama.ProducerMessage{
			Topic: getenv("KAFKA_TOPIC"), Key: sarama.StringEncoder("one"),
			Headers: headers("ce_specversion", "1.0", "ce_id", strconv.Itoa(i), "ce_source", "/me", "ce_type", "a"),
		})
	}
	if err := producer.SendMessages(records); err != nil {
		t.Fatal(err)
	}
}

// consume handles the topic's records until the test ends.
func consume(
	t *testing.T, getenv func(string) string, handle func(context.Context, *sarama.ConsumerMessage) error,
) {
	t.Helper()
	c, err := newConsumer(subscription{
		topic: getenv("KAFKA_TOPIC"), group: "image-processor-group-" + uuid.NewString(),
	}, getenv, handle, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	wait.Go(func() { c.run(ctx) })
	t.Cleanup(func() { cancel(); wait.Wait() })
}

// How many records are handled, and marked as done, while one does not end and after the consumer was stopped.
func TestMarks(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ordered        bool
		records, stuck int
		handled        int
		marked         int64
	}{
		"unordered":             {false, 200, 3, 200, 3},
		"ordered":               {true, 200, 3, 4, 3},
		"stuck at the first":    {false, 200, 0, 200, 0},
		"stuck at the last":     {false, 200, 199, 200, 199},
		"none stuck":            {false, 200, -1, 200, 200},
		"more than maxUnmarked": {false, maxUnmarked + 200, 100, maxUnmarked + 100, 100},
		"just maxUnmarked":      {false, maxUnmarked + 100, 100, maxUnmarked + 100, 100},
		"ordered, none stuck":   {true, 200, -1, 200, 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				partition := newPartition(ctx, test.records)
				h := &stuckHandler{stuck: func(r *sarama.ConsumerMessage) bool { return r.Offset == int64(test.stuck) }}
				c := &consumer{
					subscription: subscription{ordered: test.ordered}, slots: make(chan struct{}, slots), handle: h.handle,
				}
				var wait sync.WaitGroup
				wait.Go(func() { _ = c.ConsumeClaim(partition, partition) })
				synctest.Wait()
				if h.handled != test.handled || partition.marked != test.marked {
					t.Errorf("got %d handled and %d marked, want %d and %d",
						h.handled, partition.marked, test.handled, test.marked)
				}
				cancel()
				close(partition.records)
				wait.Wait()
				if partition.marked != test.marked {
					t.Errorf("got %d marked at the end, want %d", partition.marked, test.marked)
				}
				if len(c.slots) != 0 {
					t.Errorf("got %d slots in use at the end, want none", len(c.slots))
				}
			})
		})
	}
}

// While 50 events of a consumer wait, over all its partitions, it handles nothing else; one that ends frees its slot.
func TestSlots(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		h := &stuckHandler{
			stuck: func(*sarama.ConsumerMessage) bool { return true }, release: make(chan struct{}),
		}
		c := &consumer{slots: make(chan struct{}, slots), handle: h.handle}
		var wait sync.WaitGroup
		partitions := []*partition{newPartition(ctx, 40), newPartition(ctx, 40)}
		for _, p := range partitions {
			wait.Go(func() { _ = c.ConsumeClaim(p, p) })
		}
		synctest.Wait()
		if h.handled != 50 {
			t.Errorf("got %d of 80 events in delivery, want 50", h.handled)
		}
		for range 10 {
			h.release <- struct{}{}
		}
		synctest.Wait()
		if h.handled != 60 {
			t.Errorf("got %d events in delivery or done after 10 have ended, want 60", h.handled)
		}
		cancel()
		for _, p := range partitions {
			close(p.records)
		}
		wait.Wait()
	})
}

// stuckHandler handles every record at once but some, which it holds until the end or a release.
type stuckHandler struct {
	sync.Mutex
	stuck   func(*sarama.ConsumerMessage) bool
	release chan struct{}
	handled int
}

func (h *stuckHandler) handle(ctx context.Context, record *sarama.ConsumerMessage) error {
	h.Lock()
	h.handled++
	h.Unlock()
	if h.stuck(record) {
		select {
		case <-h.release:
			return nil
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

// partition is a claim and its session.
type partition struct {
	sarama.ConsumerGroupSession
	ctx     context.Context
	records chan *sarama.ConsumerMessage
	marked  int64 // next offset to commit
}

func newPartition(ctx context.Context, records int) *partition {
	p := &partition{ctx: ctx, records: make(chan *sarama.ConsumerMessage, records)}
	for i := range records {
		p.records <- &sarama.ConsumerMessage{Offset: int64(i), Timestamp: time.Unix(0, 0)}
	}
	return p
}

func (p *partition) Context() context.Context                           { return p.ctx }
func (p *partition) Messages() <-chan *sarama.ConsumerMessage           { return p.records }
func (p *partition) Topic() string                                      { return "images" }
func (p *partition) Partition() int32                                   { return 0 }
func (p *partition) InitialOffset() int64                               { return 0 }
func (p *partition) HighWaterMarkOffset() int64                         { return int64(cap(p.records)) }
func (p *partition) MarkOffset(_ string, _ int32, next int64, _ string) { p.marked = next }
