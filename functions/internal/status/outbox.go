package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// The outbox is a sorted set of the ids of images that are stored and whose announcement is not known to have been
// acknowledged, by the time since when. An image enters it in the step that makes its status queued, and leaves it once it
// is announced. It is a hint and no truth: what Redis forgets, a walk through the store finds (see Enlist). There is
// one for each bucket, as two services may share a Redis.
func (b *Board) outbox() string { return "image:outbox:" + b.store.Bucket() }

// clock is Redis's own, in seconds with three digits behind the point, so that it is one for all pods.
const clock = `
local function clock()
  local time = redis.call('TIME')
  return string.format('%d.%03d', tonumber(time[1]), math.floor(time[2] / 1000))
end
`

// queue makes a status queued, unless it is farther, and puts its image into the outbox. What is already queued is
// remembered for another hour from now: a status tells by its age when its image was last announced.
var queue = redis.NewScript(forward + clock + `
local before = forward(KEYS[1], 'queued', ARGV[2], ARGV[3])
if before == 'queued' or before == 'processing' then redis.call('EXPIRE', KEYS[1], ARGV[3]) end
local now = clock()
redis.call('ZADD', KEYS[2], now, ARGV[1])
return now
`)

// withdraw forgets a queued image, if it is in the outbox as it was put there.
var withdraw = redis.NewScript(`
local since = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not since or tonumber(since) ~= tonumber(ARGV[2]) then return 0 end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('DEL', KEYS[1])
return 1
`)

// overdue takes from the outbox what has been there for long, the oldest first, and puts it back as new: the next who
// asks gets others, and gets these if nothing becomes of them. Times to come are of a clock that was put back since.
var overdue = redis.NewScript(clock + `
local now = clock()
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[1], 'LIMIT', 0, ARGV[2])
if #due == 0 then due = redis.call('ZRANGEBYSCORE', KEYS[1], now + ARGV[1], '+inf', 'LIMIT', 0, ARGV[2]) end
for _, id in ipairs(due) do redis.call('ZADD', KEYS[1], now, id) end
return due
`)

// enlist puts images into the outbox that nothing was told of lately. It counts how often it does so with an image, and
// waits twice as long each time, up to a day: one that kills whoever works on it must not do so all the time.
var enlist = redis.NewScript(`
local expiry, quiet, day = tonumber(ARGV[1]), tonumber(ARGV[2]), 86400
local count = 0
for i = 2, #KEYS, 2 do
  local tries = tonumber(redis.call('GET', KEYS[i + 1]) or 0)
  local rested = tries == 0 or 7 * day - redis.call('TTL', KEYS[i + 1]) >= math.min(quiet * 2 ^ tries, day)
  if rested and redis.call('TTL', KEYS[i]) <= expiry - quiet then
    count = count + redis.call('ZADD', KEYS[1], 'NX', ARGV[i + 2], ARGV[i + 1])
    redis.call('SET', KEYS[i + 1], tries + 1, 'EX', 7 * day)
  end
end
return count
`)

// begin notes the time, unless there is one that is not long past. One to come is of a clock that was put back since.
var begin = redis.NewScript(clock + `
local last, now = redis.call('GET', KEYS[1]), clock()
if last and math.abs(now - last) < tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], now)
return 1
`)

// A Ticket is for a place in the outbox; "" for none, or for one that nobody knows of.
type Ticket string

// Queue makes an image's status queued, unless it is farther, and puts the image into the outbox, all in one round trip.
func (b *Board) Queue(ctx context.Context, imageID string) (Ticket, error) {
	text, err := json.Marshal(Status{ImageID: imageID, State: Queued})
	if err != nil {
		return "", fmt.Errorf("queue %s: %w", imageID, err)
	}
	since, err := queue.Run(ctx, b.redis, []string{key(imageID), b.outbox()}, imageID, text, int(Expiry.Seconds())).Text()
	if err != nil {
		return "", fmt.Errorf("queue %s: %w", imageID, err)
	}
	return Ticket(since), nil
}

// Withdraw takes back what Queue did, unless somebody else may have begun to announce the image since: then it is false,
// and the image has to stay.
func (b *Board) Withdraw(ctx context.Context, imageID string, ticket Ticket) (bool, error) {
	withdrawn, err := withdraw.Run(ctx, b.redis, []string{key(imageID), b.outbox()}, imageID, string(ticket)).Bool()
	if err != nil {
		return false, fmt.Errorf("withdraw %s: %w", imageID, err)
	}
	return withdrawn, nil
}

// Overdue are the ids of images that have been in the outbox for longer than age, limit at the most, the oldest first. They
// are not overdue any more for who asks next, until as much time has passed again.
func (b *Board) Overdue(ctx context.Context, age time.Duration, limit int) ([]string, error) {
	ids, err := overdue.Run(ctx, b.redis, []string{b.outbox()}, seconds(age), limit).StringSlice()
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("read outbox: %w", err)
	}
	return ids, nil
}

// A Waiting is an image that has no result, and since when.
type Waiting struct {
	ImageID string
	Since   time.Time
}

// Enlist puts images into the outbox whose status Redis does not know, or has not been told within age, which is less than
// Expiry. It returns how many were not there. One that it finds again and again it puts there more and more seldom. One
// round trip.
func (b *Board) Enlist(ctx context.Context, images []Waiting, age time.Duration) (int, error) {
	keys := []string{b.outbox()}
	arguments := []any{seconds(Expiry), seconds(age)}
	for _, image := range images {
		keys = append(keys, key(image.ImageID), "image:lost:"+image.ImageID)
		arguments = append(arguments, image.ImageID, Seconds(image.Since))
	}
	count, err := enlist.Run(ctx, b.redis, keys, arguments...).Int()
	if err != nil {
		return 0, fmt.Errorf("put into outbox: %w", err)
	}
	return count, nil
}

// Backlog is how many images are in the outbox, and for how long the oldest has been.
func (b *Board) Backlog(ctx context.Context) (size int64, age time.Duration, err error) {
	pipe := b.redis.Pipeline()
	count, oldest, now := pipe.ZCard(ctx, b.outbox()), pipe.ZRangeWithScores(ctx, b.outbox(), 0, 0), pipe.Time(ctx)
	if _, err := pipe.Exec(ctx); err != nil {
		return 0, 0, fmt.Errorf("look into outbox: %w", err)
	}
	for _, first := range oldest.Val() {
		age = max(0, now.Val().Sub(time.UnixMilli(int64(first.Score*1000))))
	}
	return count.Val(), age, nil
}

// Begin tells whether the caller may begin to sweep: one may in every so often, of all pods.
func (b *Board) Begin(ctx context.Context, every time.Duration) (bool, error) {
	begun, err := begin.Run(ctx, b.redis, []string{"image:sweep:" + b.store.Bucket()}, seconds(every)).Bool()
	if err != nil {
		return false, fmt.Errorf("begin to sweep: %w", err)
	}
	return begun, nil
}

func (b *Board) walk() string { return "image:walk:" + b.store.Bucket() }

// Walked is the place that a walk through the store came to; "" if it is to begin.
func (b *Board) Walked(ctx context.Context) (place string, err error) {
	place, err = b.redis.Get(ctx, b.walk()).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", fmt.Errorf("read how far the walk came: %w", err)
	}
	return place, nil
}

// SetWalked remembers the place that a walk through the store came to.
func (b *Board) SetWalked(ctx context.Context, place string) error {
	if err := b.redis.Set(ctx, b.walk(), place, 0).Err(); err != nil {
		return fmt.Errorf("write how far the walk came: %w", err)
	}
	return nil
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 3, 64) }

// announced are images that wait to be taken out of the outbox. Those that come while Redis is being told of others go
// together, and nobody waits for any.
type announced struct {
	lock    sync.Mutex
	ids     []any
	telling bool
	wait    sync.WaitGroup
}

// Announced takes an image out of the outbox, soon. If that fails, it will be announced again, which does no harm.
func (b *Board) Announced(imageID string) {
	b.announced.lock.Lock()
	defer b.announced.lock.Unlock()
	b.announced.ids = append(b.announced.ids, imageID)
	if !b.announced.telling {
		b.announced.telling = true
		b.announced.wait.Go(b.tellAnnounced)
	}
}

func (b *Board) tellAnnounced() {
	for ids := b.announced.take(); ids != nil; ids = b.announced.take() {
		ctx, cancel := context.WithTimeout(context.Background(), answerTimeout)
		_ = b.redis.ZRem(ctx, b.outbox(), ids...).Err()
		cancel()
	}
}

func (a *announced) take() []any {
	a.lock.Lock()
	defer a.lock.Unlock()
	ids := a.ids
	a.ids, a.telling = nil, ids != nil
	return ids
}
