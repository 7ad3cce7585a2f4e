package auth

import (
	"crypto"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// issuer is an OpenID Connect issuer with an Ed25519 and an RSA key.
type issuer struct {
	*httptest.Server
	t testing.TB

	sync.Mutex
	keys    []map[string]string // that it publishes
	away    bool
	fetches int
}

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

var ed25519Key = ed25519.NewKeyFromSeed([]byte(strings.Repeat("k", ed25519.SeedSize)))

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	i := &issuer{t: t, keys: []map[string]string{
		{"kty": "OKP", "crv": "Ed25519", "kid": "ed", "alg": "EdDSA", "x": encode(ed25519Key.Public().(ed25519.PublicKey))},
		{"kty": "RSA", "kid": "rsa", "n": encode(rsaKey().N.Bytes()), "e": encode(big.NewInt(int64(rsaKey().E)).Bytes())},
		{"kty": "oct", "kid": "oct", "k": encode([]byte("a secret that everybody can read"))},
	}}
	i.Server = httptest.NewServer(i)
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.Lock()
	defer i.Unlock()
	i.fetches++
	if i.away {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	answer := any(map[string]any{"keys": i.keys})
	if r.URL.Path == "/.well-known/openid-configuration" {
		answer = map[string]any{"issuer": i.URL, "jwks_uri": i.URL + "/keys", "id_token_signing_alg_values_supported": []string{"HS256", "EdDSA"}}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (i *issuer) set(away bool) {
	i.Lock()
	defer i.Unlock()
	i.away = away
}

func (i *issuer) asked() int {
	i.Lock()
	defer i.Unlock()
	return i.fetches
}

type claims map[string]any

// claims are those of a good token, but for changes.
func (i *issuer) claims(changes claims) claims {
	c := claims{"iss": i.URL, "aud": "images", "sub": "ada", "exp": time.Now().Add(time.Minute).Unix()}
	for name, value := range changes {
		if c[name] = value; value == nil {
			delete(c, name)
		}
	}
	return c
}

// token signs claims as a header says.
func token(t testing.TB, header, c claims) string {
	t.Helper()
	parts := make([]string, 2)
	for i, part := range []claims{header, c} {
		text, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		parts[i] = encode(text)
	}
	signed := strings.Join(parts, ".")
	return signed + "." + encode(signature(t, fmt.Sprint(header["alg"]), signed))
}

func signature(t testing.TB, algorithm, signed string) []byte {
	t.Helper()
	sum := sha256.Sum256([]byte(signed))
	switch algorithm {
	case "EdDSA":
		return ed25519.Sign(ed25519Key, []byte(signed))
	case "RS256":
		made, err := rsa.SignPKCS1v15(nil, rsaKey(), crypto.SHA256, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return made
	case "HS256":
		mac := hmac.New(sha256.New, []byte("a secret that everybody can read"))
		mac.Write([]byte(signed))
		return mac.Sum(nil)
	}
	return nil
}

var signedEd = claims{"alg": "EdDSA", "kid": "ed", "typ": "at+jwt"}

func (i *issuer) open(settings ...string) *door {
	i.t.Helper()
	all := map[string]string{"AUTH_JWT_ISSUER": i.URL, "AUTH_JWT_AUDIENCE": "images"}
	for _, setting := range settings {
		name, value, _ := strings.Cut(setting, "=")
		all[name] = value
	}
	return open(i.t, all)
}

func (d *door) bring(token string) *httptest.ResponseRecorder {
	d.t.Helper()
	return d.ask("GET", "Authorization: Bearer "+token)
}

func TestTokens(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	d := i.open("AUTH_ADMINS=" + i.URL + "|root")
	now := time.Now()
	signedRSA := claims{"alg": "RS256", "kid": "rsa"}
	for name, test := range map[string]struct {
		token  string
		client string // "" for a refusal
	}{
		"good":               {token(t, signedEd, i.claims(nil)), "ada"},
		"RSA":                {token(t, signedRSA, i.claims(nil)), "ada"},
		"no kid":             {token(t, claims{"alg": "EdDSA"}, i.claims(nil)), "ada"},
		"several audiences":  {token(t, signedEd, i.claims(claims{"aud": []string{"other", "images"}})), "ada"},
		"just expired":       {token(t, signedEd, i.claims(claims{"exp": now.Add(-leeway / 2).Unix()})), "ada"},
		"about to be valid":  {token(t, signedEd, i.claims(claims{"nbf": now.Add(leeway / 2).Unix()})), "ada"},
		"root":               {token(t, signedEd, i.claims(claims{"sub": "root"})), "root"},
		"expired":            {token(t, signedEd, i.claims(claims{"exp": now.Add(-2 * leeway).Unix()})), ""},
		"of no end":          {token(t, signedEd, i.claims(claims{"exp": nil})), ""},
		"not yet valid":      {token(t, signedEd, i.claims(claims{"nbf": now.Add(2 * leeway).Unix()})), ""},
		"for another":        {token(t, signedEd, i.claims(claims{"aud": "other"})), ""},
		"for nobody":         {token(t, signedEd, i.claims(claims{"aud": nil})), ""},
		"by another":         {token(t, signedEd, i.claims(claims{"iss": "https://evil.example"})), ""},
		"of nobody":          {token(t, signedEd, i.claims(claims{"sub": nil})), ""},
		"of two lines":       {token(t, signedEd, i.claims(claims{"sub": "ada\n{}"})), ""},
		"of a long name":     {token(t, signedEd, i.claims(claims{"sub": strings.Repeat("a", 256)})), ""},
		"signed by nobody":   {token(t, claims{"alg": "none"}, i.claims(nil)), ""},
		"signed by all":      {token(t, claims{"alg": "HS256", "kid": "oct"}, i.claims(nil)), ""},
		"another algorithm":  {token(t, claims{"alg": "HS256", "kid": "rsa"}, i.claims(nil)), ""},
		"an unknown key":     {token(t, claims{"alg": "EdDSA", "kid": "x"}, i.claims(nil)), ""},
		"another key's name": {token(t, claims{"alg": "EdDSA", "kid": "rsa"}, i.claims(nil)), ""},
		"a key of its own": {token(t, claims{"alg": "EdDSA", "jwk": claims{"kty": "OKP", "crv": "Ed25519",
			"x": encode(make([]byte, 32))}, "kid": "mine"}, i.claims(nil)), ""},
		"changed":     {strings.Replace(token(t, signedEd, i.claims(nil)), ".", ".e", 1), ""},
		"no JSON":     {"a.b.c", ""},
		"a key alone": {"isk_" + strings.Repeat("A", 43), ""},
	} {
		got := d.bring(test.token)
		switch {
		case test.client == "":
			if got.Code != 401 || got.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("%s: %d %s", name, got.Code, got.Body)
			}
		case got.Code != 200 || got.Body.String() != fmt.Sprintf("{Name:%s|%s Admin:%t}", i.URL, test.client, test.client == "root"):
			t.Errorf("%s: %d %s", name, got.Code, got.Body)
		}
	}
	if log := d.log.String(); strings.Contains(log, "eyJ") || d.counted("expired") != 3 {
		t.Errorf("%v have expired; logged\n%s", d.counted("expired"), log)
	}
}

// Keys that nobody knows can be made up, but not to have the issuer asked for each; and those that are known work meanwhile.
func TestUnknownKeys(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	d := i.open("AUTH_JWT_JWKS_URL=" + i.URL + "/keys")
	d.tokens.client.Transport.(*sparing).every = time.Hour // however slow the machine is
	good := token(t, signedEd, i.claims(nil))
	if got := d.bring(good); got.Code != 200 {
		t.Fatalf("%d %s", got.Code, got.Body)
	}
	var wait sync.WaitGroup
	for n := range 100 {
		wait.Go(func() {
			if got := d.bring(token(t, claims{"alg": "EdDSA", "kid": fmt.Sprint(n)}, i.claims(nil))); got.Code != 401 {
				t.Errorf("an unknown key: %d %s", got.Code, got.Body)
			}
			if got := d.bring(good); got.Code != 200 {
				t.Errorf("a known key meanwhile: %d %s", got.Code, got.Body)
			}
		})
	}
	wait.Wait()
	if got := i.asked(); got != 1 {
		t.Errorf("the issuer was asked %d times, want once", got)
	}
}

// An issuer that is away is no caller's fault, and no reason not to start; what is known goes on, and the rest comes back.
func TestIssuerAway(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	i.set(true)
	d := i.open()
	good := token(t, signedEd, i.claims(nil))
	if got := d.bring(good); got.Code != 503 || got.Header().Get("Retry-After") != "10" || got.Header().Get("WWW-Authenticate") != "" {
		t.Errorf("%d %v %s", got.Code, got.Header(), got.Body)
	}
	if got := d.ask("GET"); got.Code != 401 {
		t.Errorf("without a token: %d", got.Code)
	}
	i.set(false)
	d.tokens.client.Transport.(*sparing).every = 0
	if got := d.bring(good); got.Code != 200 {
		t.Errorf("when it is back: %d %s\n%s", got.Code, got.Body, d.log)
	}
	i.set(true)
	if got := d.bring(good); got.Code != 200 {
		t.Errorf("when it is away again: %d %s", got.Code, got.Body)
	}
	if got := d.bring(token(t, claims{"alg": "EdDSA", "kid": "new"}, i.claims(nil))); got.Code != 503 {
		t.Errorf("with a key that may be a new one: %d %s", got.Code, got.Body)
	}
}

// An issuer that is away is nobody's wrong key.
func TestIssuerAwayIsNotCounted(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	i.set(true)
	d := i.open("RATE_LIMIT=2/h").counting()
	for range 4 {
		if got := d.bring(token(t, signedEd, i.claims(nil))); got.Code != 503 {
			t.Errorf("%d %s", got.Code, got.Body)
		}
	}
	if got := d.bring("a.b.c"); got.Code != 401 && got.Code != 503 {
		t.Errorf("a bad token: %d %s", got.Code, got.Body)
	}
}

// A key that the issuer has withdrawn is good for some minutes at the most, though nobody brings a token with a new one. An
// issuer that is away has withdrawn nothing.
func TestIssuerWithdraws(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	d := i.open()
	d.tokens.client.Transport.(*sparing).every = 0
	d.tokens.renewEvery = 0
	good, withdrawn := token(t, signedEd, i.claims(nil)), token(t, claims{"alg": "RS256", "kid": "rsa"}, i.claims(nil))
	if d.bring(good).Code != 200 || d.bring(withdrawn).Code != 200 {
		t.Error("both were good")
	}
	i.set(true)
	for range 3 {
		if got := d.bring(withdrawn); got.Code != 200 {
			t.Errorf("while the issuer is away: %d %s", got.Code, got.Body)
		}
	}
	i.Lock()
	i.away, i.keys = false, slices.Clone(i.keys)[:1]
	i.Unlock()
	for deadline := time.Now().Add(20 * time.Second); d.bring(withdrawn).Code != 401; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a key that was withdrawn stays good")
		}
	}
	if got := d.bring(good); got.Code != 200 {
		t.Errorf("the other: %d %s", got.Code, got.Body)
	}
}

// An issuer changes its keys as it likes.
func TestIssuerRotates(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	d := i.open()
	d.tokens.client.Transport.(*sparing).every = 0
	if got := d.bring(token(t, claims{"alg": "RS256", "kid": "rsa"}, i.claims(nil))); got.Code != 200 {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	i.Lock()
	i.keys = slices.Clone(i.keys)[:1]
	i.keys[0]["kid"] = "ed-2"
	i.Unlock()
	if got := d.bring(token(t, claims{"alg": "EdDSA", "kid": "ed-2"}, i.claims(nil))); got.Code != 200 {
		t.Errorf("a new key: %d %s", got.Code, got.Body)
	}
	if got := d.bring(token(t, claims{"alg": "RS256", "kid": "rsa"}, i.claims(nil))); got.Code != 401 {
		t.Errorf("a key that is not published any more: %d %s", got.Code, got.Body)
	}
}

// What an issuer sends is not followed anywhere, and not read without end.
func TestIssuerLies(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
		},
		"keys by HTTP": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"issuer":"http://%s","jwks_uri":"http://keys.example/"}`, r.Host)
		},
		"another name": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"issuer":"https://other.example","jwks_uri":"https://other.example/"}`)
		},
		"no JSON": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"without end": func(w http.ResponseWriter, _ *http.Request) {
			for n := 0; n < 4*maxIssuerAnswer; n += 1000 {
				fmt.Fprint(w, strings.Repeat(" ", 1000))
			}
		},
	} {
		server := httptest.NewServer(answer)
		d := open(t, map[string]string{"AUTH_JWT_ISSUER": server.URL, "AUTH_JWT_AUDIENCE": "images"})
		if got := d.bring("a.b.c"); got.Code != 503 {
			t.Errorf("%s: %d %s", name, got.Code, got.Body)
		}
		server.Close()
	}
}
