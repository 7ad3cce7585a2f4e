package testservers

import (
	"io"
	"log"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/twmb/franz-go/pkg/kfake"
)

// Secure are stand-ins that are reached as the servers of production are: over TLS, with an authority of their own, and
// logged in to.
type Secure struct {
	Authority *Authority
	Redis     *miniredis.Miniredis
	Kafka     *kfake.Cluster
	settings  map[string]string
}

// Names and passwords of the Secure stand-ins.
const (
	User     = "image-service"
	Password = "a password that no log may have"
)

// StartSecure starts all three, with the topics image-processing and image-dead-letters, until the test ends.
func StartSecure(t testing.TB) *Secure {
	t.Helper()
	s := &Secure{Authority: NewAuthority(t)}
	authority := filepath.Join(t.TempDir(), "ca.crt")
	s.Authority.Write(authority)
	var err error
	if s.Redis, err = miniredis.RunTLS(s.Authority.Server()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Redis.Close)
	s.Redis.RequireUserAuth(User, Password)
	s.Kafka, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "image-processing", "image-dead-letters"),
		kfake.TLS(s.Authority.Server()), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", User, Password),
		kfake.Superuser("SCRAM-SHA-256", User, Password), kfake.Superuser("PLAIN", User, Password))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kafka.Close)
	minio := httptest.NewUnstartedServer(gofakes3.New(s3mem.New()).Server())
	minio.TLS, minio.Config.ErrorLog = s.Authority.Server(), log.New(io.Discard, "", 0)
	minio.StartTLS()
	t.Cleanup(minio.Close)
	s.settings = map[string]string{
		"LOG_LEVEL":      "ERROR",
		"MINIO_ENDPOINT": minio.URL, "MINIO_CA_FILE": authority, "MINIO_ACCESS_KEY": User, "MINIO_SECRET_KEY": Password,
		"REDIS_HOST": s.Redis.Host(), "REDIS_PORT": s.Redis.Port(), "REDIS_TLS": "true", "REDIS_CA_FILE": authority,
		"REDIS_USERNAME": User, "REDIS_PASSWORD": Password,
		"KAFKA_BOOTSTRAP_SERVERS": s.Kafka.ListenAddrs()[0], "KAFKA_TLS": "true", "KAFKA_CA_FILE": authority,
		"KAFKA_SASL_MECHANISM": "SCRAM-SHA-512", "KAFKA_SASL_USERNAME": User, "KAFKA_SASL_PASSWORD": Password,
	}
	return s
}

// Getenv has the settings that reach the stand-ins.
func (s *Secure) Getenv(name string) string { return s.settings[name] }

// With are the settings with some others, NAME, value, NAME, value.
func (s *Secure) With(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return s.settings[name]
	}
}
