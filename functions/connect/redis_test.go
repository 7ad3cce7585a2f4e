package connect_test

import (
	"strings"
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
