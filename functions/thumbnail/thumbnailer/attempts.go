package thumbnailer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// An allowance is how often the work at an image may begin and not end, because the image kills its process, or others
// do at the same time. Then it is given up for now: its event becomes a dead letter, and the image has no result.
type allowance struct {
	attempts int
	// The first attempts, as many as atOnce, follow on each other at once. Before each of the others is a pause, four
	// times as long each time. It varies, so that images which were killed together are not begun together again.
	atOnce int
	pause  time.Duration
	// When an image was given up, it has this many attempts again: when its event is redriven, or comes another time.
	again int
	memo  time.Duration // for how long attempts are remembered after the last one
}

var (
	// taskAllowance does not count the first attempt, of which the status of the image says that it began.
	taskAllowance = allowance{attempts: 5, atOnce: 2, pause: 5 * time.Second, again: 1, memo: 24 * time.Hour}
	// backfillAllowance counts one that takes too long as well, so that no image can stop the backfill.
	backfillAllowance = allowance{attempts: 3, atOnce: 3, again: 3, memo: time.Hour}
)

// errAbandoned is permanent: the event becomes a dead letter.
var errAbandoned = &apierror.Error{
	Status:  http.StatusUnprocessableEntity,
	Code:    apierror.CodeRenderAbandoned,
	Message: "The image was given up: rendering it has failed, and would again",
}

// A pausedError means that an image is to wait before it is begun once more.
type pausedError struct{ pause time.Duration }

func (p *pausedError) Error() string {
	return fmt.Sprintf("the image was begun and not ended several times; it waits for %v", p.pause.Round(time.Millisecond))
}

// begin has the number of attempts and the time of the next one as one value. It returns the milliseconds until then, 0
// if an attempt has begun, and -1 if the image is given up. A time beyond the longest pause, ARGV[6], is from before
// Redis's clock was set back. It needs no more of Redis's commands than the rest of the service.
var begin = redis.NewScript(status.Now + `
local attempts, at_once, pause, again = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time, memo, longest = tonumber(now()), ARGV[5], tonumber(ARGV[6])
local count, due = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) ?([%d.]*)')
count, due = tonumber(count or '') or 0, tonumber(due or '') or 0
if time < due and due - time <= longest then return math.ceil((due - time) * 1000) end
if count >= attempts then
  redis.call('SET', KEYS[1], string.format('%d', attempts - again), 'EX', memo)
  return -1
end
count, due = count + 1, 0
if count >= at_once and count < attempts then due = time + pause * 4 ^ (count - at_once) end
redis.call('SET', KEYS[1], string.format('%d %.3f', count, due), 'EX', memo)
return 0
`)

func (t *thumbnailer) attemptsKey(imageID string) string {
	return "image:attempts:" + t.store.Bucket() + ":" + imageID
}

// beginAttempt counts an attempt. It fails with errAbandoned if too many have begun and not ended, and with a
// pausedError if the next one is to begin later.
func (t *thumbnailer) beginAttempt(ctx context.Context, imageID string, a allowance) error {
	pause := a.pause.Seconds() * (0.5 + rand.Float64()) //nolint:gosec // nothing depends on its being hard to guess
	wait, err := begin.Run(ctx, t.redis, []string{t.attemptsKey(imageID)},
		a.attempts, a.atOnce, pause, a.again, int(a.memo.Seconds()), a.memo.Seconds()).Int64()
	switch {
	case err != nil:
		return fmt.Errorf("count attempts at %s: %w", imageID, err)
	case wait < 0:
		return errAbandoned
	case wait > 0:
		return &pausedError{time.Duration(wait) * time.Millisecond}
	}
	return nil
}

// isBegun reports whether an attempt has begun, by the error of beginAttempt.
func isBegun(err error) bool {
	var paused *pausedError
	return !errors.Is(err, errAbandoned) && !errors.As(err, &paused)
}

// endAttempts forgets the attempts at an image, because one has ended, in whichever way. Without Redis they are
// forgotten later.
func (t *thumbnailer) endAttempts(ctx context.Context, imageID string) {
	if err := t.redis.Del(ctx, t.attemptsKey(imageID)).Err(); err != nil {
		t.Log.WarnContext(ctx, "attempts_not_forgotten", "image_id", imageID, "error.message", err.Error())
	}
}
