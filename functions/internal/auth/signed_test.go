package auth

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// openSigned starts a guard of an object, with API keys and signing keys.
func openSigned(t *testing.T) *door {
	t.Helper()
	keys, _ := keysFile(t, "ada")
	file := filepath.Join(t.TempDir(), "signing-keys")
	write(t, file, strings.Repeat("secret-", 5))
	return open(t, map[string]string{"AUTH_API_KEYS_FILE": keys, "AUTH_SIGNING_KEYS_FILE": file})
}

// askFor sends a request for an object, with a handler that answers with what it sees.
func (d *door) askFor(url string) *httptest.ResponseRecorder {
	d.t.Helper()
	mux := http.NewServeMux()
	mux.Handle("GET /images/{id}", d.ProtectObject(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%+v %s", SignedFrom(r.Context()), r.URL)
	})))
	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, url, nil))
	return answer
}

// The handler learns which image a signed URL is for, and does not see the signature.
func TestProtectObject(t *testing.T) {
	d := openSigned(t)
	expires := time.Now().Add(time.Hour).Truncate(time.Second)
	got := d.askFor(d.Signing().URL("/images/x", "0a1b", expires))
	want := fmt.Sprintf("%+v /images/x?v=0a1b", SignedURL{Image: "x", Expires: expires})
	if got.Code != http.StatusOK || got.Body.String() != want {
		t.Errorf("answer is %d %s, want %s", got.Code, got.Body, want)
	}
}

// Neither the log nor an answer has the signature of a request that was refused, or a key.
func TestSignaturesAreNotLogged(t *testing.T) {
	d := openSigned(t)
	for reason, expires := range map[string]time.Duration{
		"signature_expired": -time.Hour, "signature_invalid": time.Hour,
	} {
		t.Run(reason, func(t *testing.T) {
			url := d.Signing().URL("/images/x", "", time.Now().Add(expires))
			_, signature, _ := strings.Cut(url, "signature=")
			if reason == "signature_invalid" {
				url = strings.Replace(url, "/x?", "/y?", 1)
			}
			got, log := d.askFor(url), d.log.String()
			if got.Code != http.StatusForbidden || d.counted(reason) != 1 {
				t.Errorf("answer is %d %s, want 403 and one %s", got.Code, got.Body, reason)
			}
			if !strings.Contains(log, reason) || strings.Contains(log+got.Body.String(), signature) ||
				strings.Contains(log, "secret") {
				t.Errorf("log has the signature or the key, or not the reason:\n%s%s", log, got.Body)
			}
		})
	}
}

// Signing keys are for clients that have none; where nobody authenticates they are a mistake.
func TestSigningNeedsAuthentication(t *testing.T) {
	file := filepath.Join(t.TempDir(), "signing-keys")
	write(t, file, strings.Repeat("secret-", 5))
	_, err := read(t, map[string]string{"AUTH_SIGNING_KEYS_FILE": file})
	if err == nil || !strings.Contains(err.Error(), "AUTH_SIGNING_KEYS_FILE is set, but clients cannot authenticate") {
		t.Errorf("got %v, want a fault", err)
	}
}
