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
)

// needed is what has to be in the environment.
var needed = []string{
	"KUBECONFIG", "KO_DOCKER_REPO", "KO_DEFAULTBASEIMAGE",
	"MINIO_ENDPOINT", "MINIO_ACCESS_KEY", "MINIO_SECRET_KEY",
	"REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD", "KAFKA_BOOTSTRAP_SERVERS",
}

// podAddress is what pods use for a server: POD_NAME, or what this machine uses.
func podAddress(name string) string {
	if address := os.Getenv("POD_" + name); address != "" {
		return address
	}
	return os.Getenv(name)
}

// alias makes an address of knative/base/200-config.yaml, such as minio.minio.svc.cluster.local:9000, lead to a server
// that is not in the cluster, so that the manifests are deployed as they are.
func alias(t *testing.T, address, target string) {
	t.Helper()
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
		t.Fatalf("the namespace %s is there: this cluster is in use", in)
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

// makeTopics makes topics, and removes them after the test.
func makeTopics(t *testing.T, names ...string) {
	t.Helper()
	admin := kafka(t)
	for _, name := range names {
		err := admin.CreateTopic(name, &sarama.TopicDetail{NumPartitions: 3, ReplicationFactor: 1}, false)
		if errors.Is(err, sarama.ErrTopicAlreadyExists) {
			t.Fatalf("the topic %s is there: this Kafka is in use", name)
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

func kafka(t *testing.T) sarama.ClusterAdmin {
	t.Helper()
	config := sarama.NewConfig()
	config.Version = sarama.V2_8_0_0
	admin, err := sarama.NewClusterAdmin(strings.Split(os.Getenv("KAFKA_BOOTSTRAP_SERVERS"), ","), config)
	if err != nil {
		t.Fatalf("connect to Kafka: %v", err)
	}
	t.Cleanup(func() { admin.Close() })
	return admin
}

// recordsOn counts what was ever written to a topic.
func recordsOn(t *testing.T, topic string) (count int64) {
	t.Helper()
	client, err := sarama.NewClient(strings.Split(os.Getenv("KAFKA_BOOTSTRAP_SERVERS"), ","), sarama.NewConfig())
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

// bucket is the one that the functions work in.
type bucket struct {
	*minio.Client
	name string
}

// takeBucket removes the bucket after the test, with what is in it; there must be none before.
func takeBucket(t *testing.T, name string) bucket {
	t.Helper()
	client, err := minio.New(os.Getenv("MINIO_ENDPOINT"), &minio.Options{
		Creds: credentials.NewStaticV4(os.Getenv("MINIO_ACCESS_KEY"), os.Getenv("MINIO_SECRET_KEY"), ""),
	})
	if err != nil {
		t.Fatal(err)
	}
	if there, err := client.BucketExists(t.Context(), name); err != nil || there {
		t.Fatalf("the bucket %s is there (%t, %v): this MinIO is in use", name, there, err)
	}
	b := bucket{client, name}
	t.Cleanup(func() { b.remove(t) })
	return b
}

func (b bucket) remove(t *testing.T) {
	ctx := context.Background() // the test's is over
	if there, err := b.BucketExists(ctx, b.name); err != nil || !there {
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

// images are the ids of all that is stored.
func (b bucket) images(t *testing.T) (ids []string) {
	t.Helper()
	for object := range b.ListObjects(t.Context(), b.name, minio.ListObjectsOptions{Recursive: true}) {
		if object.Err != nil {
			t.Fatal(object.Err)
		}
		if id, _, _ := strings.Cut(object.Key, "/"); !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// has tells whether there is an object.
func (b bucket) has(t *testing.T, key string) bool {
	t.Helper()
	_, err := b.StatObject(t.Context(), b.name, key, minio.StatObjectOptions{})
	if err != nil && minio.ToErrorResponse(err).StatusCode != http.StatusNotFound {
		t.Fatal(err)
	}
	return err == nil
}

// redisClient talks to the Redis of the functions.
func redisClient(t *testing.T, password string) *redis.Client {
	t.Helper()
	client := redis.NewClient(&redis.Options{
		Addr:     net.JoinHostPort(os.Getenv("REDIS_HOST"), os.Getenv("REDIS_PORT")),
		Password: password,
	})
	t.Cleanup(func() { client.Close() })
	return client
}
