package kafka

import (
	"net"
	"regexp"
	"time"

	"github.com/IBM/sarama"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/internal/config"
)

// Settings name a topic and the brokers that have it.
type Settings struct {
	Brokers    []string // host:port
	Connection connect.Kafka
	Topic      string
}

// ReadSettings reads KAFKA_BOOTSTRAP_SERVERS, KAFKA_TOPIC, and how to connect.
func ReadSettings(r *config.Reader) Settings {
	s := Settings{
		Brokers:    r.List("KAFKA_BOOTSTRAP_SERVERS", ""),
		Connection: connect.ReadKafka(r),
		Topic:      ReadTopic(r, "KAFKA_TOPIC", "image-processing"),
	}
	if len(s.Brokers) == 0 {
		r.Required("KAFKA_BOOTSTRAP_SERVERS", "host:port of Kafka, several separated by commas (or K_SINK, which a SinkBinding sets)")
	}
	for _, broker := range s.Brokers {
		if _, _, err := net.SplitHostPort(broker); err != nil || !config.IsAddress(broker) {
			r.Fault("KAFKA_BOOTSTRAP_SERVERS has %s; expected host:port", config.Quote(broker))
		}
	}
	return s
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

// NewReader connects a client that reads records and the offsets of consumer groups. The caller closes it.
func (s Settings) NewReader(clientID string) (sarama.Client, error) {
	c := s.Connection.Config(clientID)
	c.Consumer.Return.Errors = true
	c.Consumer.MaxWaitTime = 20 * time.Millisecond // the records asked for are there
	return sarama.NewClient(s.Brokers, c)
}
