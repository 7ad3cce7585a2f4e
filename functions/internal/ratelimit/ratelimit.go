// Package ratelimit says how often somebody may ask. The count lies in Redis, so that it is one for all pods.
package ratelimit

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/internal/config"
)

// A Limit is one request Every so often, of which a Burst may come at once. The zero Limit is none.
type Limit struct {
	Every time.Duration
	Burst int64
}

var limitForm = regexp.MustCompile(`^([1-9][0-9]{0,5})/([smh])$`)

// Settings of a limit.
var (
	rateLimit = config.Text{Name: "RATE_LIMIT",
		Form: config.Form{
			Expected: "a number of requests a second, minute or hour, such as 10/s, 600/m or 5000/h",
			Valid:    limitForm.MatchString,
		},
		Doc: "Requests allowed for each client, or for each address where clients do not authenticate. " +
			"Without it there is no limit."}
	rateLimitBurst = config.Int{Name: "RATE_LIMIT_BURST", Default: 0, Min: 0, Max: 1_000_000,
		Doc: "Requests that a client may send at once. 0 means the number in `RATE_LIMIT`."}
)

// ReadLimit reads RATE_LIMIT and RATE_LIMIT_BURST.
func ReadLimit(r *config.Reader) Limit {
	parts := limitForm.FindStringSubmatch(rateLimit.Read(r))
	burst := rateLimitBurst.Read(r)
	if parts == nil {
		return Limit{}
	}
	count, _ := strconv.ParseInt(parts[1], 10, 64)
	unit := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}[parts[2]]
	if burst == 0 {
		burst = count
	}
	return Limit{Every: unit / time.Duration(count), Burst: burst}
}

// Window is how long a whole burst takes to be there again.
func (l Limit) Window() time.Duration { return l.Every * time.Duration(l.Burst) }

// An Answer says whether one request may go on.
type Result struct {
	Allowed bool
	// Left is how many more may come at once, Full when a whole burst may again.
	Remaining  int64
	ResetAfter time.Duration
	// Retry is when one may come again that may not now.
	RetryAfter time.Duration
}

// A Limiter counts in Redis, under keys that begin with a prefix.
type Limiter struct {
	redis  redis.Scripter
	prefix string
}

// New makes no connection.
func New(client redis.Scripter, prefix string) *Limiter { return &Limiter{client, prefix} }

// The generic cell rate algorithm: for each caller one time, that at which all of its requests would have been paid for at
// one in every so often. It may lie a burst ahead, and no farther, or a clock that was put back would lock callers out.
// Times are Redis's own, in microseconds, and Redis runs a script as one step, so no two requests are paid for as one.
var spend = redis.NewScript(`
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local every, window = tonumber(ARGV[1]), ARGV[1] * ARGV[2]
local debt = math.max(0, math.min((tonumber(redis.call('GET', KEYS[1])) or now) - now, window))
if debt > window - every then return {0, 0, debt, debt + every - window} end
debt = debt + every
redis.call('SET', KEYS[1], string.format('%.0f', now + debt), 'PX', math.ceil(debt / 1000))
return {1, math.floor((window - debt) / every), debt, 0}
`)

// Spend takes one request from what who may still ask for. One round trip. The error is a fault of Redis that may pass.
func (l *Limiter) Take(ctx context.Context, limit Limit, who string) (Result, error) {
	got, err := spend.Run(ctx, l.redis, []string{l.prefix + who}, limit.Every.Microseconds(), limit.Burst).Int64Slice()
	if err != nil || len(got) != 4 {
		return Result{}, fmt.Errorf("count a request: %w", err)
	}
	return Result{
		Allowed:    got[0] == 1,
		Remaining:  got[1],
		ResetAfter: time.Duration(got[2]) * time.Microsecond,
		RetryAfter: time.Duration(got[3]) * time.Microsecond,
	}, nil
}
