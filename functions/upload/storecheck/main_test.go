package main

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/functions/cli"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
)

func TestGoodStore(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	fits, err := realMain(t.Context(), []string{"--rounds=1"}, testservers.StartStores(t), &out)
	if err != nil || !fits || !strings.Contains(out.String(), "yes  atomic_parts\n") ||
		!strings.Contains(out.String(), "\nYes: ") {
		t.Errorf("realMain() = %v, %v, printed %q; want yes", fits, err, out.String())
	}
}

// at returns the settings for a server that puts a handler before a fake.
func at(t *testing.T, spoil func(w http.ResponseWriter, r *http.Request, next http.Handler)) func(string) string {
	t.Helper()
	store := testservers.S3(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { spoil(w, r, store) }))
	t.Cleanup(server.Close)
	settings := map[string]string{
		"MINIO_ENDPOINT": server.Listener.Addr().String(), "MINIO_ACCESS_KEY": "a", "MINIO_SECRET_KEY": "secret-key",
	}
	return func(name string) string { return settings[name] }
}

// The report says exactly what is missing, and what to do.
func TestBadStore(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	getenv := at(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPost {
			r.Header.Del("If-None-Match")
		}
		next.ServeHTTP(w, r)
	})
	fits, err := realMain(t.Context(), []string{"--rounds=1"}, getenv, &out)
	if fits || err != nil {
		t.Errorf("realMain() = %v, %v; want no", fits, err)
	}
	for _, want := range []string{
		"yes  atomic_put\n", "NO   atomic_parts\n", "16 of 16 writers", "docs/operations/stores.md", "does not meet 2 of 10",
	} {
		if !strings.Contains(strings.Join(strings.Fields(out.String()), " "), strings.Join(strings.Fields(want), " ")) {
			t.Errorf("printed %q, want %q in it", out.String(), want)
		}
	}
}

func TestNoVerdict(t *testing.T) {
	t.Parallel()
	failing := at(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodGet && strings.Count(r.URL.Path, "/") > 2 {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		next.ServeHTTP(w, r)
	})
	var out strings.Builder
	if fits, err := realMain(t.Context(), []string{"--rounds=1"}, failing, &out); fits || err == nil ||
		!strings.Contains(out.String(), "?    ranges\n") {
		t.Errorf("realMain() = %v, %v, printed %q; want an error, and what is unknown", fits, err, out.String())
	}
	_, err := realMain(t.Context(), nil, func(string) string { return "" }, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "MINIO_ENDPOINT") {
		t.Errorf("without settings: %v, want what is missing", err)
	}
	for _, arguments := range [][]string{{"--rounds=0"}, {"more"}, {"--rounds=x"}} {
		if _, err := realMain(t.Context(), arguments, failing, io.Discard); !errors.Is(err, cli.ErrUsage) {
			t.Errorf("%q: %v, want an error of usage", arguments, err)
		}
	}
}
