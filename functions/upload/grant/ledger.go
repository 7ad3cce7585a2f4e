// Package grant makes upload grants, and counts what is uploaded with them.
//
// A grant is signed and not stored, see package signing. Redis has the images that it has brought: those that are
// stored, and those that are being uploaded, which count as well, so that uploads at the same time do not exceed a
// grant together. Without Redis no grant is accepted. After Redis has lost its data a grant counts from 0 again, until
// it expires.
package grant

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/signing"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

const (
	// An upload that its process did not end counts for this long; a slow one may take as long.
	lease = time.Hour
	// Redis may take this long to end an upload, even if the caller has gone.
	endTimeout = 2 * time.Second
)

// A Ledger counts the images of grants. It is safe for concurrent use.
type Ledger struct {
	client redis.UniversalClient
	prefix string
}

// NewLedger returns the ledger of a bucket. The caller closes the client.
func NewLedger(client redis.UniversalClient, bucket string) *Ledger {
	return &Ledger{client: client, prefix: "image:grant:" + bucket + ":"}
}

func (l *Ledger) key(grant *signing.Grant) string { return l.prefix + grant.ID }

// uploads defines a Lua function for scripts: uploads(images, id, n) adds n to how many uploads of an image are going
// on, and returns how many there are. Their number is in the set of the grant as well, below 0, where no time is.
const uploads = `
local function uploads(images, id, n)
  local going = -tonumber(redis.call('ZADD', images, 'INCR', -n, 'uploads ' .. id))
  if going <= 0 then redis.call('ZREM', images, 'uploads ' .. id) end
  return going
end
`

// take counts an image, until its lease ends, and answers how many there were if there are too many. Its set has the
// images by when they stop to count.
var take = redis.NewScript(status.Now + uploads + `
local images, id, most, lease, expires = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = now()
for _, over in ipairs(redis.call('ZRANGEBYSCORE', images, 0, time)) do
  redis.call('ZREM', images, over, 'uploads ' .. over)
end
local counted = redis.call('ZCOUNT', images, 0, '+inf')
if not redis.call('ZSCORE', images, id) then
  if counted >= most then return counted end
  redis.call('ZADD', images, time + lease, id)
end
uploads(images, id, 1)
redis.call('EXPIRE', images, math.ceil(math.max(expires - time, 0) + lease))
return -1
`)

// Take counts an image against its grant before it is uploaded; nil allows every image. An image counts once, however
// often it is uploaded. The error is an apierror.Error if the grant is used up, or that of Redis.
func (l *Ledger) Take(ctx context.Context, grant *signing.Grant, imageID string) error {
	if grant == nil {
		return nil
	}
	counted, err := take.Run(ctx, l.client, []string{l.key(grant)}, imageID, grant.Images, int64(lease/time.Second),
		grant.Expires).Int64()
	if err != nil {
		return fmt.Errorf("count %s against its grant: %w", imageID, err)
	}
	if counted < 0 {
		return nil
	}
	return &apierror.Error{
		Status:  http.StatusForbidden,
		Code:    apierror.CodeGrantUsedUp,
		Message: "The grant allows no more images (found is how many were uploaded with it, or are being uploaded)",
		Limit:   grant.Images,
		Found:   counted,
	}
}

// forever is a time at which no grant is valid anymore. It has no exponent in any notation: not every Lua reads one.
const forever = 999_999_999_999

// keep counts an image for good.
var keep = redis.NewScript(uploads + `
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
return uploads(KEYS[1], ARGV[1], -1)
`)

// giveBack forgets an image, unless it is stored, or another request with its Idempotency-Key is uploading it still.
var giveBack = redis.NewScript(uploads + `
if uploads(KEYS[1], ARGV[1], -1) > 0 then return 0 end
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if score and tonumber(score) < tonumber(ARGV[2]) then return redis.call('ZREM', KEYS[1], ARGV[1]) end
return 0
`)

// End ends the upload of an image, which counts from now on if it is stored.
func (l *Ledger) End(ctx context.Context, grant *signing.Grant, imageID string, stored bool) error {
	if grant == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	script := giveBack
	if stored {
		script = keep
	}
	if err := script.Run(ctx, l.client, []string{l.key(grant)}, imageID, forever).Err(); err != nil {
		return fmt.Errorf("end the upload of %s: %w", imageID, err)
	}
	return nil
}
