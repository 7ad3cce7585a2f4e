package testservers

import (
	"maps"
	"net/http"
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
	redis := miniredis.RunT(tb)
	redis.Server().SetPreHook(func(_ *server.Peer, command string, _ ...string) bool {
		if command != "HELLO" && command != "CLIENT" {
			counts.add(counts.commands, command)
		}
		return false
	})
	return WithRedis(WithMinIO(tb, getenv, counts.requestsTo), redis), counts
}

func (c *Counts) requestsTo(minio http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind := r.Method
		if r.URL.Query().Has("list-type") {
			kind = "LIST"
		}
		c.add(c.requests, kind)
		minio.ServeHTTP(w, r)
	})
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
