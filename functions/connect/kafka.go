package connect

import (
	"slices"
	"sync"
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
	tokens             *tokens // of the mechanisms that log in with a token; nil for the others
}

// Settings of the login to Kafka.
var (
	saslMechanism = config.Text{Name: "KAFKA_SASL_MECHANISM",
		Form: config.Form{Expected: "SCRAM-SHA-512, SCRAM-SHA-256, PLAIN, OAUTHBEARER or AWS_MSK_IAM", Valid: isMechanism},
		Doc: "SASL mechanism of the login to Kafka; none means without a login. All but SCRAM need `KAFKA_TLS`. " +
			"`AWS_MSK_IAM` logs in to Amazon MSK with the AWS role of the pod."}
	saslUsername = config.Text{Name: "KAFKA_SASL_USERNAME", Form: config.Form{Expected: "the name of a Kafka user"},
		Doc: "Name of the Kafka user; with `OAUTHBEARER`, the ID of the OAuth client. Required with " +
			"`KAFKA_SASL_MECHANISM`, and refused with `AWS_MSK_IAM`."}
	saslPassword = config.Text{Name: "KAFKA_SASL_PASSWORD", Secret: true,
		Form: config.Form{Expected: "the password of a Kafka user"},
		Doc: "Password of the Kafka user; with `OAUTHBEARER`, the secret of the OAuth client. Required with " +
			"`KAFKA_SASL_MECHANISM`, and refused with `AWS_MSK_IAM` or `KAFKA_SASL_OAUTH_ASSERTION_FILE`."}
)

func isMechanism(text string) bool {
	known := []string{
		sarama.SASLTypeSCRAMSHA512, sarama.SASLTypeSCRAMSHA256, sarama.SASLTypePlaintext, sarama.SASLTypeOAuth, mechanismMSK,
	}
	return slices.Contains(known, text)
}

// ReadKafka reads KAFKA_TLS, KAFKA_SASL_*, the region of Amazon MSK, and the files that belong to them.
func ReadKafka(r *config.Reader) Kafka {
	k := Kafka{
		tls:       readKafkaTLS(r),
		mechanism: sarama.SASLMechanism(saslMechanism.Read(r)),
		username:  saslUsername.Read(r),
		password:  saslPassword.Read(r),
	}
	oauth, msk := readOAuth(r, k.username, k.password), readMSK(r)
	switch k.mechanism {
	case sarama.SASLTypeOAuth:
		k.tokens = oauth
	case mechanismMSK:
		k.mechanism, k.tokens = sarama.SASLTypeOAuth, msk
	}
	checkLogin(r)
	return k
}

// checkLogin reports settings of the login that do not go together.
func checkLogin(r *config.Reader) {
	mechanism := saslMechanism.Lookup(r)
	switch mechanism {
	case "":
		for _, setting := range append(oauthSettings(), saslUsername, saslPassword) {
			if r.IsSet(setting) {
				r.Fault("%s is set; expected %s with it", setting, saslMechanism)
			}
		}
	case sarama.SASLTypeOAuth:
		requireLogin(r, saslUsername, oauthTokenURL)
		switch {
		case !r.IsSet(oauthAssertion):
			requireLogin(r, saslPassword)
		case r.IsSet(saslPassword):
			r.Fault("%s and %s are set; expected one of them", saslPassword, oauthAssertion)
		}
	case mechanismMSK:
		requireLogin(r, awsRegion)
		refuseLogin(r, mechanism, append(oauthSettings(), saslUsername, saslPassword))
	default:
		requireLogin(r, saslUsername, saslPassword)
		refuseLogin(r, mechanism, oauthSettings())
	}
	what, inClear := sentInClear[mechanism]
	if inClear && !kafkaTLS.Read(r) {
		r.Fault("%s is %s, which sends %s as it is; expected %s=true with it", saslMechanism, mechanism, what, kafkaTLS)
	}
}

// refuseLogin reports settings that the mechanism would ignore.
func refuseLogin(r *config.Reader, mechanism string, settings []config.Setting) {
	for _, setting := range settings {
		if r.IsSet(setting) {
			r.Fault("%s is set, and %s is %s, which does not use it; expected one of them", setting, saslMechanism, mechanism)
		}
	}
}

// sentInClear is what a mechanism sends as it is.
var sentInClear = map[string]string{
	sarama.SASLTypePlaintext: "the password",
	sarama.SASLTypeOAuth:     "a token",
	mechanismMSK:             "a token",
}

func requireLogin(r *config.Reader, settings ...config.Text) {
	for _, setting := range settings {
		if !r.IsSet(setting) {
			r.Fault("%s is not set; expected %s, as %s is set", setting, setting.Form.Expected, saslMechanism)
		}
	}
}

// Config returns the sarama configuration that every client in this repository starts from; it is enough for an
// administrator. Producers and consumers add what only they need. It is here and not in functions/internal/kafka
// because knative/local and the tests' own clients need it as well.
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

// secure adds TLS and the login. TLS is the Dialer's, because sarama would use one tls.Config for all connections and
// so never see a renewed certificate.
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
	if k.tokens != nil {
		login.TokenProvider = k.tokens
	}
	client := sync.OnceValues(k.scramClient)
	login.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &scramLogin{client: client} }
}

// scramClient returns what keeps the keys that SCRAM derives from the password by thousands of hashes. Connections
// share it: sarama opens two, one after the other, before it publishes.
func (k Kafka) scramClient() (*scram.Client, error) {
	hash := scram.SHA512
	if k.mechanism == sarama.SASLTypeSCRAMSHA256 {
		hash = scram.SHA256
	}
	// Without SASLprep of names and passwords, because Kafka does without it, too.
	return hash.NewClientUnprepped(k.username, k.password, "")
}

// scramLogin is one SCRAM exchange, RFC 5802.
type scramLogin struct {
	*scram.ClientConversation
	client func() (*scram.Client, error)
}

// Begin logs in as the user of the client, which is that of the arguments.
func (l *scramLogin) Begin(string, string, string) error {
	client, err := l.client()
	if err != nil {
		return err
	}
	l.ClientConversation = client.NewConversation()
	return nil
}
