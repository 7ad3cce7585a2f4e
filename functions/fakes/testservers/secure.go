package testservers

import (
	"io"
	"log"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/twmb/franz-go/pkg/kfake"
)

// Secure is three fakes that are reached as the servers of production are: over TLS, with an authority of their own,
// and with a login.
type Secure struct {
	Authority *Authority
	Redis     *miniredis.Miniredis
	Kafka     *kfake.Cluster
	settings  map[string]string
}

// Login of the Secure fakes.
const (
	User     = "image-service"
	Password = "a password that no log may have"
)

// StartSecure starts the three fakes, with the topics of the functions, until the test ends.
func StartSecure(tb testing.TB) *Secure {
	tb.Helper()
	s := &Secure{Authority: NewAuthority(tb)}
	authority := filepath.Join(tb.TempDir(), "ca.crt")
	s.Authority.Write(authority)
	s.startRedis(tb)
	s.startKafka(tb)
	s.settings = map[string]string{
		"LOG_LEVEL":      "ERROR",
		"MINIO_ENDPOINT": s.startMinIO(tb), "MINIO_CA_FILE": authority,
		"MINIO_ACCESS_KEY": User, "MINIO_SECRET_KEY": Password,
		"REDIS_HOST": s.Redis.Host(), "REDIS_PORT": s.Redis.Port(), "REDIS_TLS": "true", "REDIS_CA_FILE": authority,
		"REDIS_USERNAME": User, "REDIS_PASSWORD": Password,
		"KAFKA_BOOTSTRAP_SERVERS": s.Kafka.ListenAddrs()[0], "KAFKA_TLS": "true", "KAFKA_CA_FILE": authority,
		"KAFKA_SASL_MECHANISM": "SCRAM-SHA-512", "KAFKA_SASL_USERNAME": User, "KAFKA_SASL_PASSWORD": Password,
	}
	return s
}

func (s *Secure) startRedis(tb testing.TB) {
	tb.Helper()
	var err error
	if s.Redis, err = miniredis.RunTLS(s.Authority.Server()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Redis.Close)
	s.Redis.RequireUserAuth(User, Password)
}

func (s *Secure) startKafka(tb testing.TB) {
	tb.Helper()
	var err error
	s.Kafka, err = kfake.NewCluster(kfake.NumBrokers(1),
		kfake.SeedTopics(1, "image-processing", "image-backfill", "image-dead-letters"),
		kfake.TLS(s.Authority.Server()), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", User, Password),
		kfake.Superuser("SCRAM-SHA-256", User, Password), kfake.Superuser("PLAIN", User, Password))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Kafka.Close)
}

func (s *Secure) startMinIO(tb testing.TB) (url string) {
	tb.Helper()
	server := httptest.NewUnstartedServer(S3(tb))
	server.TLS, server.Config.ErrorLog = s.Authority.Server(), log.New(io.Discard, "", 0)
	server.StartTLS()
	tb.Cleanup(server.Close)
	return server.URL
}

// Getenv returns a setting that reaches the fakes.
func (s *Secure) Getenv(name string) string { return s.settings[name] }
