package main

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/sarama"
	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
)

// An event that is retried does not delay those behind it in its partition, however many there are.
func TestRetriesDelayNothing(t *testing.T) {
	t.Parallel()
	getenv := testservers.Start(t, testservers.As("image-source"))
	missing, there := &subscriber{codes: []int{404}}, &subscriber{codes: []int{202}}
	patient := delivery{Retry: 10, BackoffPolicy: "linear", BackoffDelay: isoTime(time.Hour)}
	broker := newBroker(io.Discard,
		route{attributes: map[string]string{"type": "missing"}, subscriber: missing.serve(t), delivery: patient},
		route{attributes: map[string]string{"type": "there"}, subscriber: there.serve(t), delivery: patient})
	types := append([]string{"missing"}, slices.Repeat([]string{"there"}, 240)...)
	produce(t, getenv, types...)
	consume(t, getenv, broker.route)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if there.count() == 240 && missing.count() == 1 {
			return
		}
	}
	t.Errorf("got %d of 240 within a minute, and %d attempts of the one that is retried, want 1",
		there.count(), missing.count())
}

func (s *subscriber) count() int {
	s.Lock()
	defer s.Unlock()
	return len(s.types)
}

// produce writes an event of each type to one partition.
func produce(t *testing.T, getenv func(string) string, types ...string) {
	t.Helper()
	producer, err := sarama.NewSyncProducer(testservers.Kafka(t, getenv))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	var records []*sarama.ProducerMessage
	for i, eventType := range types {
		records = append(records, &sarama.ProducerMessage{
			Topic: getenv("KAFKA_TOPIC"), Key: sarama.StringEncoder("one"),
			Headers: []sarama.RecordHeader{
				{Key: []byte("ce_specversion"), Value: []byte("1.0")},
				{Key: []byte("ce_id"), Value: []byte(strconv.Itoa(i))},
				{Key: []byte("ce_source"), Value: []byte("/me")},
				{Key: []byte("ce_type"), Value: []byte(eventType)},
			},
		})
	}
	if err := producer.SendMessages(records); err != nil {
		t.Fatal(err)
	}
}

// consume delivers the topic's records to sink until the test ends.
func consume(t *testing.T, getenv func(string) string, sink func(context.Context, event.Event) error) {
	t.Helper()
	var spec kafkaSource
	spec.Spec.ConsumerGroup = "image-processor-group-" + uuid.NewString()
	spec.Spec.InitialOffset, spec.Spec.Ordering = "earliest", "unordered"
	source, err := newSource(spec, getenv, sink, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	wait.Go(func() { source.run(ctx) })
	t.Cleanup(func() { cancel(); wait.Wait() })
}

// How many records are delivered, and marked as done, while one delivery does not end and after the source was stopped.
func TestMarks(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		window, records, stuck int
		delivered              int
		marked                 int64
	}{
		"unordered":             {inFlight, 200, 3, 200, 3},
		"ordered":               {1, 200, 3, 4, 3},
		"stuck at the first":    {inFlight, 200, 0, 200, 0},
		"stuck at the last":     {inFlight, 200, 199, 200, 199},
		"none stuck":            {inFlight, 200, -1, 200, 200},
		"more than maxUnmarked": {inFlight, maxUnmarked + 200, 100, maxUnmarked + 100, 100},
		"just maxUnmarked":      {inFlight, maxUnmarked + 100, 100, maxUnmarked + 100, 100},
		"window of all records": {200, 200, 0, 200, 0},
		"ordered, none stuck":   {1, 200, -1, 200, 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				partition := &partition{ctx: ctx, records: make(chan *sarama.ConsumerMessage, test.records)}
				for i := range test.records {
					partition.records <- &sarama.ConsumerMessage{Offset: int64(i)}
				}
				sink := &stuckSink{id: "partition:0/offset:" + strconv.Itoa(test.stuck)}
				source := &localSource{window: test.window, sink: sink.accept, log: slog.New(slog.DiscardHandler)}
				var wait sync.WaitGroup
				wait.Go(func() { _ = source.ConsumeClaim(partition, partition) })
				synctest.Wait()
				if sink.accepted != test.delivered || partition.marked != test.marked {
					t.Errorf("got %d delivered and %d marked, want %d and %d",
						sink.accepted, partition.marked, test.delivered, test.marked)
				}
				cancel()
				close(partition.records)
				wait.Wait()
				if partition.marked != test.marked {
					t.Errorf("got %d marked at the end, want %d", partition.marked, test.marked)
				}
			})
		})
	}
}

// stuckSink accepts every event at once but one, which it holds until the end.
type stuckSink struct {
	sync.Mutex
	id       string
	accepted int
}

func (s *stuckSink) accept(ctx context.Context, e event.Event) error {
	s.Lock()
	s.accepted++
	s.Unlock()
	if e.ID() == s.id {
		<-ctx.Done()
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

func (p *partition) Context() context.Context                           { return p.ctx }
func (p *partition) Messages() <-chan *sarama.ConsumerMessage           { return p.records }
func (p *partition) Topic() string                                      { return "images" }
func (p *partition) Partition() int32                                   { return 0 }
func (p *partition) InitialOffset() int64                               { return 0 }
func (p *partition) HighWaterMarkOffset() int64                         { return int64(cap(p.records)) }
func (p *partition) MarkOffset(_ string, _ int32, next int64, _ string) { p.marked = next }
