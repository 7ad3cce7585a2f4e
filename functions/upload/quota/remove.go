package quota

import (
	"context"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"gitlab.com/yourorg/image-service/functions/upload/ownership"
)

// remove takes an image out of the record of a client. A pass that is in progress has counted the image if its cursor
// is behind it, or if the image was stored since the pass began. Otherwise the part that is in progress, or a later
// one, may count it, and takes it out when it is saved.
var remove = redis.NewScript(record + `
local client, id, size, stored = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local function take(field, n)
  n = math.min(n, get(client, field))
  if n > 0 then add(client, field, -n) end
end
take('images', 1)
take('bytes', size)
local began, cursor = string.match(redis.call('GET', KEYS[2]) or '', '^(%S+) (.*)$')
if began and get(client, 'pass') == tonumber(began) then
  if stored >= tonumber(began) then
    take('images since', 1)
    take('bytes since', size)
  elseif id < cursor then
    take('images found', 1)
    take('bytes found', size)
  else
    redis.call('ZADD', KEYS[3], 0, id)
  end
end
return 1
`)

// Remove takes an image of size bytes, which was stored at some time and is about to leave the bucket, out of the count
// of its client, so that the client may store another one. It is called while the image is still there: then a pass
// that has come by has counted it. Nothing happens if the client is not known. The error is that of Redis; the
// next pass makes up for what is not counted.
func (l *Ledger) Remove(ctx context.Context, imageID string, size int64, stored time.Time) error {
	owners, err := l.client.ZRange(ctx, l.clientsKey(), 0, -1).Result()
	if err != nil {
		return wrap(err)
	}
	i := slices.IndexFunc(owners, func(owner string) bool { return ownership.Owns(owner, imageID) })
	if i < 0 {
		return nil
	}
	keys := []string{l.clientKey(owners[i]), l.passKey(), l.removedKey()}
	return wrap(remove.Run(ctx, l.client, keys, imageID, size, status.Seconds(stored)).Err())
}
