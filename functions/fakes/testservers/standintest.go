// Package testservers gives tests the servers of package standin: stand-ins, or the real ones that the environment
// names, with a bucket and topics that no other test uses.
//
// Where the environment has a CI_REDIS_USERNAME, a CI_MINIO_ACCESS_KEY and CI_KAFKA_USERS, as that of .ci/servers does, the
// functions under test log in as these and may do no more than in production; see knative/components/storage-tls.
package testservers

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"gitlab.com/yourorg/image-service/functions/fakes"
)

// Start starts what the environment does not name, and returns the settings that reach it all, until the test ends.
// overrides are settings of the test's own, NAME=value.
func Start(t testing.TB, overrides ...string) func(name string) string {
	t.Helper()
	servers, err := fakes.Start(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(servers.Close)
	// The names of production with something behind them, as rights are given by what names begin with.
	suffix := "-" + uuid.NewString()
	settings := map[string]string{
		"MINIO_BUCKET":            "images" + suffix,
		"KAFKA_TOPIC":             "image-processing" + suffix,
		"KAFKA_DEAD_LETTER_TOPIC": "image-dead-letters" + suffix,
		"LOG_LEVEL":               "ERROR",
	}
	topics := []string{settings["KAFKA_TOPIC"], settings["KAFKA_DEAD_LETTER_TOPIC"]}
	for _, name := range loginSettings {
		settings[own+name] = servers.Getenv(name)
	}
	for name, setting := range map[string]string{"CI_REDIS_USERNAME": "REDIS_USERNAME", "CI_MINIO_ACCESS_KEY": "MINIO_ACCESS_KEY"} {
		if value := os.Getenv(name); value != "" && servers.Getenv(setting) != "" {
			settings[setting] = value
		}
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
	if settings["KAFKA_TOPIC"] == topics[0] { // topics that the test names itself are its own affair
		if err := servers.EnsureTopics(topics...); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { deleteTopics(t, getenv, topics) })
	}
	t.Cleanup(func() { deleteBucket(t, getenv) })
	return getenv
}

// As is the setting that has a function log in to Kafka as a user of knative/components/storage-tls, where there are such
// users.
func As(user string) (override string) {
	if os.Getenv("CI_KAFKA_USERS") == "" {
		user = os.Getenv("KAFKA_SASL_USERNAME")
	}
	return "KAFKA_SASL_USERNAME=" + user
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
	brokers, config := Kafka(t, getenv)
	config.Metadata.Retry.Max = 0
	admin, err := sarama.NewClusterAdmin(brokers, config)
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
