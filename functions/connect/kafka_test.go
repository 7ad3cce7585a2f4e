package connect_test

import (
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
)

// topicsError connects and lists the topics.
func topicsError(t *testing.T, getenv func(string) string) error {
	t.Helper()
	kafka, err := connect.From(getenv, connect.ReadKafka)
	if err != nil {
		t.Fatal(err)
	}
	config := kafka.Config("image-service-tests")
	config.Metadata.Retry.Max = 0
	config.Net.DialTimeout = time.Minute // on a busy machine
	client, err := sarama.NewClient([]string{getenv("KAFKA_BOOTSTRAP_SERVERS")}, config)
	if err != nil {
		return err
	}
	defer client.Close()
	_, err = client.Topics()
	return err
}

func TestLogin(t *testing.T) {
	t.Parallel()
	servers := testservers.StartSecure(t)
	for name, test := range map[string]struct {
		settings []string
		want     string // in the error; "" for none
	}{
		"SCRAM-SHA-512":  {nil, ""},
		"SCRAM-SHA-256":  {[]string{"KAFKA_SASL_MECHANISM=SCRAM-SHA-256"}, ""},
		"PLAIN":          {[]string{"KAFKA_SASL_MECHANISM=PLAIN"}, ""},
		"wrong password": {[]string{"KAFKA_SASL_PASSWORD=another password"}, "available brokers"},
		"unknown user":   {[]string{"KAFKA_SASL_USERNAME=nobody"}, "available brokers"},
		"wrong PLAIN password": {
			[]string{"KAFKA_SASL_MECHANISM=PLAIN", "KAFKA_SASL_PASSWORD=another password"}, "available brokers",
		},
		"authority not trusted": {[]string{"KAFKA_CA_FILE="}, "unknown authority"},
	} {
		t.Run(name, func(t *testing.T) {
			err := topicsError(t, testservers.With(servers.Getenv, test.settings...))
			mustContain(t, err, test.want)
			if err != nil && strings.Contains(err.Error(), "password") {
				t.Errorf("error %v contains a password", err)
			}
		})
	}
}

// Every client gives up within seconds, and no client creates a topic by naming it.
func TestConfig(t *testing.T) {
	config := connect.Kafka{}.Config("image-service-tests")
	if err := config.Validate(); err != nil {
		t.Fatal(err)
	}
	if config.ClientID != "image-service-tests" {
		t.Errorf("got client ID %q, want image-service-tests", config.ClientID)
	}
	if config.Metadata.AllowAutoTopicCreation {
		t.Error("got automatic topic creation, want none")
	}
	if config.Net.SASL.Enable || config.Net.Proxy.Enable {
		t.Error("got a login or TLS without settings for it, want neither")
	}
}

// mustContain checks that an error contains a text; "" is for no error.
func mustContain(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("got error %v, want %q in it", err, want)
	}
}
