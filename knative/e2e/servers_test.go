//go:build e2e

package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/IBM/sarama"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/connect"
)

// needed lists the required environment variables.
var needed = []string{
	"KUBECONFIG", "KO_DOCKER_REPO", "KO_DEFAULTBASEIMAGE",
	"MINIO_ENDPOINT", "MINIO_ACCESS_KEY", "MINIO_SECRET_KEY",
	"REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD", "KAFKA_BOOTSTRAP_SERVERS",
}

// podAddress returns the address of a server as seen by pods: POD_NAME, or by default that of this machine.
func podAddress(name string) string {
	if address := os.Getenv("POD_" + name); address != "" {
		return address
	}
	return os.Getenv(name)
}

// alias creates a Service by which an address of knative/base/200-config.yaml, such as
// minio.minio.svc.cluster.local:9000, leads to a server outside the cluster, so that the manifests need no change.
func alias(t *testing.T, address, target string) {
	t.Helper()
	if _, withoutScheme, found := strings.Cut(address, "://"); found {
		address = withoutScheme
	}
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	targetHost, targetPort, err := net.SplitHostPort(target)
	if err != nil {
		t.Fatal(err)
	}
	service, in, _ := strings.Cut(strings.TrimSuffix(host, ".svc.cluster.local"), ".")
	if net.ParseIP(targetHost) == nil {
		addresses, err := net.DefaultResolver.LookupHost(t.Context(), targetHost)
		if err != nil {
			t.Fatal(err)
		}
		targetHost = addresses[0]
	}
	if exists(t, "namespace", in) {
		t.Fatalf("namespace %s already exists: the cluster is in use", in)
	}
	t.Cleanup(func() {
		if _, err := try(context.Background(), ".", "", "kubectl", "delete", "namespace", in, "--timeout=3m"); err != nil {
			t.Error(err)
		}
	})
	apply(t, fmt.Sprintf(`
apiVersion: v1
kind: Namespace
metadata: { name: %[1]s }
---
apiVersion: v1
kind: Service
metadata: { name: %[2]s, namespace: %[1]s }
spec: { ports: [{ port: %[3]s, targetPort: %[5]s }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: %[2]s
  namespace: %[1]s
  labels: { kubernetes.io/service-name: %[2]s }
addressType: IPv4
endpoints: [{ addresses: [%[4]q], conditions: { ready: true } }]
ports: [{ port: %[5]s }]
`, in, service, portText, targetHost, targetPort))
}

// makeTopics creates topics, and deletes them after the test.
func makeTopics(t *testing.T, names ...string) {
	t.Helper()
	admin := kafka(t)
	for _, name := range names {
		err := admin.CreateTopic(name, &sarama.TopicDetail{NumPartitions: 3, ReplicationFactor: 1}, false)
		if errors.Is(err, sarama.ErrTopicAlreadyExists) {
			t.Fatalf("topic %s already exists: the Kafka is in use", name)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := admin.DeleteTopic(name); err != nil {
				t.Errorf("delete topic %s: %v", name, err)
			}
		})
	}
}

// kafkaServers returns the addresses of Kafka as seen by this machine.
func kafkaServers() []string { return strings.Split(os.Getenv("KAFKA_BOOTSTRAP_SERVERS"), ",") }

// kafkaConfig returns the configuration of the Kafka clients of these tests.
func kafkaConfig() *sarama.Config { return connect.Kafka{}.Config("image-service-e2e") }

func kafka(t *testing.T) sarama.ClusterAdmin {
	t.Helper()
	admin, err := sarama.NewClusterAdmin(kafkaServers(), kafkaConfig())
	if err != nil {
		t.Fatalf("connect to Kafka: %v", err)
	}
	t.Cleanup(func() { admin.Close() })
	return admin
}

// recordsOn returns the number of records that were ever written to a topic.
func recordsOn(t *testing.T, topic string) (count int64) {
	t.Helper()
	client, err := sarama.NewClient(kafkaServers(), kafkaConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	partitions, err := client.Partitions(topic)
	if err != nil {
		t.Fatal(err)
	}
	for _, partition := range partitions {
		end, err := client.GetOffset(topic, partition, sarama.OffsetNewest)
		if err != nil {
			t.Fatal(err)
		}
		count += end
	}
	return count
}

// bucket is a bucket in MinIO.
type bucket struct {
	*minio.Client
	name string
}

// takeBucket reserves the name of a bucket, which must not exist, and removes the bucket with its objects after the
// test.
func takeBucket(t *testing.T, name string) bucket {
	t.Helper()
	client, err := minio.New(os.Getenv("MINIO_ENDPOINT"), &minio.Options{
		Creds: credentials.NewStaticV4(os.Getenv("MINIO_ACCESS_KEY"), os.Getenv("MINIO_SECRET_KEY"), ""),
	})
	if err != nil {
		t.Fatal(err)
	}
	switch exists, err := client.BucketExists(t.Context(), name); {
	case err != nil:
		t.Fatalf("look up bucket %s: %v", name, err)
	case exists:
		t.Fatalf("bucket %s already exists: the MinIO is in use", name)
	}
	b := bucket{client, name}
	t.Cleanup(func() { b.remove(t) })
	return b
}

func (b bucket) remove(t *testing.T) {
	t.Helper()
	ctx := context.Background() // the context of the test is already canceled
	switch exists, err := b.BucketExists(ctx, b.name); {
	case err != nil:
		t.Errorf("look up bucket %s: %v", b.name, err)
		return
	case !exists:
		return // nothing was stored
	}
	for object := range b.ListObjects(ctx, b.name, minio.ListObjectsOptions{Recursive: true}) {
		if err := b.RemoveObject(ctx, b.name, object.Key, minio.RemoveObjectOptions{}); err != nil {
			t.Errorf("remove %s: %v", object.Key, err)
		}
	}
	if err := b.RemoveBucket(ctx, b.name); err != nil {
		t.Errorf("remove bucket %s: %v", b.name, err)
	}
}

// images returns the IDs of all images in the bucket.
func (b bucket) images(t *testing.T) (ids []string) {
	t.Helper()
	for object := range b.ListObjects(t.Context(), b.name, minio.ListObjectsOptions{Recursive: true}) {
		if object.Err != nil {
			t.Fatal(object.Err)
		}
		if id, _, _ := strings.Cut(object.Key, "/"); events.IsImageID(id) && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// has reports whether an object exists.
func (b bucket) has(t *testing.T, key string) bool {
	t.Helper()
	_, err := b.StatObject(t.Context(), b.name, key, minio.StatObjectOptions{})
	if err != nil && minio.ToErrorResponse(err).StatusCode != http.StatusNotFound {
		t.Fatal(err)
	}
	return err == nil
}

// redisClient returns a client of the Redis that the functions use.
func redisClient(t *testing.T, password string) *redis.Client {
	t.Helper()
	client := redis.NewClient(&redis.Options{
		Addr:     net.JoinHostPort(os.Getenv("REDIS_HOST"), os.Getenv("REDIS_PORT")),
		Password: password,
	})
	t.Cleanup(func() { client.Close() })
	return client
}
