package kafka

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/IBM/sarama"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
)

// A wrong password is said at once, and what was refused for it was not sent. When Kafka knows the password, the next
// announcement goes through, by itself.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	servers := testservers.StartSecure(t)
	publisher := Open(settingsOf(t, servers.With("KAFKA_SASL_PASSWORD", "the next password", "KAFKA_TOPIC", "image-processing")))
	defer publisher.Close()
	err := publisher.Publish(t.Context(), announced(t))
	mustBeCertain(t, "wrong password", err)
	if err == nil || strings.Contains(err.Error(), "password") || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("refused with %v", err)
	}
	brokers, config := testservers.Kafka(t, servers.Getenv)
	admin, err := sarama.NewClusterAdmin(brokers, config)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	change := sarama.AlterUserScramCredentialsUpsert{
		Name: testservers.User, Mechanism: sarama.SCRAM_MECHANISM_SHA_512, Iterations: 4096, Salt: []byte("some salt"), Password: []byte("the next password"),
	}
	if _, err := admin.UpsertUserScramCredentials([]sarama.AlterUserScramCredentialsUpsert{change}); err != nil {
		t.Fatal(err)
	}
	if err := publisher.Publish(t.Context(), announced(t)); err != nil {
		t.Errorf("after the password was changed: %v", err)
	}
}

// A real Kafka says what was wrong, and that comes through.
func TestRefusedByKafka(t *testing.T) {
	t.Parallel()
	if os.Getenv("CI_KAFKA_USERS") == "" {
		return // it is not asked who comes
	}
	for name, test := range map[string]struct{ override, want string }{
		"password": {"KAFKA_SASL_PASSWORD=wrong-and-secret", "invalid credentials"},
		"right":    {testservers.As("image-source"), "not authorized"}, // it may read
	} {
		publisher := Open(settingsOf(t, testservers.Start(t, testservers.As("image-upload"), test.override)))
		err := publisher.Publish(t.Context(), announced(t))
		mustBeCertain(t, name, err)
		if err != nil && (!strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: %v, want %q in it", name, err, test.want)
		}
		publisher.Close()
	}
}
