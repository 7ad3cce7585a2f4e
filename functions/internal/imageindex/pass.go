package imageindex

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// A Pass adds the images of the bucket to the index, from the beginning of the bucket to its end, in as many parts as a
// scan has. At the end the sets are complete that there were when it began. nil is a Pass that adds nothing.
//
// An ID proves its owner only to a reader who knows the owner's name. So each image is compared with the clients whose
// sets are not complete, and an image that the index has not got with all clients. As long as an image has an owner
// that is not known, a client that comes to be known may have older images; then its set is complete after the next
// pass.
type Pass struct {
	index  *Index
	record string  // what Redis has of it until the part is saved
	began  float64 // in seconds since 1970
	owners []owner
	images []Position
	// compareAll is whether each image is compared with all clients.
	compareAll bool
	// orphans is how many images have an owner that is not known.
	orphans int
}

type owner struct {
	name     string
	complete bool
}

// begin makes all images' set known, and begins a pass: at a time after which every image enters the sets.
var begin = redis.NewScript(clock + openSet + `
local time = now()
open(KEYS[1], KEYS[2], ARGV[1], time)
redis.call('SET', KEYS[3], time .. ' 0 ')
return time .. ' 0 '
`)

// completeness answers whether all images have known owners, and for each set whether it is complete.
var completeness = redis.NewScript(`
local complete = {redis.call('ZSCORE', KEYS[1], 'closed') and 1 or 0}
for i = 2, #KEYS do complete[i] = redis.call('ZSCORE', KEYS[i], 'complete') and 1 or 0 end
return complete
`)

// Pass returns the part of a pass that begins at a cursor of a scan, "" for the beginning of the bucket. It is nil if
// no pass has come to the cursor: then the next one begins at the beginning.
func (x *Index) Pass(ctx context.Context, cursor string) (*Pass, error) {
	if x == nil {
		return nil, nil
	}
	if !x.enabled {
		return nil, x.forget(ctx)
	}
	var record string
	var err error
	if cursor == "" {
		keys := []string{x.clientsKey(), x.setKey(Everybody), x.passKey()}
		record, err = begin.Run(ctx, x.client, keys, memberOf(Everybody)).Text()
	} else {
		record, err = x.client.Get(ctx, x.passKey()).Result()
	}
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("begin pass of index: %w", err)
	}
	fields := strings.SplitN(record, " ", 3)
	if len(fields) != 3 || fields[2] != cursor {
		return nil, nil
	}
	began, err := strconv.ParseFloat(fields[0], 64)
	if err != nil {
		return nil, fmt.Errorf("begin pass of index: %w", err)
	}
	p := &Pass{index: x, record: record, began: began}
	return p, p.readOwners(ctx)
}

// forget makes all clients unknown, as their sets miss what is stored from now on.
func (x *Index) forget(ctx context.Context) error {
	if err := x.client.Del(ctx, x.clientsKey()).Err(); err != nil {
		return fmt.Errorf("forget index: %w", err)
	}
	return nil
}

// numbers returns the answer of a script, which has as many as are expected.
func numbers(answer *redis.Cmd, expected int) ([]int64, error) {
	got, err := answer.Int64Slice()
	if err == nil && len(got) != expected {
		err = fmt.Errorf("got %d numbers from Redis, expected %d", len(got), expected)
	}
	return got, err
}

// maxCompared is the number of clients that all images are compared with in every pass, as long as some have an owner
// that is not known. It bounds the work of a sweep.
const maxCompared = 100

func (p *Pass) readOwners(ctx context.Context) error {
	names, err := p.index.clients(ctx)
	if err != nil {
		return err
	}
	keys := []string{p.index.clientsKey()}
	for _, name := range names {
		keys = append(keys, p.index.setKey(name))
	}
	complete, err := numbers(completeness.Run(ctx, p.index.client, keys), len(keys))
	if err != nil {
		return fmt.Errorf("read sets of index: %w", err)
	}
	whole := false
	for i, name := range names {
		p.owners = append(p.owners, owner{name, complete[i+1] == 1})
		whole = whole || name == Everybody && complete[i+1] == 1
	}
	p.compareAll = !whole || complete[0] == 0 && len(names) <= maxCompared
	return nil
}

// Add adds a stored image. It is in the index after Save.
func (p *Pass) Add(imageID string, stored float64) {
	if p != nil {
		p.images = append(p.images, Position{stored, imageID})
	}
}

// saveBatch bounds how long a script keeps Redis from others.
const saveBatch = 200

// Save keeps what was added, up to a cursor. over is whether that is the end of the bucket.
func (p *Pass) Save(ctx context.Context, cursor string, over bool) error {
	if p == nil {
		return nil
	}
	for batch := range slices.Chunk(p.images, saveBatch) {
		if err := p.saveImages(ctx, batch); err != nil {
			return fmt.Errorf("save pass of index: %w", err)
		}
	}
	if err := p.end(ctx, cursor, over); err != nil {
		return fmt.Errorf("save pass of index: %w", err)
	}
	return nil
}

// missing answers for each image whether the set does not have it.
var missing = redis.NewScript(`
local missing = {}
for i, id in ipairs(ARGV) do missing[i] = redis.call('ZSCORE', KEYS[1], id) and 0 or 1 end
return missing
`)

// saveImages adds images to the sets of their clients, and then to that of all images, by which the next pass knows
// that they are in both.
func (p *Pass) saveImages(ctx context.Context, images []Position) error {
	everything := p.index.setKey(Everybody)
	ids := make([]any, len(images))
	for i, image := range images {
		ids[i] = image.ImageID
	}
	absent, err := numbers(missing.Run(ctx, p.index.client, []string{everything}, ids...), len(images))
	if err != nil {
		return fmt.Errorf("look for images: %w", err)
	}
	pipe := p.index.client.Pipeline()
	for i, image := range images {
		element := redis.Z{Score: image.Stored, Member: image.ImageID}
		if name, known := p.ownerOf(image, absent[i] == 0); known {
			pipe.ZAddNX(ctx, p.index.setKey(name), element)
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	for i, image := range images {
		if absent[i] == 1 {
			pipe.ZAddNX(ctx, everything, redis.Z{Score: image.Stored, Member: image.ImageID})
		}
	}
	_, err = pipe.Exec(ctx)
	return err
}

// ownerOf returns the client that an image belongs to. The set of a client that is complete has an image that was
// indexed. An image that was stored since the pass began has a client that is known by now.
func (p *Pass) ownerOf(image Position, indexed bool) (name string, known bool) {
	for _, o := range p.owners {
		sure := indexed && o.complete && !p.compareAll
		if o.name != Everybody && !sure && p.index.owns(o.name, image.ImageID) {
			return o.name, true
		}
	}
	if p.compareAll && hasOwner(image.ImageID) && image.Stored < p.began {
		p.orphans++
	}
	return "", false
}

// end moves the pass on, or ends it: KEYS are the pass, the clients, and the set of each. A part that does not follow
// the one before it, because that was saved by a sweep that ended before it moved the scan on, ends it without result.
// One of an earlier pass, by a sweep that took until the next one began, changes nothing. A set that was lost, or a
// client that was not known, since it began is not complete.
var end = redis.NewScript(`
local pass = redis.call('GET', KEYS[1])
if not pass then return 0 end
local began, orphans = string.match(pass, '^(%S+) (%S+) ')
if pass ~= ARGV[1] then
  if began == string.match(ARGV[1], '^%S+') then redis.call('DEL', KEYS[1]) end
  return 0
end
orphans = string.format('%d', orphans + ARGV[3])
if ARGV[4] == '0' then
  redis.call('SET', KEYS[1], began .. ' ' .. orphans .. ' ' .. ARGV[2])
  return 1
end
redis.call('DEL', KEYS[1])
local whole = false
for i = 3, #KEYS do
  local since, known = redis.call('ZSCORE', KEYS[i], 'since'), redis.call('ZSCORE', KEYS[2], ARGV[i + 3])
  if since and known and -since <= tonumber(began) and tonumber(known) <= tonumber(began) then
    redis.call('ZADD', KEYS[i], '-' .. began, 'complete')
    whole = whole or ARGV[i + 3] == 'of:'
  end
end
if whole and ARGV[5] == '1' and orphans == '0' then redis.call('ZADD', KEYS[2], began, 'closed') end
return 1
`)

func (p *Pass) end(ctx context.Context, cursor string, over bool) error {
	keys := []string{p.index.passKey(), p.index.clientsKey()}
	arguments := []any{p.record, cursor, p.orphans, flag(over), flag(p.compareAll)}
	for _, o := range p.owners {
		keys = append(keys, p.index.setKey(o.name))
		arguments = append(arguments, memberOf(o.name))
	}
	return end.Run(ctx, p.index.client, keys, arguments...).Err()
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}
