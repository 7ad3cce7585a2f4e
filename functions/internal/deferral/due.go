package deferral

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"gitlab.com/yourorg/image-service/functions/internal/sweep"
)

// Half of what is claimed is what has been due for the longest, and half what became due last: an event that has just
// come does not wait behind thousands that came before it. Nothing is due later than the horizon, ARGV[3]: such times
// were written before Redis's clock was set back.
var claimDue = redis.NewScript(status.Now + `
local time, limit, claimed, known = now(), tonumber(ARGV[2]), {}, {}
local function claim(members)
  for _, member in ipairs(members) do
    if #claimed < limit and not known[member] then
      known[member] = true
      table.insert(claimed, member)
    end
  end
end
claim(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', time, 'LIMIT', 0, math.ceil(limit / 2)))
claim(redis.call('ZRANGE', KEYS[1], time, '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, limit))
claim(redis.call('ZRANGEBYSCORE', KEYS[1], time + ARGV[3], '+inf', 'LIMIT', 0, limit))
local due = string.format('%.3f', time + ARGV[1])
for _, member in ipairs(claimed) do redis.call('ZADD', KEYS[1], due, member) end
table.insert(claimed, due)
return claimed
`)

// horizon is later than any time at which an entry can be due.
const horizon = time.Hour

// ClaimDue returns up to limit entries of a lane that are due. They are due again after lease, unless they are
// rescheduled or settled: so pods share the work, and what a pod leaves undone another one does.
func (q *Queue) ClaimDue(ctx context.Context, lane Lane, lease time.Duration, limit int) ([]Entry, error) {
	keys := []string{q.key(lane)}
	members, err := claimDue.Run(ctx, q.client, keys, lease.Seconds(), limit, horizon.Seconds()).StringSlice()
	if err != nil {
		return nil, fmt.Errorf("claim deferred events: %w", err)
	}
	members, due := members[:len(members)-1], members[len(members)-1]
	entries := make([]Entry, len(members))
	for i, member := range members {
		entries[i].ImageID, entries[i].Name, _ = strings.Cut(member, "/")
		entries[i].due = due
	}
	return entries, nil
}

var reschedule = redis.NewScript(status.Now + `
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then redis.call('ZADD', KEYS[1], now() + ARGV[2], ARGV[1]) end
return 1
`)

// Reschedule has an entry, unless it was settled, due after a pause.
func (q *Queue) Reschedule(ctx context.Context, entry Entry, pause time.Duration) error {
	if err := reschedule.Run(ctx, q.client, q.keys(entry), entry.member(), pause.Seconds()).Err(); err != nil {
		return fmt.Errorf("reschedule %s: %w", entry.ImageID, err)
	}
	return nil
}

// BeginScan reports whether the caller may scan the notes: all pods together begin one scan per interval.
func (q *Queue) BeginScan(ctx context.Context, interval time.Duration) (bool, error) {
	return sweep.Begin(ctx, q.client, "image:deferred:scan:"+q.tagged(), interval)
}

var restore = redis.NewScript(status.Now + `
local time, count = now(), 0
for i = 1, #ARGV, 2 do
  count = count + redis.call('ZADD', KEYS[1], 'NX', time, ARGV[i])
  redis.call('ZADD', KEYS[2], 'NX', ARGV[i + 1], ARGV[i])
end
return count
`)

// restoreBatch bounds the arguments of one call of restore.
const restoreBatch = 500

// Restore goes on through the notes where the last call ended, past at most limit of them, and makes those due that
// Redis does not know. It returns how many these were.
func (q *Queue) Restore(ctx context.Context, limit int) (restored int, err error) {
	cursor, err := q.cursor().Get(ctx)
	if err != nil {
		return 0, err
	}
	found, cursor, err := q.list(ctx, cursor, limit)
	if err != nil {
		return 0, err
	}
	for batch := range slices.Chunk(found, restoreBatch) {
		var arguments []any
		for _, note := range batch {
			arguments = append(arguments, note.member(), status.Seconds(note.since))
		}
		keys := []string{q.key(Events), q.sinceKey()}
		count, err := restore.Run(ctx, q.client, keys, arguments...).Int()
		if err != nil {
			return restored, fmt.Errorf("restore deferred events: %w", err)
		}
		restored += count
	}
	return restored, q.cursor().Set(ctx, cursor)
}

// A storedNote is a note as a listing has it.
type storedNote struct {
	Entry
	since time.Time
}

// list returns at most limit notes after a cursor, and the cursor that it came to; "" at the last one.
func (q *Queue) list(ctx context.Context, cursor string, limit int) (found []storedNote, next string, err error) {
	passed := 0
	for info, err := range q.images.ScanDeferred(ctx, cursor) {
		if err != nil {
			return nil, "", err
		}
		if imageID, name, ok := imagestore.SplitDeferredKey(info.Key); ok {
			found = append(found, storedNote{Entry{ImageID: imageID, Name: name}, info.Modified})
		}
		if passed++; passed == limit {
			return found, info.Key, nil
		}
	}
	return found, "", nil
}

func (q *Queue) cursor() sweep.Cursor {
	return sweep.NewCursor(q.client, "image:deferred:cursor:"+q.tagged())
}

// Backlog returns how many entries wait, and for how long the oldest has waited, as far as Redis knows.
func (q *Queue) Backlog(ctx context.Context) (size int64, age time.Duration, err error) {
	return sweep.Backlog(ctx, q.client, q.sinceKey())
}
