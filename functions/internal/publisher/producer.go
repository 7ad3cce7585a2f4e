package publisher

import (
	"errors"
	"fmt"
	"sync"

	"github.com/IBM/sarama"
)

// payload is a record's value until sarama takes it into a batch. An event that its caller has given up by then is not
// sent any more. sarama asks for a value a second time only if the batch that had it was not sent.
type payload struct {
	sarama.Encoder
	lock             sync.Mutex
	taken, withdrawn bool
}

var errWithdrawn = errors.New("its caller has given it up")

// withdraw keeps the value out of batches from now on, and tells whether it has been in none.
func (p *payload) withdraw() (unsent bool) {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.withdrawn = true
	return !p.taken
}

// Encode is what sarama calls to put the record into a batch.
func (p *payload) Encode() ([]byte, error) {
	p.lock.Lock()
	defer p.lock.Unlock()
	if p.withdrawn {
		return nil, errWithdrawn
	}
	p.taken = true
	return p.Encoder.Encode()
}

// producer has a client of its own. One that sarama makes for a producer is not closed if Kafka then gives no producer
// id, and keeps a connection and goroutines for each attempt.
type producer struct {
	sarama.SyncProducer
	client  sarama.Client
	sending int // guarded by the topic's lock
}

func newProducer(settings Settings) (*producer, error) {
	config := producerConfig()
	settings.Reach.Configure(config)
	client, err := sarama.NewClient(settings.Brokers, config)
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

// producerConfig is sarama's, but for the defaults that can lose an event, write it twice, or take minutes to fail.
//
// sarama has no time limit for a record. It takes what waits for a broker that stands still one by one and refreshes its
// metadata for each; only when three refreshes have failed within 10 s of each other does it stop to, and pauses for
// each instead. So it all hangs on how long a refresh takes. With these values, maxSends records are given up within
// some 40 s.
func producerConfig() *sarama.Config {
	config := sarama.NewConfig()
	config.ClientID = "image-service"
	config.Version = sarama.V2_8_0_0
	config.ApiVersionsRequest = false // it would wait two more timeouts for a broker that stands still; all speak 2.8
	config.Net.DialTimeout = netTimeout
	config.Net.ReadTimeout = netTimeout
	config.Net.WriteTimeout = netTimeout
	config.Net.MaxOpenRequests = 1 // Idempotent wants it
	config.Metadata.AllowAutoTopicCreation = false
	config.Metadata.Full = false // the topic that we write to, not all of the cluster's
	config.Metadata.Retry.Max = retries
	config.Metadata.Retry.Backoff = retryPause
	config.Metadata.Timeout = netTimeout // of a refresh: one broker that stands still; the next refresh asks another
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Idempotent = true
	config.Producer.Timeout = ackTimeout
	config.Producer.Retry.Max = retries
	config.Producer.Retry.Backoff = retryPause
	config.Producer.Transaction.Retry.Max = retries // also of asking for a producer id
	config.Producer.Transaction.Retry.Backoff = retryPause
	config.Producer.Return.Successes = true // SyncProducer wants it
	return config
}
