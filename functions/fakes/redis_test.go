package fakes

import (
	"net"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Keys expire as in a real Redis, without a test that moves the clock.
func TestRedisExpiresKeys(t *testing.T) {
	servers, err := Start(func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(servers.Close)
	address := net.JoinHostPort(servers.Getenv("REDIS_HOST"), servers.Getenv("REDIS_PORT"))
	client := redis.NewClient(&redis.Options{Addr: address})
	t.Cleanup(func() { client.Close() })
	for key, life := range map[string]time.Duration{"short": time.Second, "long": time.Hour, "endless": 0} {
		if err := client.Set(t.Context(), key, "value", life).Err(); err != nil {
			t.Fatal(err)
		}
	}
	deadline := time.Now().Add(time.Minute)
	for client.Exists(t.Context(), "short").Val() == 1 {
		if time.Now().After(deadline) {
			t.Fatal("a key of one second still exists after a minute")
		}
		time.Sleep(50 * time.Millisecond)
	}
	if got := client.Exists(t.Context(), "long", "endless").Val(); got != 2 {
		t.Errorf("got %d keys that live longer, want 2", got)
	}
}
