//go:build e2e

package e2e_test

import (
	"os"
	"slices"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/notification"
)

// bucketInbox tests the component bucket-inbox, if it is deployed: an object in a bucket of another system becomes an
// image.
func (s *installation) bucketInbox(t *testing.T) {
	t.Helper()
	if !deployed("bucket-inbox") || os.Getenv("CI_NOTIFICATIONS_TOPIC") == "" {
		t.Log("not run: the component bucket-inbox is not deployed, or CI_NOTIFICATIONS_TOPIC is not set")
		return
	}
	before := s.bucket.images(t)
	patch(t, "configmap/image-service-config", map[string]any{"data": map[string]any{"SOURCE_BUCKETS": sourceBucket}})
	s.roll(t, "upload", "bucket-inbox")
	if err := inbox(t).put(t, "2026/a photo.jpg", photograph(t, 640, 480)); err != nil {
		t.Fatal(err)
	}
	var ids []string
	await(t, patience, "the object is an image", func() bool {
		ids = slices.DeleteFunc(s.bucket.images(t), func(id string) bool { return slices.Contains(before, id) })
		return len(ids) > 0
	})
	s.completed(t, ids[0])
	patch(t, "configmap/image-service-config", map[string]any{"data": map[string]any{"SOURCE_BUCKETS": nil}})
}

// inbox returns a new bucket whose objects MinIO notifies on the topic of bucket-inbox.
func inbox(t *testing.T) bucket {
	t.Helper()
	topic := field(t, "kafkasource/image-inbox", "{.spec.topics[0]}")
	if got := os.Getenv("CI_NOTIFICATIONS_TOPIC"); got != topic {
		t.Fatalf("CI_NOTIFICATIONS_TOPIC is %q, which MinIO notifies, want %q", got, topic)
	}
	b := takeBucket(t, sourceBucket)
	if err := b.MakeBucket(t.Context(), b.name, minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	var rules notification.Configuration
	rules.AddQueue(notification.NewConfig(notification.NewArn("minio", "sqs", "", "CI", "kafka")))
	rules.QueueConfigs[0].Events = []notification.EventType{notification.ObjectCreatedAll}
	if err := b.SetBucketNotification(t.Context(), b.name, rules); err != nil {
		t.Fatal(err)
	}
	return b
}
