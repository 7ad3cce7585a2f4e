package connect_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/IBM/sarama"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
)

// tokenBroker is a Kafka that accepts every token, over TLS.
type tokenBroker struct {
	*sarama.MockBroker
	authority *testservers.Authority
	caFile    string
}

func startTokenBroker(t *testing.T) tokenBroker {
	t.Helper()
	b := tokenBroker{authority: testservers.NewAuthority(t), caFile: filepath.Join(t.TempDir(), "ca.crt")}
	b.authority.Write(b.caFile)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", b.authority.Server())
	if err != nil {
		t.Fatal(err)
	}
	b.MockBroker = sarama.NewMockBrokerListener(t, 1, listener)
	t.Cleanup(b.Close)
	b.SetHandlerByMap(map[string]sarama.MockResponse{
		"SaslHandshakeRequest":    sarama.NewMockSaslHandshakeResponse(t).SetEnabledMechanisms([]string{"OAUTHBEARER"}),
		"SaslAuthenticateRequest": sarama.NewMockSaslAuthenticateResponse(t),
		"MetadataRequest":         sarama.NewMockMetadataResponse(t).SetBroker(b.Addr(), b.BrokerID()),
	})
	return b
}

// kafka reads settings that reach the broker, and others, NAME=value.
func (b tokenBroker) kafka(t *testing.T, settings ...string) connect.Kafka {
	t.Helper()
	getenv := testservers.With(nothing, "KAFKA_TLS=true", "KAFKA_CA_FILE="+b.caFile)
	kafka, err := connect.From(testservers.With(getenv, settings...), connect.ReadKafka)
	if err != nil {
		t.Fatal(err)
	}
	return kafka
}

// nothing is an environment without settings.
func nothing(string) string { return "" }

func (b tokenBroker) login(kafka connect.Kafka) error {
	config := kafka.Config("image-service-tests")
	config.Metadata.Retry.Max = 0
	client, err := sarama.NewClient([]string{b.Addr()}, config)
	if err != nil {
		return err
	}
	return client.Close()
}

// messages returns what the clients have sent to log in.
func (b tokenBroker) messages() (messages []string) {
	for _, exchange := range b.History() {
		if login, is := exchange.Request.(*sarama.SaslAuthenticateRequest); is {
			messages = append(messages, string(login.SaslAuthBytes))
		}
	}
	return messages
}

const (
	clientID     = "image upload" // escaped in a request, RFC 6749, section 2.3.1
	clientSecret = "topsecret: ä%"
)

// startTokenEndpoint starts an endpoint for tokens of an hour.
func startTokenEndpoint(t *testing.T, authority *testservers.Authority, answer http.HandlerFunc) (url string) {
	t.Helper()
	server := httptest.NewUnstartedServer(answer)
	server.TLS = authority.Server()
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL + "/oauth2/token"
}

func grantToken(w http.ResponseWriter, token string) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600}`, token)
}

func isClient(r *http.Request) bool {
	id, secret, _ := r.BasicAuth()
	return id == url.QueryEscape(clientID) && secret == url.QueryEscape(clientSecret)
}

func (b tokenBroker) oauth(t *testing.T, tokenURL string, settings ...string) connect.Kafka {
	t.Helper()
	return b.kafka(t, append(settings, "KAFKA_SASL_MECHANISM=OAUTHBEARER", "KAFKA_SASL_USERNAME="+clientID,
		"KAFKA_SASL_PASSWORD="+clientSecret, "KAFKA_SASL_OAUTH_TOKEN_URL="+tokenURL, "KAFKA_SASL_OAUTH_CA_FILE="+b.caFile)...)
}

// Clients request a token by the client credentials grant, share it, and send it with the extensions.
func TestOAuthLogin(t *testing.T) {
	t.Parallel()
	broker := startTokenBroker(t)
	var requests atomic.Int32
	tokenURL := startTokenEndpoint(t, broker.authority, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		grant, scope := r.PostFormValue("grant_type"), r.PostFormValue("scope")
		if !isClient(r) || grant != "client_credentials" || scope != "kafka images" {
			t.Errorf("got grant %q of scope %q with the headers %v", grant, scope, r.Header)
		}
		grantToken(w, "token-1")
	})
	kafka := broker.oauth(t, tokenURL, "KAFKA_SASL_OAUTH_SCOPES=kafka, images",
		"KAFKA_SASL_OAUTH_EXTENSIONS=logicalCluster=lkc-1, identityPoolId=pool-1")
	var logins sync.WaitGroup
	for range 5 {
		logins.Go(func() {
			if err := broker.login(kafka); err != nil {
				t.Error(err)
			}
		})
	}
	logins.Wait()
	if got := requests.Load(); got != 1 {
		t.Errorf("got %d requests for a token, want 1", got)
	}
	messages := broker.messages()
	if len(messages) < 5 {
		t.Errorf("got %d logins, want at least 5", len(messages))
	}
	const want = "n,,\x01auth=Bearer token-1\x01identityPoolId=pool-1\x01logicalCluster=lkc-1\x01\x01"
	for _, got := range messages {
		if got != want {
			t.Errorf("got message %q, want %q", got, want)
		}
	}
}

// A client that the endpoint does not accept, or cannot be asked about, gets an error without secrets; the next login
// asks again.
func TestOAuthRefused(t *testing.T) {
	t.Parallel()
	broker := startTokenBroker(t)
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"wrong secret": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":"invalid_client","error_description":"topsecret is wrong"}`)
		}, `got status 401 and error code "invalid_client"`},
		"not OAuth": {func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "topsecret", http.StatusBadGateway)
		}, "got status 502"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/oauth2/token" {
				t.Errorf("the redirect to %s is followed", r.URL.Path)
			}
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, "got status 307"},
		"not JSON": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, "topsecret")
		}, "cannot parse json"},
		"no token": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"token_type":"topsecret"}`)
		}, "missing access_token"},
	} {
		t.Run(name, func(t *testing.T) {
			var accepts atomic.Bool
			tokenURL := startTokenEndpoint(t, broker.authority, func(w http.ResponseWriter, r *http.Request) {
				if accepts.Load() {
					grantToken(w, "token")
					return
				}
				test.answer(w, r)
			})
			kafka := broker.oauth(t, tokenURL)
			err := broker.login(kafka)
			mustContain(t, err, "get a token for kafka: request to KAFKA_SASL_OAUTH_TOKEN_URL: ")
			mustContain(t, err, test.want)
			if err != nil && strings.Contains(err.Error(), "topsecret") {
				t.Errorf("error %v contains a secret", err)
			}
			accepts.Store(true)
			if err := broker.login(kafka); err != nil {
				t.Errorf("when the endpoint accepts the client: %v", err)
			}
		})
	}
}

func TestOAuthAuthorityNotTrusted(t *testing.T) {
	t.Parallel()
	broker := startTokenBroker(t)
	tokenURL := startTokenEndpoint(t, testservers.NewAuthority(t), func(w http.ResponseWriter, _ *http.Request) {
		t.Error("the endpoint gets a request")
		grantToken(w, "token")
	})
	mustContain(t, broker.login(broker.oauth(t, tokenURL)), "certificate signed by unknown authority")
}

// Some endpoints want the client in the form and not in a header.
func TestOAuthClientInForm(t *testing.T) {
	t.Parallel()
	broker := startTokenBroker(t)
	tokenURL := startTokenEndpoint(t, broker.authority, func(w http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("client_id") != clientID || r.PostFormValue("client_secret") != clientSecret {
			http.Error(w, "", http.StatusUnauthorized)
			return
		}
		grantToken(w, "token")
	})
	if err := broker.login(broker.oauth(t, tokenURL)); err != nil {
		t.Error(err)
	}
}

// A client with a token of its own, such as that of a workload identity, sends it, as it is then, and no secret.
func TestOAuthAssertion(t *testing.T) {
	t.Parallel()
	broker := startTokenBroker(t)
	var sent atomic.Value
	tokenURL := startTokenEndpoint(t, broker.authority, func(w http.ResponseWriter, r *http.Request) {
		_, _, hasHeader := r.BasicAuth()
		kind := r.PostFormValue("client_assertion_type")
		if hasHeader || r.PostForm.Has("client_secret") || r.PostFormValue("client_id") != clientID ||
			kind != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
			t.Errorf("got the form %v", r.PostForm)
		}
		sent.Store(r.PostFormValue("client_assertion"))
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"token","token_type":"Bearer"}`)
	})
	file := filepath.Join(t.TempDir(), "token")
	kafka := broker.kafka(t, "KAFKA_SASL_MECHANISM=OAUTHBEARER", "KAFKA_SASL_USERNAME="+clientID,
		"KAFKA_SASL_OAUTH_TOKEN_URL="+tokenURL, "KAFKA_SASL_OAUTH_CA_FILE="+broker.caFile,
		"KAFKA_SASL_OAUTH_ASSERTION_FILE="+file)
	mustContain(t, broker.login(kafka), "KAFKA_SASL_OAUTH_ASSERTION_FILE cannot be read")
	for _, assertion := range []string{"first", "second"} {
		if err := os.WriteFile(file, []byte(assertion+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := broker.login(kafka); err != nil {
			t.Fatal(err)
		}
		if got := sent.Load(); got != assertion {
			t.Errorf("got assertion %q, want %q", got, assertion)
		}
	}
}
