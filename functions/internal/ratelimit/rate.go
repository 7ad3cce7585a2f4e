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

// ReadLimit reads RATE_LIMIT, such as 10/s, 600/m or 5000/h, and RATE_LIMIT_BURST.
func ReadLimit(r *config.Reader) Limit {
	text := r.Text("RATE_LIMIT", "")
	burst := r.Int("RATE_LIMIT_BURST", 0, 0, 1_000_000)
	if text == "" {
		return Limit{}
	}
	parts := limitForm.FindStringSubmatch(text)
	if parts == nil {
		r.Fault("RATE_LIMIT is %q; expected a number of requests a second, minute or hour, such as 10/s, 600/m or 5000/h", text)
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
type Answer struct {
	OK bool
	// Left is how many more may come at once, Full when a whole burst may again.
	Left int64
	Full time.Duration
	// Retry is when one may come again that may not now.
	Retry time.Duration
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
func (l *Limiter) Spend(ctx context.Context, limit Limit, who string) (Answer, error) {
	got, err := spend.Run(ctx, l.redis, []string{l.prefix + who}, limit.Every.Microseconds(), limit.Burst).Int64Slice()
	if err != nil || len(got) != 4 {
		return Answer{}, fmt.Errorf("count a request: %w", err)
	}
	return Answer{
		OK:    got[0] == 1,
		Left:  got[1],
		Full:  time.Duration(got[2]) * time.Microsecond,
		Retry: time.Duration(got[3]) * time.Microsecond,
	}, nil
}
