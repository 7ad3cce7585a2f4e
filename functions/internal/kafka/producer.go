package kafka

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// ackTimeout is below the read timeout: otherwise the connection would close just before Kafka reports a slow replica.
const ackTimeout = 2 * time.Second

// producer owns its client. sarama does not close a client that it made for a producer if Kafka then assigns no
// producer ID, and each attempt would leak a connection and goroutines.
type producer struct {
	sarama.SyncProducer
	client  sarama.Client
	sending int // sends in progress; guarded by the Topic's lock
}

func newProducer(settings Settings) (*producer, error) {
	client, err := sarama.NewClient(settings.Brokers, producerConfig(settings))
	if err != nil {
		return nil, err
	}
	inner, err := sarama.NewSyncProducerFromClient(client)
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return &producer{SyncProducer: inner, client: client}, nil
}

func (p *producer) Close() error {
	if err := errors.Join(p.SyncProducer.Close(), p.client.Close()); err != nil {
		return fmt.Errorf("close kafka producer: %w", err)
	}
	return nil
}

// check asks Kafka for the topic, and fails unless a partition of it can be written to.
func (p *producer) check(topic string) error {
	if err := p.client.RefreshMetadata(topic); err != nil {
		return fmt.Errorf("ask kafka for topic %q: %w", topic, err)
	}
	partitions, err := p.client.WritablePartitions(topic)
	if err != nil {
		return fmt.Errorf("ask kafka for topic %q: %w", topic, err)
	}
	if len(partitions) == 0 {
		return fmt.Errorf("ask kafka for topic %q: %w", topic, sarama.ErrLeaderNotAvailable)
	}
	for _, partition := range partitions {
		_, _ = p.client.Leader(topic, partition) // begins to connect to it, if there is no connection
	}
	return nil
}

// producerConfig replaces the defaults of sarama that can lose an event, write it twice, or take minutes to fail.
//
// sarama has no time limit for a record. It handles the records that wait for an unresponsive broker one by one and
// refreshes its metadata for each; only after three refreshes have failed within 10 s of each other does it stop, and
// pauses for each record instead. So the total depends on how long a refresh takes. With these values, maxSends records
// are given up within about 40 s.
func producerConfig(settings Settings) *sarama.Config {
	c := settings.Connection.Config("image-service")
	c.Net.MaxOpenRequests = 1 // required by Idempotent
	c.Metadata.Full = false   // only the topic that is written to
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Idempotent = true
	c.Producer.Timeout = ackTimeout
	c.Producer.Retry.Max = c.Metadata.Retry.Max
	c.Producer.Retry.Backoff = c.Metadata.Retry.Backoff
	c.Producer.Transaction.Retry.Max = c.Metadata.Retry.Max // also for requesting a producer ID
	c.Producer.Transaction.Retry.Backoff = c.Metadata.Retry.Backoff
	c.Producer.Return.Successes = true // required by SyncProducer
	if settings.MaxRecord > 0 {
		c.Producer.MaxMessageBytes = settings.MaxRecord
		c.Producer.Flush.MaxMessages = 1
	}
	return c
}

// payload is a record's value until sarama encodes it into a batch. A value withdrawn before that is not sent. sarama
// encodes a value a second time only if the batch that had it was not sent.
type payload struct {
	sarama.Encoder
	lock               sync.Mutex
	encoded, withdrawn bool
}

var errWithdrawn = errors.New("the caller has given up")

// withdraw keeps the value out of later batches and reports whether it was in none so far.
func (p *payload) withdraw() (unsent bool) {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.withdrawn = true
	return !p.encoded
}

// Encode is called by sarama to put the value into a batch.
func (p *payload) Encode() ([]byte, error) {
	p.lock.Lock()
	defer p.lock.Unlock()
	if p.withdrawn {
		return nil, errWithdrawn
	}
	p.encoded = true
	return p.Encoder.Encode()
}
