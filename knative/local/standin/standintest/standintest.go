// Package standintest gives tests the servers of package standin: stand-ins, or the real ones that the environment
// names, with a bucket and topics that no other test uses.
package standintest

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"gitlab.com/yourorg/image-service/knative/local/standin"
)

// Start starts what the environment does not name, and returns the settings that reach it all, until the test ends.
// overrides are settings of the test's own, NAME=value.
func Start(t testing.TB, overrides ...string) func(name string) string {
	t.Helper()
	servers, err := standin.Start(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(servers.Close)
	name := "test-" + uuid.NewString()
	settings := map[string]string{
		"MINIO_BUCKET": name, "KAFKA_TOPIC": name, "KAFKA_DEAD_LETTER_TOPIC": name + ".dead", "LOG_LEVEL": "ERROR",
	}
	for _, override := range overrides {
		setting, value, _ := strings.Cut(override, "=")
		settings[setting] = value
	}
	getenv := func(name string) string {
		if value, set := settings[name]; set {
			return value
		}
		return servers.Getenv(name)
	}
	if settings["KAFKA_TOPIC"] == name { // topics that the test names itself are its own affair
		topics := []string{name, name + ".dead"}
		if err := servers.EnsureTopics(topics...); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { deleteTopics(t, getenv, topics) })
	}
	t.Cleanup(func() { deleteBucket(t, getenv) })
	return getenv
}

// MinIO is a client of the test's own, to look at what is stored and to store what the functions did not.
func MinIO(t testing.TB, getenv func(string) string) *minio.Client {
	t.Helper()
	client, err := minio.New(getenv("MINIO_ENDPOINT"), &minio.Options{
		Creds: credentials.NewStaticV4(getenv("MINIO_ACCESS_KEY"), getenv("MINIO_SECRET_KEY"), ""),
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func deleteBucket(t testing.TB, getenv func(string) string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	client, bucket := MinIO(t, getenv), getenv("MINIO_BUCKET")
	there, err := client.BucketExists(ctx, bucket)
	if err != nil || !there {
		return // the test stopped its server, or stored nothing
	}
	for object := range client.ListObjects(ctx, bucket, minio.ListObjectsOptions{Recursive: true}) {
		if err := client.RemoveObject(ctx, bucket, object.Key, minio.RemoveObjectOptions{}); err != nil {
			t.Errorf("clean up %s/%s: %v", bucket, object.Key, err)
		}
	}
	if err := client.RemoveBucket(ctx, bucket); err != nil {
		t.Errorf("clean up %s: %v", bucket, err)
	}
}

func deleteTopics(t testing.TB, getenv func(string) string, topics []string) {
	config := sarama.NewConfig()
	config.Metadata.Retry.Max = 0
	admin, err := sarama.NewClusterAdmin(strings.Split(getenv("KAFKA_BOOTSTRAP_SERVERS"), ","), config)
	if err != nil {
		return // the test stopped its server
	}
	defer admin.Close()
	for _, topic := range topics {
		if err := admin.DeleteTopic(topic); err != nil {
			t.Errorf("clean up topic: %v", err)
		}
	}
}
