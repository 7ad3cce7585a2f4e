// Package publisher sends events to where the settings say: to a Kafka topic, or by HTTP to the sink that a SinkBinding
// injects, such as a Broker.
//
// A nil error means that the event was acknowledged. Any other result says whether the event may still arrive. The
// package does not retry.
package publisher

import (
	"context"

	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/kafka"
)

// ErrUncertain means that the event may still arrive, or has arrived: what it refers to has to be kept.
var ErrUncertain = kafka.ErrUncertain

// A Publisher sends events.
type Publisher interface {
	// Publish returns nil when the event is acknowledged: by all in-sync replicas, or by the sink. An error that wraps
	// ErrUncertain leaves open whether the event arrived, or will; with any other error it did not and never will. Either
	// may be worth another attempt.
	Publish(ctx context.Context, e event.Event) error
	// Check reports whether Kafka can be published to, at little cost however often it is called. A sink is not asked.
	Check(ctx context.Context) error
	// Close closes the connections; nothing is published after it. Its error says how many events were left behind, whose
	// publications returned ErrUncertain.
	Close() error
}

// Settings say where events go.
type Settings struct {
	kafka kafka.Settings
	sink  *sinkSettings // instead of Kafka, if not nil
}

// ReadSettings reads K_SINK and the other settings that a SinkBinding injects, and those of Kafka. With K_SINK, faults
// in the latter do not matter.
func ReadSettings(r *config.Reader) Settings { return readSettings(r, kafka.ReadSettings) }

// ReadBackfillSettings is ReadSettings for what may wait, which has a topic of its own.
func ReadBackfillSettings(r *config.Reader) Settings {
	return readSettings(r, kafka.ReadBackfillSettings)
}

func readSettings(r *config.Reader, readKafka func(*config.Reader) kafka.Settings) Settings {
	if sink := readSinkSettings(r); sink != nil {
		readKafka(r.Unchecked())
		return Settings{sink: sink}
	}
	return Settings{kafka: readKafka(r)}
}

// Open returns the publisher that the settings ask for. It does not wait for a connection: a function starts, and stays
// up, without Kafka.
func Open(settings Settings) Publisher {
	if settings.sink != nil {
		return newSink(*settings.sink)
	}
	return kafka.Open(settings.kafka)
}
