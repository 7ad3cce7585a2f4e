package auth

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/internal/ratelimit"
)

// A door is a guard with a handler behind it that responds with the client.
type door struct {
	*Guard
	t   testing.TB
	log *lines
}

// lines is a log that a test reads.
type lines struct {
	sync.Mutex
	bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.Lock()
	defer l.Unlock()
	return l.Buffer.Write(p)
}

func (l *lines) String() string {
	l.Lock()
	defer l.Unlock()
	return l.Buffer.String()
}

func read(tb testing.TB, settings map[string]string) (Settings, error) {
	tb.Helper()
	r := config.NewReader(func(name string) string { return settings[name] })
	s := ReadSettings(r)
	return s, r.Err()
}

func open(tb testing.TB, settings map[string]string) *door {
	tb.Helper()
	s, err := read(tb, settings)
	if err != nil {
		tb.Fatal(err)
	}
	process := httpserver.New("test", httpserver.Settings{})
	log := &lines{}
	process.Log = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return &door{New(s, process, nil), tb, log}
}

// counting has the door count requests in Redis.
func (d *door) counting() *door {
	d.t.Helper()
	getenv := testservers.StartStores(d.t)
	d.limiter = ratelimit.New(testservers.Redis(d.t, getenv), "image:limit:test-"+uuid.NewString()+":")
	return d
}

// ask sends a request with headers to the handler behind the guard.
func (d *door) ask(method string, header ...string) *httptest.ResponseRecorder {
	d.t.Helper()
	request := httptest.NewRequest(method, "/upload?key=not-here", nil)
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		request.Header.Add(name, value)
	}
	if from := request.Header.Get("From"); from != "" {
		request.RemoteAddr = from
	}
	answer := httptest.NewRecorder()
	d.CORS(d.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%+v", ClientFrom(r.Context()))
	}))).ServeHTTP(answer, request)
	return answer
}

// counted returns auth_refused_total for a reason.
func (d *door) counted(reason string) float64 {
	d.t.Helper()
	families, err := d.process.Metrics.Gather()
	if err != nil {
		d.t.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if family.GetName() == "auth_refused_total" && metric.GetLabel()[0].GetValue() == reason {
				return metric.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// gauge returns the value of a gauge without labels.
func (d *door) gauge(name string) float64 {
	d.t.Helper()
	families, err := d.process.Metrics.Gather()
	if err != nil {
		d.t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()[0].GetGauge().GetValue()
		}
	}
	d.t.Fatalf("there is no metric %s", name)
	return 0
}

// keysFile returns the path of a file with a key for each name, and the keys.
func keysFile(tb testing.TB, names ...string) (file string, keys map[string]string) {
	tb.Helper()
	file, keys = filepath.Join(tb.TempDir(), "api-keys"), map[string]string{}
	text := "# clients\n\n"
	for _, name := range names {
		key, line, err := NewKey(name)
		if err != nil {
			tb.Fatal(err)
		}
		keys[name] = key
		text += line + "\n"
	}
	write(tb, file, text)
	return file, keys
}

func write(tb testing.TB, file, text string) {
	tb.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
}

// Without settings every request is allowed, and the response has no header about it.
func TestWithoutSettings(t *testing.T) {
	d := open(t, nil)
	got := d.ask("POST", "Authorization: Bearer whatever", "Origin: https://a.example")
	if got.Code != 200 || got.Body.String() != "{Name: Admin:false}" || len(got.Header()) > 1 {
		t.Errorf("got %d %s %v, want 200, no client, no more headers", got.Code, got.Body, got.Header())
	}
}

// A key authenticates its client in either header; all other requests get the same response.
func TestKeys(t *testing.T) {
	file, keys := keysFile(t, "scanner", "admin@example")
	d := open(t, map[string]string{"AUTH_API_KEYS_FILE": file, "AUTH_ADMINS": "admin@example"})
	for name, header := range map[string]string{
		"Authorization":    "Authorization: Bearer " + keys["scanner"],
		"case of scheme":   "Authorization: bEARER  " + keys["scanner"],
		"X-Api-Key header": "X-Api-Key: " + keys["scanner"],
	} {
		t.Run(name, func(t *testing.T) {
			if got := d.ask("POST", header); got.Code != 200 || got.Body.String() != "{Name:scanner Admin:false}" {
				t.Errorf("got %d %s, want 200 as scanner", got.Code, got.Body)
			}
		})
	}
	t.Run("administrator", func(t *testing.T) {
		got := d.ask("GET", "X-Api-Key: "+keys["admin@example"])
		if got.Body.String() != "{Name:admin@example Admin:true}" {
			t.Errorf("got %d %s, want an administrator", got.Code, got.Body)
		}
	})
	bodies := map[string]bool{}
	for name, header := range map[string][]string{
		"nothing":           {},
		"unknown key":       {"Authorization: Bearer isk_" + strings.Repeat("A", 43)},
		"name of a client":  {"Authorization: Bearer scanner"},
		"wrong end":         {"Authorization: Bearer " + keys["scanner"][:46] + "."},
		"part of a key":     {"Authorization: Bearer " + keys["scanner"][:20]},
		"Basic":             {"Authorization: Basic " + keys["scanner"]},
		"no scheme":         {"Authorization: " + keys["scanner"]},
		"empty":             {"Authorization: Bearer "},
		"two, one valid":    {"Authorization: Bearer x", "Authorization: Bearer " + keys["scanner"]},
		"two, first valid":  {"Authorization: Bearer " + keys["scanner"], "Authorization: Bearer x"},
		"two headers":       {"Authorization: Bearer " + keys["scanner"], "X-Api-Key: " + keys["scanner"]},
		"two in one header": {"Authorization: Bearer " + keys["scanner"] + ", Bearer x"},
		"form of a token":   {"Authorization: Bearer a.b.c"},
		"too long":          {"Authorization: Bearer " + strings.Repeat("A", maxCredential+1)},
		"hash in the file":  {"Authorization: Bearer " + strings.Repeat("0", 64)},
	} {
		t.Run(name, func(t *testing.T) {
			got := d.ask("POST", header...)
			want := `Bearer realm="image-service", error="invalid_token"`
			if name == "nothing" {
				want = `Bearer realm="image-service"`
			}
			challenge, cache := got.Header().Get("WWW-Authenticate"), got.Header().Get("Cache-Control")
			if got.Code != 401 || challenge != want || cache != "no-store" {
				t.Errorf("got %d %q %q, want 401 %q no-store", got.Code, challenge, cache, want)
			}
			bodies[got.Body.String()] = true
		})
	}
	if len(bodies) != 1 {
		t.Errorf("got the bodies %q, want one for all cases", slices.Collect(maps.Keys(bodies)))
	}
	for body := range bodies {
		var public struct{ Error, Code string }
		if json.Unmarshal([]byte(body), &public) != nil || public.Code != "unauthorized" || public.Error == "" {
			t.Errorf("got %s, want code unauthorized and a message", body)
		}
	}
	for name, key := range keys {
		if strings.Contains(d.log.String(), key[5:20]) {
			t.Errorf("the log has the key of %s:\n%s", name, d.log)
		}
	}
	if strings.Contains(d.log.String(), "not-here") {
		t.Errorf("the log has the query:\n%s", d.log)
	}
	if got := d.counted("missing"); got != 1 {
		t.Errorf("got auth_refused_total{reason=missing} %v, want 1", got)
	}
}

// reportsRemaining reports whether a response says how many requests remain, and that all will again within seconds.
func reportsRemaining(header http.Header, remaining, seconds int) bool {
	var r, t int
	_, err := fmt.Sscanf(header.Get("RateLimit"), `"requests";r=%d;t=%d`, &r, &t)
	return err == nil && r == remaining && t >= 1 && t <= seconds
}

// Each client may send a burst, then must wait, and the response says how many requests remain.
func TestLimit(t *testing.T) {
	t.Parallel()
	file, keys := keysFile(t, "a", "b")
	settings := map[string]string{"AUTH_API_KEYS_FILE": file, "RATE_LIMIT": "2/m", "RATE_LIMIT_BURST": "3"}
	d := open(t, settings).counting()
	for remaining := 2; remaining >= 0; remaining-- {
		got := d.ask("POST", "X-Api-Key: "+keys["a"])
		if got.Code != 200 || !reportsRemaining(got.Header(), remaining, 30*(3-remaining)) ||
			got.Header().Get("RateLimit-Policy") != `"requests";q=3;w=90` {
			t.Errorf("got %d %v, want 200 and %d remaining", got.Code, got.Header(), remaining)
		}
	}
	got := d.ask("GET", "X-Api-Key: "+keys["a"])
	retry, err := strconv.Atoi(got.Header().Get("Retry-After"))
	if got.Code != 429 || err != nil || retry < 1 || retry > 30 || !reportsRemaining(got.Header(), 0, 90) ||
		got.Header().Get("WWW-Authenticate") != "" ||
		!strings.Contains(got.Body.String(), `"code":"rate_limited","limit":3`) {
		t.Errorf("beyond the burst: got %d %v %s, want 429 with a Retry-After of 1 to 30", got.Code, got.Header(), got.Body)
	}
	if got := d.ask("GET", "X-Api-Key: "+keys["b"]); got.Code != 200 {
		t.Errorf("another client: got %d %s, want 200", got.Code, got.Body)
	}
	if got := d.counted("rate_limited"); got != 1 {
		t.Errorf("got auth_refused_total{reason=rate_limited} %v, want 1", got)
	}
}

// chargeFor is what a handler answers that charges for the parts of a request.
func (d *door) chargeFor(key string, parts ...int64) *httptest.ResponseRecorder {
	d.t.Helper()
	request := httptest.NewRequest("POST", "/upload", nil)
	request.Header.Set("X-Api-Key", key)
	answer := httptest.NewRecorder()
	d.Protect(d.process.Handle(func(_ http.ResponseWriter, r *http.Request) error {
		for _, units := range parts {
			if err := Charge(r.Context(), units); err != nil {
				return err
			}
		}
		return nil
	})).ServeHTTP(answer, request)
	return answer
}

// A request costs what its parts cost, and at least one unit. A client without so many is refused for as long as it
// takes to get them. No request costs more than a burst.
func TestCharge(t *testing.T) {
	t.Parallel()
	file, keys := keysFile(t, "a", "b", "c")
	settings := map[string]string{"AUTH_API_KEYS_FILE": file, "RATE_LIMIT": "1/m", "RATE_LIMIT_BURST": "10"}
	d := open(t, settings).counting()
	for i, test := range []struct {
		client           string
		parts            []int64
		status           int
		remaining, reset int
		retry            int // in seconds, about
	}{
		{"a", []int64{1}, 200, 9, 60, 0},
		{"a", []int64{4}, 200, 5, 5 * 60, 0},
		{"a", []int64{7}, 429, 4, 6 * 60, 3 * 60}, // of which one unit stays counted
		{"a", []int64{4}, 200, 0, 10 * 60, 0},
		{"b", []int64{1000}, 200, 0, 10 * 60, 0},
		{"c", []int64{1, 1, 3}, 200, 5, 5 * 60, 0},
		{"c", []int64{2, 4}, 429, 3, 7 * 60, 3 * 60}, // of which two stay counted
		{"c", nil, 200, 2, 8 * 60, 0},
	} {
		got := d.chargeFor(keys[test.client], test.parts...)
		if got.Code != test.status || !reportsRemaining(got.Header(), test.remaining, test.reset) {
			t.Errorf("request %d: got %d %v, want %d and %d remaining", i, got.Code, got.Header(), test.status, test.remaining)
		}
		retry, _ := strconv.Atoi(got.Header().Get("Retry-After"))
		if retry > test.retry || retry < test.retry-50 {
			t.Errorf("request %d: got Retry-After %d, want %d", i, retry, test.retry)
		}
	}
	if got := d.counted("rate_limited"); got != 2 {
		t.Errorf("got auth_refused_total{reason=rate_limited} %v, want 2", got)
	}
}

// Work that no client has asked for through the guard costs nobody anything.
func TestChargeNobody(t *testing.T) {
	if err := Charge(t.Context(), 1000); err != nil {
		t.Errorf("got %v", err)
	}
}

// Without authentication requests are counted by address.
func TestLimitByAddress(t *testing.T) {
	t.Parallel()
	d := open(t, map[string]string{"RATE_LIMIT": "1/h", "TRUSTED_PROXIES": "1"}).counting()
	for i, test := range []struct {
		from   string
		status int
	}{
		{"192.0.2.1", 200}, {"192.0.2.1", 429}, {"192.0.2.2", 200}, {"203.0.113.9, 192.0.2.2", 429},
		{"2001:db8:1:2::3", 200}, {"2001:db8:1:2:ffff::4", 429}, {"2001:db8:1:3::3", 200},
	} {
		t.Run(fmt.Sprint(i, " from ", test.from), func(t *testing.T) {
			if got := d.ask("POST", "X-Forwarded-For: "+test.from); got.Code != test.status {
				t.Errorf("got %d, want %d", got.Code, test.status)
			}
		})
	}
}

// Requests without valid credentials are limited by address, and that limits no other request from the address.
func TestFailuresAreLimited(t *testing.T) {
	t.Parallel()
	file, keys := keysFile(t, "scanner")
	for name, headers := range map[string][]string{
		"wrong key":         {"X-Api-Key: wrong"},
		"no key":            nil,
		"malformed":         {"Authorization: Basic YTpi"},
		"several":           {"X-Api-Key: a", "X-Api-Key: b"},
		"too long":          {"X-Api-Key: " + strings.Repeat("a", maxCredential+1)},
		"of a /64 together": {"X-Api-Key: wrong", "From: [2001:db8::%d]:1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := open(t, map[string]string{"AUTH_API_KEYS_FILE": file, "RATE_LIMIT": "3/h"}).counting()
			for i := range 6 {
				numbered := slices.Clone(headers)
				for n := range numbered {
					numbered[n] = strings.ReplaceAll(numbered[n], "%d", strconv.Itoa(i+1))
				}
				if got, want := d.ask("POST", numbered...), map[bool]int{true: 401, false: 429}[i < 3]; got.Code != want {
					t.Errorf("request %d: got %d, want %d", i, got.Code, want)
				}
			}
			if got := d.ask("POST", "X-Api-Key: "+keys["scanner"]); got.Code != 200 {
				t.Errorf("valid key: got %d %s, want 200", got.Code, got.Body)
			}
			if got := d.ask("POST", "X-Api-Key: wrong", "From: 192.0.2.77:1"); got.Code != 401 {
				t.Errorf("from another address: got %d %s, want 401", got.Code, got.Body)
			}
		})
	}
}

// Without Redis requests that read are allowed, and those that write fail at once.
func TestLimitWithoutRedis(t *testing.T) {
	file, keys := keysFile(t, "a")
	d := open(t, map[string]string{"AUTH_API_KEYS_FILE": file, "RATE_LIMIT": "3/h"})
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	defer client.Close()
	d.limiter = ratelimit.New(client, "")
	for method, status := range map[string]int{"GET": 200, "HEAD": 200, "POST": 503} {
		t.Run(method, func(t *testing.T) {
			if got := d.ask(method, "X-Api-Key: "+keys["a"]); got.Code != status {
				t.Errorf("got %d, want %d", got.Code, status)
			}
			if got := d.ask(method, "X-Api-Key: wrong"); got.Code != 401 {
				t.Errorf("with a wrong key: got %d, want 401", got.Code)
			}
		})
	}
}

func TestSettings(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad")
	write(t, bad, "scanner not-a-hash-but-the-key-itself\n")
	empty := filepath.Join(t.TempDir(), "empty")
	write(t, empty, "# no client\n")
	for name, test := range map[string]struct {
		settings map[string]string
		want     string
	}{
		"missing file":      {map[string]string{"AUTH_API_KEYS_FILE": bad + "x"}, "AUTH_API_KEYS_FILE cannot be read"},
		"key as the file":   {map[string]string{"AUTH_API_KEYS_FILE": "the-key-itself"}, "AUTH_API_KEYS_FILE cannot be read"},
		"file without keys": {map[string]string{"AUTH_API_KEYS_FILE": empty}, "it has no key"},
		"malformed file":    {map[string]string{"AUTH_API_KEYS_FILE": bad}, "line 1 has no SHA-256"},
		"no audience":       {map[string]string{"AUTH_JWT_ISSUER": "https://a.example"}, "AUTH_JWT_AUDIENCE is not set"},
		"no issuer":         {map[string]string{"AUTH_JWT_AUDIENCE": "images"}, "AUTH_JWT_ISSUER is not set"},
		"issuer by HTTP": {map[string]string{
			"AUTH_JWT_ISSUER": "http://a.example", "AUTH_JWT_AUDIENCE": "x",
		}, "AUTH_JWT_ISSUER is"},
		"keys by HTTP": {map[string]string{
			"AUTH_JWT_ISSUER": "https://a", "AUTH_JWT_AUDIENCE": "x", "AUTH_JWT_JWKS_URL": "http://a",
		}, "AUTH_JWT_JWKS_URL is"},
		"admins only":        {map[string]string{"AUTH_ADMINS": "a"}, "AUTH_ADMINS is set"},
		"rate without unit":  {map[string]string{"RATE_LIMIT": "10"}, "RATE_LIMIT is"},
		"rate of zero":       {map[string]string{"RATE_LIMIT": "0/s"}, "RATE_LIMIT is"},
		"rate per day":       {map[string]string{"RATE_LIMIT": "1/d"}, "RATE_LIMIT is"},
		"negative burst":     {map[string]string{"RATE_LIMIT_BURST": "-1"}, "RATE_LIMIT_BURST is"},
		"too many proxies":   {map[string]string{"TRUSTED_PROXIES": "99"}, "TRUSTED_PROXIES is"},
		"page of an origin":  {map[string]string{"CORS_ORIGINS": "https://a.example/"}, "CORS_ORIGINS has"},
		"pattern of origins": {map[string]string{"CORS_ORIGINS": "https://*.example"}, "CORS_ORIGINS has"},
		"null origin":        {map[string]string{"CORS_ORIGINS": "null"}, "CORS_ORIGINS has"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := read(t, test.settings)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want %s", err, test.want)
			}
			if strings.Contains(err.Error(), "the-key-itself") {
				t.Errorf("got %v, which has the key", err)
			}
		})
	}
}
