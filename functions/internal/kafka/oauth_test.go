package kafka

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
)

// tokenLifetime is short, so that a test sees a connection outlive its first token.
const tokenLifetime = 8 * time.Second

// An issuer gives tokens that Kafka verifies.
type issuer struct {
	url, caFile string
	requests    atomic.Int32
}

func startIssuer(t *testing.T, subject, audience string) *issuer {
	t.Helper()
	text, err := os.ReadFile(os.Getenv("CI_KAFKA_OAUTH_KEY"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", "ci")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{caFile: filepath.Join(t.TempDir(), "ca.crt")}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		i.requests.Add(1)
		now := time.Now()
		token, err := jwt.Signed(signer).Claims(jwt.Claims{
			Issuer: "https://issuer.example", Subject: subject, Audience: jwt.Audience{audience},
			IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(tokenLifetime)),
		}).Serialize()
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":%d}`, token, tokenLifetime/time.Second)
	}))
	authority := testservers.NewAuthority(t)
	authority.Write(i.caFile)
	server.TLS = authority.Server()
	server.StartTLS()
	t.Cleanup(server.Close)
	i.url = server.URL
	return i
}

func (i *issuer) settings(t *testing.T, getenv func(string) string) Settings {
	t.Helper()
	own := map[string]string{
		"KAFKA_BOOTSTRAP_SERVERS": os.Getenv("CI_KAFKA_OAUTH_SERVERS"), "KAFKA_SASL_MECHANISM": "OAUTHBEARER",
		"KAFKA_SASL_OAUTH_TOKEN_URL": i.url, "KAFKA_SASL_OAUTH_CA_FILE": i.caFile,
	}
	return settingsOf(t, func(name string) string {
		if value, set := own[name]; set {
			return value
		}
		return getenv(name)
	})
}

// A real Kafka verifies the tokens, and has the client log in again before they expire. What the client may do follows
// from the subject.
func TestTokensOfKafka(t *testing.T) {
	t.Parallel()
	if os.Getenv("CI_KAFKA_OAUTH_SERVERS") == "" {
		return // the fake knows no tokens
	}
	getenv := testservers.Start(t, testservers.As("image-upload"))
	upload := startIssuer(t, "image-upload", "kafka")
	topic := Open(upload.settings(t, getenv))
	defer topic.Close()
	published := int64(0)
	for deadline := time.Now().Add(time.Minute); upload.requests.Load() < 2; time.Sleep(100 * time.Millisecond) {
		if err := topic.Publish(t.Context(), newEvent(t)); err != nil {
			t.Fatalf("with token %d: %v", upload.requests.Load(), err)
		}
		published++
		if time.Now().After(deadline) {
			t.Fatalf("got %d requests for a token within a minute, want 2", upload.requests.Load())
		}
	}
	mustHaveRecords(t, settingsOf(t, testservers.Own(getenv)), published)
	for name, issuer := range map[string]*issuer{
		"a user without the right": startIssuer(t, "image-source", "kafka"),
		"another audience":         startIssuer(t, "image-upload", "elsewhere"),
	} {
		t.Run(name, func(t *testing.T) {
			topic := Open(issuer.settings(t, getenv))
			defer topic.Close()
			mustBeCertain(t, topic.Publish(t.Context(), newEvent(t)))
		})
	}
}
