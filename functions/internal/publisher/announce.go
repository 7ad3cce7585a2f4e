package publisher

import (
	"context"
	"errors"
	"net"
	"regexp"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/internal/config"
)

// announceWithin is how long an announcement may take. What is given up then has the caller told so, and nothing is
// accepted.
const announceWithin = 8 * time.Second

// Settings say where events go.
type Settings struct {
	Brokers []string
	Reach   connect.Kafka
	Topic   string
	Sink    *sinkSettings // instead of Kafka, if not nil
}

// ReadSettings reads K_SINK and what else a SinkBinding injects; without it KAFKA_*.
func ReadSettings(r *config.Reader) Settings {
	if sink := readSinkSettings(r); sink != nil {
		return Settings{Sink: sink}
	}
	return ReadKafkaSettings(r)
}

// ReadKafkaSettings reads KAFKA_*.
func ReadKafkaSettings(r *config.Reader) Settings {
	settings := Settings{
		Brokers: r.List("KAFKA_BOOTSTRAP_SERVERS", ""),
		Reach:   connect.ReadKafka(r),
		Topic:   ReadTopic(r, "KAFKA_TOPIC", "image-processing"),
	}
	if len(settings.Brokers) == 0 {
		r.Required("KAFKA_BOOTSTRAP_SERVERS", "host:port of Kafka, several separated by commas (or K_SINK, which a SinkBinding sets)")
	}
	for _, broker := range settings.Brokers {
		if _, _, err := net.SplitHostPort(broker); err != nil || !config.IsAddress(broker) {
			r.Fault("KAFKA_BOOTSTRAP_SERVERS has %s; expected host:port", config.Quote(broker))
		}
	}
	return settings
}

// ReadTopic reads the name of a topic from the setting called name.
func ReadTopic(r *config.Reader, name, fallback string) string {
	topic := r.Text(name, fallback)
	if !topicName.MatchString(topic) || topic == "." || topic == ".." {
		r.Fault("%s is %s; expected 1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-'", name, config.Quote(topic))
	}
	return topic
}

// topicName is Kafka's rule, in org.apache.kafka.common.internals.Topic.
var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// ErrUncertain says that the event may still arrive, or has arrived: what it speaks of has to stay where it is.
var ErrUncertain = errors.New("the event may still arrive")

// An Announcer sends events.
type Announcer interface {
	// Announce returns nil when the event is where it has to go. An error that wraps ErrUncertain leaves open whether it
	// is, or will be; with any other error it is not there and never will be. Either may be worth another try.
	Announce(ctx context.Context, e event.Event) error
	// Close lets go of the connections; nothing is announced after it. Its error says how many events it has left behind,
	// which were announced with ErrUncertain.
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
