package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// open starts a server with the state in a file. Nothing closes the journal: the process might have been killed.
func open(t *testing.T, path string) (*miniredis.Miniredis, *redis.Client) {
	t.Helper()
	server := miniredis.RunT(t)
	j, err := Open(path, server)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	t.Cleanup(func() {
		client.Close()
		server.Close()
		_ = j.Close()
	})
	return server, client
}

func newPath(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "redis.journal")
}

// state is what a test compares.
func state(server *miniredis.Miniredis) string {
	text := server.Dump()
	for _, key := range server.Keys() {
		text += fmt.Sprintf("%s %v\n", key, server.TTL(key).Round(10*time.Second))
	}
	return text
}

// Every command whose client has an answer is there after a kill: scripts, transactions and all types.
func TestKill(t *testing.T) {
	path, ctx := newPath(t), t.Context()
	server, client := open(t, path)
	script := redis.NewScript(`
		if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EX', 1000) then
			redis.call('ZADD', KEYS[2], redis.call('TIME')[1], ARGV[1])
		end
		return redis.call('GET', KEYS[1])`)
	for _, value := range []string{"first", "second"} {
		if got, err := script.Run(ctx, client, []string{"claim", "queue"}, value).Text(); err != nil || got != "first" {
			t.Fatalf("script: got %q, %v, want first", got, err)
		}
	}
	if _, err := client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.HSet(ctx, "hash", "field", "\x00\xff binary")
		p.SAdd(ctx, "set", "a", "b")
		p.RPush(ctx, "list", "1", "2", "3")
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	client.Set(ctx, "deleted", "value", 0)
	client.Del(ctx, "deleted")
	for n := range 250 {
		client.ZAdd(ctx, "sorted", redis.Z{Score: float64(n) + 0.5, Member: fmt.Sprint(n)})
	}
	client.Publish(ctx, "channel", "message")
	client.Set(ctx, "expiring", "value", time.Hour)
	want := state(server)

	for _, how := range []string{"from the log", "from the state that replaced the log"} {
		server, _ = open(t, path)
		if got := state(server); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", how, got, want)
		}
	}
}

// The answer of a script that claims a key is true after a kill, too, however many claim it at once.
func TestConcurrentClaims(t *testing.T) {
	path, ctx := newPath(t), t.Context()
	_, client := open(t, path)
	var wait sync.WaitGroup
	for n := range 8 {
		wait.Go(func() {
			for key := range 50 {
				name := fmt.Sprint("claim-", key)
				if client.SetNX(ctx, name, n, 0).Val() {
					client.Set(ctx, "owner-of-"+name, n, 0)
				}
			}
		})
	}
	wait.Wait()
	server, _ := open(t, path)
	for key := range 50 {
		claim, _ := server.Get(fmt.Sprint("claim-", key))
		if owner, _ := server.Get(fmt.Sprint("owner-of-claim-", key)); owner == "" || owner != claim {
			t.Errorf("claim %d: %q has it, and %q was told so", key, claim, owner)
		}
	}
}

// What expired, while the process ran or after it, is gone, and a key that was set again since is not.
func TestExpiry(t *testing.T) {
	path := newPath(t)
	ago := func(d time.Duration) time.Time { return time.Now().Add(-d) }
	frames := slices.Concat(
		frame(ago(time.Hour), [][]string{{"SET", "lock", "old", "NX", "EX", "60"}, {"SET", "gone", "x", "EX", "600"}}),
		frame(ago(30*time.Minute), [][]string{{"SET", "lock", "new", "NX", "EX", "7200"}}),
	)
	if err := os.WriteFile(path, frames, 0o600); err != nil {
		t.Fatal(err)
	}
	server, _ := open(t, path)
	if got, _ := server.Get("lock"); got != "new" || server.TTL("lock").Round(time.Minute) != 90*time.Minute {
		t.Errorf("lock: got %q for %v, want new for 1h30m", got, server.TTL("lock"))
	}
	if server.Exists("gone") {
		t.Error("a key that has expired is back")
	}
}

// A frame that a kill cut short is dropped; anything else that is not as it was written is an error.
func TestDamage(t *testing.T) {
	one, two := frame(time.Now(), [][]string{{"SET", "a", "1"}}), frame(time.Now(), [][]string{{"SET", "b", "2"}})
	for name, test := range map[string]struct {
		content []byte
		want    error
	}{
		"whole":        {slices.Concat(one, two), nil},
		"cut":          {slices.Concat(one, two[:len(two)-1]), nil},
		"cut head":     {slices.Concat(one, two[:3]), nil},
		"only a head":  {slices.Concat(one, two[:headLength]), nil},
		"last changed": {slices.Concat(one, two[:len(two)-1], []byte{0}), nil},
		"changed":      {slices.Concat(one[:len(one)-1], []byte{0}, two), errDamaged},
		"not a file":   {[]byte("REDIS0011 is something else"), errDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			if err := os.WriteFile(path, test.content, 0o600); err != nil {
				t.Fatal(err)
			}
			server := miniredis.RunT(t)
			err := replay(path, server)
			if !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			if got, _ := server.Get("a"); test.want == nil && got != "1" {
				t.Errorf("the first frame was lost: got %q", got)
			}
		})
	}
}

// Commands that a journal cannot keep are refused, not lost.
func TestRefused(t *testing.T) {
	_, client := open(t, newPath(t))
	err := client.Watch(t.Context(), func(*redis.Tx) error { return nil }, "key")
	if err == nil {
		t.Error("WATCH was accepted")
	}
}
