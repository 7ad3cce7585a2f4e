package connect_test

import (
	"strings"
	"testing"

	"github.com/IBM/sarama"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
)

// connect asks Kafka for its topics.
func dialKafka(t *testing.T, getenv func(string) string) error {
	t.Helper()
	way, err := connect.From(getenv, connect.ReadKafka)
	if err != nil {
		t.Fatal(err)
	}
	config := way.Config("image-service-tests")
	config.Metadata.Retry.Max = 0
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
		"SCRAM-SHA-512":    {nil, ""},
		"SCRAM-SHA-256":    {[]string{"KAFKA_SASL_MECHANISM", "SCRAM-SHA-256"}, ""},
		"PLAIN":            {[]string{"KAFKA_SASL_MECHANISM", "PLAIN"}, ""},
		"a wrong password": {[]string{"KAFKA_SASL_PASSWORD", "another password"}, "available brokers"},
		"a wrong name":     {[]string{"KAFKA_SASL_USERNAME", "nobody"}, "available brokers"},
		"a wrong PLAIN":    {[]string{"KAFKA_SASL_MECHANISM", "PLAIN", "KAFKA_SASL_PASSWORD", "another password"}, "available brokers"},
		"not trusted":      {[]string{"KAFKA_CA_FILE", ""}, "unknown authority"},
	} {
		err := dialKafka(t, servers.With(test.settings...))
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q in it", name, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), "password that") {
			t.Errorf("%s: %v\ntells a password", name, err)
		}
	}
}
