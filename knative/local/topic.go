package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/IBM/sarama"
	"github.com/cloudevents/sdk-go/protocol/kafka_sarama/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/functions/connect"
)

const (
	// maxRecord bounds a record in bytes, headers included, as max.request.size of a Kafka producer does by default. It
	// leaves about 1,048,000 bytes for an event's data.
	maxRecord = 1 << 20
	// publishPatience bounds the attempts to publish a reply, as delivery.timeout.ms of a Kafka producer does by default.
	publishPatience = 2 * time.Minute
	publishPause    = 500 * time.Millisecond
)

// brokerTopic is the Kafka topic that holds the events of a Broker until each Trigger is done with them.
type brokerTopic struct {
	name     string
	producer sarama.SyncProducer
	create   func(topics ...string) error
}

// newBrokerTopic creates the topic, if it is missing, and connects to it.
func newBrokerTopic(
	name string, getenv func(string) string, create func(topics ...string) error,
) (*brokerTopic, error) {
	if err := create(name); err != nil {
		return nil, err
	}
	connection, err := connect.From(getenv, connect.ReadKafka)
	if err != nil {
		return nil, err
	}
	config := connection.Config("image-service-broker")
	config.Metadata.Full = false // only the topic that is written to
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true // required by SyncProducer
	config.Producer.MaxMessageBytes = maxRecord
	producer, err := sarama.NewSyncProducer(strings.Split(getenv("KAFKA_BOOTSTRAP_SERVERS"), ","), config)
	if err != nil {
		return nil, fmt.Errorf("connect to topic %q: %w", name, err)
	}
	return &brokerTopic{name: name, producer: producer, create: create}, nil
}

// put returns when Kafka has the event, in binary mode. A topic that has vanished is created again, for the next
// attempt.
func (t *brokerTopic) put(ctx context.Context, e event.Event) error {
	record := &sarama.ProducerMessage{Topic: t.name}
	binary := binding.WithForceBinary(ctx)
	if err := kafka_sarama.WriteProducerMessage(binary, binding.ToMessage(&e), record); err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	_, _, err := t.producer.SendMessage(record)
	switch {
	case errors.Is(err, sarama.ErrUnknownTopicOrPartition):
		return errors.Join(err, t.create(t.name))
	case err != nil:
		return fmt.Errorf("send to topic %q: %w", t.name, err)
	}
	return nil
}

// putPatiently is put for an event that nobody would send again.
func (t *brokerTopic) putPatiently(ctx context.Context, e event.Event) error {
	ctx, cancel := context.WithTimeout(ctx, publishPatience)
	defer cancel()
	for {
		err := t.put(ctx, e)
		if err == nil || errors.Is(err, sarama.ErrMessageSizeTooLarge) || !sleep(ctx, publishPause) {
			return err
		}
	}
}

func (t *brokerTopic) close() { _ = t.producer.Close() } // every send has had its answer
