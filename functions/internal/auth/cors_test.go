package auth

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const preflight = "Access-Control-Request-Method: POST"

// browse sends what a browser does for a script of a site.
func (d *door) browse(method, origin string, header ...string) http.Header {
	d.t.Helper()
	return d.ask(method, append(header, "Origin: "+origin)...).Header()
}

func TestOrigins(t *testing.T) {
	listed := open(t, map[string]string{"CORS_ORIGINS": "https://a.example, http://localhost:3000"})
	for origin, want := range map[string]string{
		"https://a.example": "https://a.example", "http://localhost:3000": "http://localhost:3000",
		"https://a.example.evil": "", "https://b.example": "", "http://a.example": "", "https://a.example:444": "", "null": "", "https://A.example": "",
	} {
		for _, method := range []string{"GET", "POST", "OPTIONS"} {
			got := listed.browse(method, origin)
			if got.Get("Access-Control-Allow-Origin") != want || got.Get("Vary") != "Origin" || (got.Get("Access-Control-Expose-Headers") != "") != (want != "") {
				t.Errorf("%s from %s: %v, want %q", method, origin, got, want)
			}
			if got.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s from %s: with cookies", method, origin)
			}
		}
	}
	if got := listed.ask("GET").Header(); got.Get("Vary") != "Origin" || got.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("from no site: %v", got)
	}
	all := open(t, map[string]string{"CORS_ORIGINS": "*"})
	if got := all.browse("GET", "https://b.example"); got.Get("Access-Control-Allow-Origin") != "*" || got.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("from any site: %v", got)
	}
	if got := open(t, nil).browse("GET", "https://b.example"); got.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("without CORS: %v", got)
	}
}

// A browser asks before it sends, and never with a key; it is told what may be sent, and a script may read even a 401.
func TestPreflight(t *testing.T) {
	file, _ := keysFile(t, "a")
	d := open(t, map[string]string{"CORS_ORIGINS": "https://a.example", "AUTH_API_KEYS_FILE": file})
	got := d.ask("OPTIONS", preflight, "Access-Control-Request-Headers: authorization", "Origin: https://a.example")
	if got.Code != 204 || got.Header().Get("Access-Control-Max-Age") != "600" {
		t.Errorf("%d %v", got.Code, got.Header())
	}
	for _, name := range []string{"Authorization", "X-Api-Key", "Idempotency-Key", "Content-Type", "If-None-Match", "Range"} {
		if !strings.Contains(got.Header().Get("Access-Control-Allow-Headers"), name) {
			t.Errorf("%s may not be sent", name)
		}
	}
	for _, name := range []string{"RateLimit", "Retry-After", "ETag", "Location"} {
		if !strings.Contains(got.Header().Get("Access-Control-Expose-Headers"), name) {
			t.Errorf("%s may not be read", name)
		}
	}
	if got := d.ask("OPTIONS", preflight, "Origin: https://b.example"); got.Code != 401 || got.Header().Get("Access-Control-Allow-Methods") != "" {
		t.Errorf("from another site: %d %v", got.Code, got.Header())
	}
	if got := d.ask("POST", "Origin: https://a.example"); got.Code != 401 || got.Header().Get("Access-Control-Allow-Origin") != "https://a.example" {
		t.Errorf("a 401: %d %v", got.Code, got.Header())
	}
}

// HTTPS for good is asked for by who came by HTTPS, as a proxy of ours says, and by nobody else.
func TestStrictTransportSecurity(t *testing.T) {
	for _, test := range []struct{ proxies, proto, want string }{
		{"1", "https", "max-age=31536000"}, {"1", "http", ""}, {"1", "", ""}, {"0", "https", ""}, {"1", "https, http", ""},
	} {
		d := open(t, map[string]string{"TRUSTED_PROXIES": test.proxies})
		answer := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("X-Forwarded-Proto", test.proto)
		d.CORS(http.NotFoundHandler()).ServeHTTP(answer, r)
		if got := answer.Header().Get("Strict-Transport-Security"); got != test.want {
			t.Errorf("%+v: %q", test, got)
		}
	}
}
