//go:build e2e

package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/IBM/sarama"
	"github.com/minio/minio-go/v7"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
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
	host, portText, err := net.SplitHostPort(connect.MinIOAddress(address))
	if err != nil {
		t.Fatal(err)
	}
	targetHost, targetPort, err := net.SplitHostPort(connect.MinIOAddress(target))
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

// setServerSecrets creates the Secrets of docs/operations/tls.md, where the servers require TLS.
func setServerSecrets(t *testing.T) {
	t.Helper()
	if !secure() {
		return
	}
	authorities := map[string]string{}
	for _, server := range []string{"minio", "redis", "kafka"} {
		certificate, err := os.ReadFile(os.Getenv(strings.ToUpper(server) + "_CA_FILE"))
		if err != nil {
			t.Fatal(err)
		}
		authorities[server+".crt"] = string(certificate)
	}
	setSecret(t, "image-service-authorities", authorities)
	password := os.Getenv("KAFKA_SASL_PASSWORD")
	setSecret(t, "image-upload", map[string]string{"password": password})
	setSecret(t, "image-dead-letters", map[string]string{"password": password})
	setSecret(t, "image-source", map[string]string{
		"user": "image-source", "password": password, "saslType": sarama.SASLTypeSCRAMSHA512,
	})
}

// grantRights gives the users of the servers those of the component storage-tls, with the names of the installation.
func grantRights(t *testing.T) {
	t.Helper()
	if os.Getenv("CI_KAFKA_USERS") == "" {
		return
	}
	directory := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(directory, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var users []string
	for _, o := range objects(t, base.with("", "knative/components/storage", "knative/components/storage-tls")) {
		switch {
		case o.Kind == "KafkaUser":
			users = append(users, o.text)
		case strings.HasPrefix(o.Metadata.Name, "minio-rights"):
			write("minio-policy.json", o.Data["minio-policy.json"])
		}
	}
	write("kafka-users.yaml", strings.Join(users, "\n---\n"))
	run(t, "", "go", "run", "./functions/fakes/testservers/provision", directory)
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

func kafka(t *testing.T) sarama.ClusterAdmin {
	t.Helper()
	admin, err := sarama.NewClusterAdmin(testservers.Kafka(t, os.Getenv))
	if err != nil {
		t.Fatalf("connect to Kafka: %v", err)
	}
	t.Cleanup(func() { admin.Close() })
	return admin
}

// recordsOn returns the number of records that were ever written to a topic.
func recordsOn(t *testing.T, topic string) (count int64) {
	t.Helper()
	client, err := sarama.NewClient(testservers.Kafka(t, os.Getenv))
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
	client := testservers.MinIO(t, os.Getenv)
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
