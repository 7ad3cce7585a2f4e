// Package fakes starts, within the process and in milliseconds, servers that the clients of the functions can not tell
// from MinIO, Redis and Kafka: for trying the service on a machine with nothing installed, and for tests. Each is
// started only if the environment does not name a real one. What they hold is gone with the process.
package fakes

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/IBM/sarama"
	"github.com/alicebob/miniredis/v2"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/twmb/franz-go/pkg/kfake"
	"gitlab.com/yourorg/image-service/functions/connect"
)

// partitions of a topic that is made here.
const partitions = 3

// Servers are what the functions need.
type Servers struct {
	settings map[string]string
	getenv   func(string) string
	closers  []func()
}

// Start starts a stand-in for each of MINIO_ENDPOINT, REDIS_HOST and KAFKA_BOOTSTRAP_SERVERS that getenv does not name.
func Start(getenv func(string) string) (*Servers, error) {
	s := &Servers{settings: map[string]string{}, getenv: getenv}
	for _, server := range []struct {
		setting string
		start   func() error
	}{
		{"MINIO_ENDPOINT", s.startMinIO},
		{"REDIS_HOST", s.startRedis},
		{"KAFKA_BOOTSTRAP_SERVERS", s.startKafka},
	} {
		if getenv(server.setting) != "" {
			continue
		}
		if err := server.start(); err != nil {
			s.Close()
			return nil, fmt.Errorf("start a stand-in for %s: %w", server.setting, err)
		}
	}
	return s, nil
}

// Getenv gives the settings that reach the servers; those of stand-ins come before the environment's.
func (s *Servers) Getenv(name string) string {
	if value, set := s.settings[name]; set {
		return value
	}
	return s.getenv(name)
}

// Close ends the stand-ins.
func (s *Servers) Close() {
	for _, closer := range s.closers {
		closer()
	}
}

func (s *Servers) startMinIO() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := newS3()
	go func() { _ = server.Serve(listener) }() // until Close
	s.closers = append(s.closers, func() { server.Close() })
	s.settings["MINIO_ENDPOINT"] = listener.Addr().String()
	s.settings["MINIO_ACCESS_KEY"] = "stand-in"
	s.settings["MINIO_SECRET_KEY"] = "stand-in-secret"
	s.forget("MINIO_CA_FILE")
	return nil
}

// newS3 is silent: gofakes3 answers a second time when a reader leaves in the middle, and net/http complains of it.
func newS3() *http.Server {
	return &http.Server{
		Handler:           gofakes3.New(s3mem.New()).Server(),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
}

func (s *Servers) startRedis() error {
	server, err := miniredis.Run()
	if err != nil {
		return err
	}
	stop := make(chan struct{})
	go age(server, stop)
	s.closers = append(s.closers, server.Close, func() { close(stop) })
	s.settings["REDIS_HOST"] = server.Host()
	s.settings["REDIS_PORT"] = server.Port()
	s.settings["REDIS_PASSWORD"] = ""
	s.forget("REDIS_USERNAME", "REDIS_TLS", "REDIS_CA_FILE", "REDIS_CERT_FILE", "REDIS_KEY_FILE")
	return nil
}

// age makes keys grow old as in a real Redis, once a second; by itself miniredis leaves that to tests. Its ClockTTL would
// do so too, but sorts all keys at each command.
func age(server *miniredis.Miniredis, stop <-chan struct{}) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for before := time.Now(); ; {
		select {
		case now := <-ticker.C:
			server.FastForward(now.Sub(before))
			before = now
		case <-stop:
			return
		}
	}
}

func (s *Servers) startKafka() error {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		return err
	}
	s.closers = append(s.closers, cluster.Close)
	s.settings["KAFKA_BOOTSTRAP_SERVERS"] = strings.Join(cluster.ListenAddrs(), ",")
	s.forget("KAFKA_TLS", "KAFKA_CA_FILE", "KAFKA_CERT_FILE", "KAFKA_KEY_FILE",
		"KAFKA_SASL_MECHANISM", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD")
	return nil
}

// forget leaves out settings of a real server, which a stand-in does not know.
func (s *Servers) forget(names ...string) {
	for _, name := range names {
		s.settings[name] = ""
	}
}

// EnsureTopics makes topics that are missing, in the stand-in or in a real Kafka. On a cluster that is the platform's
// part, and the functions never do it.
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
	for _, name := range names {
		err = admin.CreateTopic(name, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}, false)
		if err != nil && !errors.Is(err, sarama.ErrTopicAlreadyExists) {
			return fmt.Errorf("make topic %q: %w", name, err)
		}
	}
	return nil
}
