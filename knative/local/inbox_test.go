package main

import (
	"bytes"
	"net/http/httptest"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/notification"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
)

// An object that another system puts into a bucket gets a thumbnail: MinIO notifies Kafka, the KafkaSource delivers to
// upload, upload publishes image.received. The fakes do not notify, and so the test does it for them; a real MinIO does
// it itself if the environment names the topic that it notifies, CI_NOTIFICATIONS_TOPIC.
func TestBucketInbox(t *testing.T) {
	t.Parallel()
	topic, bucket := os.Getenv("CI_NOTIFICATIONS_TOPIC"), "scans-"+uuid.NewString()
	isReal := topic != ""
	if !isReal {
		topic = "bucket-notifications-" + uuid.NewString()
	}
	getenv := testservers.Start(t, "SOURCE_BUCKETS="+bucket)
	watcher := &watcher{}
	server := httptest.NewServer(watcher)
	t.Cleanup(server.Close)
	stack, err := start(options{
		listen: "127.0.0.1:0", broker: "127.0.0.1:0", deadLetters: "127.0.0.1:0", getenv: getenv,
		watchers: []string{server.URL}, notifications: topic,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sync.OnceFunc(stack.stop))
	store := testservers.MinIO(t, getenv)
	if err := store.MakeBucket(t.Context(), bucket, minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	if isReal {
		var rules notification.Configuration
		rules.AddQueue(notification.NewConfig(notification.NewArn("minio", "sqs", "", "CI", "kafka")))
		rules.QueueConfigs[0].Events = []notification.EventType{notification.ObjectCreatedAll}
		if err := store.SetBucketNotification(t.Context(), bucket, rules); err != nil {
			t.Fatal(err)
		}
	}
	const key = "2026/mein Käse + 100%.png"
	content := photo(t, imaging, "flowers_small.png")
	info, err := store.PutObject(t.Context(), bucket, key, bytes.NewReader(content), int64(len(content)),
		minio.PutObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = store.RemoveObject(t.Context(), bucket, key, minio.RemoveObjectOptions{})
		_ = store.RemoveBucket(t.Context(), bucket)
	})
	if !isReal {
		notify(t, getenv, topic, bucket, key, info.ETag)
	}
	awaitThumbnail(t, watcher, bucket, key)
}

// notify writes the notification of a new object, twice, as MinIO may.
func notify(t *testing.T, getenv func(string) string, topic, bucket, key, etag string) {
	t.Helper()
	brokers, config := testservers.Kafka(t, getenv)
	producer, err := sarama.NewSyncProducer(brokers, config)
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	record := `{"EventName":"s3:ObjectCreated:Put","Key":"x","Records":[{"eventName":"s3:ObjectCreated:Put","s3":{` +
		`"bucket":{"name":"` + bucket + `"},"object":{"key":"` + url.QueryEscape(key) + `","eTag":"` + etag + `"}}}]}`
	for range 2 {
		_, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(record)})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// awaitThumbnail waits until the one image of an object has its thumbnail.
func awaitThumbnail(t *testing.T, watcher *watcher, bucket, key string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		received, thumbnails := map[string]bool{}, map[string]bool{}
		watcher.Lock()
		for _, e := range watcher.seen {
			switch e.Type() {
			case events.TypeImageReceived:
				if e.Source() == "s3://"+bucket && e.Extensions()[events.DataRef] == events.FormatDataRef(bucket, key) {
					received[e.ID()] = true
				}
			case events.TypeImageThumbnailed:
				thumbnails[e.Subject()] = true
			}
		}
		watcher.Unlock()
		if len(received) > 1 || len(thumbnails) > 1 {
			t.Fatalf("got %d IDs of image.received and %d thumbnails, want one", len(received), len(thumbnails))
		}
		if len(received) == 1 && len(thumbnails) == 1 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after a minute: %d image.received, %d thumbnails; want one of each", len(received), len(thumbnails))
		}
	}
}
