// Package outbox keeps, in Redis, the IDs of images that are stored and whose announcement is not known to be
// acknowledged. An image enters the outbox in the step that makes its status queued, and leaves it once it is
// announced; the relay announces again what stays for too long.
//
// The outbox is a hint. What Redis forgets, a scan of the bucket finds and puts back (see Requeue), so that no image is
// lost with Redis. Images may be announced more than once. Services that share a Redis have an outbox for each bucket.
package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/internal/imageindex"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// An Outbox is a sorted set of image IDs, by the time at which each entered it. Its methods are safe for use by several
// goroutines; their errors are failures of Redis that may pass.
type Outbox struct {
	client       redis.UniversalClient
	bucket       string
	statuses     status.Keys
	acknowledged acknowledged
	reportFailed func(error)
}

// New returns the outbox of a bucket. reportFailed is called with the errors of Acknowledge, which has nobody to return
// them to. The caller closes the client, after the outbox.
func New(client redis.UniversalClient, bucket string, reportFailed func(error)) *Outbox {
	return &Outbox{
		client: client, bucket: bucket, statuses: status.NewKeys(client, bucket), reportFailed: reportFailed,
	}
}

// Close waits until Redis has been told of everything that was acknowledged.
func (o *Outbox) Close() { o.acknowledged.pending.Wait() }

func (o *Outbox) key() string { return "image:outbox:" + connect.Tagged(o.client, o.bucket) }

// The age of a status's key is the time since the last announcement, by which requeue decides.
var queue = redis.NewScript(status.Queue + status.Now + imageindex.Enter + `
queue(KEYS[1], ARGV[2], ARGV[3])
local time = now()
redis.call('ZADD', KEYS[2], time, ARGV[1])
enter(ARGV[1], time, 3, 4)
return time
`)

// A Token identifies one call of Queue, so that Withdraw undoes that one and no other. The zero Token is that of a call
// whose outcome is unknown.
type Token string

// Queue makes the status of an image queued, unless it is further, and puts the image into the outbox, in one round
// trip.
func (o *Outbox) Queue(ctx context.Context, imageID string) (Token, error) {
	return o.QueueListed(ctx, imageID, imageindex.Entry{})
}

// QueueListed is Queue for an image that enters the index as well, in the same round trip.
func (o *Outbox) QueueListed(ctx context.Context, imageID string, listed imageindex.Entry) (Token, error) {
	text, err := json.Marshal(status.Status{ImageID: imageID, State: status.Queued})
	if err != nil {
		return "", fmt.Errorf("queue %s: %w", imageID, err)
	}
	keys := append([]string{o.statuses.Key(imageID), o.key()}, listed.Keys()...)
	arguments := append([]any{imageID, text, int(status.Expiry.Seconds())}, listed.Arguments()...)
	since, err := queue.Run(ctx, o.client, keys, arguments...).Text()
	if err != nil {
		return "", fmt.Errorf("queue %s: %w", imageID, err)
	}
	return Token(since), nil
}

var withdraw = redis.NewScript(`
local since = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not since or tonumber(since) ~= tonumber(ARGV[2]) then return 0 end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('DEL', KEYS[1])
return 1
`)

// Withdraw undoes Queue. It returns false, and changes nothing, if a sweep may have begun to announce the image since:
// then the image has to stay.
func (o *Outbox) Withdraw(ctx context.Context, imageID string, token Token) (bool, error) {
	keys := []string{o.statuses.Key(imageID), o.key()}
	withdrawn, err := withdraw.Run(ctx, o.client, keys, imageID, string(token)).Bool()
	if err != nil {
		return false, fmt.Errorf("withdraw %s: %w", imageID, err)
	}
	return withdrawn, nil
}

// Times in the future were written before Redis's clock was set back.
var claimOverdue = redis.NewScript(status.Now + `
local time = now()
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', time - ARGV[1], 'LIMIT', 0, ARGV[2])
if #due == 0 then due = redis.call('ZRANGEBYSCORE', KEYS[1], time + ARGV[1], '+inf', 'LIMIT', 0, ARGV[2]) end
for _, id in ipairs(due) do redis.call('ZADD', KEYS[1], time, id) end
return due
`)

// ClaimOverdue returns the IDs of up to limit images that have been in the outbox for longer than age, the oldest
// first. They count as new from then on: no other sweep gets them until age has passed again.
func (o *Outbox) ClaimOverdue(ctx context.Context, age time.Duration, limit int) ([]string, error) {
	ids, err := claimOverdue.Run(ctx, o.client, []string{o.key()}, seconds(age), limit).StringSlice()
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("claim from outbox: %w", err)
	}
	return ids, nil
}

// requeue counts how often it puts an image back, and waits twice as long each time, up to a day: an image that kills
// its worker must not do so all the time.
var requeue = redis.NewScript(`
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

// An Entry is an image that waits for its result.
type Entry struct {
	ImageID string
	Since   time.Time // when it was stored
}

// Requeue puts those of the images into the outbox whose status Redis does not know, or knows for longer than age
// without another announcement. It returns how many were not in the outbox already. An image that it requeues again and
// again it requeues ever less often. age must be less than status.Expiry. One round trip.
func (o *Outbox) Requeue(ctx context.Context, images []Entry, age time.Duration) (int, error) {
	keys := []string{o.key()}
	arguments := []any{seconds(status.Expiry), seconds(age)}
	for _, image := range images {
		keys = append(keys, o.statuses.Key(image.ImageID), o.lostKey(image.ImageID))
		arguments = append(arguments, image.ImageID, status.Seconds(image.Since))
	}
	count, err := requeue.Run(ctx, o.client, keys, arguments...).Int()
	if err != nil {
		return 0, fmt.Errorf("requeue into outbox: %w", err)
	}
	return count, nil
}

func (o *Outbox) lostKey(imageID string) string {
	return "image:lost:" + connect.Tag(o.client, o.bucket) + imageID
}

// Remove takes an image out of the outbox, and forgets how often it was requeued.
func (o *Outbox) Remove(ctx context.Context, imageID string) error {
	pipe := o.client.Pipeline()
	pipe.ZRem(ctx, o.key(), imageID)
	pipe.Del(ctx, o.lostKey(imageID))
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("remove %s from outbox: %w", imageID, err)
	}
	return nil
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 3, 64) }
