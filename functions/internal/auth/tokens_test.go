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

// An issuer is an OpenID Connect issuer with an Ed25519 and an RSA key.
type issuer struct {
	*httptest.Server
	t testing.TB

	sync.Mutex
	keys     []map[string]string // that it publishes
	down     bool
	requests int
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

func newIssuer(tb testing.TB) *issuer {
	tb.Helper()
	i := &issuer{t: tb, keys: []map[string]string{
		{"kty": "OKP", "crv": "Ed25519", "kid": "ed", "alg": "EdDSA", "x": encode(ed25519Key.Public().(ed25519.PublicKey))},
		{"kty": "RSA", "kid": "rsa", "n": encode(rsaKey().N.Bytes()), "e": encode(big.NewInt(int64(rsaKey().E)).Bytes())},
		{"kty": "oct", "kid": "oct", "k": encode([]byte("a secret that is public"))},
	}}
	i.Server = httptest.NewServer(i)
	tb.Cleanup(i.Close)
	return i
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.Lock()
	defer i.Unlock()
	i.requests++
	if i.down {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	answer := any(map[string]any{"keys": i.keys})
	if r.URL.Path == "/.well-known/openid-configuration" {
		answer = map[string]any{
			"issuer": i.URL, "jwks_uri": i.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"HS256", "EdDSA"},
		}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (i *issuer) setDown(down bool) {
	i.Lock()
	defer i.Unlock()
	i.down = down
}

func (i *issuer) requested() int {
	i.Lock()
	defer i.Unlock()
	return i.requests
}

type claims map[string]any

// claims returns the claims of a valid token with changes.
func (i *issuer) claims(changes claims) claims {
	c := claims{"iss": i.URL, "aud": "images", "sub": "ada", "exp": time.Now().Add(time.Minute).Unix()}
	for name, value := range changes {
		if c[name] = value; value == nil {
			delete(c, name)
		}
	}
	return c
}

// token returns claims signed with the algorithm of a header.
func token(tb testing.TB, header, c claims) string {
	tb.Helper()
	parts := make([]string, 2)
	for i, part := range []claims{header, c} {
		text, err := json.Marshal(part)
		if err != nil {
			tb.Fatal(err)
		}
		parts[i] = encode(text)
	}
	signed := strings.Join(parts, ".")
	return signed + "." + encode(signature(tb, fmt.Sprint(header["alg"]), signed))
}

func signature(tb testing.TB, algorithm, signed string) []byte {
	tb.Helper()
	sum := sha256.Sum256([]byte(signed))
	switch algorithm {
	case "EdDSA":
		return ed25519.Sign(ed25519Key, []byte(signed))
	case "RS256":
		made, err := rsa.SignPKCS1v15(nil, rsaKey(), crypto.SHA256, sum[:])
		if err != nil {
			tb.Fatal(err)
		}
		return made
	case "HS256":
		mac := hmac.New(sha256.New, []byte("a secret that is public"))
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
	d := open(i.t, all)
	keys := d.tokens.keys
	keys.timeout = time.Minute // a slow machine is not an issuer that is down
	i.t.Cleanup(func() {       // the timer of a test that has the keys renewed all the time
		keys.lock.Lock()
		defer keys.lock.Unlock()
		keys.maxAge, keys.interval = time.Hour, time.Hour
	})
	return d
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
		"valid":              {token(t, signedEd, i.claims(nil)), "ada"},
		"RSA":                {token(t, signedRSA, i.claims(nil)), "ada"},
		"no kid":             {token(t, claims{"alg": "EdDSA"}, i.claims(nil)), "ada"},
		"several audiences":  {token(t, signedEd, i.claims(claims{"aud": []string{"other", "images"}})), "ada"},
		"just expired":       {token(t, signedEd, i.claims(claims{"exp": now.Add(-leeway / 2).Unix()})), "ada"},
		"soon valid":         {token(t, signedEd, i.claims(claims{"nbf": now.Add(leeway / 2).Unix()})), "ada"},
		"root":               {token(t, signedEd, i.claims(claims{"sub": "root"})), "root"},
		"expired":            {token(t, signedEd, i.claims(claims{"exp": now.Add(-2 * leeway).Unix()})), ""},
		"without exp":        {token(t, signedEd, i.claims(claims{"exp": nil})), ""},
		"not yet valid":      {token(t, signedEd, i.claims(claims{"nbf": now.Add(2 * leeway).Unix()})), ""},
		"other audience":     {token(t, signedEd, i.claims(claims{"aud": "other"})), ""},
		"no audience":        {token(t, signedEd, i.claims(claims{"aud": nil})), ""},
		"other issuer":       {token(t, signedEd, i.claims(claims{"iss": "https://evil.example"})), ""},
		"no subject":         {token(t, signedEd, i.claims(claims{"sub": nil})), ""},
		"subject of 2 lines": {token(t, signedEd, i.claims(claims{"sub": "ada\n{}"})), ""},
		"long subject":       {token(t, signedEd, i.claims(claims{"sub": strings.Repeat("a", 256)})), ""},
		"not signed":         {token(t, claims{"alg": "none"}, i.claims(nil)), ""},
		"public secret":      {token(t, claims{"alg": "HS256", "kid": "oct"}, i.claims(nil)), ""},
		"wrong algorithm":    {token(t, claims{"alg": "HS256", "kid": "rsa"}, i.claims(nil)), ""},
		"unknown key":        {token(t, claims{"alg": "EdDSA", "kid": "x"}, i.claims(nil)), ""},
		"kid of another key": {token(t, claims{"alg": "EdDSA", "kid": "rsa"}, i.claims(nil)), ""},
		"key in the header": {token(t, claims{"alg": "EdDSA", "jwk": claims{"kty": "OKP", "crv": "Ed25519",
			"x": encode(make([]byte, 32))}, "kid": "mine"}, i.claims(nil)), ""},
		"changed": {strings.Replace(token(t, signedEd, i.claims(nil)), ".", ".e", 1), ""},
		"no JSON": {"a.b.c", ""},
		"API key": {"isk_" + strings.Repeat("A", 43), ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := d.bring(test.token)
			if test.client == "" {
				if got.Code != 401 || got.Header().Get("WWW-Authenticate") == "" {
					t.Errorf("got %d %s, want 401 with a challenge", got.Code, got.Body)
				}
				return
			}
			want := fmt.Sprintf("{Name:%s|%s Admin:%t}", i.URL, test.client, test.client == "root")
			if got.Code != 200 || got.Body.String() != want {
				t.Errorf("got %d %s, want 200 %s", got.Code, got.Body, want)
			}
		})
	}
	if got := d.counted("expired"); got != 3 {
		t.Errorf("got auth_refused_total{reason=expired} %v, want 3", got)
	}
	if log := d.log.String(); strings.Contains(log, "eyJ") {
		t.Errorf("the log has a token:\n%s", log)
	}
}

// Made-up keys do not cause a request to the issuer each, and tokens with known keys work meanwhile.
func TestUnknownKeys(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	d := i.open("AUTH_JWT_JWKS_URL=" + i.URL + "/keys")
	d.tokens.keys.interval = time.Hour // on any machine
	good := token(t, signedEd, i.claims(nil))
	if got := d.bring(good); got.Code != 200 {
		t.Fatalf("got %d %s, want 200", got.Code, got.Body)
	}
	var wait sync.WaitGroup
	for n := range 100 {
		wait.Go(func() {
			if got := d.bring(token(t, claims{"alg": "EdDSA", "kid": fmt.Sprint(n)}, i.claims(nil))); got.Code != 401 {
				t.Errorf("unknown key: got %d %s, want 401", got.Code, got.Body)
			}
			if got := d.bring(good); got.Code != 200 {
				t.Errorf("known key meanwhile: got %d %s, want 200", got.Code, got.Body)
			}
		})
	}
	wait.Wait()
	if got := i.requested(); got != 1 {
		t.Errorf("got %d requests to the issuer, want 1", got)
	}
}

// While the issuer is down, the function starts, tokens with known keys work, and others get a 503.
func TestIssuerAway(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	i.setDown(true)
	d := i.open()
	good := token(t, signedEd, i.claims(nil))
	got := d.bring(good)
	if got.Code != 503 || got.Header().Get("Retry-After") != "10" || got.Header().Get("WWW-Authenticate") != "" {
		t.Errorf("got %d %v %s, want 503 to retry after 10 s", got.Code, got.Header(), got.Body)
	}
	if got := d.ask("GET"); got.Code != 401 {
		t.Errorf("without a token: got %d, want 401", got.Code)
	}
	if bad, refused := d.gauge("issuer_keys_bad"), d.counted("unavailable"); bad != 1 || refused != 1 {
		t.Errorf("got issuer_keys_bad %v, auth_refused_total{reason=unavailable} %v; want 1, 1", bad, refused)
	}
	i.setDown(false)
	d.tokens.keys.interval = 0
	if got := d.bring(good); got.Code != 200 {
		t.Errorf("when it is up: got %d %s, want 200\n%s", got.Code, got.Body, d.log)
	}
	if got := d.gauge("issuer_keys_bad"); got != 0 {
		t.Errorf("when it is up: got issuer_keys_bad %v, want 0", got)
	}
	i.setDown(true)
	if got := d.bring(good); got.Code != 200 {
		t.Errorf("when it is down again: got %d %s, want 200", got.Code, got.Body)
	}
	if got := d.bring(token(t, claims{"alg": "EdDSA", "kid": "new"}, i.claims(nil))); got.Code != 503 {
		t.Errorf("with a key that may be new: got %d %s, want 503", got.Code, got.Body)
	}
}

// A token that cannot be verified does not count as a failure of its client.
func TestIssuerAwayIsNotCounted(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	i.setDown(true)
	d := i.open("RATE_LIMIT=2/h").counting()
	for range 4 {
		if got := d.bring(token(t, signedEd, i.claims(nil))); got.Code != 503 {
			t.Errorf("got %d %s, want 503", got.Code, got.Body)
		}
	}
	if got := d.bring("a.b.c"); got.Code != 401 && got.Code != 503 {
		t.Errorf("malformed token: got %d %s, want 401 or 503", got.Code, got.Body)
	}
}

// A key that the issuer has withdrawn works for a few minutes at most, even if no token with a new key comes. An issuer
// that is down has withdrawn no key.
func TestIssuerWithdraws(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	d := i.open()
	d.tokens.keys.maxAge = time.Millisecond
	d.tokens.keys.interval = time.Millisecond
	good, withdrawn := token(t, signedEd, i.claims(nil)), token(t, claims{"alg": "RS256", "kid": "rsa"}, i.claims(nil))
	if d.bring(good).Code != 200 || d.bring(withdrawn).Code != 200 {
		t.Error("want both tokens valid at first")
	}
	i.setDown(true)
	for range 3 {
		if got := d.bring(withdrawn); got.Code != 200 {
			t.Errorf("while the issuer is down: got %d %s, want 200", got.Code, got.Body)
		}
	}
	i.Lock()
	i.down, i.keys = false, slices.Clone(i.keys)[:1]
	i.Unlock()
	deadline := time.Now().Add(20 * time.Second)
	for d.bring(withdrawn).Code != 401 {
		time.Sleep(time.Millisecond)
		if time.Now().After(deadline) {
			t.Fatal("the withdrawn key still works")
		}
	}
	if got := d.bring(good); got.Code != 200 {
		t.Errorf("the other key: got %d %s, want 200", got.Code, got.Body)
	}
}

func TestIssuerRotates(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	d := i.open()
	d.tokens.keys.interval = 0
	if got := d.bring(token(t, claims{"alg": "RS256", "kid": "rsa"}, i.claims(nil))); got.Code != 200 {
		t.Errorf("got %d %s, want 200", got.Code, got.Body)
	}
	i.Lock()
	i.keys = slices.Clone(i.keys)[:1]
	i.keys[0]["kid"] = "ed-2"
	i.Unlock()
	if got := d.bring(token(t, claims{"alg": "EdDSA", "kid": "ed-2"}, i.claims(nil))); got.Code != 200 {
		t.Errorf("new key: got %d %s, want 200", got.Code, got.Body)
	}
	if got := d.bring(token(t, claims{"alg": "RS256", "kid": "rsa"}, i.claims(nil))); got.Code != 401 {
		t.Errorf("key that is no longer published: got %d %s, want 401", got.Code, got.Body)
	}
}

// Redirects and unsafe URLs of an issuer are not followed, and its responses are bounded.
func TestMaliciousIssuer(t *testing.T) {
	t.Parallel()
	discovery := func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"issuer":"http://%s","jwks_uri":"http://%[1]s/keys"}`, r.Host)
	}
	answer := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
	}
	for name, test := range map[string]struct {
		discovery, keys http.HandlerFunc
		want            string // in the log
	}{
		"redirect": {http.RedirectHandler("http://169.254.169.254/", http.StatusFound).ServeHTTP, nil, "not followed"},
		"keys by HTTP": {func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"issuer":"http://%s","jwks_uri":"http://keys.example/"}`, r.Host)
		}, nil, "expected an https:// URL"},
		"other issuer": {answer(`{"issuer":"https://other.example","jwks_uri":"https://other.example/"}`), nil,
			"its name is"},
		"no JSON":          {answer("<html>"), nil, "invalid character"},
		"keys redirect":    {discovery, http.RedirectHandler("/other", http.StatusFound).ServeHTTP, "not followed"},
		"no keys":          {discovery, answer(`{}`), "no member keys"},
		"only secret keys": {discovery, answer(`{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}`), "expected at least one"},
		"keys to encrypt": {discovery, answer(fmt.Sprintf(`{"keys":[{"kty":"OKP","crv":"Ed25519","use":"enc","x":%q}]}`,
			encode(ed25519Key.Public().(ed25519.PublicKey)))), "expected at least one"},
	} {
		t.Run(name, func(t *testing.T) {
			mux := http.NewServeMux()
			mux.HandleFunc("/.well-known/openid-configuration", test.discovery)
			if test.keys != nil {
				mux.HandleFunc("/keys", test.keys)
			}
			server := httptest.NewServer(mux)
			defer server.Close()
			d := open(t, map[string]string{"AUTH_JWT_ISSUER": server.URL, "AUTH_JWT_AUDIENCE": "images"})
			if got := d.bring(token(t, signedEd, claims{"iss": server.URL})); got.Code != 503 {
				t.Errorf("got %d %s, want 503", got.Code, got.Body)
			}
			if got := d.log.String(); !strings.Contains(got, test.want) {
				t.Errorf("got in the log:\n%s\nwant %q", got, test.want)
			}
		})
	}
}

func TestEndlessAnswerOfIssuer(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			fmt.Fprint(w, strings.Repeat(" ", 1000))
		}
	}))
	defer server.Close()
	var document any
	err := newIssuerClient(server.URL, "").get(t.Context(), server.URL, &document)
	if want := "got more than 1048576 bytes"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want %q", err, want)
	}
}
