// Package sweep keeps, in Redis, what the sweeps of all pods share: when the last one began, and how far a scan has
// come. It measures what waits for a sweep, too. What a sweep does is the business of its callers.
package sweep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// A time in the future was written before Redis's clock was set back.
var begin = redis.NewScript(status.Now + `
local last, time = redis.call('GET', KEYS[1]), now()
if last and math.abs(time - last) < tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], time)
return 1
`)

// Begin reports whether the caller may begin a sweep: all pods together begin one per interval. key is where Redis
// keeps when that was. The error is that of Redis, and may pass.
func Begin(ctx context.Context, client redis.Scripter, key string, interval time.Duration) (bool, error) {
	begun, err := begin.Run(ctx, client, []string{key}, interval.Seconds()).Bool()
	if err != nil {
		return false, fmt.Errorf("begin sweep %q: %w", key, err)
	}
	return begun, nil
}

// A Cursor is the place where a scan goes on. Its errors are those of Redis, and may pass.
type Cursor struct {
	client redis.Cmdable
	key    string
}

// NewCursor returns the cursor that Redis keeps under a key.
func NewCursor(client redis.Cmdable, key string) Cursor { return Cursor{client, key} }

// Get returns the place; "" for the beginning.
func (c Cursor) Get(ctx context.Context) (string, error) {
	place, err := c.client.Get(ctx, c.key).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", fmt.Errorf("read cursor %q: %w", c.key, err)
	}
	return place, nil
}

// Set keeps the place.
func (c Cursor) Set(ctx context.Context, place string) error {
	if err := c.client.Set(ctx, c.key, place, 0).Err(); err != nil {
		return fmt.Errorf("write cursor %q: %w", c.key, err)
	}
	return nil
}

// Backlog returns how many members a sorted set has, whose scores are times of Redis's clock in seconds, and how long
// ago the oldest is. The error is that of Redis, and may pass.
func Backlog(ctx context.Context, client redis.Cmdable, key string) (size int64, age time.Duration, err error) {
	pipe := client.Pipeline()
	count, oldest, now := pipe.ZCard(ctx, key), pipe.ZRangeWithScores(ctx, key, 0, 0), pipe.Time(ctx)
	if _, err := pipe.Exec(ctx); err != nil {
		return 0, 0, fmt.Errorf("measure %q: %w", key, err)
	}
	for _, first := range oldest.Val() {
		age = max(0, now.Val().Sub(time.UnixMilli(int64(first.Score*1000))))
	}
	return count.Val(), age, nil
}
