package main

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/eventing"
)

const (
	// inFlight is how many records of a partition are delivered at once if their order does not matter. A record that
	// waits for a retry counts, as in Knative's own dispatcher.
	inFlight = 50
	// maxUnmarked is how far deliveries may run ahead of the first record that is not done. All of them are repeated when
	// the source is killed.
	maxUnmarked = 10_000
	// groupTimeout bounds a response of Kafka, which answers a joining member only when the others have joined again.
	groupTimeout = 30 * time.Second
)

// localSource is a KafkaSource on one machine. An offset is committed when the sink has accepted its record and every
// one before it; a source that is killed before that repeats records and loses none.
type localSource struct {
	name   string
	topics []string
	group  sarama.ConsumerGroup
	window int // concurrent deliveries for each partition
	sink   func(context.Context, event.Event) error
	log    *slog.Logger
}

// newSource joins the consumer group of a KafkaSource. It reads the topic that getenv tells the functions to write, so
// that one setting moves both.
func newSource(
	spec kafkaSource, getenv func(string) string, sink func(context.Context, event.Event) error, log *slog.Logger,
) (*localSource, error) {
	connection, err := connect.From(getenv, connect.ReadKafka)
	if err != nil {
		return nil, err
	}
	config := connection.Config("image-service-local")
	config.Net.ReadTimeout = groupTimeout
	config.Consumer.Offsets.AutoCommit.Interval = 200 * time.Millisecond
	config.Consumer.Retry.Backoff = 500 * time.Millisecond
	config.Consumer.Offsets.Initial = sarama.OffsetNewest
	if spec.Spec.InitialOffset == "earliest" {
		config.Consumer.Offsets.Initial = sarama.OffsetOldest
	}
	brokers := strings.Split(getenv("KAFKA_BOOTSTRAP_SERVERS"), ",")
	group, err := sarama.NewConsumerGroup(brokers, spec.Spec.ConsumerGroup, config)
	if err != nil {
		return nil, fmt.Errorf("join consumer group %q: %w", spec.Spec.ConsumerGroup, err)
	}
	source := &localSource{
		name: spec.Metadata.Name, topics: []string{getenv("KAFKA_TOPIC")}, group: group, window: 1, sink: sink, log: log,
	}
	if spec.Spec.Ordering == "unordered" {
		source.window = inFlight
	}
	return source, nil
}

// run consumes until ctx ends.
func (s *localSource) run(ctx context.Context) {
	defer s.group.Close()
	for ctx.Err() == nil {
		if err := s.group.Consume(ctx, s.topics, s); err != nil && ctx.Err() == nil {
			s.log.Warn("source_interrupted", "source", s.name, "error.message", err.Error())
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
		}
	}
}

func (s *localSource) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (s *localSource) Cleanup(sarama.ConsumerGroupSession) error { return nil }

// pending is a delivery that has begun. It does not reference the record, because it is kept until all before it are
// done.
type pending struct {
	offset int64
	ended  chan error // gets the result
}

// ConsumeClaim delivers the records of a partition to the sink, window of them at once. A slow one keeps its slot and
// delays the marks of those behind it, not their deliveries.
func (s *localSource) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	ctx, stop := context.WithCancel(session.Context())
	defer stop()
	slots := make(chan struct{}, s.window)
	begun := make(chan pending, maxUnmarked-1) // mark holds one more
	var marks sync.WaitGroup
	marks.Go(func() { mark(session, claim, begun) })
	for record := range claim.Messages() {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		delivery := pending{record.Offset, make(chan error, 1)}
		begun <- delivery
		go func() {
			err := s.deliver(ctx, record)
			if err != nil {
				stop() // before the slot is free, or an ordered source would begin the next record
			}
			delivery.ended <- err
			<-slots
		}()
	}
	close(begun)
	marks.Wait()
	return nil
}

// mark marks records as done, in order and only up to the first one that failed. It returns when every delivery has
// ended.
func mark(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim, begun <-chan pending) {
	done := true
	for delivery := range begun {
		done = <-delivery.ended == nil && done
		if done {
			session.MarkOffset(claim.Topic(), claim.Partition(), delivery.offset+1, "")
		}
	}
}

func (s *localSource) deliver(ctx context.Context, record *sarama.ConsumerMessage) error {
	e, err := s.eventOf(record)
	if err != nil {
		s.log.Error("record_given_up", "source", s.name,
			"partition", record.Partition, "offset", record.Offset, "error.message", err.Error())
		return nil
	}
	return s.sink(ctx, e)
}

// eventOf returns the CloudEvent in a record, unchanged. Any other record becomes the data of an event, as in a
// KafkaSource.
func (s *localSource) eventOf(record *sarama.ConsumerMessage) (event.Event, error) {
	message := eventing.RecordMessage(record)
	if message.ReadEncoding() != binding.EncodingUnknown {
		e, err := binding.ToEvent(context.Background(), message)
		if err != nil {
			return event.Event{}, err
		}
		return *e, e.Validate()
	}
	e := event.New()
	e.SetType("dev.knative.kafka.event")
	e.SetSource("/apis/v1/namespaces/local/kafkasources/" + s.name + "#" + record.Topic)
	e.SetID("partition:" + strconv.Itoa(int(record.Partition)) + "/offset:" + strconv.FormatInt(record.Offset, 10))
	e.SetTime(record.Timestamp)
	if len(record.Key) > 0 {
		e.SetExtension("partitionkey", string(record.Key))
	}
	e.SetDataContentType("application/json")
	e.DataEncoded = record.Value
	return e, e.Validate()
}
