// Package imageindex keeps, in Redis, which images a bucket has, by time: all of them, and those of each client.
//
// The bucket has the truth. An image enters the index in the step that queues it, and leaves it when it is deleted, or
// when a page finds that it is gone. A pass over the bucket (see Pass) adds what Redis has forgotten. Until one has
// gone through the whole bucket, a page says that it is incomplete. An image costs one element in each of its two sets.
package imageindex

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/internal/config"
)

// The values of LIST_IMAGES.
const (
	Off = "off" // nothing is listed or indexed
	Own = "own" // clients list their own images, administrators all; without authentication as Off
	All = "all" // as Own; without authentication everybody lists all images
)

// ModeSetting decides who lists images. Whoever has the ID of an image may see it where clients do not authenticate:
// there, a list gives every image to everybody, so that it has to be asked for.
var ModeSetting = config.Text{Name: "LIST_IMAGES", Default: Own,
	Form: config.Form{Expected: "off, own or all", Valid: isMode},
	Doc: "Who may list images with `GET /images`. `own`: each client its own images, administrators all, and nobody " +
		"where clients do not authenticate. `all`: where they do not authenticate, everybody lists the images of " +
		"everybody. `off`: nobody."}

func isMode(value string) bool { return value == Off || value == Own || value == All }

// Everybody is the owner of the set of all images.
const Everybody = ""

// An Index is the index of a bucket. The nil Index has no images and takes none. Its methods are safe for use by
// several goroutines; their errors are failures of Redis that may pass.
//
// The sets of all images, and of each client's, have image IDs by the time when the image was stored. Two elements with
// negative scores say since when a set has had every new image, and that it has the older ones, too: they are in the
// set itself, so that they are lost together with it, should Redis evict it. The set of clients has those whose sets
// there are, by the time when it got to know them, and whether there are images of clients it does not know.
type Index struct {
	client  redis.UniversalClient
	prefix  string
	enabled bool
	owns    func(owner, imageID string) bool
}

// New returns the index of a bucket. One that is not enabled takes no images, and its passes have one that is enabled
// later begin anew. owns reports whether an image belongs to a client. The caller closes the client.
func New(client redis.UniversalClient, bucket string, enabled bool, owns func(owner, imageID string) bool) *Index {
	prefix := "image:index:" + connect.Tagged(client, bucket) + ":"
	return &Index{client: client, prefix: prefix, enabled: enabled, owns: owns}
}

// Enabled reports whether images are listed.
func (x *Index) Enabled() bool { return x != nil && x.enabled }

func (x *Index) clientsKey() string          { return x.prefix + "clients" }
func (x *Index) passKey() string             { return x.prefix + "pass" }
func (x *Index) setKey(owner string) string  { return x.prefix + "of:" + owner }
func memberOf(owner string) (element string) { return "of:" + owner } // of the set of clients
func text(seconds float64) string            { return strconv.FormatFloat(seconds, 'f', 3, 64) }

// An Entry is an image that is to enter the index. The zero Entry is of an image that is not listed.
type Entry struct {
	stored float64
	keys   []string // of the clients, and of each set
	owners []string // elements of the set of clients, for each set
}

// Entry returns the entry of an image that is stored at a time, in seconds since 1970. owner is the client that brings
// it. An image of another owner gets no entry, because it would be in one of its two sets only: a pass adds it to both.
func (x *Index) Entry(owner, imageID string, stored float64) Entry {
	if !x.Enabled() {
		return Entry{}
	}
	owners := []string{Everybody}
	switch {
	case x.owns(owner, imageID):
		owners = append(owners, owner)
	case hasOwner(imageID):
		return Entry{}
	}
	e := Entry{stored: stored, keys: []string{x.clientsKey()}}
	for _, owner := range owners {
		e.keys = append(e.keys, x.setKey(owner))
		e.owners = append(e.owners, memberOf(owner))
	}
	return e
}

// Keys are the keys that Enter needs.
func (e Entry) Keys() []string { return e.keys }

// Arguments are the arguments that Enter needs.
func (e Entry) Arguments() []any {
	if len(e.keys) == 0 {
		return nil
	}
	arguments := []any{text(e.stored)}
	for _, owner := range e.owners {
		arguments = append(arguments, owner)
	}
	return arguments
}

// clock defines a Lua function. now() is as in status.Now, but to the microsecond: a set that is lost right after a
// pass has begun must not seem to be older than the pass.
const clock = `
local function now()
  local time = redis.call('TIME')
  return string.format('%d.%06d', tonumber(time[1]), tonumber(time[2]))
end
`

// openSet defines a Lua function, for scripts that use a set. open(clients, set, client, time) makes the set known. A
// client that was not known has no images from before if those of all images have known owners; otherwise its set is
// incomplete, whatever it was when it was known the last time.
const openSet = `
local function open(clients, set, client, time)
  if redis.call('ZADD', clients, 'NX', time, client) == 1 then
    redis.call('ZREM', set, 'since', 'complete')
    if redis.call('ZSCORE', clients, 'closed') then redis.call('ZADD', set, '-' .. time, 'complete') end
  end
  redis.call('ZADD', set, 'NX', '-' .. time, 'since')
end
`

// Enter defines a Lua function, for scripts that change the state of an image and enter it into the index in one step.
// enter(id, time, key, argument) adds an image to the sets of an Entry, whose Keys and Arguments begin at these
// indexes. An image that is there keeps its time.
const Enter = openSet + `
local function enter(id, time, key, argument)
  for i = 1, #KEYS - key do
    open(KEYS[key], KEYS[key + i], ARGV[argument + i], time)
    redis.call('ZADD', KEYS[key + i], 'NX', ARGV[argument], id)
  end
end
`

// Remove takes an image out of the index. owner is its client, or Everybody if that is not known: it is looked for.
func (x *Index) Remove(ctx context.Context, owner, imageID string) error {
	if !x.Enabled() {
		return nil
	}
	owners := []string{owner}
	if owner == Everybody || !x.owns(owner, imageID) {
		known, err := x.clients(ctx)
		if err != nil {
			return err
		}
		owners = known
	}
	pipe := x.client.Pipeline()
	pipe.ZRem(ctx, x.setKey(Everybody), imageID)
	for _, owner := range owners {
		if x.owns(owner, imageID) {
			pipe.ZRem(ctx, x.setKey(owner), imageID)
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("remove %s from index: %w", imageID, err)
	}
	return nil
}

// clients returns all clients that are known, Everybody among them.
func (x *Index) clients(ctx context.Context) ([]string, error) {
	elements, err := x.client.ZRange(ctx, x.clientsKey(), 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("read clients of index: %w", err)
	}
	var owners []string
	for _, element := range elements {
		if owner, isClient := strings.CutPrefix(element, "of:"); isClient {
			owners = append(owners, owner)
		}
	}
	return owners, nil
}

// A Position is a place in a set: that of an image, which may have left the set since.
type Position struct {
	Stored  float64 // seconds since 1970
	ImageID string
}

// A Page is a part of a set, the newest image first.
type Page struct {
	Images []Position
	// More is whether there are images after the last one.
	More bool
	// Complete is whether the set has every image. Otherwise it has those that were stored after Since, and perhaps some
	// from before.
	Complete bool
	Since    time.Time
}

// page answers whether a set is complete, since when it has everything, and up to ARGV[2] images, after one by its time
// and ID if they are given. Images with the same time are in the order of their IDs, and the number of those before the
// place is found by bisection: the work does not grow with the set, or with how many have the same time.
var page = redis.NewScript(clock + openSet + `
local clients, set = KEYS[1], KEYS[2]
open(clients, set, ARGV[1], now())
local start = 0
if ARGV[3] then
  local time, id = ARGV[3], ARGV[4]
  start = redis.call('ZCOUNT', set, '(' .. time, '+inf')
  local stop = start + redis.call('ZCOUNT', set, time, time)
  while start < stop do
    local middle = math.floor((start + stop) / 2)
    if redis.call('ZRANGE', set, middle, middle, 'REV')[1] >= id then start = middle + 1 else stop = middle end
  end
end
local found = redis.call('ZRANGE', set, start, start + ARGV[2], 'REV', 'WITHSCORES')
local complete = redis.call('ZSCORE', set, 'complete')
return {complete and 1 or 0, redis.call('ZSCORE', set, 'since'), found}
`)

// Page returns up to size images of an owner, or of Everybody, after a position; nil for the newest. One round trip.
func (x *Index) Page(ctx context.Context, owner string, after *Position, size int) (Page, error) {
	arguments := []any{memberOf(owner), size}
	if after != nil {
		arguments = append(arguments, text(after.Stored), after.ImageID)
	}
	answer, err := page.Run(ctx, x.client, []string{x.clientsKey(), x.setKey(owner)}, arguments...).Slice()
	if err != nil {
		return Page{}, fmt.Errorf("read index: %w", err)
	}
	p, err := parsePage(answer, size)
	if err != nil {
		return Page{}, fmt.Errorf("read index: %w", err)
	}
	return p, nil
}

func parsePage(answer []any, size int) (p Page, err error) {
	if len(answer) != 3 {
		return p, fmt.Errorf("answer is %v; expected three values", answer)
	}
	p.Complete = answer[0] == int64(1)
	since, err := strconv.ParseFloat(fmt.Sprint(answer[1]), 64)
	if err != nil {
		return p, err
	}
	p.Since = timeOf(-since)
	found, _ := answer[2].([]any)
	for i := 0; i+1 < len(found); i += 2 {
		stored, err := strconv.ParseFloat(fmt.Sprint(found[i+1]), 64)
		if err != nil {
			return p, err
		}
		if stored < 0 {
			break // not an image
		}
		p.Images = append(p.Images, Position{stored, fmt.Sprint(found[i])})
	}
	if len(p.Images) > size {
		p.Images, p.More = p.Images[:size], true
	}
	return p, nil
}

// hasOwner reports whether an ID is a UUID of version 8: see package ownership.
func hasOwner(imageID string) bool { return len(imageID) == 36 && imageID[14] == '8' }

func timeOf(seconds float64) time.Time { return time.UnixMilli(int64(seconds*1000 + 0.5)) }
