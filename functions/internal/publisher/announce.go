package publisher

import (
	"context"
	"errors"
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

// ReadSettings reads K_SINK and the rest of what a SinkBinding injects, and KAFKA_*. With K_SINK, what is wrong with
// KAFKA_* does not matter.
func ReadSettings(r *config.Reader) Settings {
	if sink := readSinkSettings(r); sink != nil {
		ReadKafkaSettings(r.Unchecked())
		return Settings{Sink: sink}
	}
	return ReadKafkaSettings(r)
}

// Settings of Kafka; package connect has those of TLS and the login.
var (
	bootstrapServers = config.List{Name: "KAFKA_BOOTSTRAP_SERVERS",
		Required: true, Unless: "`K_SINK` is set for `upload`",
		Form: config.Form{Expected: "host:port of Kafka, several separated by commas", Valid: config.IsHostPort},
		Doc:  "Addresses of Kafka's brokers."}
	// TopicSetting names the topic that events are published on.
	TopicSetting = config.Text{Name: "KAFKA_TOPIC", Default: "image-processing", Form: TopicForm,
		Doc: "Topic that `image.uploaded` is published on. It must exist."}
)

// ReadKafkaSettings reads KAFKA_*.
func ReadKafkaSettings(r *config.Reader) Settings {
	return Settings{
		Brokers: bootstrapServers.Read(r),
		Reach:   connect.ReadKafka(r),
		Topic:   TopicSetting.Read(r),
	}
}

// TopicForm is the form of the name of a topic, by Kafka's rule (org.apache.kafka.common.internals.Topic).
var TopicForm = config.Form{
	Expected: "1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-'",
	Valid:    func(name string) bool { return topicName.MatchString(name) && name != "." && name != ".." },
}

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
