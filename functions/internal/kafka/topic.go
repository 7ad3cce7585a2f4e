// Package kafka publishes events on a Kafka topic, and has the settings and the reading client of a topic.
//
// An event is published when all in-sync replicas have it (acks=all, idempotent producer). Every call is bounded in
// time and in memory: at most maxSends events are sent at once, and each error says whether its event may still arrive.
// The package does not create topics and does not retry a failed publication; callers do.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
	"github.com/cloudevents/sdk-go/protocol/kafka_sarama/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"
)

// PublishTimeout bounds one publication. After it the caller gets an error and accepts nothing.
const PublishTimeout = 8 * time.Second

const (
	closeTimeout = 10 * time.Second // after the last response, and within Kubernetes' termination grace period

	// As many as concurrent uploads (containerConcurrency). sarama batches what arrives together, so that sends do not
	// wait for each other while Kafka responds. While it does not, this bounds what waits, and the next event is refused
	// after slotTimeout.
	maxSends    = 64
	slotTimeout = time.Second

	// outcomeLife is how long Check believes what the last request to Kafka has shown.
	outcomeLife = 5 * time.Second
)

// ErrUncertain means that the event may still arrive, or has arrived: what it refers to has to be kept.
var ErrUncertain = errors.New("the event may still arrive")

var (
	errClosed = errors.New("publisher is closed")
	errBusy   = fmt.Errorf("%d events are being sent already", maxSends)
)

// Topic publishes events on one topic. It connects for the first event or Check, and again after a failure, so that a
// function starts, and stays up, without Kafka.
type Topic struct {
	settings Settings
	slots    *semaphore.Weighted // one for each send
	sending  atomic.Int64        // sends that sarama works on
	connect  singleflight.Group
	asking   singleflight.Group

	lock     sync.Mutex
	outcome  outcome
	producer *producer // nil until Kafka has responded, and after a failure
	closed   bool
}

// An outcome is how a request to Kafka has ended.
type outcome struct {
	err error
	at  time.Time
}

// Open returns the topic without waiting for a connection.
func Open(settings Settings) *Topic {
	return &Topic{settings: settings, slots: semaphore.NewWeighted(maxSends)}
}

// Publish sends an event in binary mode: the record's value is the event's data, as the original system's tasks were.
// An error that wraps ErrUncertain leaves open whether the event arrives; with any other error it never does.
func (t *Topic) Publish(ctx context.Context, e event.Event) error {
	ctx, cancel := context.WithTimeout(ctx, PublishTimeout)
	defer cancel()
	record := &sarama.ProducerMessage{Topic: t.settings.Topic, Value: sarama.ByteEncoder(nil)} // an event may have no data
	message := binding.ToMessage(&e)
	if err := kafka_sarama.WriteProducerMessage(binding.WithForceBinary(ctx), message, record); err != nil {
		return fmt.Errorf("encode %s for kafka: %w", e.Type(), err)
	}
	if err := t.send(ctx, record); err != nil {
		return fmt.Errorf("publish %s on topic %q: %w", e.Type(), t.settings.Topic, err)
	}
	return nil
}

// A Record is a record that is not an event, or one that has to stay as it came.
type Record struct {
	Key     []byte // nil for none
	Value   []byte
	Headers []sarama.RecordHeader
}

// ErrTooLarge means that the topic does not take a record of this size, now or later.
var ErrTooLarge = errors.New("the record is too large for the topic")

// PublishRecord is Publish for a record.
func (t *Topic) PublishRecord(ctx context.Context, r Record) error {
	ctx, cancel := context.WithTimeout(ctx, PublishTimeout)
	defer cancel()
	record := &sarama.ProducerMessage{Topic: t.settings.Topic, Headers: r.Headers, Value: sarama.ByteEncoder(r.Value)}
	if r.Key != nil {
		record.Key = sarama.ByteEncoder(r.Key)
	}
	if err := t.send(ctx, record); err != nil {
		return fmt.Errorf("publish record on topic %q: %w", t.settings.Topic, err)
	}
	return nil
}

// send returns when ctx ends, which sarama does not observe. A send that goes on after that keeps its slot until sarama
// gives up as well (see producerConfig).
func (t *Topic) send(ctx context.Context, record *sarama.ProducerMessage) error {
	if err := t.acquireSlot(ctx); err != nil {
		return err
	}
	producer, err := t.connected(ctx)
	if err != nil {
		t.slots.Release(1)
		return err
	}
	value := &payload{Encoder: record.Value}
	record.Value = value
	sent := make(chan error, 1)
	go func() {
		_, _, err := producer.SendMessage(record)
		t.endSend(producer, err)
		sent <- sizeError(err)
	}()
	select {
	case err = <-sent:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil && !value.withdraw() {
		return fmt.Errorf("%w: %w", ErrUncertain, err)
	}
	return err
}

// sizeError adds ErrTooLarge to what the brokers, or the producer before it sends a record, answer to its size.
func sizeError(err error) error {
	var refused sarama.ConfigurationError
	if errors.Is(err, sarama.ErrMessageSizeTooLarge) || errors.As(err, &refused) {
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return err
}

// Check reports whether events can be published, as far as Kafka can say without one: it has acknowledged an event in
// the last seconds, or has a leader for a partition of the topic. However often it is called, it sends a request only
// when there was none for outcomeLife. With nil, a publication may still fail, for want of a right or of in-sync
// replicas; the outcome of that is what the next call returns.
func (t *Topic) Check(ctx context.Context) error {
	if last := t.lastOutcome(); time.Since(last.at) < outcomeLife {
		return last.err
	}
	select {
	case asked := <-t.asking.DoChan("", t.ask):
		return asked.Err
	case <-ctx.Done():
		return fmt.Errorf("ask kafka for topic %q: %w", t.settings.Topic, ctx.Err())
	}
}

func (t *Topic) lastOutcome() outcome {
	t.lock.Lock()
	defer t.lock.Unlock()
	return t.outcome
}

// ask counts as a send, which keeps the producer open.
func (t *Topic) ask() (any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), PublishTimeout)
	defer cancel()
	if err := t.acquireSlot(ctx); err != nil {
		return nil, err
	}
	producer, err := t.connected(ctx)
	if err != nil {
		t.slots.Release(1)
		return nil, err
	}
	err = producer.check(t.settings.Topic)
	t.endSend(producer, err)
	return nil, err
}

func (t *Topic) acquireSlot(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, slotTimeout, errBusy)
	defer cancel()
	if t.slots.Acquire(ctx, 1) != nil {
		return context.Cause(ctx)
	}
	return nil
}

// connected returns the producer for one send. Sends that begin while it connects share the attempt; after a failed
// one, the next send tries again.
func (t *Topic) connected(ctx context.Context) (*producer, error) {
	for {
		if producer, err := t.beginSend(); producer != nil || err != nil {
			return producer, err
		}
		select {
		case attempt := <-t.connect.DoChan("", t.dial):
			if attempt.Err != nil {
				return nil, attempt.Err
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("connect to kafka: %w", ctx.Err())
		}
	}
}

func (t *Topic) dial() (any, error) {
	producer, err := newProducer(t.settings)
	if err != nil {
		return nil, fmt.Errorf("connect to kafka: %w", err)
	}
	if !t.adopt(producer) {
		return nil, producer.Close()
	}
	return nil, nil
}

// adopt refuses a producer that came after Close, or after another one.
func (t *Topic) adopt(p *producer) bool {
	t.lock.Lock()
	defer t.lock.Unlock()
	if t.closed || t.producer != nil {
		return false
	}
	t.producer = p
	return true
}

// beginSend counts a send if there is a producer.
func (t *Topic) beginSend() (*producer, error) {
	t.lock.Lock()
	defer t.lock.Unlock()
	if t.closed {
		return nil, errClosed
	}
	if t.producer != nil {
		t.producer.sending++
		t.sending.Add(1)
	}
	return t.producer, nil
}

// endSend drops a producer that has failed: a new one works as soon as Kafka does, while a failed one may refuse
// everything for another 10 s. Its last send closes it, because sarama panics if it is closed during a send.
func (t *Topic) endSend(p *producer, err error) {
	t.lock.Lock()
	defer t.lock.Unlock()
	t.sending.Add(-1)
	p.sending--
	if !errors.Is(err, errWithdrawn) && !errors.Is(sizeError(err), ErrTooLarge) { // those say nothing about Kafka
		t.outcome = outcome{err, time.Now()}
	}
	if err != nil && t.producer == p {
		t.producer = nil
	}
	if p.sending == 0 && t.producer != p {
		go p.Close() // may take seconds; nothing is lost if it fails
	}
	t.slots.Release(1)
}

// Close waits for the sends in progress, up to closeTimeout: Kafka may not respond, and Kubernetes does not wait
// either. Its error says how many events were left behind; their publications returned ErrUncertain.
func (t *Topic) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return t.closeWithin(ctx)
}

// closeWithin leaves the producer open if sends are in progress when ctx ends.
func (t *Topic) closeWithin(ctx context.Context) error {
	t.lock.Lock()
	t.closed = true
	t.lock.Unlock()
	if err := t.slots.Acquire(ctx, maxSends); err != nil {
		return fmt.Errorf("close kafka producer: %d events left behind, still being sent: %w", t.sending.Load(), err)
	}
	defer t.slots.Release(maxSends)
	t.lock.Lock()
	producer := t.producer
	t.producer = nil
	t.lock.Unlock()
	if producer == nil {
		return nil
	}
	closed := make(chan error, 1)
	go func() { closed <- producer.Close() }()
	select {
	case err := <-closed:
		return err
	case <-ctx.Done():
		return fmt.Errorf("close kafka producer: %w", ctx.Err())
	}
}
