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
	// A Kafka that is busy elsewhere takes its time to create topics; the second is how long it tries.
	config.Net.ReadTimeout, config.Admin.Timeout = 30*time.Second, 25*time.Second
	config.Metadata.Retry.Max = 1
	brokers := strings.Split(s.Getenv("KAFKA_BOOTSTRAP_SERVERS"), ",")
	client, err := sarama.NewClient(brokers, config)
	if err != nil {
		return fmt.Errorf("connect to kafka at %v: %w", brokers, err)
	}
	defer client.Close()
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		return err
	}
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
	for _, name := range names {
		if err := AwaitTopic(client, name); err != nil {
			return err
		}
	}
	return nil
}

// AwaitTopic waits for at most a minute until all partitions of a topic can be written to. Kafka says that it has
// created a topic before its brokers have; a busy one refuses records for seconds.
func AwaitTopic(client sarama.Client, name string) error {
	var err error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = findEnds(client, name); err == nil {
			return nil
		}
	}
	return fmt.Errorf("wait for topic %q: %w", name, err)
}

// findEnds asks for the end of each partition, which only the broker that has opened the partition knows.
func findEnds(client sarama.Client, topic string) error {
	if err := client.RefreshMetadata(topic); err != nil {
		return err
	}
	partitions, err := client.Partitions(topic)
	if err != nil {
		return err
	}
	for _, partition := range partitions {
		if _, err := client.GetOffset(topic, partition, sarama.OffsetNewest); err != nil {
			return err
		}
	}
	return nil
}
