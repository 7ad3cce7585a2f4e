package connect_test

import (
	"crypto/tls"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
)

const bucket = "images"

func openRedis(t *testing.T, getenv func(string) string) redis.UniversalClient {
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
	if err := connect.CheckRedis(t.Context(), openRedis(t, servers.Getenv), bucket); err != nil {
		t.Error(err)
	}
	for name, test := range map[string]struct{ override, want string }{
		"wrong password":    {"REDIS_PASSWORD=another " + testservers.Password, "WRONGPASS"},
		"unknown user":      {"REDIS_USERNAME=nobody", "WRONGPASS"},
		"unknown authority": {"REDIS_CA_FILE=", "unknown authority"},
	} {
		t.Run(name, func(t *testing.T) {
			client := openRedis(t, testservers.With(servers.Getenv, test.override))
			err := connect.CheckRedis(t.Context(), client, bucket)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), testservers.Password) {
				t.Errorf("CheckRedis() = %v, want %q in it, and no password", err, test.want)
			}
		})
	}
}

// A certificate that cannot be verified is a flaw, also that of a server which a sentinel names.
func TestRedisCertificates(t *testing.T) {
	t.Parallel()
	authority, hour := testservers.NewAuthority(t), time.Now().Add(time.Hour)
	file := filepath.Join(t.TempDir(), "ca.crt")
	authority.Write(file)
	start := func(certificate tls.Certificate) *miniredis.Miniredis {
		server, err := miniredis.RunTLS(&tls.Config{Certificates: []tls.Certificate{certificate}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(server.Close)
		return server
	}
	named := start(authority.Issue(2, hour, "redis.example"))
	sentinel := start(authority.Issue(3, hour))
	var watched atomic.Pointer[miniredis.Miniredis]
	watched.Store(named)
	watch(sentinel, &watched)
	for name, test := range map[string]struct {
		server   *miniredis.Miniredis
		settings []string
		want     string
	}{
		"another address":            {named, nil, "not valid for its address"},
		"an announced address":       {sentinel, []string{"REDIS_SENTINEL_MASTER=" + master}, "not valid for its address"},
		"another name of a sentinel": {named, []string{"REDIS_SENTINEL_MASTER=" + master}, "not valid for its address"},
		"a node":                     {named, []string{"REDIS_CLUSTER=true"}, "not valid for its address"},
		"another authority":          {start(testservers.NewAuthority(t).Issue(2, hour)), nil, "unknown authority"},
		"expired":                    {start(authority.Issue(4, time.Now().Add(-time.Minute))), nil, "expired"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings := append(test.settings, "REDIS_TLS=true", "REDIS_CA_FILE="+file)
			checkFlaw(t, openRedis(t, at(test.server, settings...)), test.want)
		})
	}
}

// A client whose password was wrong connects as soon as Redis accepts it.
func TestSecureRedisRecovers(t *testing.T) {
	t.Parallel()
	servers := testservers.StartSecure(t)
	next := "another " + testservers.Password
	client := openRedis(t, testservers.With(servers.Getenv, "REDIS_PASSWORD="+next))
	if err := connect.CheckRedis(t.Context(), client, bucket); err == nil {
		t.Fatal("CheckRedis() with a wrong password = nil, want an error")
	}
	servers.Redis.RequireUserAuth(testservers.User, next)
	if err := connect.CheckRedis(t.Context(), client, bucket); err != nil {
		t.Errorf("CheckRedis() after the password was changed = %v", err)
	}
}

// A restart of Redis closes the idle connections of a client, which uses none of them after that.
func TestSecureRedisRestarts(t *testing.T) {
	t.Parallel()
	servers := testservers.StartSecure(t)
	client := openRedis(t, servers.Getenv).(*redis.Client)
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
		if err := connect.CheckRedis(t.Context(), client, bucket); err != nil {
			t.Errorf("CheckRedis() after a restart, call %d = %v", i+1, err)
		}
	}
}

func TestRedisAddress(t *testing.T) {
	for host, want := range map[string]string{
		"redis": "redis:6379", "10.0.0.1": "10.0.0.1:6379", "::1": "[::1]:6379", "[::1]": "[::1]:6379",
	} {
		settings := map[string]string{"REDIS_HOST": host}
		got, err := connect.From(func(name string) string { return settings[name] }, connect.ReadRedis)
		if err != nil || !slices.Equal(got.Addresses, []string{want}) {
			t.Errorf("REDIS_HOST=%s: got addresses %q and error %v, want %q", host, got.Addresses, err, want)
		}
	}
}

// at returns the settings to reach a server, and those in more.
func at(server *miniredis.Miniredis, more ...string) func(name string) string {
	return testservers.With(testservers.WithRedis(nothing, server), more...)
}

// checkFlaw checks that CheckRedis finds a flaw with want in it, or another error if want is "".
func checkFlaw(t *testing.T, client redis.UniversalClient, want string) {
	t.Helper()
	err := connect.CheckRedis(t.Context(), client, bucket)
	var flaw apierror.Flaw
	isFlaw := errors.As(err, &flaw)
	if err == nil || isFlaw != (want != "") || !strings.Contains(string(flaw), want) {
		t.Errorf("CheckRedis() = %v, flaw %q; want a flaw with %q", err, flaw, want)
	}
}

// The answers are those of redis-server 7.0.15 in these states, to the script of CheckRedis.
func TestRedisFlaws(t *testing.T) {
	t.Parallel()
	script := " script: ae6f0b897002b571e6fafaeaa70b4a82eb9e02d3, on @user_script:1."
	for answer, want := range map[string]string{
		"READONLY You can't write against a read only replica." + script:                       "replica",
		"OOM command not allowed when used memory > 'maxmemory'." + script:                     "maxmemory",
		"CLUSTERDOWN Hash slot not served":                                                     "cluster",
		"MOVED 7029 127.0.0.1:7005":                                                            "cluster",
		"CROSSSLOT Keys in request don't hash to the same slot":                                "cluster",
		"ERR unknown command 'evalsha', with args beginning with: 'ae6f0b' '1' 'image:ready' ": "EVALSHA",
		"NOAUTH Authentication required.":                                                      "password",
		"NOREPLICAS Not enough good replicas to write." + script:                               "too few replicas",
		"NOPERM this user has no permissions to run the 'evalsha' command":                     "redis.acl",
		"NOPERM this user has no permissions to access one of the keys used as arguments":      "redis.acl",
		"ERR The user executing the script can't run this command or subcommand" + script:      "redis.acl",
		"MISCONF Redis is configured to save RDB snapshots, but is unable to persist on disk.": "disk",
		"LOADING Redis is loading the dataset in memory":                                       "",
	} {
		t.Run(answer, func(t *testing.T) {
			t.Parallel()
			server := miniredis.RunT(t)
			client := openRedis(t, at(server))
			if err := connect.CheckRedis(t.Context(), client, bucket); err != nil {
				t.Fatalf("CheckRedis() = %v", err)
			}
			server.SetError(answer)
			checkFlaw(t, client, want)
		})
	}
}

func TestRedisDown(t *testing.T) {
	t.Parallel()
	client := connect.OpenRedis(connect.Redis{Addresses: []string{"127.0.0.1:1"}})
	defer client.Close()
	if err := connect.CheckRedis(t.Context(), client, bucket); err == nil {
		t.Error("CheckRedis() = nil, want an error")
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
