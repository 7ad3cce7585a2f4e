package connect

import (
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

// ReadKafka reads KAFKA_TLS, KAFKA_SASL_* and what goes with them.
func ReadKafka(r *config.Reader) Kafka {
	k := Kafka{
		tls:       readKafkaTLS(r),
		mechanism: sarama.SASLMechanism(r.Text("KAFKA_SASL_MECHANISM", "")),
		username:  r.Text("KAFKA_SASL_USERNAME", ""),
		password:  r.Text("KAFKA_SASL_PASSWORD", ""),
	}
	k.check(r)
	return k
}

func (k Kafka) check(r *config.Reader) {
	switch k.mechanism {
	case "":
		if k.username != "" || k.password != "" {
			r.Fault("KAFKA_SASL_USERNAME or KAFKA_SASL_PASSWORD is set; expected KAFKA_SASL_MECHANISM with it")
		}
		return
	case sarama.SASLTypePlaintext:
		if !r.Bool("KAFKA_TLS") {
			r.Fault("KAFKA_SASL_MECHANISM is PLAIN, which sends the password as it is; expected KAFKA_TLS=true with it")
		}
	case sarama.SASLTypeSCRAMSHA256, sarama.SASLTypeSCRAMSHA512:
	default:
		r.Fault("KAFKA_SASL_MECHANISM is %s; expected SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN", config.Quote(string(k.mechanism)))
	}
	r.Required("KAFKA_SASL_USERNAME", "the name of a user of Kafka")
	r.Required("KAFKA_SASL_PASSWORD", "the password of a user of Kafka")
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
