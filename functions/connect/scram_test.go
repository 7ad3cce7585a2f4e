package connect

import (
	"testing"

	"github.com/IBM/sarama"
)

// The keys of the login are derived once, and not for each connection.
func TestConnectionsShareKeys(t *testing.T) {
	kafka := Kafka{mechanism: sarama.SASLTypeSCRAMSHA512, username: "name", password: "password"}
	login := kafka.Config("image-service-tests").Net.SASL
	first, second := login.SCRAMClientGeneratorFunc().(*scramLogin), login.SCRAMClientGeneratorFunc().(*scramLogin)
	for _, l := range []*scramLogin{first, second} {
		if err := l.Begin(login.User, login.Password, login.SCRAMAuthzID); err != nil {
			t.Fatal(err)
		}
	}
	if first.ClientConversation == second.ClientConversation {
		t.Error("two logins have one conversation")
	}
	one, err := first.client()
	if err != nil {
		t.Fatal(err)
	}
	if another, _ := second.client(); one != another {
		t.Error("each login has a client of its own, want one of both")
	}
}
