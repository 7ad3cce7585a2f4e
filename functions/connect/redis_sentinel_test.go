package connect_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"gitlab.com/yourorg/image-service/functions/connect"
)

const master = "main"

// startSentinel starts a fake that answers as Redis's sentinel 7.0.15 does, and watches one server at a time.
func startSentinel(t *testing.T, watched *atomic.Pointer[miniredis.Miniredis]) *miniredis.Miniredis {
	t.Helper()
	sentinel := miniredis.RunT(t)
	watch(sentinel, watched)
	return sentinel
}

func watch(sentinel *miniredis.Miniredis, watched *atomic.Pointer[miniredis.Miniredis]) {
	sentinel.Server().SetPreHook(func(peer *server.Peer, command string, arguments ...string) bool {
		switch command {
		case "SENTINEL":
			answerSentinel(peer, watched.Load(), arguments)
		case "ROLE":
			peer.WriteLen(2)
			peer.WriteBulk("sentinel")
			peer.WriteStrings([]string{master})
		case "EVAL", "EVALSHA":
			peer.WriteError("ERR unknown command '" + strings.ToLower(command) + "', with args beginning with: ")
		default:
			return false
		}
		return true
	})
}

func answerSentinel(peer *server.Peer, watched *miniredis.Miniredis, arguments []string) {
	switch {
	case arguments[0] == "sentinels":
		peer.WriteLen(0)
	case arguments[1] == master:
		peer.WriteStrings([]string{watched.Host(), watched.Port()})
	default:
		peer.WriteNull()
	}
}

// After a failover the client uses the server that the sentinels name.
func TestSentinel(t *testing.T) {
	t.Parallel()
	first, second := miniredis.RunT(t), miniredis.RunT(t)
	var watched atomic.Pointer[miniredis.Miniredis]
	watched.Store(first)
	sentinel := startSentinel(t, &watched)
	client := openRedis(t, at(sentinel, "REDIS_SENTINEL_MASTER="+master, "REDIS_ADDRESSES=127.0.0.1:1"))
	for _, server := range []*miniredis.Miniredis{first, second} {
		watched.Store(server)
		if err := connect.CheckRedis(t.Context(), client, bucket); err != nil {
			t.Fatalf("CheckRedis() = %v", err)
		}
		if !server.Exists("image:ready") {
			t.Error("CheckRedis() wrote to another server")
		}
		server.SetError("READONLY You can't write against a read only replica.")
	}
}

func TestSentinelFlaws(t *testing.T) {
	t.Parallel()
	redis := miniredis.RunT(t)
	var watched atomic.Pointer[miniredis.Miniredis]
	watched.Store(redis)
	sentinel, secured := startSentinel(t, &watched), startSentinel(t, &watched)
	secured.RequireUserAuth("sentinel", "secret")
	closed, replica := miniredis.RunT(t), miniredis.RunT(t)
	closed.SetError("NOAUTH Authentication required.")
	replica.SetError("READONLY You can't write against a read only replica.")
	var stale atomic.Pointer[miniredis.Miniredis]
	stale.Store(replica)
	for name, test := range map[string]struct {
		getenv func(string) string
		want   string
	}{
		"a sentinel as a server": {at(sentinel), "it is a sentinel"},
		"a server as a sentinel": {at(redis, "REDIS_SENTINEL_MASTER="+master), "it is a server"},
		"another name":           {at(sentinel, "REDIS_SENTINEL_MASTER=another"), "REDIS_SENTINEL_MASTER"},
		"no password":            {at(closed, "REDIS_SENTINEL_MASTER="+master), "expect a password"},
		"a wrong password": {at(secured, "REDIS_SENTINEL_MASTER="+master, "REDIS_SENTINEL_USERNAME=sentinel",
			"REDIS_SENTINEL_PASSWORD=another"), "refuse the user"},
		"a replica":   {at(startSentinel(t, &stale), "REDIS_SENTINEL_MASTER="+master), "replica"},
		"no sentinel": {at(redis, "REDIS_SENTINEL_MASTER="+master, "REDIS_PORT=1"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkFlaw(t, openRedis(t, test.getenv), test.want)
		})
	}
	allowed := at(secured, "REDIS_SENTINEL_MASTER="+master, "REDIS_SENTINEL_USERNAME=sentinel",
		"REDIS_SENTINEL_PASSWORD=secret")
	if err := connect.CheckRedis(t.Context(), openRedis(t, allowed), bucket); err != nil {
		t.Errorf("with the password CheckRedis() = %v", err)
	}
}
