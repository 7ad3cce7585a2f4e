// Package testservers gives tests the servers of package fakes, or the real ones that the environment names, with a
// bucket and topics that no other test uses.
//
// Where the environment has CI_REDIS_USERNAME, CI_MINIO_ACCESS_KEY and CI_KAFKA_USERS, as that of .ci/servers does, the
// functions under test log in as these users and have the permissions of production (knative/components/storage-tls).
package testservers

import (
	"context"
	"maps"
	"os"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"gitlab.com/yourorg/image-service/functions/fakes"
)

// Start starts a fake for each server that the environment does not name and returns the settings to reach all three,
// until the test ends. overrides, NAME=value, replace settings; with a K_SINK among them, it is StartStores.
func Start(tb testing.TB, overrides ...string) func(name string) string {
	tb.Helper()
	if parse(overrides)["K_SINK"] != "" {
		return StartStores(tb, overrides...)
	}
	settings := ownNames()
	topics := []string{settings["KAFKA_TOPIC"], settings["KAFKA_BACKFILL_TOPIC"], settings["KAFKA_DEAD_LETTER_TOPIC"]}
	servers, getenv := start(tb, os.Getenv, settings, overrides)
	if settings["KAFKA_TOPIC"] == topics[0] { // a test that overrides it creates its topics itself
		if err := servers.EnsureTopics(topics...); err != nil {
			tb.Fatal(err)
		}
		if os.Getenv("KAFKA_BOOTSTRAP_SERVERS") != "" { // what a fake has ends with it
			tb.Cleanup(func() { deleteTopics(tb, getenv, topics) })
		}
	}
	return getenv
}

// StartStores is Start for what does not use Kafka, which has an address that refuses connections: a real Kafka takes
// about a second to create and delete the topics of a test.
func StartStores(tb testing.TB, overrides ...string) func(name string) string {
	tb.Helper()
	_, getenv := start(tb, With(os.Getenv, "KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:1"), ownNames(), overrides)
	return getenv
}

// start starts fakes for the servers that the environment does not name. It adds logins and overrides to settings,
// which it returns with those of the servers.
func start(
	tb testing.TB, environment func(string) string, settings map[string]string, overrides []string,
) (*fakes.Servers, func(name string) string) {
	tb.Helper()
	servers, err := fakes.Start(environment)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(servers.Close)
	maps.Copy(settings, logins(servers))
	maps.Copy(settings, parse(overrides))
	getenv := overlay(servers.Getenv, settings)
	if environment("MINIO_ENDPOINT") != "" {
		tb.Cleanup(func() { deleteBucket(tb, getenv) })
	}
	return servers, getenv
}

// ownNames returns settings with names that no other test uses. They begin with those of production, because
// permissions are given by prefix.
func ownNames() map[string]string {
	suffix := "-" + uuid.NewString()
	return map[string]string{
		"MINIO_BUCKET":            "images" + suffix,
		"KAFKA_TOPIC":             "image-processing" + suffix,
		"KAFKA_BACKFILL_TOPIC":    "image-backfill" + suffix,
		"KAFKA_DEAD_LETTER_TOPIC": "image-dead-letters" + suffix,
		"LOG_LEVEL":               "ERROR",
	}
}

// logins returns the logins of the functions, where the environment has users for them, and those of the test's own
// clients.
func logins(servers *fakes.Servers) map[string]string {
	settings := map[string]string{}
	for _, name := range loginSettings {
		settings[own+name] = servers.Getenv(name)
	}
	for name, setting := range map[string]string{
		"CI_REDIS_USERNAME":   "REDIS_USERNAME",
		"CI_MINIO_ACCESS_KEY": "MINIO_ACCESS_KEY",
	} {
		if value := os.Getenv(name); value != "" && servers.Getenv(setting) != "" {
			settings[setting] = value
		}
	}
	return settings
}

// As is an override for Start: the function logs in to Kafka as a user of knative/components/storage-tls, where Kafka
// has these users.
func As(user string) (override string) {
	if os.Getenv("CI_KAFKA_USERS") == "" {
		user = os.Getenv("KAFKA_SASL_USERNAME")
	}
	return "KAFKA_SASL_USERNAME=" + user
}

func deleteBucket(tb testing.TB, getenv func(string) string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	client, bucket := MinIO(tb, getenv), getenv("MINIO_BUCKET")
	exists, err := client.BucketExists(ctx, bucket)
	if err != nil || !exists {
		return // the test stopped its server, or stored nothing
	}
	for object := range client.ListObjects(ctx, bucket, minio.ListObjectsOptions{Recursive: true}) {
		if err := client.RemoveObject(ctx, bucket, object.Key, minio.RemoveObjectOptions{}); err != nil {
			tb.Errorf("delete object %s/%s: %v", bucket, object.Key, err)
		}
	}
	if err := client.RemoveBucket(ctx, bucket); err != nil {
		tb.Errorf("delete bucket %s: %v", bucket, err)
	}
}

func deleteTopics(tb testing.TB, getenv func(string) string, topics []string) {
	tb.Helper()
	brokers, config := Kafka(tb, getenv)
	config.Metadata.Retry.Max = 0
	admin, err := sarama.NewClusterAdmin(brokers, config)
	if err != nil {
		return // the test stopped its server
	}
	defer admin.Close()
	for _, topic := range topics {
		if err := admin.DeleteTopic(topic); err != nil {
			tb.Errorf("delete topic %s: %v", topic, err)
		}
	}
}
