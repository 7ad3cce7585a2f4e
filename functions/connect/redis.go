package connect

import (
	"context"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"gitlab.com/yourorg/image-service/functions/internal/config"
)

const (
	redisDialTimeout = 2 * time.Second
	// RedisTimeout is how long Redis may take to answer one command.
	RedisTimeout = 2 * time.Second
	// The default is ten for each core, but a request that waits for Redis uses none.
	redisConnections = 20 // to a server, or to a node of a cluster
)

// Redis says where Redis is and which user logs in.
type Redis struct {
	Addresses          []string // host:port of the server, or of nodes of a cluster, or of sentinels
	Username, Password string   // of an ACL user; without a name, of the default user
	Cluster            bool
	Sentinel           Sentinel
	TLS                *Dialer // nil for plain TCP; of the sentinels, too
}

// Sentinel says which server the sentinels are asked for, and how to log in to them. The zero Sentinel is that of a
// server without sentinels.
type Sentinel struct {
	Master             string // the name that the sentinels have for the server and its replicas
	Username, Password string
}

// Settings of Redis; tls.go has those of TLS.
var (
	redisHost = config.Text{Name: "REDIS_HOST", Required: true,
		Form: config.Form{Expected: "the name or address of a host, without a port", Valid: config.IsHost},
		Doc: "Host name of Redis; of a node of the cluster with `REDIS_CLUSTER`, of a sentinel with " +
			"`REDIS_SENTINEL_MASTER`."}
	redisPort = config.Int{Name: "REDIS_PORT", Default: 6379, Min: 1, Max: 65535,
		Doc: "Port at `REDIS_HOST`."}
	redisAddresses = config.List{Name: "REDIS_ADDRESSES",
		Form: config.Form{Expected: "host:port", Valid: config.IsHostPort},
		Doc: "More nodes of the cluster, or more sentinels, beside the one at `REDIS_HOST`: one of them has to respond. " +
			"Needs `REDIS_CLUSTER` or `REDIS_SENTINEL_MASTER`."}
	redisCluster = config.Bool{Name: "REDIS_CLUSTER",
		Doc: "Redis is a Redis Cluster. Its nodes are found by the one at `REDIS_HOST`."}
	redisUsername = config.Text{Name: "REDIS_USERNAME",
		Doc: "Name of an ACL user of Redis. Without it, `REDIS_PASSWORD` is that of the default user."}
	// Without a password, the client would log in as the default user.
	redisPassword = config.Text{Name: "REDIS_PASSWORD", RequiredWith: redisUsername, Secret: true,
		Form: config.Form{Expected: "the password of a Redis user"},
		Doc:  "Password of the Redis user."}
	sentinelMaster = config.Text{Name: "REDIS_SENTINEL_MASTER",
		Doc: "Name of the primary that Sentinel watches. `REDIS_HOST`, `REDIS_PORT` and `REDIS_ADDRESSES` are those of " +
			"sentinels then, and Redis is where they say."}
	sentinelUsername = config.Text{Name: "REDIS_SENTINEL_USERNAME",
		Doc: "Name of an ACL user of the sentinels. Needs `REDIS_SENTINEL_MASTER`."}
	sentinelPassword = config.Text{Name: "REDIS_SENTINEL_PASSWORD", RequiredWith: sentinelUsername, Secret: true,
		Form: config.Form{Expected: "the password of a user of the sentinels"},
		Doc:  "Password of the sentinels; none means without a login."}
)

// ReadRedis reads REDIS_*.
func ReadRedis(r Settings) Redis {
	host, port := strings.Trim(redisHost.Read(r), "[]"), redisPort.Read(r)
	addresses := []string{net.JoinHostPort(host, strconv.FormatInt(port, 10))}
	settings := Redis{
		Addresses: append(addresses, redisAddresses.Read(r)...),
		Username:  redisUsername.Read(r),
		Password:  redisPassword.Read(r),
		Cluster:   redisCluster.Read(r),
		Sentinel: Sentinel{
			Master:   sentinelMaster.Read(r),
			Username: sentinelUsername.Read(r),
			Password: sentinelPassword.Read(r),
		},
		TLS: ReadRedisTLS(r),
	}
	settings.checkTopology(r)
	return settings
}

// checkTopology reports settings that do not belong together.
func (s Redis) checkTopology(r Settings) {
	switch {
	case s.Cluster && s.Sentinel.Master != "":
		r.Fault("%s is true, and %s is set; expected one of them", redisCluster, sentinelMaster)
	case !s.Cluster && s.Sentinel.Master == "" && r.IsSet(redisAddresses):
		r.Fault("%s is set; expected %s=true or %s with it", redisAddresses, redisCluster, sentinelMaster)
	}
	for _, setting := range []config.Setting{sentinelUsername, sentinelPassword} {
		if s.Sentinel.Master == "" && r.IsSet(setting) {
			r.Fault("%s is set; expected %s with it", setting, sentinelMaster)
		}
	}
}

// OpenRedis returns a client that connects when it is first used: a function starts, and stays up, without Redis.
// The caller closes it.
func OpenRedis(settings Redis) redis.UniversalClient {
	options := &redis.UniversalOptions{
		Addrs:                 settings.Addresses,
		Username:              settings.Username,
		Password:              settings.Password,
		MasterName:            settings.Sentinel.Master,
		SentinelUsername:      settings.Sentinel.Username,
		SentinelPassword:      settings.Sentinel.Password,
		DialTimeout:           redisDialTimeout,
		ReadTimeout:           RedisTimeout,
		WriteTimeout:          RedisTimeout,
		PoolSize:              redisConnections,
		ContextTimeoutEnabled: true,
		MaxRetries:            1,
		DialerRetries:         1,    // the default makes a caller wait ten seconds for a Redis that is down
		DisableIdentity:       true, // requests wait for a new connection; its name is not worth two commands
		MaintNotificationsConfig: &maintnotifications.Config{
			Mode: maintnotifications.ModeDisabled, // a feature of Redis Enterprise
		},
	}
	if settings.TLS != nil {
		options.Dialer = settings.TLS.dialRedis
	}
	switch {
	case settings.Cluster:
		return openCluster(options.Cluster())
	case settings.Sentinel.Master != "":
		return redis.NewFailoverClient(options.Failover())
	}
	return redis.NewClient(options.Simple())
}

func openCluster(options *redis.ClusterOptions) *redis.ClusterClient {
	options.MaxRetries = -1  // of a node; MaxRedirects is that of the cluster
	options.MaxRedirects = 6 // about half a second while slots move
	// They need the command COMMAND, and are for commands whose keys are of several slots.
	options.DisableRoutingPolicies = true
	return redis.NewClusterClient(options)
}

// Tagged returns the name of a bucket as it is in keys that scripts use together. In a cluster it is in braces, a hash
// tag, by which all these keys are in one slot.
func Tagged(client redis.UniversalClient, bucket string) string {
	if isCluster(client) {
		return "{" + bucket + "}"
	}
	return bucket
}

// Tag is what begins the part of such a key that has an image's ID and not the name of the bucket: "" but in a cluster.
func Tag(client redis.UniversalClient, bucket string) string {
	if isCluster(client) {
		return Tagged(client, bucket) + ":"
	}
	return ""
}

func isCluster(client redis.UniversalClient) bool {
	_, is := client.(*redis.ClusterClient)
	return is
}

// go-redis logs to standard error in a format of its own. The errors that it returns say the same.
func init() { redis.SetLogger(discard{}) }

type discard struct{}

func (discard) Printf(context.Context, string, ...any) {}
