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

// A wrong password is reported at once, and the refused event is certain not to arrive. Once Kafka accepts the
// password, the next publication succeeds without a restart.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	servers := testservers.StartSecure(t)
	getenv := testservers.With(servers.Getenv, "KAFKA_SASL_PASSWORD=the next password", "KAFKA_TOPIC=image-processing")
	topic := Open(settingsOf(t, getenv))
	defer topic.Close()
	err := topic.Publish(t.Context(), newEvent(t))
	mustBeCertain(t, err)
	if err == nil || strings.Contains(err.Error(), "password") || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got error %v, want a refusal without the password", err)
	}
	admin, err := sarama.NewClusterAdmin(testservers.Kafka(t, servers.Getenv))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	change := sarama.AlterUserScramCredentialsUpsert{
		Name: testservers.User, Mechanism: sarama.SCRAM_MECHANISM_SHA_512, Iterations: 4096,
		Salt: []byte("some salt"), Password: []byte("the next password"),
	}
	if _, err := admin.UpsertUserScramCredentials([]sarama.AlterUserScramCredentialsUpsert{change}); err != nil {
		t.Fatal(err)
	}
	if err := topic.Publish(t.Context(), newEvent(t)); err != nil {
		t.Errorf("after the password was changed: got error %v", err)
	}
}

// The reason that a real Kafka gives is in the error, and no password.
func TestRefusedByKafka(t *testing.T) {
	t.Parallel()
	if os.Getenv("CI_KAFKA_USERS") == "" {
		return // the fake has no users
	}
	for name, test := range map[string]struct{ override, want string }{
		"wrong password":    {"KAFKA_SASL_PASSWORD=wrong-and-secret", "invalid credentials"},
		"no right to write": {testservers.As("image-source"), "not authorized"},
	} {
		t.Run(name, func(t *testing.T) {
			topic := Open(settingsOf(t, testservers.Start(t, testservers.As("image-upload"), test.override)))
			defer topic.Close()
			err := topic.Publish(t.Context(), newEvent(t))
			mustBeCertain(t, err)
			if err != nil && (!strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret")) {
				t.Errorf("got error %v, want %q in it and no password", err, test.want)
			}
		})
	}
}
