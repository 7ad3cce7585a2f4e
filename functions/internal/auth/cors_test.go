package auth

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const preflight = "Access-Control-Request-Method: POST"

// browse sends the request that a browser sends for a script of a site.
func (d *door) browse(method, origin string, header ...string) http.Header {
	d.t.Helper()
	return d.ask(method, append(header, "Origin: "+origin)...).Header()
}

func TestOrigins(t *testing.T) {
	listed := open(t, map[string]string{"CORS_ORIGINS": "https://a.example, http://localhost:3000, capacitor://localhost"})
	for origin, want := range map[string]string{
		"https://a.example":      "https://a.example",
		"http://localhost:3000":  "http://localhost:3000",
		"capacitor://localhost":  "capacitor://localhost",
		"ionic://localhost":      "",
		"https://a.example.evil": "", "https://b.example": "", "http://a.example": "", "https://a.example:444": "",
		"null": "", "https://A.example": "",
	} {
		for _, method := range []string{"GET", "POST", "OPTIONS"} {
			t.Run(method+" from "+origin, func(t *testing.T) {
				got := listed.browse(method, origin)
				if got.Get("Access-Control-Allow-Origin") != want || got.Get("Vary") != "Origin" ||
					(got.Get("Access-Control-Expose-Headers") != "") != (want != "") {
					t.Errorf("got %v, want the origin %q allowed", got, want)
				}
				if got.Get("Access-Control-Allow-Credentials") != "" {
					t.Errorf("got %v, want no credentials allowed", got)
				}
			})
		}
	}
	t.Run("without Origin", func(t *testing.T) {
		got := listed.ask("GET").Header()
		if got.Get("Vary") != "Origin" || got.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("got %v, want Vary and no origin", got)
		}
	})
	t.Run("all origins", func(t *testing.T) {
		got := open(t, map[string]string{"CORS_ORIGINS": "*"}).browse("GET", "https://b.example")
		if got.Get("Access-Control-Allow-Origin") != "*" || got.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("got %v, want * without credentials", got)
		}
	})
	t.Run("not configured", func(t *testing.T) {
		got := open(t, nil).browse("GET", "https://b.example")
		if got.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("got %v, want no origin", got)
		}
	})
}

// A preflight request has no key. Its response lists what may be sent, and a script may read even a 401.
func TestPreflight(t *testing.T) {
	file, _ := keysFile(t, "a")
	d := open(t, map[string]string{"CORS_ORIGINS": "https://a.example", "AUTH_API_KEYS_FILE": file})
	got := d.ask("OPTIONS", preflight, "Access-Control-Request-Headers: authorization", "Origin: https://a.example")
	if got.Code != 204 || got.Header().Get("Access-Control-Max-Age") != "600" {
		t.Errorf("got %d %v, want 204, to cache for 600 s", got.Code, got.Header())
	}
	for _, name := range []string{
		"Authorization", "X-Api-Key", "Idempotency-Key", "Content-Type", "If-None-Match", "Range",
	} {
		if !strings.Contains(got.Header().Get("Access-Control-Allow-Headers"), name) {
			t.Errorf("got %v, want %s allowed", got.Header(), name)
		}
	}
	for _, name := range []string{"RateLimit", "Retry-After", "ETag", "Location"} {
		if !strings.Contains(got.Header().Get("Access-Control-Expose-Headers"), name) {
			t.Errorf("got %v, want %s exposed", got.Header(), name)
		}
	}
	got = d.ask("OPTIONS", preflight, "Origin: https://b.example")
	if got.Code != 401 || got.Header().Get("Access-Control-Allow-Methods") != "" {
		t.Errorf("other site: got %d %v, want 401 without methods", got.Code, got.Header())
	}
	got = d.ask("POST", "Origin: https://a.example")
	if got.Code != 401 || got.Header().Get("Access-Control-Allow-Origin") != "https://a.example" {
		t.Errorf("without a key: got %d %v, want a 401 that the script may read", got.Code, got.Header())
	}
}

// A script may send every header that its libraries add.
func TestPreflightHeaders(t *testing.T) {
	d := open(t, map[string]string{"CORS_ORIGINS": "https://a.example"})
	for library, asked := range map[string]string{
		"Dropzone":               "cache-control,x-requested-with",
		"Sentry":                 "baggage,sentry-trace",
		"OpenTelemetry":          "traceparent, tracestate, baggage",
		"OpenTelemetry, B3":      "b3,x-b3-traceid,x-b3-spanid,x-b3-sampled",
		"Datadog":                "x-datadog-trace-id,x-datadog-parent-id,x-datadog-origin,x-datadog-sampling-priority",
		"New Relic":              "newrelic,traceparent,tracestate",
		"Application Insights":   "request-context,request-id",
		"Axios":                  "authorization,content-type,x-xsrf-token",
		"Fine Uploader":          "x-file-name,x-mime-type,cache-control,x-requested-with",
		"CloudEvents JavaScript": "ce-id,ce-source,ce-specversion,ce-type,ce-time,content-type",
		"this service":           "idempotency-key,x-api-key,content-disposition",
	} {
		t.Run(library, func(t *testing.T) {
			got := d.ask("OPTIONS", preflight, "Access-Control-Request-Headers: "+asked, "Origin: https://a.example")
			allowed := "," + strings.ToLower(strings.ReplaceAll(got.Header().Get("Access-Control-Allow-Headers"), " ", "")) + ","
			for name := range strings.SplitSeq(strings.ReplaceAll(asked, " ", ""), ",") {
				if got.Code != 204 || !strings.Contains(allowed, ","+name+",") {
					t.Errorf("got %d %v, want %s allowed", got.Code, got.Header(), name)
				}
			}
		})
	}
	t.Run("not a header", func(t *testing.T) {
		got := d.ask("OPTIONS", preflight, "Access-Control-Request-Headers: a b,*,<script>", "Origin: https://a.example")
		allowed := got.Header().Get("Access-Control-Allow-Headers")
		if strings.Contains(allowed, "a b") || strings.Contains(allowed, "<") {
			t.Errorf("got %q, want names of headers only", allowed)
		}
	})
	t.Run("another site", func(t *testing.T) {
		got := d.ask("OPTIONS", preflight, "Access-Control-Request-Headers: x-a", "Origin: https://b.example")
		if allowed := got.Header().Get("Access-Control-Allow-Headers"); allowed != "" {
			t.Errorf("got %q, want nothing allowed", allowed)
		}
	})
}

// The header is sent only if a trusted proxy received the request over HTTPS.
func TestStrictTransportSecurity(t *testing.T) {
	for _, test := range []struct{ proxies, proto, want string }{
		{"1", "https", "max-age=31536000"}, {"1", "http", ""}, {"1", "", ""}, {"0", "https", ""}, {"1", "https, http", ""},
	} {
		t.Run(test.proxies+" proxies, "+test.proto, func(t *testing.T) {
			d := open(t, map[string]string{"TRUSTED_PROXIES": test.proxies})
			w := httptest.NewRecorder()
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("X-Forwarded-Proto", test.proto)
			d.CORS(http.NotFoundHandler()).ServeHTTP(w, r)
			if got := w.Header().Get("Strict-Transport-Security"); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
