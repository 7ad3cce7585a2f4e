package connect_test

import (
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/connect"
)

func TestCluster(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	client := openRedis(t, at(server, "REDIS_CLUSTER=true", "REDIS_ADDRESSES=127.0.0.1:1,127.0.0.1:2"))
	if err := connect.CheckRedis(t.Context(), client, bucket); err != nil {
		t.Fatalf("CheckRedis() = %v", err)
	}
	if key := "image:ready:{images}"; !server.Exists(key) {
		t.Errorf("CheckRedis() did not write %s", key)
	}
	checkFlaw(t, openRedis(t, at(server, "REDIS_CLUSTER=true", "REDIS_PORT=1")), "")
}

// The answers are those of redis-server 7.0.15 and 6.0.16.
func TestClusterFlaws(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		"ERR This instance has cluster support disabled":                         "single server",
		"ERR unknown command `cluster`, with args beginning with: `slots`, ":     "single server",
		"NOPERM this user has no permissions to run the 'cluster|slots' command": "redis.acl",
		"CLUSTERDOWN The cluster is down":                                        "cluster is down",
		"LOADING Redis is loading the dataset in memory":                         "",
	} {
		t.Run(answer, func(t *testing.T) {
			t.Parallel()
			server := miniredis.RunT(t)
			server.SetError(answer)
			checkFlaw(t, openRedis(t, at(server, "REDIS_CLUSTER=true")), want)
		})
	}
}

// Only a cluster has hash tags in its keys: those of other servers stay as they were stored.
func TestTags(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	for name, test := range map[string]struct {
		client      redis.UniversalClient
		tagged, tag string
	}{
		"server":   {openRedis(t, at(server)), "images", ""},
		"sentinel": {openRedis(t, at(server, "REDIS_SENTINEL_MASTER=main")), "images", ""},
		"cluster":  {openRedis(t, at(server, "REDIS_CLUSTER=true")), "{images}", "{images}:"},
	} {
		if got := connect.Tagged(test.client, bucket); got != test.tagged {
			t.Errorf("%s: Tagged() = %q, want %q", name, got, test.tagged)
		}
		if got := connect.Tag(test.client, bucket); got != test.tag {
			t.Errorf("%s: Tag() = %q, want %q", name, got, test.tag)
		}
	}
}

func TestTopologySettings(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	const master = "REDIS_SENTINEL_MASTER"
	without := func(other string) string { return " is set; expected " + other + " with it" }
	for setting, want := range map[string]string{
		"REDIS_ADDRESSES=redis:7000":                    "REDIS_ADDRESSES" + without("REDIS_CLUSTER=true or "+master),
		"REDIS_ADDRESSES=redis-2":                       `REDIS_ADDRESSES has "redis-2"; expected host:port`,
		"REDIS_SENTINEL_PASSWORD=secret":                "REDIS_SENTINEL_PASSWORD" + without(master),
		"REDIS_CLUSTER=true REDIS_SENTINEL_MASTER=main": "REDIS_CLUSTER is true, and REDIS_SENTINEL_MASTER is set",
		"REDIS_SENTINEL_USERNAME=someone":               "REDIS_SENTINEL_PASSWORD is not set; expected the password",
	} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			_, err := connect.From(at(server, strings.Fields(setting)...), connect.ReadRedis)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("ReadRedis() = %v, want %q in it", err, want)
			}
		})
	}
}
