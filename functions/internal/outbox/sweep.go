package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// A time in the future was written before Redis's clock was set back.
var beginSweep = redis.NewScript(status.Now + `
local last, time = redis.call('GET', KEYS[1]), now()
if last and math.abs(time - last) < tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], time)
return 1
`)

// BeginSweep reports whether the caller may begin a sweep: all pods together begin one per interval.
func (o *Outbox) BeginSweep(ctx context.Context, interval time.Duration) (bool, error) {
	begun, err := beginSweep.Run(ctx, o.client, []string{"image:sweep:" + o.bucket}, seconds(interval)).Bool()
	if err != nil {
		return false, fmt.Errorf("begin sweep: %w", err)
	}
	return begun, nil
}

func (o *Outbox) cursorKey() string { return "image:walk:" + o.bucket }

// Cursor returns where the scan of the bucket goes on; "" for its beginning.
func (o *Outbox) Cursor(ctx context.Context) (string, error) {
	cursor, err := o.client.Get(ctx, o.cursorKey()).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", fmt.Errorf("read cursor of the scan: %w", err)
	}
	return cursor, nil
}

// SetCursor keeps the place where the scan of the bucket goes on.
func (o *Outbox) SetCursor(ctx context.Context, cursor string) error {
	if err := o.client.Set(ctx, o.cursorKey(), cursor, 0).Err(); err != nil {
		return fmt.Errorf("write cursor of the scan: %w", err)
	}
	return nil
}
