package connect

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
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

// ReadRedis reads REDIS_*.
func ReadRedis(r Settings) Redis {
	host := r.Required("REDIS_HOST", "the host name of Redis")
	if host != "" && !config.IsHost(host) {
		r.Fault("REDIS_HOST is %s; expected a host name without a port (the port is REDIS_PORT)", config.Quote(host))
	}
	port := r.Int("REDIS_PORT", 6379, 1, 65535)
	settings := Redis{
		Address:  net.JoinHostPort(host, strconv.FormatInt(port, 10)),
		Username: r.Text("REDIS_USERNAME", ""),
		Password: r.Text("REDIS_PASSWORD", ""),
		TLS:      ReadRedisTLS(r),
	}
	if settings.Username != "" && settings.Password == "" { // go-redis would not log in at all
		r.Fault("REDIS_USERNAME is set; expected REDIS_PASSWORD with it")
	}
	return settings
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
		options.Dialer = settings.TLS.DialContext
	}
	return redis.NewClient(options)
}

// PingRedis returns an error if Redis does not answer.
func PingRedis(ctx context.Context, client *redis.Client) error {
	if err := client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("ping redis: %w", err)
	}
	return nil
}

// go-redis logs to standard error in a format of its own. The errors that it returns say the same.
func init() { redis.SetLogger(discard{}) }

type discard struct{}

func (discard) Printf(context.Context, string, ...any) {}
