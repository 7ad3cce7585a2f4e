package testservers

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"sync"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
)

// Counts are what a function has asked of MinIO and Redis.
type Counts struct {
	lock               sync.Mutex
	requests, commands map[string]int
}

// Count returns settings for a function whose requests are counted: those to MinIO by a proxy in front of that of
// getenv, and the commands to Redis, with those in scripts, by a fake; how many connections there are does not matter.
func Count(tb testing.TB, getenv func(string) string) (counted func(string) string, counts *Counts) {
	tb.Helper()
	counts = &Counts{requests: map[string]int{}, commands: map[string]int{}}
	settings := map[string]string{"MINIO_ENDPOINT": counts.minIO(tb, getenv), "MINIO_CA_FILE": ""}
	redis := miniredis.RunT(tb)
	redis.Server().SetPreHook(func(_ *server.Peer, command string, _ ...string) bool {
		if command != "HELLO" && command != "CLIENT" {
			counts.add(counts.commands, command)
		}
		return false
	})
	return func(name string) string {
		switch value, set := settings[name]; {
		case set:
			return value
		case name == "REDIS_HOST":
			return redis.Host()
		case name == "REDIS_PORT":
			return redis.Port()
		case strings.Contains(name, "REDIS_"):
			return ""
		}
		return getenv(name)
	}, counts
}

// minIO starts a proxy and returns its address.
func (c *Counts) minIO(tb testing.TB, getenv func(string) string) string {
	tb.Helper()
	url, transport := MinIOTransport(tb, getenv)
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(url); r.Out.Host = r.In.Host }, // which is signed
		Transport: transport,
	}
	proxied := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind := r.Method
		if r.URL.Query().Has("list-type") {
			kind = "LIST"
		}
		c.add(c.requests, kind)
		proxy.ServeHTTP(w, r)
	}))
	tb.Cleanup(proxied.Close)
	return proxied.Listener.Addr().String()
}

func (c *Counts) add(to map[string]int, kind string) {
	c.lock.Lock()
	defer c.lock.Unlock()
	to[kind]++
}

// Take returns how many requests to MinIO there were since the last call, by their method, where a listing is LIST, and
// how many commands of Redis, by their names.
func (c *Counts) Take() (requests, commands map[string]int) {
	c.lock.Lock()
	defer c.lock.Unlock()
	requests, commands = maps.Clone(c.requests), maps.Clone(c.commands)
	clear(c.requests)
	clear(c.commands)
	return requests, commands
}

// Commands returns how many commands of a name there were since the last call of Take.
func (c *Counts) Commands(name string) int {
	c.lock.Lock()
	defer c.lock.Unlock()
	return c.commands[name]
}
