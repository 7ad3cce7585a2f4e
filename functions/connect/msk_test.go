package connect_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	accessKey = "AKIDEXAMPLE"
	secretKey = "topsecret"
	session   = "session/token+="
)

// With the keys of the environment, as with those of EKS Pod Identity, the token is a request that is signed as AWS'
// own library signs it.
func TestMSKLogin(t *testing.T) {
	for name, provide := range map[string]func(*testing.T){
		"environment": func(t *testing.T) {
			t.Helper()
			t.Setenv("AWS_ACCESS_KEY_ID", accessKey)
			t.Setenv("AWS_SECRET_ACCESS_KEY", secretKey)
			t.Setenv("AWS_SESSION_TOKEN", session)
		},
		"EKS Pod Identity": providePodIdentity,
	} {
		t.Run(name, func(t *testing.T) {
			clearAWS(t)
			provide(t)
			broker := startTokenBroker(t)
			kafka := broker.kafka(t, "KAFKA_SASL_MECHANISM=AWS_MSK_IAM", "AWS_REGION=eu-central-1")
			for range 2 {
				if err := broker.login(kafka); err != nil {
					t.Fatal(err)
				}
			}
			messages := broker.messages()
			for _, message := range messages {
				mustBeSigned(t, message)
				if message != messages[0] {
					t.Errorf("got another token for another login")
				}
			}
			if len(messages) < 2 {
				t.Errorf("got %d logins, want at least 2", len(messages))
			}
		})
	}
}

// clearAWS hides the variables of a machine on AWS.
func clearAWS(t *testing.T) {
	t.Helper()
	for _, name := range []string{
		"AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SESSION_TOKEN",
		"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
		"AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
	} {
		t.Setenv(name, "")
	}
}

// providePodIdentity starts the agent of EKS on a node.
func providePodIdentity(t *testing.T) {
	t.Helper()
	tokenFile := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(tokenFile, []byte("service account"), 0o600); err != nil {
		t.Fatal(err)
	}
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "service account" {
			t.Errorf("got authorization %q, want the contents of the token file", got)
		}
		fmt.Fprintf(w, `{"AccessKeyId":%q,"SecretAccessKey":%q,"Token":%q,"Expiration":%q}`,
			accessKey, secretKey, session, time.Now().Add(time.Hour).Format(time.RFC3339))
	}))
	t.Cleanup(agent.Close)
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", agent.URL)
	t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", tokenFile)
}

// mustBeSigned compares a login with Signature Version 4 of AWS, computed step by step as its documentation does.
func mustBeSigned(t *testing.T, message string) {
	t.Helper()
	token := strings.TrimSuffix(strings.TrimPrefix(message, "n,,\x01auth=Bearer "), "\x01\x01")
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatalf("message %q: %v", message, err)
	}
	signed, err := url.Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	query := signed.Query()
	date := query.Get("X-Amz-Date")
	scope := date[:8] + "/eu-central-1/kafka-cluster/aws4_request"
	for name, want := range map[string]string{
		"Action": "kafka-cluster:Connect", "X-Amz-Expires": "900", "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
		"X-Amz-SignedHeaders": "host", "X-Amz-Security-Token": session, "X-Amz-Credential": accessKey + "/" + scope,
		"User-Agent": "image-service",
	} {
		if got := query.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if got, want := signed.Host+signed.Path, "kafka.eu-central-1.amazonaws.com/"; got != want {
		t.Errorf("the request is for %s, want %s", got, want)
	}
	got := query.Get("X-Amz-Signature")
	query.Del("X-Amz-Signature")
	query.Del("User-Agent")
	canonical := strings.Join([]string{
		"GET", "/", strings.ReplaceAll(query.Encode(), "+", "%20"), "host:" + signed.Host + "\n", "host", digest(""),
	}, "\n")
	key := []byte("AWS4" + secretKey)
	for part := range strings.SplitSeq(scope, "/") {
		key = code(key, part)
	}
	toSign := strings.Join([]string{"AWS4-HMAC-SHA256", date, scope, digest(canonical)}, "\n")
	if want := hex.EncodeToString(code(key, toSign)); got != want {
		t.Errorf("the signature is %s, want %s", got, want)
	}
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func code(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// Without credentials the error says so, and logins soon after look for them again.
func TestMSKWithoutCredentials(t *testing.T) {
	clearAWS(t)
	agent := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(agent.Close)
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", agent.URL)
	broker := startTokenBroker(t)
	kafka := broker.kafka(t, "KAFKA_SASL_MECHANISM=AWS_MSK_IAM", "AWS_REGION=eu-central-1")
	mustContain(t, broker.login(kafka), "get a token for kafka: get credentials of AWS: ")
	providePodIdentity(t)
	for broker.login(kafka) != nil { // for a second, the failure is remembered
		time.Sleep(10 * time.Millisecond)
	}
}
