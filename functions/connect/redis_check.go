package connect

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
)

const readyKey = "image:ready"

// readyKeys are those of the slot of a bucket in a cluster. Otherwise they are of different slots, so that a node of a
// cluster refuses them whichever slots it has.
func readyKeys(client redis.UniversalClient, bucket string) []string {
	if isCluster(client) {
		return []string{readyKey + ":" + Tagged(client, bucket)}
	}
	return []string{readyKey, readyKey + ":elsewhere"}
}

var writeAndExpire = redis.NewScript(`return redis.call('SET', KEYS[1], '1', 'EX', 60)`)

// CheckRedis does what an upload into a bucket needs: it runs a script that writes a key and has it expire. The error
// wraps an apierror.Flaw if Redis or a sentinel answers, but cannot be used as it is set up.
func CheckRedis(ctx context.Context, client redis.UniversalClient, bucket string) error {
	err := writeAndExpire.Run(ctx, client, readyKeys(client, bucket)).Err()
	if err == nil {
		return nil
	}
	flaw, known := flawIn(err)
	if !known {
		return fmt.Errorf("check redis: %w", err)
	}
	if flaw == noScripts && isSentinel(ctx, client) {
		flaw = "it is a sentinel; expected a server, or REDIS_SENTINEL_MASTER as well"
	}
	return fmt.Errorf("check redis: %w: %w", flaw, err)
}

const noScripts apierror.Flaw = "it has no scripts: the command EVAL or EVALSHA is missing"

// redisFlaws are answers of Redis that stay until somebody changes it, by how they begin. go-redis drops ERR.
// https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors
var redisFlaws = map[string]apierror.Flaw{
	"READONLY":        "it is a replica, which takes no writes; expected the primary",
	"NOPERM":          "its user may not run scripts or write keys image:*; expected the rights in redis.acl",
	"WRONGPASS":       "it refuses the user or the password",
	"NOAUTH":          "it expects a password",
	"OOM":             "it has reached maxmemory and evicts nothing",
	"MISCONF":         "it cannot save to its disk, and takes no writes",
	"NOREPLICAS":      "it has too few replicas, and takes no writes",
	"MOVED":           isNode,
	"CROSSSLOT":       isNode,
	"CLUSTERDOWN":     "the cluster is down: a part of its slots has no primary",
	"unknown command": noScripts,
	"The user executing the script can't run this com": "its user may run scripts, but not the commands in them; " +
		"expected the rights in redis.acl",
}

const isNode apierror.Flaw = "it is a node of a cluster; expected REDIS_CLUSTER=true"

// discoveryFlaws are those of servers that are asked for the nodes of their cluster.
var discoveryFlaws = map[string]apierror.Flaw{
	"This instance has cluster support disabled": isSingle,
	"unknown command 'cluster'":                  isSingle,
	"unknown command `cluster`":                  isSingle,
}

const isSingle apierror.Flaw = "it is a single server; expected REDIS_CLUSTER not to be true"

// sentinelFlaws are those of sentinels.
var sentinelFlaws = map[string]apierror.Flaw{
	redis.Nil.Error(): "its sentinels do not know the name in REDIS_SENTINEL_MASTER",
	"unknown command": "it is a server; expected a sentinel, or no REDIS_SENTINEL_MASTER",
	"NOPERM":          "the user of its sentinels may not run the command SENTINEL",
	"WRONGPASS":       "its sentinels refuse the user or the password",
	"NOAUTH":          "its sentinels expect a password",
}

func flawIn(err error) (flaw apierror.Flaw, known bool) {
	if flaw, known := certificateFlaw(err); known {
		return flaw, true
	}
	tables := []map[string]apierror.Flaw{discoveryFlaws, redisFlaws}
	if strings.Contains(err.Error(), "all sentinels specified") { // go-redis has no type for it
		tables = []map[string]apierror.Flaw{sentinelFlaws}
	}
	for _, flaws := range tables {
		for prefix, flaw := range flaws {
			if redis.HasErrorPrefix(err, prefix) {
				return flaw, true
			}
		}
	}
	return "", false
}

// certificateFlaw recognizes certificates that are refused until somebody changes them or a setting.
func certificateFlaw(err error) (flaw apierror.Flaw, known bool) {
	var (
		name      x509.HostnameError
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &name):
		return "its certificate is not valid for its address; expected one for REDIS_HOST, and for the names or addresses " +
			"that a cluster or sentinels announce", true
	case errors.As(err, &authority):
		return "its certificate is signed by an unknown authority; expected that in REDIS_CA_FILE, or a public one", true
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "its certificate has expired, or is not valid yet", true
	}
	return "", false
}

// isSentinel asks a server that has no scripts what it is.
func isSentinel(ctx context.Context, client redis.UniversalClient) bool {
	role, err := client.Do(ctx, "ROLE").Slice()
	return err == nil && len(role) > 0 && role[0] == "sentinel"
}
