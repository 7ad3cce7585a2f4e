package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/connect"
)

// servers are our own clients of the servers.
type servers struct {
	objects   *minio.Client
	transport *http.Transport // to MinIO
	bucket    string          // whose images the Broker does not see
	redis     redis.UniversalClient
	admin     sarama.ClusterAdmin
	producer  sarama.SyncProducer
}

// aside is the suffix of the names of what the Broker does not see.
const aside = "-aside"

// partitions of each topic, as in knative/local.
const partitions = 3

// connect connects to the servers, makes the buckets and the topics, and returns when all three work.
func (s *system) connect(ctx context.Context) error {
	getenv := func(name string) string { return s.settings[name] }
	bucket := getenv("MINIO_BUCKET")
	s.servers.bucket = bucket + aside
	return errors.Join(
		s.servers.connectMinIO(ctx, getenv, bucket),
		s.servers.connectRedis(ctx, getenv),
		s.servers.connectKafka(getenv),
	)
}

func (s *servers) connectMinIO(ctx context.Context, getenv func(string) string, bucket string) error {
	if err := s.openMinIO(getenv); err != nil {
		return err
	}
	for _, name := range []string{bucket, s.bucket} {
		if err := s.objects.MakeBucket(ctx, name, minio.MakeBucketOptions{}); err != nil {
			return fmt.Errorf("make bucket %s: %w", name, err)
		}
	}
	return nil
}

func (s *servers) openMinIO(getenv func(string) string) error {
	dialer, err := connect.From(getenv, connect.ReadMinIO)
	if err != nil {
		return err
	}
	s.transport = &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: mostConnections}
	if dialer != nil {
		s.transport.DialTLSContext = dialer.DialContext
	}
	s.objects, err = minio.New(connect.MinIOAddress(getenv("MINIO_ENDPOINT")), &minio.Options{
		Creds:  credentials.NewStaticV4(getenv("MINIO_ACCESS_KEY"), getenv("MINIO_SECRET_KEY"), ""),
		Secure: dialer != nil, Transport: s.transport,
	})
	return err
}

func (s *servers) connectRedis(ctx context.Context, getenv func(string) string) error {
	settings, err := connect.From(getenv, connect.ReadRedis)
	if err != nil {
		return err
	}
	s.redis = connect.OpenRedis(settings)
	return connect.CheckRedis(ctx, s.redis, s.bucket)
}

// connectKafka makes the topic for uploads without a Broker, and connects to it.
func (s *servers) connectKafka(getenv func(string) string) error {
	connection, err := connect.From(getenv, connect.ReadKafka)
	if err != nil {
		return err
	}
	brokers := strings.Split(getenv("KAFKA_BOOTSTRAP_SERVERS"), ",")
	config := connection.Config("image-service-bench")
	config.Net.ReadTimeout = 30 * time.Second // Kafka has only just started
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true // required by SyncProducer
	if s.admin, err = sarama.NewClusterAdmin(brokers, config); err != nil {
		return err
	}
	detail := &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}
	for _, name := range []string{getenv("KAFKA_TOPIC"), getenv("KAFKA_TOPIC") + aside} {
		if err := s.admin.CreateTopic(name, detail, false); err != nil {
			return fmt.Errorf("create topic %s: %w", name, err)
		}
	}
	s.producer, err = sarama.NewSyncProducer(brokers, config)
	return err
}

func (s *servers) close() {
	if s.redis != nil {
		s.redis.Close()
	}
	if s.admin != nil {
		s.admin.Close()
	}
	if s.producer != nil {
		s.producer.Close()
	}
}

// put puts an object, as minio-go does by default, and returns its key.
func (s *servers) put(ctx context.Context, content []byte) (key string, err error) {
	return s.putFrom(ctx, bytes.NewReader(content), int64(len(content)))
}

func (s *servers) putFrom(ctx context.Context, content io.Reader, size int64) (key string, err error) {
	key = uuid.NewString() + "/photo.jpg"
	_, err = s.objects.PutObject(ctx, s.bucket, key, content, size, minio.PutObjectOptions{ContentType: "image/jpeg"})
	return key, err
}

// Sizes of what the functions store and send for an image, about.
const (
	thumbnailBytes = 8 << 10
	eventBytes     = 500
)

// imageAlone has the servers do less than they do for one image: its objects are put and read, its status is set and
// read, and its event is sent to the topics of upload and Broker, and the reply to that of the Broker.
func (s *servers) imageAlone(ctx context.Context, topic string, f file) error {
	key, err := s.put(ctx, f.content)
	if err != nil {
		return err
	}
	set := func(status string) error { return s.redis.Set(ctx, "image:bench:"+key, status, time.Minute).Err() }
	send := func() error {
		value := sarama.ByteEncoder(make([]byte, eventBytes))
		_, _, err := s.producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: value})
		return err
	}
	for _, step := range []func() error{
		func() error { return set("queued") }, send,
		send, func() error { return set("processing") }, func() error { return s.get(ctx, key) },
		func() error { _, err := s.put(ctx, make([]byte, thumbnailBytes)); return err },
		func() error { return set("completed") }, send,
		func() error { return s.redis.Get(ctx, "image:bench:"+key).Err() },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// get reads an object.
func (s *servers) get(ctx context.Context, key string) error {
	object, err := s.objects.GetObject(ctx, s.bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return err
	}
	defer object.Close()
	_, err = io.Copy(io.Discard, object)
	return err
}

// empty removes all objects, so that a run of any length fits the disk.
func (s *servers) empty(ctx context.Context, buckets ...string) error {
	for _, bucket := range buckets {
		objects := s.objects.ListObjects(ctx, bucket, minio.ListObjectsOptions{Recursive: true})
		for failed := range s.objects.RemoveObjects(ctx, bucket, objects, minio.RemoveObjectsOptions{}) {
			return fmt.Errorf("remove object %s/%s: %w", bucket, failed.ObjectName, failed.Err)
		}
	}
	return ctx.Err()
}
