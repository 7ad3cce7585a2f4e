package connect

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/config"
)

const (
	redisDialTimeout = 2 * time.Second
	// RedisTimeout is how long Redis may take to answer one command.
	RedisTimeout = 2 * time.Second
)

// Redis says where Redis is and which user logs in.
type Redis struct {
	Address            string  // host:port
	Username, Password string  // of an ACL user; without a name, of the default user
	TLS                *Dialer // nil for plain TCP
}

// Settings of Redis; tls.go has those of TLS.
var (
	redisHost = config.Text{Name: "REDIS_HOST", Required: true,
		Form: config.Form{Expected: "the name or address of a host, without a port", Valid: config.IsHost},
		Doc:  "Host name of Redis."}
	redisPort = config.Int{Name: "REDIS_PORT", Default: 6379, Min: 1, Max: 65535,
		Doc: "Port of Redis."}
	redisUsername = config.Text{Name: "REDIS_USERNAME",
		Doc: "Name of an ACL user of Redis. Without it, `REDIS_PASSWORD` is that of the default user."}
	// Without a password, the client would log in as the default user.
	redisPassword = config.Text{Name: "REDIS_PASSWORD", RequiredWith: redisUsername, Secret: true,
		Form: config.Form{Expected: "the password of a Redis user"},
		Doc:  "Password of the Redis user."}
)

// ReadRedis reads REDIS_*.
func ReadRedis(r Settings) Redis {
	host, port := strings.Trim(redisHost.Read(r), "[]"), redisPort.Read(r)
	return Redis{
		Address:  net.JoinHostPort(host, strconv.FormatInt(port, 10)),
		Username: redisUsername.Read(r),
		Password: redisPassword.Read(r),
		TLS:      ReadRedisTLS(r),
	}
}

// OpenRedis returns a client that connects when it is first used: a function starts, and stays up, without Redis.
// The caller closes it.
func OpenRedis(settings Redis) *redis.Client {
	options := &redis.Options{
		Addr:                  settings.Address,
		Username:              settings.Username,
		Password:              settings.Password,
		DialTimeout:           redisDialTimeout,
		ReadTimeout:           RedisTimeout,
		WriteTimeout:          RedisTimeout,
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
	return redis.NewClient(options)
}

const readyKey = "image:ready"

var writeAndExpire = redis.NewScript(`return redis.call('SET', KEYS[1], '1', 'EX', 60)`)

// CheckRedis does what an upload needs: it runs a script that writes a key and has it expire. The error wraps an
// apierror.Flaw if Redis answers, but cannot be used as it is set up.
func CheckRedis(ctx context.Context, client *redis.Client) error {
	err := writeAndExpire.Run(ctx, client, []string{readyKey}).Err()
	if err == nil {
		return nil
	}
	for prefix, flaw := range redisFlaws {
		if redis.HasErrorPrefix(err, prefix) {
			return fmt.Errorf("check redis: %w: %w", flaw, err)
		}
	}
	return fmt.Errorf("check redis: %w", err)
}

// redisFlaws are answers of Redis that stay until somebody changes it, by how they begin.
// https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors
var redisFlaws = map[string]apierror.Flaw{
	"READONLY":    "it is a replica, which takes no writes; expected the primary",
	"NOPERM":      "its user may not run scripts or write keys image:*; expected the rights in redis.acl",
	"WRONGPASS":   "it refuses the user or the password",
	"NOAUTH":      "it expects a password",
	"OOM":         "it has reached maxmemory and evicts nothing",
	"MISCONF":     "it cannot save to its disk, and takes no writes",
	"NOREPLICAS":  "it has too few replicas, and takes no writes",
	"MOVED":       "it is a node of a cluster, which keeps other keys elsewhere; expected a single server",
	"CLUSTERDOWN": "it is a node of a cluster that is down; expected a single server",
	// go-redis drops ERR.
	"unknown command": "it has no scripts: the command EVAL or EVALSHA is missing",
	"The user executing the script can't run this com": "its user may run scripts, but not the commands in them; " +
		"expected the rights in redis.acl",
}

// go-redis logs to standard error in a format of its own. The errors that it returns say the same.
func init() { redis.SetLogger(discard{}) }

type discard struct{}

func (discard) Printf(context.Context, string, ...any) {}
