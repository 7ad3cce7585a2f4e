package kafka

import (
	"time"

	"github.com/IBM/sarama"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/lazyregexp"
)

// Settings name a topic and the brokers that have it.
type Settings struct {
	Brokers    []string // host:port
	Connection connect.Kafka
	Topic      string
	// MaxRecord is how large a record may be, in bytes, of a topic whose records are sent each in a batch of its own:
	// Kafka compares the size of a batch with max.message.bytes. With 0, records are batched, up to sarama's 1,000,000
	// bytes, which every topic takes.
	MaxRecord int
}

// Settings of Kafka; package connect has those of TLS and the login.
var (
	bootstrapServers = config.List{Name: "KAFKA_BOOTSTRAP_SERVERS",
		Required: true, Unless: "K_SINK is set (upload)",
		Form: config.Form{Expected: "host:port of Kafka", Valid: config.IsHostPort},
		Doc:  "Addresses of Kafka's brokers."}
	// TopicSetting names the topic of the service.
	TopicSetting = config.Text{Name: "KAFKA_TOPIC", Default: "image-processing", Form: TopicForm,
		Doc: "Topic that `image.uploaded` is published on, and so is `image.failed` of events that waited for their object," +
			" and `image.received` for objects in buckets. It must exist."}
	// backfillSetting names the topic of images that may wait.
	backfillSetting = config.Text{Name: "KAFKA_BACKFILL_TOPIC", Default: "image-backfill", Form: TopicForm,
		Doc: "Topic that `image.render` is published on. It must exist."}
)

// ReadSettings reads KAFKA_BOOTSTRAP_SERVERS, KAFKA_TOPIC, and how to connect.
func ReadSettings(r *config.Reader) Settings { return readSettings(r, TopicSetting) }

// ReadBackfillSettings is ReadSettings for KAFKA_BACKFILL_TOPIC.
func ReadBackfillSettings(r *config.Reader) Settings { return readSettings(r, backfillSetting) }

func readSettings(r *config.Reader, topic config.Text) Settings {
	return Settings{
		Brokers:    bootstrapServers.Read(r),
		Connection: connect.ReadKafka(r),
		Topic:      topic.Read(r),
	}
}

// TopicForm is the form of the name of a topic, by Kafka's rule (org.apache.kafka.common.internals.Topic).
var TopicForm = config.Form{
	Expected: "1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-'",
	Valid: func(name string) bool {
		return len(name) <= 249 && topicName.MatchString(name) && name != "." && name != ".."
	},
}

var topicName = lazyregexp.New(`^[a-zA-Z0-9._-]+$`)

// NewReader connects a client that reads records and the offsets of consumer groups. The caller closes it.
func (s Settings) NewReader(clientID string) (sarama.Client, error) {
	c := s.Connection.Config(clientID)
	c.Consumer.Return.Errors = true
	// Records that wait to be read; by default 256, which may have a megabyte each.
	c.ChannelBufferSize = 1
	c.Consumer.MaxWaitTime = 20 * time.Millisecond // the records asked for are there
	return sarama.NewClient(s.Brokers, c)
}
