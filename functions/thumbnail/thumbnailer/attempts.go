package thumbnailer

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// maxAttempts is how often an image is begun for a backfill if that never ends: because it kills its process, or takes
	// too long. Then it is given up, so that it cannot stop the backfill.
	maxAttempts = 3
	attemptsTTL = time.Hour
)

// countUp needs no more of Redis's commands than the rest of the service.
var countUp = redis.NewScript(`
local count = (tonumber(redis.call('GET', KEYS[1])) or 0) + 1
redis.call('SET', KEYS[1], count, 'EX', ARGV[1])
return count
`)

func (t *thumbnailer) attemptsKey(imageID string) string {
	return "image:attempts:" + t.store.Bucket() + ":" + imageID
}

// beginAttempt counts an attempt, and fails with errAbandoned if too many have begun and not ended. Those are forgotten
// then: an event that is redriven has as many again.
func (t *thumbnailer) beginAttempt(ctx context.Context, imageID string) error {
	key := t.attemptsKey(imageID)
	count, err := countUp.Run(ctx, t.redis, []string{key}, int(attemptsTTL.Seconds())).Int()
	if err != nil {
		return fmt.Errorf("count attempts at %s: %w", imageID, err)
	}
	if count <= maxAttempts {
		return nil
	}
	t.endAttempts(ctx, imageID)
	return errAbandoned
}

// endAttempts forgets the attempts at an image, because one has ended, in whichever way. Without Redis they are
// forgotten later.
func (t *thumbnailer) endAttempts(ctx context.Context, imageID string) {
	if err := t.redis.Del(ctx, t.attemptsKey(imageID)).Err(); err != nil {
		t.Log.WarnContext(ctx, "attempts_not_forgotten", "image_id", imageID, "error.message", err.Error())
	}
}
