package connect

import (
	"time"

	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"
	"gitlab.com/yourorg/image-service/functions/internal/config"
)

// Limits of every Kafka client.
const (
	// kafkaTimeout is for one connection, request or metadata refresh.
	kafkaTimeout = 3 * time.Second
	// A metadata refresh is retried this often, with this pause.
	kafkaRetries    = 3
	kafkaRetryPause = 250 * time.Millisecond
)

// Kafka says how clients reach Kafka and as which user they log in. The zero value is plain TCP without a login.
type Kafka struct {
	tls                *Dialer // nil for plain TCP
	mechanism          sarama.SASLMechanism
	username, password string
}

// ReadKafka reads KAFKA_TLS, KAFKA_SASL_MECHANISM and the settings that belong to them.
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

// Config returns the sarama configuration that every client in this repository starts from; it is enough for an
// administrator. Producers and consumers add what only they need. It is here and not in functions/internal/kafka because
// knative/local and the tests' own clients need it as well.
//
// The client gives up after seconds, where sarama's defaults take minutes: a caller, a probe or a person waits.
func (k Kafka) Config(clientID string) *sarama.Config {
	c := sarama.NewConfig()
	c.ClientID = clientID
	c.Version = sarama.V2_8_0_0
	c.ApiVersionsRequest = false // two more timeouts with a broker that does not respond; every broker speaks 2.8
	c.Net.DialTimeout = kafkaTimeout
	c.Net.ReadTimeout = kafkaTimeout
	c.Net.WriteTimeout = kafkaTimeout
	c.Metadata.AllowAutoTopicCreation = false // topics are the platform's
	c.Metadata.Timeout = kafkaTimeout         // bounds a refresh to one broker that does not respond
	c.Metadata.Retry.Max = kafkaRetries
	c.Metadata.Retry.Backoff = kafkaRetryPause
	c.Admin.Timeout = kafkaTimeout
	k.secure(c)
	return c
}

// secure adds TLS and the login. TLS is the Dialer's, because sarama would use one tls.Config for all connections and so
// never see a renewed certificate.
func (k Kafka) secure(c *sarama.Config) {
	if k.tls != nil {
		c.Net.Proxy.Enable, c.Net.Proxy.Dialer = true, k.tls
	}
	if k.mechanism == "" {
		return
	}
	login := &c.Net.SASL
	login.Enable, login.Version, login.Handshake = true, sarama.SASLHandshakeV1, true
	login.Mechanism, login.User, login.Password = k.mechanism, k.username, k.password
	login.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &scramLogin{mechanism: k.mechanism} }
}

// scramLogin is one SCRAM exchange, RFC 5802.
type scramLogin struct {
	*scram.ClientConversation
	mechanism sarama.SASLMechanism
}

// Begin does not apply SASLprep to names and passwords, because Kafka does not either.
func (l *scramLogin) Begin(username, password, authzID string) error {
	hash := scram.SHA512
	if l.mechanism == sarama.SASLTypeSCRAMSHA256 {
		hash = scram.SHA256
	}
	client, err := hash.NewClientUnprepped(username, password, authzID)
	if err != nil {
		return err
	}
	l.ClientConversation = client.NewConversation()
	return nil
}
