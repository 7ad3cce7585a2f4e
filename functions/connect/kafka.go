package connect

import (
	"slices"

	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"
	"gitlab.com/yourorg/image-service/functions/internal/config"
)

// Kafka is how Kafka is reached, and as whom; nothing in it means plain TCP and nobody.
type Kafka struct {
	tls                *Dialer
	mechanism          sarama.SASLMechanism
	username, password string
}

// Settings of the login to Kafka.
var (
	saslMechanism = config.Text{Name: "KAFKA_SASL_MECHANISM",
		Form: config.Form{Expected: "SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN", Valid: isMechanism},
		Doc:  "SASL mechanism of the login to Kafka; without one there is no login. `PLAIN` needs `KAFKA_TLS`."}
	saslUsername = config.Text{Name: "KAFKA_SASL_USERNAME", RequiredWith: saslMechanism,
		Form: config.Form{Expected: "the name of a Kafka user"},
		Doc:  "Name of the Kafka user."}
	saslPassword = config.Text{Name: "KAFKA_SASL_PASSWORD", RequiredWith: saslMechanism, Secret: true,
		Form: config.Form{Expected: "the password of a Kafka user"},
		Doc:  "Password of the Kafka user."}
)

func isMechanism(text string) bool {
	known := []string{sarama.SASLTypeSCRAMSHA512, sarama.SASLTypeSCRAMSHA256, sarama.SASLTypePlaintext}
	return slices.Contains(known, text)
}

// ReadKafka reads KAFKA_TLS, KAFKA_SASL_* and the files that belong to them.
func ReadKafka(r *config.Reader) Kafka {
	k := Kafka{
		tls:       readKafkaTLS(r),
		mechanism: sarama.SASLMechanism(saslMechanism.Read(r)),
		username:  saslUsername.Read(r),
		password:  saslPassword.Read(r),
	}
	if !r.IsSet(saslMechanism) && k.username+k.password != "" {
		r.Fault("%s or %s is set; expected %s with it", saslUsername, saslPassword, saslMechanism)
	}
	if k.mechanism == sarama.SASLTypePlaintext && !kafkaTLS.Read(r) {
		r.Fault("%s is PLAIN, which sends the password as it is; expected %s=true with it", saslMechanism, kafkaTLS)
	}
	return k
}

// Configure has a client go this way. TLS is the dialer's, as sarama would keep one tls.Config for all connections.
func (k Kafka) Configure(config *sarama.Config) {
	if k.tls != nil {
		config.Net.Proxy.Enable, config.Net.Proxy.Dialer = true, k.tls
	}
	if k.mechanism == "" {
		return
	}
	login := &config.Net.SASL
	login.Enable, login.Version, login.Handshake = true, sarama.SASLHandshakeV1, true
	login.Mechanism, login.User, login.Password = k.mechanism, k.username, k.password
	login.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &exchange{mechanism: k.mechanism} }
}

// exchange is one SCRAM login, RFC 5802.
type exchange struct {
	*scram.ClientConversation
	mechanism sarama.SASLMechanism
}

// Begin leaves names and passwords as they are, because Kafka does not prepare them either.
func (e *exchange) Begin(username, password, authzID string) error {
	hash := scram.SHA512
	if e.mechanism == sarama.SASLTypeSCRAMSHA256 {
		hash = scram.SHA256
	}
	client, err := hash.NewClientUnprepped(username, password, authzID)
	if err != nil {
		return err
	}
	e.ClientConversation = client.NewConversation()
	return nil
}
