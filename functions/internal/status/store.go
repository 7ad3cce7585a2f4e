package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/rendition"
)

const (
	// Expiry is how long Redis keeps a status, as in the original system.
	Expiry = time.Hour

	// If Redis knows a status that is not final, Read asks the image store for no longer than this.
	lookTimeout = 500 * time.Millisecond
)

// A Store has the status of every image. Its methods are safe for use by several goroutines; their errors are failures
// of Redis or of the image store that may pass.
type Store struct {
	client redis.UniversalClient
	keys   Keys
	images *imagestore.Store
	set    *rendition.Set // nil if it does not matter
}

// New returns a Store that caches in Redis what it can rebuild from images. The caller closes the client.
func New(client redis.UniversalClient, images *imagestore.Store) *Store {
	return &Store{client: client, keys: NewKeys(client, images.Bucket()), images: images}
}

// For returns a Store whose statuses have the renditions of a set where they are stored, and not those of other
// specifications of the same names. Without it, those count that were stored last.
func (s *Store) For(set *rendition.Set) *Store {
	return &Store{client: s.client, keys: s.keys, images: s.images, set: set}
}

// everyKey matches the keys of all buckets. Redis's user may subscribe to exactly this pattern.
const everyKey, everyPrefix = everyPrefix + "*", "image:status:"

// Keys are the keys of statuses in Redis. In a cluster they name their bucket, whose keys share a slot.
type Keys struct{ prefix string }

// NewKeys returns the keys of the images in a bucket.
func NewKeys(client redis.UniversalClient, bucket string) Keys {
	return Keys{everyPrefix + connect.Tag(client, bucket)}
}

// Key is the key of an image's status, and the channel on which its changes are published.
func (k Keys) Key(imageID string) string { return k.prefix + imageID }

func (k Keys) imageID(key string) string { return strings.TrimPrefix(key, k.prefix) }

// find returns the ID of the image whose key it is, if the image is in the bucket.
func (k Keys) find(key string) (imageID string, ours bool) { return strings.CutPrefix(key, k.prefix) }

func (k Keys) of(imageIDs []string) []string {
	keys := make([]string, len(imageIDs))
	for i, id := range imageIDs {
		keys[i] = k.Key(id)
	}
	return keys
}

// Forward defines a Lua function, for scripts that change a status and other keys in one step. forward(key, state,
// text, expiry) sets a status unless the one that is there is as far or further, and returns the state and the status
// that were there. Redis runs a script atomically: whatever the order of the writers, a status never goes back, and the
// first final status stays, until the image is deleted. A new status is published on the channel key, unless Redis's
// user may not publish.
const Forward = `
local function forward(key, state, text, expiry)
  local rank = {queued = 1, processing = 2, completed = 3, failed = 3, deleted = 4}
  local before = redis.call('GET', key)
  local known, status = pcall(cjson.decode, before or '{}')
  local there = known and type(status) == 'table' and status.status
  if not rank[there] or rank[there] < rank[state] then
    redis.call('SET', key, text, 'EX', expiry)
    redis.pcall('PUBLISH', key, text)
  end
  return there, before
end
`

// Queue defines Forward's Lua function and another one. queue(key, text, expiry) makes a status queued, as forward
// does; one that is there and not final is kept for another expiry.
const Queue = Forward + `
local function queue(key, text, expiry)
  local before = forward(key, 'queued', text, expiry)
  if before == 'queued' or before == 'processing' then redis.call('EXPIRE', key, expiry) end
end
`

// Now defines a Lua function, for scripts that compare times. now() returns Redis's time, which is the same for all
// pods, in seconds with three decimals.
const Now = `
local function now()
  local time = redis.call('TIME')
  return string.format('%d.%03d', tonumber(time[1]), math.floor(time[2] / 1000))
end
`

var advance = redis.NewScript(Forward + `
local _, before = forward(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
return before
`)

// Advance moves an image on to the status next, in one round trip, and returns the status that was there before; nil
// if Redis had none. A status that was as far as next, or further, stays.
func (s *Store) Advance(ctx context.Context, next Status) (before *Status, err error) {
	text, err := json.Marshal(next)
	if err != nil {
		return nil, fmt.Errorf("write status of %s: %w", next.ImageID, err)
	}
	keys := []string{s.keys.Key(next.ImageID)}
	answer, err := advance.Run(ctx, s.client, keys, string(next.State), text, int(Expiry.Seconds())).Text()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("write status of %s: %w", next.ImageID, err)
	}
	return parse(answer), nil
}

// Fail records that an image can never be processed, and returns the final status that counts: an earlier one, if there
// is one. original is the key of the image, or the key that it would have had; cause is the event that brought it, or
// zero; reason is one of events.Reasons().
func (s *Store) Fail(
	ctx context.Context, imageID, original string, cause events.Cause, reason, message string,
) (*Status, error) {
	return s.fail(ctx, original, Status{ImageID: imageID, Reason: reason, Cause: cause}, message)
}

// FailByHearsay is Fail for an image of which nothing is known but an event that names its original, which does not
// exist.
func (s *Store) FailByHearsay(ctx context.Context, imageID, original, reason, message string) (*Status, error) {
	return s.fail(ctx, original, Status{ImageID: imageID, Reason: reason, Hearsay: true}, message)
}

func (s *Store) fail(ctx context.Context, original string, final Status, message string) (*Status, error) {
	final.State, final.Result, final.ProcessedAt = Failed, &Result{Error: message}, Seconds(time.Now())
	failed, err := s.Record(ctx, original, final, nil)
	if err != nil {
		return nil, err
	}
	return s.Conclude(ctx, *failed)
}

// Conclude caches a final status whose result is stored, and returns the final status that counts. If Redis has another
// one, the store decides: that may be of a result which was lost, or of one which was removed so that the image is
// tried again, and which a process was slow to cache.
func (s *Store) Conclude(ctx context.Context, final Status) (*Status, error) {
	before, err := s.Advance(ctx, final)
	if err != nil {
		return nil, err
	}
	switch {
	case before == nil: // it may have known that the image was deleted
		return s.unlessDeleted(ctx, final)
	case !before.State.Final():
		return &final, nil
	case before.sameOutcome(final):
		return before, nil
	}
	return s.arbitrate(ctx, final.ImageID, before)
}

// unlessDeleted returns a status that was just written to Redis, unless the image was deleted: then it writes that.
func (s *Store) unlessDeleted(ctx context.Context, final Status) (*Status, error) {
	objects, err := s.images.Find(ctx, final.ImageID)
	if err != nil || objects.Deleted == nil {
		return &final, err
	}
	gone := deleted(final.ImageID, objects.Deleted)
	_, err = s.Advance(ctx, *gone)
	return gone, err
}

// replaceIf replaces a status, unless it has changed, and publishes it as Forward does.
var replaceIf = redis.NewScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
  redis.pcall('PUBLISH', KEYS[1], ARGV[2])
  return 1
end
return 0
`)

// arbitrate returns the final status that the store has, and caches it. Without one it returns what Redis has.
func (s *Store) arbitrate(ctx context.Context, imageID string, inRedis *Status) (*Status, error) {
	text, err := s.cached(ctx, imageID)
	if err != nil {
		return nil, err
	}
	stored, err := s.Rebuild(ctx, imageID)
	if err != nil {
		return nil, err
	}
	if stored == nil || !stored.State.Final() {
		return inRedis, nil
	}
	_, err = s.replace(ctx, text, *stored)
	return stored, err
}

// replace caches a status in the place of another, which Redis has as text, and reports whether that had not changed.
func (s *Store) replace(ctx context.Context, text string, next Status) (bool, error) {
	replacement, err := json.Marshal(next)
	if err != nil {
		return false, fmt.Errorf("write status of %s: %w", next.ImageID, err)
	}
	keys, expiry := []string{s.keys.Key(next.ImageID)}, int(Expiry.Seconds())
	replaced, err := replaceIf.Run(ctx, s.client, keys, text, replacement, expiry).Bool()
	if err != nil {
		return false, fmt.Errorf("write status of %s: %w", next.ImageID, err)
	}
	return replaced, nil
}

// Refresh has Redis know of a final status what the store does, after objects of the image have changed. Of a status
// that Redis does not know, the next Read will.
func (s *Store) Refresh(ctx context.Context, imageID string) error {
	for {
		text, err := s.cached(ctx, imageID)
		if err != nil || text == "" {
			return err
		}
		stored, err := s.Rebuild(ctx, imageID)
		if err != nil {
			return err
		}
		if stored == nil || !stored.State.Final() {
			return nil
		}
		if replaced, err := s.replace(ctx, text, *stored); replaced || err != nil {
			return err
		}
	}
}

// Read returns the status of an image; nil if there is no such image. A final status in Redis takes one round trip. If
// the status is not final, or Redis has forgotten it or is down, the image store is asked as well: Redis may not have
// been told of the result, or may have come back with old data. stale reports whether Redis answered and knows less
// than what is returned; the caller should write it back, or the next Read asks the image store again.
func (s *Store) Read(ctx context.Context, imageID string) (known *Status, stale bool, err error) {
	text, redisErr := s.cached(ctx, imageID)
	known = parse(text)
	if known != nil && known.State.Final() {
		return known, false, nil
	}
	return s.look(ctx, imageID, known, redisErr)
}

// ReadCached is Read for callers that wait: it asks the image store only about images that Redis does not know. It may
// miss a result that never reached Redis, so an answer that is not final should not come from it.
func (s *Store) ReadCached(ctx context.Context, imageID string) (known *Status, stale bool, err error) {
	text, redisErr := s.cached(ctx, imageID)
	if known = parse(text); known != nil {
		return known, false, nil
	}
	return s.look(ctx, imageID, nil, redisErr)
}

// look asks the image store for a status that is not final in Redis, where it is known, or nil with the error of Redis.
func (s *Store) look(
	ctx context.Context, imageID string, known *Status, redisErr error,
) (_ *Status, stale bool, err error) {
	look := ctx
	if known != nil { // there is an answer without the image store
		var cancel context.CancelFunc
		look, cancel = context.WithTimeout(ctx, lookTimeout)
		defer cancel()
	}
	rebuilt, rebuildErr := s.Rebuild(look, imageID)
	switch {
	case known != nil && (rebuilt == nil || !rebuilt.State.Final()):
		return known, false, nil // the image store knows no more
	case rebuildErr != nil:
		return nil, false, fmt.Errorf("read status of %s: %w", imageID, errors.Join(redisErr, rebuildErr))
	}
	return rebuilt, rebuilt != nil && redisErr == nil, nil
}

// cached returns the status as Redis has it; "" if it has none.
func (s *Store) cached(ctx context.Context, imageID string) (string, error) {
	text, err := s.client.Get(ctx, s.keys.Key(imageID)).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", fmt.Errorf("read status of %s: %w", imageID, err)
	}
	return text, nil
}

// Cached returns the statuses of images as Redis has them, in one round trip; nil for one that it has forgotten.
func (s *Store) Cached(ctx context.Context, imageIDs []string) ([]*Status, error) {
	texts, err := s.client.MGet(ctx, s.keys.of(imageIDs)...).Result()
	if err != nil {
		return nil, fmt.Errorf("read status of %d images: %w", len(imageIDs), err)
	}
	known := make([]*Status, len(imageIDs))
	for i, text := range texts {
		if text, ok := text.(string); ok {
			known[i] = parse(text)
		}
	}
	return known, nil
}

// FinalFromStore returns the final status of an image from its stored result or tombstone; nil if it has none yet. If
// Redis says that the image is queued, it asks nothing else: a result that is stored all the same stays, and Record
// returns it. begun is whether an image without one is being processed, as far as Redis knows: by another process, or
// by one that was killed.
func (s *Store) FinalFromStore(ctx context.Context, imageID string) (final *Status, begun bool, err error) {
	text, err := s.cached(ctx, imageID)
	if err != nil {
		return nil, false, err
	}
	known := parse(text)
	if known != nil && known.State == Queued {
		return nil, false, nil
	}
	objects, err := s.reconcile(ctx, imageID, text)
	switch {
	case err != nil:
		return nil, false, err
	case objects.Deleted != nil:
		return deleted(imageID, objects.Deleted), false, nil
	case objects.Result == nil:
		return nil, known != nil && known.State == Processing, nil
	}
	final, err = s.ReadResult(ctx, imageID, objects)
	return final, false, err
}

// Reconcile returns the objects stored for an image. A final status in Redis without a stored result comes from objects
// that were lost since; Reconcile removes it, so that the image can be processed again.
func (s *Store) Reconcile(ctx context.Context, imageID string) (imagestore.Objects, error) {
	text, err := s.cached(ctx, imageID)
	if err != nil {
		return imagestore.Objects{}, err
	}
	return s.reconcile(ctx, imageID, text)
}

// removeIf removes a status, unless it has changed.
var removeIf = redis.NewScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
`)

// reconcile lists the objects after Redis was read: the result of a final status is stored before the status is cached.
func (s *Store) reconcile(ctx context.Context, imageID, text string) (imagestore.Objects, error) {
	objects, err := s.images.Find(ctx, imageID)
	if err != nil {
		return imagestore.Objects{}, err
	}
	if known := parse(text); objects.Result == nil && objects.Deleted == nil && known != nil && known.State.Final() {
		if err := removeIf.Run(ctx, s.client, []string{s.keys.Key(imageID)}, text).Err(); err != nil {
			return imagestore.Objects{}, fmt.Errorf("remove status of %s: %w", imageID, err)
		}
	}
	return objects, nil
}

// Discard removes the failure of an image, which the caller has just read, so that the image can be processed again.
// The store cannot remove an object on condition. So if a caller stalls until another one has done the same and the
// image has its thumbnail, that is removed, and a sweep has it made again.
func (s *Store) Discard(ctx context.Context, imageID string, failure *imagestore.Info) error {
	if err := s.images.Remove(ctx, failure.Key); err != nil {
		return err
	}
	return s.Forget(ctx, imageID)
}

// Delete caches that an image is deleted, whose tombstone is stored. first is whether Redis did not know.
func (s *Store) Delete(ctx context.Context, imageID string, at time.Time) (first bool, err error) {
	before, err := s.Advance(ctx, Status{ImageID: imageID, State: Deleted, ProcessedAt: Seconds(at)})
	return err == nil && (before == nil || before.State != Deleted), err
}

// forget keeps that an image is deleted: whoever does not know that may have seen its objects before.
var forget = redis.NewScript(`
local known, status = pcall(cjson.decode, redis.call('GET', KEYS[1]) or '{}')
if known and type(status) == 'table' and status.status == 'deleted' then return 0 end
return redis.call('DEL', KEYS[1])
`)

// Forget removes a status from Redis, so that the next Read rebuilds it, unless the image is deleted.
func (s *Store) Forget(ctx context.Context, imageID string) error {
	if err := forget.Run(ctx, s.client, []string{s.keys.Key(imageID)}).Err(); err != nil {
		return fmt.Errorf("forget status of %s: %w", imageID, err)
	}
	return nil
}
