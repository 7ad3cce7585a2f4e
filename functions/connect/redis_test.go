package connect_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
)

func openRedis(t *testing.T, getenv func(string) string) *redis.Client {
	t.Helper()
	settings, err := connect.From(getenv, connect.ReadRedis)
	if err != nil {
		t.Fatal(err)
	}
	client := connect.OpenRedis(settings)
	t.Cleanup(func() { client.Close() })
	return client
}

// Over TLS, as an ACL user.
func TestSecureRedis(t *testing.T) {
	t.Parallel()
	servers := testservers.StartSecure(t)
	if err := connect.PingRedis(t.Context(), openRedis(t, servers.Getenv)); err != nil {
		t.Error(err)
	}
	for name, test := range map[string]struct{ setting, value, want string }{
		"wrong password":    {"REDIS_PASSWORD", "another " + testservers.Password, "WRONGPASS"},
		"unknown user":      {"REDIS_USERNAME", "nobody", "WRONGPASS"},
		"unknown authority": {"REDIS_CA_FILE", "", "unknown authority"},
	} {
		t.Run(name, func(t *testing.T) {
			err := connect.PingRedis(t.Context(), openRedis(t, servers.With(test.setting, test.value)))
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), testservers.Password) {
				t.Errorf("PingRedis() = %v, want %q in it, and no password", err, test.want)
			}
		})
	}
}

// A client whose password was wrong connects as soon as Redis accepts it.
func TestSecureRedisRecovers(t *testing.T) {
	t.Parallel()
	servers := testservers.StartSecure(t)
	next := "another " + testservers.Password
	client := openRedis(t, servers.With("REDIS_PASSWORD", next))
	if err := connect.PingRedis(t.Context(), client); err == nil {
		t.Fatal("PingRedis() with a wrong password = nil, want an error")
	}
	servers.Redis.RequireUserAuth(testservers.User, next)
	if err := connect.PingRedis(t.Context(), client); err != nil {
		t.Errorf("PingRedis() after the password was changed = %v", err)
	}
}

// A restart of Redis closes the idle connections of a client, which uses none of them after that.
func TestSecureRedisRestarts(t *testing.T) {
	t.Parallel()
	servers := testservers.StartSecure(t)
	client := openRedis(t, servers.Getenv)
	const idle = 8
	var pings sync.WaitGroup
	held := make([]*redis.Conn, idle) // each takes a connection of its own
	for i := range held {
		held[i] = client.Conn()
		pings.Go(func() {
			if err := held[i].Ping(t.Context()).Err(); err != nil {
				t.Error(err)
			}
		})
	}
	pings.Wait()
	for _, conn := range held {
		conn.Close()
	}
	servers.Redis.Close()
	if err := servers.Redis.StartTLS(servers.Authority.Server()); err != nil {
		t.Fatal(err)
	}
	for i := range idle {
		if err := connect.PingRedis(t.Context(), client); err != nil {
			t.Errorf("PingRedis() after a restart, call %d = %v", i+1, err)
		}
	}
}

func TestRedisAddress(t *testing.T) {
	for host, want := range map[string]string{
		"redis": "redis:6379", "10.0.0.1": "10.0.0.1:6379", "::1": "[::1]:6379", "[::1]": "[::1]:6379",
	} {
		settings := map[string]string{"REDIS_HOST": host}
		got, err := connect.From(func(name string) string { return settings[name] }, connect.ReadRedis)
		if err != nil || got.Address != want {
			t.Errorf("REDIS_HOST=%s: got address %q and error %v, want %q", host, got.Address, err, want)
		}
	}
}

func TestRedisDown(t *testing.T) {
	t.Parallel()
	client := connect.OpenRedis(connect.Redis{Address: "127.0.0.1:1"})
	defer client.Close()
	if err := connect.PingRedis(t.Context(), client); err == nil {
		t.Error("PingRedis() = nil, want an error")
	}
}

func TestRedisNameWithoutPassword(t *testing.T) {
	settings := map[string]string{"REDIS_HOST": "redis", "REDIS_USERNAME": "me"}
	_, err := connect.From(func(name string) string { return settings[name] }, connect.ReadRedis)
	want := "REDIS_PASSWORD is not set; expected the password of a Redis user, as REDIS_USERNAME is set"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("ReadRedis() = %v, want %q in it", err, want)
	}
}
