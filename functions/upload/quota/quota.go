// Package quota limits how many images, and how many bytes of originals, a client may have in the bucket.
//
// The bucket has the truth, and Redis a copy of it for each client: what a pass over the bucket has counted (see Pass),
// and what was stored since. An image that is being accepted has a reservation, so that images accepted at the same
// time do not exceed a quota together. Without an owner, and for exempt clients, nothing is limited or counted.
package quota

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// Limits are what each client may have in the bucket; 0 means no limit.
type Limits struct{ Images, Bytes int64 }

// Settings of a quota.
var (
	quotaImages = config.Int{Name: "QUOTA_IMAGES", Default: 0, Min: 0, Max: 1_000_000_000,
		Doc: "Images that each client may have in the bucket. Needs authentication; administrators may have any number. " +
			"0 means no quota."}
	quotaBytes = config.Int{Name: "QUOTA_BYTES", Default: 0, Min: 0, Max: 1 << 50, Unit: "bytes",
		Doc: "Bytes that the originals of each client may take in the bucket together; thumbnails do not count. Needs " +
			"authentication; administrators may have any number. 0 means no quota."}
)

// ReadLimits reads QUOTA_IMAGES and QUOTA_BYTES. authenticates is whether images have owners.
func ReadLimits(r *config.Reader, authenticates bool) Limits {
	limits := Limits{Images: quotaImages.Read(r), Bytes: quotaBytes.Read(r)}
	for _, s := range []struct {
		setting config.Setting
		limit   int64
	}{{quotaImages, limits.Images}, {quotaBytes, limits.Bytes}} {
		if s.limit > 0 && !authenticates {
			r.Fault("%s is set, but clients do not authenticate; expected a file of API keys or an issuer as well", s.setting)
		}
	}
	return limits
}

const (
	// A reservation that its process did not end counts for this long; a slow upload may take as long.
	lease = time.Hour
	// Redis may take this long to end a reservation, even if the caller has gone.
	endTimeout = 2 * time.Second
)

// A Quota decides whether a client may have another image. The zero Quota lets everything in. It is safe for use by
// several goroutines.
type Quota struct {
	ledger *Ledger
	limits Limits
	exempt func(owner string) bool
}

// New returns a Quota that keeps its counts in ledger. exempt reports whether a client has no quota.
func New(ledger *Ledger, limits Limits, exempt func(owner string) bool) *Quota {
	return &Quota{ledger: ledger, limits: limits, exempt: exempt}
}

// A Reservation is the place of an image that is being accepted; nil is that of an image that is not counted. It ends
// with Commit or Release.
type Reservation struct {
	quota          *Quota
	owner, imageID string
	request        string // tells it from others for the same image
	limits         Limits // that still apply
}

// Reserve makes a reservation for an image of an owner. size is in bytes, or -1 if it is unknown: then the caller calls
// Resize before it stores the image. Reservations for one image, by requests with one Idempotency-Key, count as the
// largest of them. An image that was let in before is not refused, but counted. The error is an apierror.Error if the
// client has used up its quota, or that of Redis.
func (q *Quota) Reserve(ctx context.Context, owner, imageID string, size int64, letIn bool) (*Reservation, error) {
	if owner == "" || q.limits == (Limits{}) || q.exempt(owner) {
		return nil, nil
	}
	r := &Reservation{quota: q, owner: owner, imageID: imageID, request: uuid.NewString(), limits: q.limits}
	if letIn {
		r.limits = Limits{}
	}
	return r, r.Resize(ctx, size)
}

// record defines Lua functions for a sorted set that is used as a record of numbers: Redis's user may use no hashes.
const record = `
local function get(key, field) return tonumber(redis.call('ZSCORE', key, field) or 0) end
local function add(key, field, n) redis.call('ZADD', key, 'INCR', string.format('%.0f', tonumber(n)), field) end
`

// Both sets of reservations have elements of the image's ID, which has 36 characters, and a request.
const member = `
local function member(id, request) return id .. ' ' .. request end
local function imageOf(member) return string.sub(member, 1, 36) end
`

// reserve answers which limit is exceeded (1: images, 2: bytes), and what of it is used already.
var reserve = redis.NewScript(status.Now + record + member + `
local client, until_, sizes = KEYS[1], KEYS[2], KEYS[3]
local id, size, maxImages, maxBytes = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time, own = now(), member(id, ARGV[6])
for _, over in ipairs(redis.call('ZRANGEBYSCORE', until_, '-inf', time)) do
  redis.call('ZREM', until_, over)
  redis.call('ZREM', sizes, over)
end
local images, bytes = get(client, 'images'), get(client, 'bytes')
local reserved, largest = redis.call('ZRANGE', sizes, 0, -1, 'WITHSCORES'), {}
for i = 1, #reserved, 2 do
  if reserved[i] ~= own then largest[imageOf(reserved[i])] = tonumber(reserved[i + 1]) end -- they come in their order
end
size, largest[id] = math.max(size, largest[id] or 0), nil
for _, other in pairs(largest) do images, bytes = images + 1, bytes + other end
if maxImages > 0 and images + 1 > maxImages then return {1, images} end
if maxBytes > 0 and bytes + size > maxBytes then return {2, bytes} end
redis.call('ZADD', until_, time + ARGV[5], own)
redis.call('ZADD', sizes, ARGV[2], own)
redis.call('EXPIRE', until_, ARGV[5])
redis.call('EXPIRE', sizes, ARGV[5])
return {0, 0}
`)

// Resize changes the size of the image. The errors are those of Reserve.
func (r *Reservation) Resize(ctx context.Context, size int64) error {
	if r == nil {
		return nil
	}
	size = max(size, 1) // a client without a byte left is refused before its image is read
	keys := r.keys()
	found, err := reserve.Run(ctx, r.quota.ledger.client, keys[:3], r.imageID, size, r.limits.Images, r.limits.Bytes,
		int64(lease/time.Second), r.request).Int64Slice()
	switch {
	case err != nil || len(found) != 2:
		return fmt.Errorf("reserve a place for %s: %w", r.imageID, err)
	case found[0] == 1:
		return exceeded("The client has as many images as it may have", r.limits.Images, found[1])
	case found[0] == 2:
		return exceeded("The image does not fit into the bytes that the client may have stored", r.limits.Bytes, found[1])
	}
	return nil
}

func exceeded(message string, limit, found int64) *apierror.Error {
	return &apierror.Error{
		Status:  http.StatusForbidden,
		Code:    apierror.CodeQuotaExceeded,
		Message: message + " (found is what it has)",
		Limit:   limit,
		Found:   found,
	}
}

// Once an image is stored, no other request can store it. What was stored since a pass began is counted apart as well,
// for its end.
var commit = redis.NewScript(record + member + `
local client, until_, sizes, clients = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
for _, reserved in ipairs(redis.call('ZRANGE', sizes, 0, -1)) do
  if imageOf(reserved) == ARGV[1] then
    redis.call('ZREM', until_, reserved)
    redis.call('ZREM', sizes, reserved)
  end
end
add(client, 'images', 1)
add(client, 'bytes', ARGV[2])
add(client, 'images since', 1)
add(client, 'bytes since', ARGV[2])
redis.call('ZADD', clients, 0, ARGV[3])
return 1
`)

// Commit counts the image, which is stored and has a size in bytes. After an error the next pass counts it.
func (r *Reservation) Commit(ctx context.Context, size int64) error {
	if r == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	if err := commit.Run(ctx, r.quota.ledger.client, r.keys(), r.imageID, size, r.owner).Err(); err != nil {
		return fmt.Errorf("count %s: %w", r.imageID, err)
	}
	return nil
}

// Release gives the place of an image back that is not stored. After an error it is given back when its lease ends.
func (r *Reservation) Release(ctx context.Context) error {
	if r == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	keys := r.keys()
	pipe := r.quota.ledger.client.Pipeline()
	for _, key := range keys[1:3] {
		pipe.ZRem(ctx, key, r.imageID+" "+r.request)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("give back the place of %s: %w", r.imageID, err)
	}
	return nil
}

// keys are the client's record, its reservations by their end and by their size, and the clients.
func (r *Reservation) keys() []string {
	l := r.quota.ledger
	return []string{l.clientKey(r.owner), l.prefix + "until:" + r.owner, l.prefix + "sizes:" + r.owner, l.clientsKey()}
}
