package publisher

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
	kafka "github.com/cloudevents/sdk-go/protocol/kafka_sarama/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"
)

// Bounds on the way to Kafka.
const (
	closeWithin = 10 * time.Second // after the last answer, and within the time that Kubernetes gives

	netTimeout = 3 * time.Second
	ackTimeout = 2 * time.Second // less, or we would hang up on a Kafka that is about to say that a replica is slow
	retryPause = 250 * time.Millisecond
	retries    = 3

	// As many as uploads that are in hand at once (containerConcurrency). sarama makes one batch of what comes together,
	// so they do not wait for each other while Kafka answers. When it does not, this is how much there is to wait for,
	// and who comes then is told so soon.
	maxSends    = 64
	placeWithin = time.Second
)

// topic announces on a Kafka topic. An event that it has announced is on all in-sync replicas.
type topic struct {
	settings Settings
	places   *semaphore.Weighted // for what is being sent
	sending  atomic.Int64        // of these, what is in sarama's hands
	connect  singleflight.Group

	lock     sync.Mutex
	producer *producer // nil until Kafka has answered, and after a failure
	closed   bool
}

var (
	errClosed = errors.New("announcer is closed")
	errBusy   = fmt.Errorf("%d events are being sent already", maxSends)
)

func newTopic(settings Settings) *topic {
	t := &topic{settings: settings, places: semaphore.NewWeighted(maxSends)}
	t.connect.DoChan("", t.dial) // while the first image comes in; if it fails now, the first event tries again
	return t
}

// Announce sends the event in binary mode: the record's value is the payload, as the original system's tasks were.
func (t *topic) Announce(ctx context.Context, e event.Event) error {
	ctx, cancel := context.WithTimeout(ctx, announceWithin)
	defer cancel()
	record := &sarama.ProducerMessage{Topic: t.settings.Topic, Value: sarama.ByteEncoder(nil)} // it may have no data
	if err := kafka.WriteProducerMessage(binding.WithForceBinary(ctx), binding.ToMessage(&e), record); err != nil {
		return fmt.Errorf("encode %s for kafka: %w", e.Type(), err)
	}
	if err := t.send(ctx, record); err != nil {
		return fmt.Errorf("announce %s on topic %q: %w", e.Type(), t.settings.Topic, err)
	}
	return nil
}

// send waits no longer than ctx says, which sarama does not know of. What goes on after that keeps its place until
// sarama gives up as well (see producerConfig).
func (t *topic) send(ctx context.Context, record *sarama.ProducerMessage) error {
	if err := t.takePlace(ctx); err != nil {
		return err
	}
	producer, err := t.connected(ctx)
	if err != nil {
		t.places.Release(1)
		return err
	}
	value := &payload{Encoder: record.Value}
	record.Value = value
	sent := make(chan error, 1)
	go func() {
		_, _, err := producer.SendMessage(record)
		t.leave(producer, err)
		sent <- err
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

func (t *topic) takePlace(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, placeWithin, errBusy)
	defer cancel()
	if t.places.Acquire(ctx, 1) != nil {
		return context.Cause(ctx)
	}
	return nil
}

// connected is the producer, for one send. Those who come while it connects wait for the same attempt; after a failed
// one, the next who comes tries again.
func (t *topic) connected(ctx context.Context) (*producer, error) {
	for {
		if producer, err := t.enter(); producer != nil || err != nil {
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

func (t *topic) dial() (any, error) {
	producer, err := newProducer(t.settings)
	if err != nil {
		return nil, fmt.Errorf("connect to kafka: %w", err)
	}
	if !t.adopt(producer) {
		return nil, producer.Close()
	}
	return nil, nil
}

// adopt refuses a producer that took too long, or that somebody else was quicker with.
func (t *topic) adopt(p *producer) bool {
	t.lock.Lock()
	defer t.lock.Unlock()
	if t.closed || t.producer != nil {
		return false
	}
	t.producer = p
	return true
}

// enter begins a send, if there is a producer.
func (t *topic) enter() (*producer, error) {
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

// leave ends a send. A producer that has failed is not used again: a new one works as soon as Kafka does, while a failed
// one may refuse everything for 10 s more. The last who leaves closes it, because sarama panics when it is closed under
// a send.
func (t *topic) leave(p *producer, err error) {
	t.lock.Lock()
	defer t.lock.Unlock()
	t.sending.Add(-1)
	p.sending--
	if err != nil && t.producer == p {
		t.producer = nil
	}
	if p.sending == 0 && t.producer != p {
		go p.Close() // it may take a while; nothing is lost if it fails
	}
	t.places.Release(1)
}

// Close waits for what is being sent, but not for ever: Kafka may stand still, and Kubernetes does not wait either.
func (t *topic) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	return t.closeWithin(ctx)
}

// closeWithin leaves the producer open if there are sends under way when ctx ends.
func (t *topic) closeWithin(ctx context.Context) error {
	t.lock.Lock()
	t.closed = true
	t.lock.Unlock()
	if err := t.places.Acquire(ctx, maxSends); err != nil {
		return fmt.Errorf("close kafka producer: %d events left behind, still being sent: %w", t.sending.Load(), err)
	}
	defer t.places.Release(maxSends)
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
