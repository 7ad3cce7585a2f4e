package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"gitlab.com/yourorg/image-service/functions/connect"
)

const (
	// slots is how many events of a consumer are in delivery at once, over all partitions: max.poll.records of Knative's
	// dispatcher. An event that waits for its next attempt keeps its slot, so that nothing is delivered while 50 wait.
	slots = 50
	// maxUnmarked is how far the deliveries of a partition may run ahead of the first one that is not done. All of them
	// are repeated after a restart.
	maxUnmarked = 10_000
	// groupTimeout bounds a response of Kafka, which answers a joining member only when the others have joined again.
	groupTimeout = 30 * time.Second
)

// subscription says what a consumer reads.
type subscription struct {
	name    string // in the log
	topic   string
	group   string // consumer group
	latest  bool   // a group without offsets starts at the end of the topic
	ordered bool   // one event of a partition at a time
}

// consumer takes the place of a Trigger's or a KafkaSource's consumers. An offset is committed when its record and
// every one before it are done; a consumer that is stopped before that repeats records and loses none.
type consumer struct {
	subscription
	brokers []string
	config  *sarama.Config
	slots   chan struct{}
	// handle returns an error only if its context ended before the record was done.
	handle func(context.Context, *sarama.ConsumerMessage) error
	log    *slog.Logger
}

func newConsumer(
	s subscription, getenv func(string) string,
	handle func(context.Context, *sarama.ConsumerMessage) error, log *slog.Logger,
) (*consumer, error) {
	connection, err := connect.From(getenv, connect.ReadKafka)
	if err != nil {
		return nil, err
	}
	config := connection.Config("image-service-local")
	config.Net.ReadTimeout = groupTimeout
	config.Consumer.Offsets.AutoCommit.Interval = 200 * time.Millisecond
	config.Consumer.Retry.Backoff = 500 * time.Millisecond
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	if s.latest {
		config.Consumer.Offsets.Initial = sarama.OffsetNewest
	}
	return &consumer{
		subscription: s, brokers: strings.Split(getenv("KAFKA_BOOTSTRAP_SERVERS"), ","), config: config,
		slots: make(chan struct{}, slots), handle: handle, log: log,
	}, nil
}

// run consumes until ctx ends.
func (c *consumer) run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := c.consume(ctx); err != nil && ctx.Err() == nil {
			c.log.Warn("consumer_interrupted", "consumer", c.name, "error.message", err.Error())
			sleep(ctx, time.Second)
		}
	}
}

// consume joins the consumer group and handles records until Kafka fails or ctx ends.
func (c *consumer) consume(ctx context.Context) error {
	members, err := sarama.NewConsumerGroup(c.brokers, c.group, c.config)
	if err != nil {
		return fmt.Errorf("join consumer group %q: %w", c.group, err)
	}
	defer members.Close()
	for ctx.Err() == nil {
		if err := members.Consume(ctx, []string{c.topic}, c); err != nil {
			return err
		}
	}
	return nil
}

// Setup is part of sarama.ConsumerGroupHandler.
func (c *consumer) Setup(sarama.ConsumerGroupSession) error { return nil }

// Cleanup is part of sarama.ConsumerGroupHandler.
func (c *consumer) Cleanup(sarama.ConsumerGroupSession) error { return nil }

// pending is a delivery that has begun. It does not reference the record, because it is kept until all before it are
// done.
type pending struct {
	offset int64
	ended  chan error // gets the result
}

// ConsumeClaim handles the records of a partition. A slow one keeps its slot and delays the marks of those behind it;
// their deliveries it delays only if the order matters.
func (c *consumer) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	ctx, stop := context.WithCancel(session.Context())
	defer stop()
	window := cap(c.slots)
	if c.ordered {
		window = 1
	}
	lanes := make(chan struct{}, window)
	begun := make(chan pending, maxUnmarked-1) // mark holds one more
	var marks sync.WaitGroup
	marks.Go(func() { mark(session, claim, begun) })
	for record := range claim.Messages() {
		if !take(ctx, lanes) || !take(ctx, c.slots) {
			break
		}
		delivery := pending{record.Offset, make(chan error, 1)}
		begun <- delivery
		go func() {
			err := c.handle(ctx, record)
			if err != nil {
				stop() // before the lane is free, or an ordered consumer would begin the next record
			}
			<-c.slots
			<-lanes
			delivery.ended <- err // last, so that all slots are free once all deliveries have ended
		}()
	}
	close(begun)
	marks.Wait()
	return nil
}

// take waits for a free place in slots, and reports whether it got one before ctx ended.
func take(ctx context.Context, slots chan struct{}) bool {
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	if ctx.Err() != nil { // both were possible
		<-slots
		return false
	}
	return true
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
