package quota

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"gitlab.com/yourorg/image-service/functions/upload/ownership"
)

// A Ledger keeps in Redis what the clients have in a bucket. It is safe for use by several goroutines.
type Ledger struct {
	client redis.UniversalClient
	prefix string
}

// NewLedger returns the ledger of a bucket. The caller closes the client.
func NewLedger(client redis.UniversalClient, bucket string) *Ledger {
	return &Ledger{client: client, prefix: "image:quota:" + connect.Tagged(client, bucket) + ":"}
}

func (l *Ledger) clientKey(owner string) string { return l.prefix + "client:" + owner }
func (l *Ledger) clientsKey() string            { return l.prefix + "clients" }
func (l *Ledger) passKey() string               { return l.prefix + "pass" }

// removedKey has the images that were removed during a pass before it had saved their part.
func (l *Ledger) removedKey() string { return l.prefix + "removed" }

// A Pass counts the images of each client from the beginning of the bucket to its end, in as many parts as a scan has.
// At the end the counts, and what was stored since the pass began, replace those in Redis: what was removed from the
// bucket is free again, and what Redis has forgotten counts again.
//
// An ID proves its owner only to a reader who knows the owner's name. A pass counts the clients that Redis knew when it
// began, which are those that have stored an image since a quota was set, or since Redis lost its data. nil is a Pass
// that counts nothing.
type Pass struct {
	ledger *Ledger
	record string // what Redis has of it until the part is saved
	began  time.Time
	owners []string
	images map[string]counted // of this part
}

// counted is an image that a Pass has counted.
type counted struct {
	owner int // its place in owners
	size  int64
}

// begin begins a pass for the clients of all KEYS but the first two, and returns its record: the time, and the cursor.
var begin = redis.NewScript(status.Now + `
local time = now()
redis.call('SET', KEYS[1], time .. ' ')
redis.call('DEL', KEYS[2])
for i = 3, #KEYS do
  redis.call('ZADD', KEYS[i], time, 'pass', 0, 'images found', 0, 'bytes found', 0, 'images since', 0, 'bytes since')
end
return time .. ' '
`)

// Pass returns the part of a pass that begins at a cursor of a scan, "" for the beginning of the bucket. It is nil if
// no client is known, or no pass has come to the cursor: then the next one begins at the beginning. The error is that
// of Redis.
func (l *Ledger) Pass(ctx context.Context, cursor string) (*Pass, error) {
	owners, err := l.client.ZRange(ctx, l.clientsKey(), 0, -1).Result()
	if err != nil || len(owners) == 0 {
		return nil, wrap(err)
	}
	p := &Pass{ledger: l, owners: owners, images: map[string]counted{}}
	if cursor == "" {
		p.record, err = begin.Run(ctx, l.client, p.keys()).Text()
	} else {
		p.record, err = l.client.Get(ctx, l.passKey()).Result()
	}
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, wrap(err)
	}
	began, at, _ := strings.Cut(p.record, " ")
	if at != cursor {
		return nil, nil
	}
	seconds, err := strconv.ParseFloat(began, 64)
	if err != nil {
		return nil, wrap(err)
	}
	p.began = time.UnixMilli(int64(math.Round(seconds * 1000)))
	return p, nil
}

// Count counts a stored image. One that was stored since the pass began is counted already.
func (p *Pass) Count(imageID string, size int64, stored time.Time) {
	if p == nil || !stored.Before(p.began) {
		return
	}
	for i, owner := range p.owners {
		if ownership.Owns(owner, imageID) {
			p.images[imageID] = counted{i, size}
			return
		}
	}
}

// save adds the counts of a part, unless there are not as many removed images as the counts take into account. A part
// that does not follow the one before it, because that was saved by a sweep that ended before it moved the scan on,
// ends the pass. One of an earlier pass, by a sweep that took until the next one began, is dropped. Clients that became
// known since the pass began are not in it. What was stored since the pass began is kept in the record: the next pass
// begins with 0.
var save = redis.NewScript(record + `
local pass = redis.call('GET', KEYS[1])
if not pass then return 0 end
local began = string.match(pass, '^%S+')
if pass ~= ARGV[1] then
  if began == string.match(ARGV[1], '^%S+') then redis.call('DEL', KEYS[1]) end
  return 0
end
local over = ARGV[3] == '1'
if redis.call('ZCARD', KEYS[2]) ~= tonumber(ARGV[4]) then return 'again' end
for i = 4, #KEYS do
  local client, n = KEYS[i], 5 + (i - 4) * 3
  if get(client, 'pass') == tonumber(began) then
    add(client, 'images found', ARGV[n])
    add(client, 'bytes found', ARGV[n + 1])
    if over then
      local images = get(client, 'images found') + get(client, 'images since')
      local bytes = get(client, 'bytes found') + get(client, 'bytes since')
      redis.call('DEL', client)
      if images == 0 then
        redis.call('ZREM', KEYS[3], ARGV[n + 2])
      else
        redis.call('ZADD', client, images, 'images', string.format('%.0f', bytes), 'bytes')
      end
    end
  end
end
if over then
  redis.call('DEL', KEYS[1], KEYS[2])
  return 0
end
redis.call('SET', KEYS[1], began .. ' ' .. ARGV[2])
for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  if id < ARGV[2] then redis.call('ZREM', KEYS[2], id) end
end
return 0
`)

// maxTries bounds how often Save counts anew because another image was removed.
const maxTries = 100

// Save keeps what was counted, up to a cursor. over is whether that is the end of the bucket. The error is that of
// Redis.
func (p *Pass) Save(ctx context.Context, cursor string, over bool) error {
	if p == nil {
		return nil
	}
	for range maxTries {
		removed, err := p.ledger.client.ZRange(ctx, p.ledger.removedKey(), 0, -1).Result()
		if err != nil {
			return wrap(err)
		}
		keys, counts := p.keys(p.ledger.clientsKey()), p.counts(cursor, over, removed)
		answer, err := save.Run(ctx, p.ledger.client, keys, counts...).Result()
		if err != nil || answer != "again" {
			return wrap(err)
		}
	}
	return wrap(errors.New("images are removed faster than a pass is saved"))
}

// counts are the arguments of save, without the images that were removed.
func (p *Pass) counts(cursor string, over bool, removed []string) []any {
	sums := make([]Limits, len(p.owners))
	for _, image := range p.images {
		sums[image.owner].Images++
		sums[image.owner].Bytes += image.size
	}
	for _, id := range removed {
		if image, found := p.images[id]; found {
			sums[image.owner].Images--
			sums[image.owner].Bytes -= image.size
		}
	}
	end := "0"
	if over {
		end = "1"
	}
	arguments := []any{p.record, cursor, end, len(removed)}
	for i, owner := range p.owners {
		arguments = append(arguments, sums[i].Images, sums[i].Bytes, owner)
	}
	return arguments
}

// keys are those of the pass, others, and those of the clients.
func (p *Pass) keys(others ...string) []string {
	keys := append([]string{p.ledger.passKey(), p.ledger.removedKey()}, others...)
	for _, owner := range p.owners {
		keys = append(keys, p.ledger.clientKey(owner))
	}
	return keys
}

func wrap(err error) error {
	if err != nil {
		return fmt.Errorf("count the images of clients: %w", err)
	}
	return nil
}
