// Package ratelimit limits requests by the generic cell rate algorithm, with one count in Redis for all pods.
// Concurrent requests are counted exactly. A request may cost several units. It does not decide what a request without
// a result means: see the callers of Take.
package ratelimit

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/lazyregexp"
)

// A Limit allows one unit in each interval of length Every, and Burst units at once. The zero Limit allows every
// request.
type Limit struct {
	Every time.Duration
	Burst int64
}

var limitForm = lazyregexp.New(`^([1-9][0-9]{0,5})/([smh])$`)

// Settings of a limit.
var (
	rateLimit = config.Text{Name: "RATE_LIMIT",
		Form: config.Form{
			Expected: "a number of requests a second, minute or hour, such as 10/s, 600/m or 5000/h",
			Valid:    limitForm.MatchString,
		},
		Doc: "Requests allowed for each client, or for each address where clients do not authenticate. An image counts as " +
			"one for each 100 ms of CPU that its thumbnail is estimated to take. Without it there is no limit."}
	rateLimitBurst = config.Int{Name: "RATE_LIMIT_BURST", Default: 0, Min: 0, Max: 1_000_000,
		Doc: "Requests that a client may send at once, and the most that one counts as. 0 means the number in `RATE_LIMIT`."}
)

// ByteUnit is how many bytes are a unit of a limit on bytes: a limiter counts in microseconds, and bytes are too many.
const ByteUnit = 16 << 10

var rateLimitBytes = config.Int{Name: "RATE_LIMIT_BYTES", Default: 0, Min: 0, Max: 1 << 38, Unit: "bytes",
	Doc: "Bytes of request bodies allowed a minute for each client, or for each address where clients do not " +
		"authenticate. A client may send as many at once; a body that is larger counts as this many. 0 means no limit."}

// ReadByteLimit reads RATE_LIMIT_BYTES, as a limit on units of ByteUnit.
func ReadByteLimit(r *config.Reader) Limit {
	bytes := rateLimitBytes.Read(r)
	if bytes == 0 {
		return Limit{}
	}
	units := UnitsOfBytes(bytes)
	return Limit{Every: time.Minute / time.Duration(units), Burst: units}
}

// UnitsOfBytes returns the units that bytes cost.
func UnitsOfBytes(bytes int64) int64 {
	units := bytes / ByteUnit
	if bytes%ByteUnit > 0 {
		units++
	}
	return units
}

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

// Window returns the time after which a full burst is available again.
func (l Limit) Window() time.Duration { return l.Every * time.Duration(l.Burst) }

// A Result is the outcome for one request.
type Result struct {
	Allowed    bool
	Remaining  int64         // units that are available at once
	ResetAfter time.Duration // until a full burst is available again
	RetryAfter time.Duration // until a request of the same cost is allowed; 0 if this one is
}

// A Limiter counts in Redis, under keys that begin with a prefix. It is safe for concurrent use.
type Limiter struct {
	redis  redis.Scripter
	prefix string
}

// New returns a Limiter. It makes no connection.
func New(client redis.Scripter, prefix string) *Limiter { return &Limiter{client, prefix} }

// take implements the generic cell rate algorithm. For each subject it stores one time in microseconds: when all of its
// units so far would have arrived at the allowed rate. That time is at most a burst ahead, or a clock that is put back
// would lock subjects out. Redis supplies the time and runs a script atomically.
var take = redis.NewScript(`
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local every, window = tonumber(ARGV[1]), ARGV[1] * ARGV[2]
local cost = every * ARGV[3]
local debt = math.max(0, math.min((tonumber(redis.call('GET', KEYS[1])) or now) - now, window))
if debt > window - cost then return {0, math.floor((window - debt) / every), debt, debt + cost - window} end
debt = debt + cost
redis.call('SET', KEYS[1], string.format('%.0f', now + debt), 'PX', math.ceil(debt / 1000))
return {1, math.floor((window - debt) / every), debt, 0}
`)

// Take counts a request of subject that costs a number of units, in one round trip. One that costs more than a burst
// costs a burst, or it could never be sent. A request that is refused costs nothing. The errors are those of Redis, and
// temporary.
func (l *Limiter) Take(ctx context.Context, limit Limit, subject string, units int64) (Result, error) {
	keys := []string{l.prefix + subject}
	units = max(1, min(units, limit.Burst))
	got, err := take.Run(ctx, l.redis, keys, limit.Every.Microseconds(), limit.Burst, units).Int64Slice()
	if err == nil && len(got) != 4 {
		err = fmt.Errorf("got %d numbers from Redis, expected 4", len(got))
	}
	if err != nil {
		return Result{}, fmt.Errorf("count a request: %w", err)
	}
	return Result{
		Allowed:    got[0] == 1,
		Remaining:  got[1],
		ResetAfter: time.Duration(got[2]) * time.Microsecond,
		RetryAfter: time.Duration(got[3]) * time.Microsecond,
	}, nil
}
