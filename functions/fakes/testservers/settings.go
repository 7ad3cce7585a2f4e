package testservers

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
)

// With returns the settings of getenv, some of them replaced by overrides (NAME=value).
func With(getenv func(string) string, overrides ...string) func(name string) string {
	return overlay(getenv, parse(overrides))
}

// WithoutRedis returns the settings of getenv with an address of Redis that refuses connections.
func WithoutRedis(getenv func(string) string) func(name string) string {
	return With(getenv, "REDIS_HOST=127.0.0.1", "REDIS_PORT=1")
}

// WithRedis returns the settings of getenv with a fake as Redis, which has neither a login nor TLS.
func WithRedis(getenv func(string) string, redis *miniredis.Miniredis) func(name string) string {
	return With(func(name string) string {
		if strings.Contains(name, "REDIS_") { // with those that have the prefix own
			return ""
		}
		return getenv(name)
	}, "REDIS_HOST="+redis.Host(), "REDIS_PORT="+redis.Port())
}

// WithMinIO returns the settings of getenv with a server in front of MinIO, until the test ends. wrap returns its
// handler; minio, which it gets, forwards requests.
func WithMinIO(
	tb testing.TB, getenv func(string) string, wrap func(minio http.Handler) http.Handler,
) func(name string) string {
	tb.Helper()
	url, transport := MinIOTransport(tb, getenv)
	server := httptest.NewServer(wrap(&httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(url); r.Out.Host = r.In.Host }, // which is signed
		Transport: transport,
	}))
	tb.Cleanup(server.Close)
	return With(getenv, "MINIO_ENDPOINT="+server.Listener.Addr().String(), "MINIO_CA_FILE=")
}

// parse returns the settings of overrides, NAME=value, of which the last one of a name counts.
func parse(overrides []string) map[string]string {
	settings := map[string]string{}
	for _, override := range overrides {
		name, value, _ := strings.Cut(override, "=")
		settings[name] = value
	}
	return settings
}

// overlay returns the settings of getenv, or those of settings where it has them.
func overlay(getenv func(string) string, settings map[string]string) func(name string) string {
	settings = maps.Clone(settings)
	return func(name string) string {
		if value, set := settings[name]; set {
			return value
		}
		return getenv(name)
	}
}
