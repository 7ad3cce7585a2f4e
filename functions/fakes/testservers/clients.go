package testservers

import (
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
	"gitlab.com/yourorg/image-service/functions/fakes"
)

// The clients below are the test's own: they prepare servers and inspect what the functions did. They log in as the
// environment says, and may have more permissions than the functions under test.

// MinIO returns a client of the test's own.
func MinIO(tb testing.TB, getenv func(string) string) *minio.Client {
	tb.Helper()
	endpoint, transport := MinIOTransport(tb, getenv)
	getenv = Own(getenv)
	client, err := minio.New(endpoint.Host, &minio.Options{
		Creds:     credentials.NewStaticV4(getenv("MINIO_ACCESS_KEY"), getenv("MINIO_SECRET_KEY"), ""),
		Secure:    endpoint.Scheme == "https",
		Transport: transport,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return client
}

// MinIOTransport returns MinIO's URL and an HTTP transport that reaches it.
func MinIOTransport(tb testing.TB, getenv func(string) string) (*url.URL, *http.Transport) {
	tb.Helper()
	endpoint := &url.URL{Scheme: "http", Host: getenv("MINIO_ENDPOINT")}
	transport := &http.Transport{DisableCompression: true}
	tb.Cleanup(transport.CloseIdleConnections)
	if dialer := read(tb, getenv, connect.ReadMinIO); dialer != nil {
		endpoint.Scheme, endpoint.Host = "https", strings.TrimPrefix(endpoint.Host, "https://")
		transport.DialTLSContext = dialer.DialContext
	}
	return endpoint, transport
}

// Redis returns a client of the test's own.
func Redis(tb testing.TB, getenv func(string) string) redis.UniversalClient {
	tb.Helper()
	client := connect.OpenRedis(read(tb, Own(getenv), connect.ReadRedis))
	tb.Cleanup(func() { client.Close() })
	return client
}

// Kafka returns the brokers and the configuration of a client of the test's own, as sarama's constructors expect them.
func Kafka(tb testing.TB, getenv func(string) string) (brokers []string, config *sarama.Config) {
	tb.Helper()
	config = read(tb, Own(getenv), connect.ReadKafka).Config("image-service-tests")
	// The machine may be busy with other tests. The second is how long Kafka tries to create and delete topics.
	config.Net.ReadTimeout, config.Admin.Timeout = 30*time.Second, 25*time.Second
	config.Producer.Return.Successes = true // required by SyncProducer
	return strings.Split(getenv("KAFKA_BOOTSTRAP_SERVERS"), ","), config
}

func read[T any](tb testing.TB, getenv func(string) string, read func(connect.Settings) T) T {
	tb.Helper()
	value, err := connect.From(getenv, read)
	if err != nil {
		tb.Fatal(err)
	}
	return value
}

// loginSettings are the logins that a test's own clients have for themselves; Start keeps them under these names with
// the prefix own.
var loginSettings = []string{
	"MINIO_ACCESS_KEY", "MINIO_SECRET_KEY",
	"REDIS_USERNAME", "REDIS_PASSWORD",
	"KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD",
}

const own = "TEST_"

// Own returns the settings of a test's own clients: those of getenv, with the logins of the environment.
func Own(getenv func(string) string) func(string) string {
	return func(name string) string {
		if value := getenv(own + name); value != "" {
			return value
		}
		return getenv(name)
	}
}

// S3 returns a fake of MinIO without a server, until the test ends.
func S3(tb testing.TB) http.Handler {
	tb.Helper()
	s3, err := fakes.S3(tb.TempDir())
	if err != nil {
		tb.Fatal(err)
	}
	return s3
}
