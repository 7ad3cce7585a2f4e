package testservers

import (
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/connect"
)

// Clients of a test's own, to look at what the functions did, and to do what they did not. They log in as the
// environment says, and so may do more than the functions under test, which Start gives the rights of production.

// MinIO is a client of the test's own.
func MinIO(t testing.TB, getenv func(string) string) *minio.Client {
	t.Helper()
	at, transport := MinIOTransport(t, getenv)
	getenv = Own(getenv)
	client, err := minio.New(at.Host, &minio.Options{
		Creds:     credentials.NewStaticV4(getenv("MINIO_ACCESS_KEY"), getenv("MINIO_SECRET_KEY"), ""),
		Secure:    at.Scheme == "https",
		Transport: transport,
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// MinIOTransport is where MinIO is, and how HTTP gets there.
func MinIOTransport(t testing.TB, getenv func(string) string) (*url.URL, *http.Transport) {
	t.Helper()
	at := &url.URL{Scheme: "http", Host: getenv("MINIO_ENDPOINT")}
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	if dialer := way(t, getenv, connect.ReadMinIO); dialer != nil {
		at.Scheme, at.Host = "https", strings.TrimPrefix(at.Host, "https://")
		transport.DialTLSContext = dialer.DialContext
	}
	return at, transport
}

// Redis is a client of the test's own.
func Redis(t testing.TB, getenv func(string) string) *redis.Client {
	t.Helper()
	dialer := way(t, getenv, connect.ReadRedis)
	getenv = Own(getenv)
	options := &redis.Options{
		Addr:     net.JoinHostPort(getenv("REDIS_HOST"), getenv("REDIS_PORT")),
		Username: getenv("REDIS_USERNAME"),
		Password: getenv("REDIS_PASSWORD"),
	}
	if dialer != nil {
		options.Dialer = dialer.DialContext
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { client.Close() })
	return client
}

// Kafka is where Kafka is, and what a client of the test's own has to know of it.
func Kafka(t testing.TB, getenv func(string) string) (brokers []string, config *sarama.Config) {
	t.Helper()
	config = way(t, Own(getenv), connect.ReadKafka).Config("image-service-tests")
	config.Net.ReadTimeout = 30 * time.Second // the machine may be busy with other tests
	config.Producer.Return.Successes = true
	return strings.Split(getenv("KAFKA_BOOTSTRAP_SERVERS"), ","), config
}

func way[T any](t testing.TB, getenv func(string) string, read func(connect.Settings) T) T {
	t.Helper()
	value, err := connect.From(getenv, read)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// loginSettings are what a test's own clients have for themselves. Start keeps them under these names with own in front.
var loginSettings = []string{
	"MINIO_ACCESS_KEY", "MINIO_SECRET_KEY", "REDIS_USERNAME", "REDIS_PASSWORD", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD",
}

const own = "TEST_"

// Own are the settings of a test's own clients: with the names and passwords of the environment, whatever the functions
// have.
func Own(getenv func(string) string) func(string) string {
	return func(name string) string {
		if value := getenv(own + name); value != "" {
			return value
		}
		return getenv(name)
	}
}
