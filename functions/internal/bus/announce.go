package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
	kafka "github.com/cloudevents/sdk-go/protocol/kafka_sarama/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/functions/internal/setting"
	"golang.org/x/sync/singleflight"
)

// Bounds on the way to Kafka. What is given up after them has the caller told so, and nothing is accepted.
const (
	netTimeout     = 3 * time.Second
	retryPause     = 250 * time.Millisecond
	retries        = 3
	announceWithin = 8 * time.Second
)

// Settings say where events go.
type Settings struct {
	Brokers []string
	Topic   string
	Sink    *sinkSettings // instead of Kafka, if not nil
}

// ReadSettings reads K_SINK and what else a SinkBinding injects; without it KAFKA_*.
func ReadSettings(r *setting.Reader) Settings {
	if sink := readSinkSettings(r); sink != nil {
		return Settings{Sink: sink}
	}
	settings := Settings{
		Brokers: r.List("KAFKA_BOOTSTRAP_SERVERS", ""),
		Topic:   r.Text("KAFKA_TOPIC", "image-processing"),
	}
	if len(settings.Brokers) == 0 {
		r.Required("KAFKA_BOOTSTRAP_SERVERS", "host:port of Kafka, several separated by commas (or K_SINK, which a SinkBinding sets)")
	}
	for _, broker := range settings.Brokers {
		if !strings.Contains(broker, ":") {
			r.Fault("KAFKA_BOOTSTRAP_SERVERS has %q; expected host:port", broker)
		}
	}
	return settings
}

// An Announcer sends events. An error means that the event may or may not have been sent; it may pass.
type Announcer interface {
	Announce(ctx context.Context, e event.Event) error
	// Close lets go of the connections; nothing may be announced after it.
	Close() error
}

// Open makes the announcer that the settings ask for. It does not wait for a connection: a function starts, and stays
// up, without Kafka.
func Open(settings Settings) Announcer {
	if settings.Sink != nil {
		return newSink(*settings.Sink)
	}
	return newTopic(settings)
}

// topic announces on a Kafka topic. An event that it has announced is on all in-sync replicas.
type topic struct {
	settings Settings
	producer atomic.Pointer[sarama.SyncProducer]
	connect  singleflight.Group

	// Held for reading while a record is sent: sarama panics when it is closed under one.
	sending sync.RWMutex
	closed  bool
}

var errClosed = errors.New("announcer is closed")

func newTopic(settings Settings) *topic {
	t := &topic{settings: settings}
	t.connect.DoChan("", t.dial) // while the first image comes in; if it fails now, the first event tries again
	return t
}

// Announce sends the event in binary mode: the record's value is the payload, as the original system's tasks were.
func (t *topic) Announce(ctx context.Context, e event.Event) error {
	ctx, cancel := context.WithTimeout(ctx, announceWithin)
	defer cancel()
	record := &sarama.ProducerMessage{Topic: t.settings.Topic}
	if err := kafka.WriteProducerMessage(binding.WithForceBinary(ctx), binding.ToMessage(&e), record); err != nil {
		return fmt.Errorf("encode %s for kafka: %w", e.Type(), err)
	}
	if err := t.send(ctx, record); err != nil {
		return fmt.Errorf("announce %s on topic %q: %w", e.Type(), t.settings.Topic, err)
	}
	return nil
}

// send waits no longer than ctx says, which sarama does not know of; what goes on after that ends by sarama's own
// timeouts.
func (t *topic) send(ctx context.Context, record *sarama.ProducerMessage) error {
	producer, err := t.connected(ctx)
	if err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() {
		t.sending.RLock()
		defer t.sending.RUnlock()
		if t.closed {
			sent <- errClosed
			return
		}
		_, _, err := producer.SendMessage(record)
		sent <- err
	}()
	select {
	case err := <-sent:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// connected is the producer. Those who come while it connects wait for the same attempt; after a failed one, the next
// who comes tries again.
func (t *topic) connected(ctx context.Context) (sarama.SyncProducer, error) {
	if producer := t.producer.Load(); producer != nil {
		return *producer, nil
	}
	select {
	case attempt := <-t.connect.DoChan("", t.dial):
		if attempt.Err != nil {
			return nil, attempt.Err
		}
		return attempt.Val.(sarama.SyncProducer), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("connect to kafka: %w", ctx.Err())
	}
}

func (t *topic) dial() (any, error) {
	if producer := t.producer.Load(); producer != nil {
		return *producer, nil
	}
	producer, err := sarama.NewSyncProducer(t.settings.Brokers, producerConfig())
	if err != nil {
		return nil, fmt.Errorf("connect to kafka: %w", err)
	}
	t.sending.RLock()
	defer t.sending.RUnlock()
	if t.closed {
		return nil, errors.Join(errClosed, producer.Close())
	}
	t.producer.Store(&producer)
	return producer, nil
}

// Close waits for what is being sent.
func (t *topic) Close() error {
	t.sending.Lock()
	defer t.sending.Unlock()
	t.closed = true
	producer := t.producer.Load()
	if producer == nil {
		return nil
	}
	if err := (*producer).Close(); err != nil {
		return fmt.Errorf("close kafka producer: %w", err)
	}
	return nil
}

// producerConfig is sarama's, but for the defaults that can lose an event, write it twice, or take a minute to fail.
func producerConfig() *sarama.Config {
	config := sarama.NewConfig()
	config.ClientID = "image-service"
	config.Version = sarama.V2_8_0_0
	config.Net.DialTimeout = netTimeout
	config.Net.ReadTimeout = netTimeout
	config.Net.WriteTimeout = netTimeout
	config.Net.MaxOpenRequests = 1 // Idempotent wants it
	config.Metadata.AllowAutoTopicCreation = false
	config.Metadata.Full = false // the topic that we write to, not all of the cluster's
	config.Metadata.Retry.Max = retries
	config.Metadata.Retry.Backoff = retryPause
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Idempotent = true
	config.Producer.Timeout = netTimeout
	config.Producer.Retry.Max = retries
	config.Producer.Retry.Backoff = retryPause
	config.Producer.Transaction.Retry.Max = retries // also of asking for a producer id
	config.Producer.Transaction.Retry.Backoff = retryPause
	config.Producer.Return.Successes = true // SyncProducer wants it
	return config
}
