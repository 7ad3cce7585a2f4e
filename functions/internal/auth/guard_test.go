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

// door is a guard with something behind it that says who came.
type door struct {
	*Guard
	t   testing.TB
	log *lines
}

// lines is a log that tests read.
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

func read(t testing.TB, settings map[string]string) (Settings, error) {
	t.Helper()
	r := config.NewReader(func(name string) string { return settings[name] })
	s := ReadSettings(r)
	return s, r.Err()
}

func open(t testing.TB, settings map[string]string) *door {
	t.Helper()
	s, err := read(t, settings)
	if err != nil {
		t.Fatal(err)
	}
	process := httpserver.New("test", httpserver.Settings{})
	log := &lines{}
	process.Log = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return &door{New(s, process, nil), t, log}
}

// counting counts in Redis.
func (d *door) counting() *door {
	d.t.Helper()
	getenv := testservers.Start(d.t)
	d.limiter = ratelimit.New(testservers.Redis(d.t, getenv), "image:limit:test-"+uuid.NewString()+":")
	return d
}

// ask sends a request with headers to what is behind the guard; its answer's body says who it was.
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

// counted is what auth_refused_total says of a reason.
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

// keysFile is a file with a key for each name, and the keys.
func keysFile(t testing.TB, names ...string) (file string, keys map[string]string) {
	t.Helper()
	file, keys = filepath.Join(t.TempDir(), "api-keys"), map[string]string{}
	text := "# who may come\n\n"
	for _, name := range names {
		key, line, err := NewKey(name)
		if err != nil {
			t.Fatal(err)
		}
		keys[name] = key
		text += line + "\n"
	}
	write(t, file, text)
	return file, keys
}

func write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Without settings everybody does everything, and no answer says anything of it.
func TestOpenToAll(t *testing.T) {
	d := open(t, nil)
	got := d.ask("POST", "Authorization: Bearer whatever", "Origin: https://a.example")
	if got.Code != 200 || got.Body.String() != "{Name: Admin:false}" || len(got.Header()) > 1 {
		t.Errorf("%d %s %v", got.Code, got.Body, got.Header())
	}
}

// Who has a key is known by its name, in either header; all others are told the same, whatever they have.
func TestKeys(t *testing.T) {
	file, keys := keysFile(t, "scanner", "admin@example")
	d := open(t, map[string]string{"AUTH_API_KEYS_FILE": file, "AUTH_ADMINS": "admin@example"})
	for name, header := range map[string]string{
		"a key":               "Authorization: Bearer " + keys["scanner"],
		"another case":        "Authorization: bEARER  " + keys["scanner"],
		"a header of its own": "X-Api-Key: " + keys["scanner"],
	} {
		if got := d.ask("POST", header); got.Code != 200 || got.Body.String() != "{Name:scanner Admin:false}" {
			t.Errorf("%s: %d %s", name, got.Code, got.Body)
		}
	}
	if got := d.ask("GET", "X-Api-Key: "+keys["admin@example"]); got.Body.String() != "{Name:admin@example Admin:true}" {
		t.Errorf("an administrator: %d %s", got.Code, got.Body)
	}
	answers := map[string]bool{}
	for name, header := range map[string][]string{
		"nothing":              {},
		"nobody's":             {"Authorization: Bearer isk_" + strings.Repeat("A", 43)},
		"a name":               {"Authorization: Bearer scanner"},
		"a wrong end":          {"Authorization: Bearer " + keys["scanner"][:46] + "."},
		"a part":               {"Authorization: Bearer " + keys["scanner"][:20]},
		"basic":                {"Authorization: Basic " + keys["scanner"]},
		"no scheme":            {"Authorization: " + keys["scanner"]},
		"empty":                {"Authorization: Bearer "},
		"two, one good":        {"Authorization: Bearer x", "Authorization: Bearer " + keys["scanner"]},
		"two, the first good":  {"Authorization: Bearer " + keys["scanner"], "Authorization: Bearer x"},
		"two headers":          {"Authorization: Bearer " + keys["scanner"], "X-Api-Key: " + keys["scanner"]},
		"two in one":           {"Authorization: Bearer " + keys["scanner"] + ", Bearer x"},
		"what looks a token":   {"Authorization: Bearer a.b.c"},
		"longer than any":      {"Authorization: Bearer " + strings.Repeat("A", maxCredential+1)},
		"the hash in the file": {"Authorization: Bearer " + strings.Repeat("0", 64)},
	} {
		got := d.ask("POST", header...)
		want := `Bearer realm="image-service", error="invalid_token"`
		if name == "nothing" {
			want = `Bearer realm="image-service"`
		}
		if got.Code != 401 || got.Header().Get("WWW-Authenticate") != want || got.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v %s", name, got.Code, got.Header(), got.Body)
		}
		answers[got.Body.String()] = true
	}
	if len(answers) != 1 {
		t.Errorf("answers tell the cases apart: %v", maps.Keys(answers))
	}
	for body := range answers {
		var told struct{ Error, Code string }
		if json.Unmarshal([]byte(body), &told) != nil || told.Code != "unauthorized" || told.Error == "" {
			t.Errorf("answered %s", body)
		}
	}
	for _, key := range keys {
		if strings.Contains(d.log.String(), key[5:20]) {
			t.Errorf("the log has a key:\n%s", d.log)
		}
	}
	if strings.Contains(d.log.String(), "not-here") {
		t.Errorf("the log has the query:\n%s", d.log)
	}
	if got := d.counted("missing"); got != 1 {
		t.Errorf("auth_refused_total{reason=missing} is %v", got)
	}
}

// toldLeft tells whether a caller was told that so many requests are left, and that all are there again within seconds.
func toldLeft(header http.Header, left, seconds int) bool {
	var r, t int
	_, err := fmt.Sscanf(header.Get("RateLimit"), `"requests";r=%d;t=%d`, &r, &t)
	return err == nil && r == left && t >= 1 && t <= seconds
}

// So much may come at once, the next one later, each client for itself, and the answer says how much is left.
func TestLimit(t *testing.T) {
	t.Parallel()
	file, keys := keysFile(t, "a", "b")
	d := open(t, map[string]string{"AUTH_API_KEYS_FILE": file, "RATE_LIMIT": "2/m", "RATE_LIMIT_BURST": "3"}).counting()
	for left := 2; left >= 0; left-- {
		got := d.ask("POST", "X-Api-Key: "+keys["a"])
		if got.Code != 200 || !toldLeft(got.Header(), left, 30*(3-left)) || got.Header().Get("RateLimit-Policy") != `"requests";q=3;w=90` {
			t.Errorf("%d %v, want %d left", got.Code, got.Header(), left)
		}
	}
	got := d.ask("GET", "X-Api-Key: "+keys["a"])
	if retry, err := strconv.Atoi(got.Header().Get("Retry-After")); got.Code != 429 || err != nil || retry < 1 || retry > 30 ||
		!toldLeft(got.Header(), 0, 90) || got.Header().Get("WWW-Authenticate") != "" ||
		!strings.Contains(got.Body.String(), `"code":"rate_limited","limit":3`) {
		t.Errorf("%d %v %s", got.Code, got.Header(), got.Body)
	}
	if got := d.ask("GET", "X-Api-Key: "+keys["b"]); got.Code != 200 {
		t.Errorf("another client: %d %s", got.Code, got.Body)
	}
	if got := d.counted("rate_limited"); got != 1 {
		t.Errorf("auth_refused_total{reason=rate_limited} is %v", got)
	}
}

// Where nobody has to say who they are, it is addresses that are counted.
func TestLimitOfAddresses(t *testing.T) {
	t.Parallel()
	d := open(t, map[string]string{"RATE_LIMIT": "1/h", "TRUSTED_PROXIES": "1"}).counting()
	for i, test := range []struct {
		from   string
		status int
	}{
		{"192.0.2.1", 200}, {"192.0.2.1", 429}, {"192.0.2.2", 200}, {"203.0.113.9, 192.0.2.2", 429},
		{"2001:db8:1:2::3", 200}, {"2001:db8:1:2:ffff::4", 429}, {"2001:db8:1:3::3", 200},
	} {
		if got := d.ask("POST", "X-Forwarded-For: "+test.from); got.Code != test.status {
			t.Errorf("%d: from %s: %d, want %d", i, test.from, got.Code, test.status)
		}
	}
}

// Who tries keys is told so ever more seldom, and nobody else at the same address is held up by that, known here or not.
func TestTriedKeys(t *testing.T) {
	t.Parallel()
	file, keys := keysFile(t, "scanner")
	d := open(t, map[string]string{"AUTH_API_KEYS_FILE": file, "RATE_LIMIT": "3/h"}).counting()
	for i := range 6 {
		if got, want := d.ask("POST", "X-Api-Key: wrong"), map[bool]int{true: 401, false: 429}[i < 3]; got.Code != want {
			t.Errorf("wrong key %d: %d, want %d", i, got.Code, want)
		}
	}
	if got := d.ask("POST", "X-Api-Key: "+keys["scanner"]); got.Code != 200 {
		t.Errorf("a good one: %d %s", got.Code, got.Body)
	}
	if got := d.ask("POST", "X-Api-Key: wrong", "From: 192.0.2.77:1"); got.Code != 401 {
		t.Errorf("from another place: %d %s", got.Code, got.Body)
	}
	if got := d.ask("POST"); got.Code != 401 {
		t.Errorf("without a key: %d %s", got.Code, got.Body)
	}
}

// Without Redis what only reads goes on, and what writes is told at once.
func TestLimitWithoutRedis(t *testing.T) {
	file, keys := keysFile(t, "a")
	d := open(t, map[string]string{"AUTH_API_KEYS_FILE": file, "RATE_LIMIT": "3/h"})
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	defer client.Close()
	d.limiter = ratelimit.New(client, "")
	for method, status := range map[string]int{"GET": 200, "HEAD": 200, "POST": 503} {
		if got := d.ask(method, "X-Api-Key: "+keys["a"]); got.Code != status {
			t.Errorf("%s: %d, want %d", method, got.Code, status)
		}
		if got := d.ask(method, "X-Api-Key: wrong"); got.Code != 401 {
			t.Errorf("%s with a wrong key: %d, want 401", method, got.Code)
		}
	}
}

func TestSettings(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad")
	write(t, bad, "scanner not-a-hash-but-the-key-itself\n")
	empty := filepath.Join(t.TempDir(), "empty")
	write(t, empty, "# nobody yet\n")
	for name, test := range map[string]struct {
		settings map[string]string
		want     string
	}{
		"no file":            {map[string]string{"AUTH_API_KEYS_FILE": bad + "x"}, "AUTH_API_KEYS_FILE cannot be read"},
		"a key for the file": {map[string]string{"AUTH_API_KEYS_FILE": "the-key-itself"}, "AUTH_API_KEYS_FILE cannot be read"},
		"nobody's keys":      {map[string]string{"AUTH_API_KEYS_FILE": empty}, "it has no key"},
		"a bad file":         {map[string]string{"AUTH_API_KEYS_FILE": bad}, "line 1 has no SHA-256"},
		"no audience":        {map[string]string{"AUTH_JWT_ISSUER": "https://a.example"}, "AUTH_JWT_AUDIENCE is not set"},
		"no issuer":          {map[string]string{"AUTH_JWT_AUDIENCE": "images"}, "AUTH_JWT_ISSUER is not set"},
		"an issuer by HTTP":  {map[string]string{"AUTH_JWT_ISSUER": "http://a.example", "AUTH_JWT_AUDIENCE": "x"}, "AUTH_JWT_ISSUER is"},
		"keys by HTTP":       {map[string]string{"AUTH_JWT_ISSUER": "https://a", "AUTH_JWT_AUDIENCE": "x", "AUTH_JWT_JWKS_URL": "http://a"}, "AUTH_JWT_JWKS_URL is"},
		"only admins":        {map[string]string{"AUTH_ADMINS": "a"}, "AUTH_ADMINS is set"},
		"no rate":            {map[string]string{"RATE_LIMIT": "10"}, "RATE_LIMIT is"},
		"no rate at all":     {map[string]string{"RATE_LIMIT": "0/s"}, "RATE_LIMIT is"},
		"a rate of days":     {map[string]string{"RATE_LIMIT": "1/d"}, "RATE_LIMIT is"},
		"a negative burst":   {map[string]string{"RATE_LIMIT_BURST": "-1"}, "RATE_LIMIT_BURST is"},
		"many proxies":       {map[string]string{"TRUSTED_PROXIES": "99"}, "TRUSTED_PROXIES is"},
		"an origin's page":   {map[string]string{"CORS_ORIGINS": "https://a.example/"}, "CORS_ORIGINS has"},
		"a pattern":          {map[string]string{"CORS_ORIGINS": "https://*.example"}, "CORS_ORIGINS has"},
		"the origin of none": {map[string]string{"CORS_ORIGINS": "null"}, "CORS_ORIGINS has"},
	} {
		if _, err := read(t, test.settings); err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "the-key-itself") {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
}
