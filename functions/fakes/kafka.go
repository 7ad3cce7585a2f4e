package fakes

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"
	"gitlab.com/yourorg/image-service/functions/connect"
)

// partitions of a topic that EnsureTopics creates.
const partitions = 3

func (s *Servers) startKafka() error {
	options := []kfake.Opt{kfake.NumBrokers(1), kfake.DataDir(s.directory.in("kafka"))}
	if s.directory.kept {
		options = append(options, kfake.SyncWrites())
	}
	cluster, err := kfake.NewCluster(options...)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, cluster.Close)
	s.settings["KAFKA_BOOTSTRAP_SERVERS"] = strings.Join(cluster.ListenAddrs(), ",")
	s.unset("KAFKA_TLS", "KAFKA_CA_FILE", "KAFKA_CERT_FILE", "KAFKA_KEY_FILE",
		"KAFKA_SASL_MECHANISM", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD")
	return nil
}

// maxMessageBytes is the largest batch of a topic, as in knative/components/storage/topics.yaml.
const maxMessageBytes = "2097152"

// EnsureTopics creates the topics that are missing, in the fake or in a real Kafka. On a cluster that is the platform's
// task, and the functions never do it.
func (s *Servers) EnsureTopics(names ...string) error {
	connection, err := connect.From(s.Getenv, connect.ReadKafka)
	if err != nil {
		return err
	}
	config := connection.Config("image-service-topics")
	config.Net.ReadTimeout = 30 * time.Second // a Kafka that is busy elsewhere takes its time to create topics
	config.Metadata.Retry.Max = 1
	brokers := strings.Split(s.Getenv("KAFKA_BOOTSTRAP_SERVERS"), ",")
	admin, err := sarama.NewClusterAdmin(brokers, config)
	if err != nil {
		return fmt.Errorf("connect to kafka at %v: %w", brokers, err)
	}
	defer admin.Close()
	maxBytes := maxMessageBytes
	detail := &sarama.TopicDetail{
		NumPartitions: partitions, ReplicationFactor: 1,
		ConfigEntries: map[string]*string{"max.message.bytes": &maxBytes},
	}
	for _, name := range names {
		err = admin.CreateTopic(name, detail, false)
		if err != nil && !errors.Is(err, sarama.ErrTopicAlreadyExists) {
			return fmt.Errorf("create topic %q: %w", name, err)
		}
	}
	return nil
}
