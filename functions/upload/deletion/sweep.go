package deletion

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"golang.org/x/sync/errgroup"
)

const (
	// A sweep begins nothing new after this time.
	sweepTimeout = 15 * time.Second
	// Deletions go on in batches, so many at a time.
	batch, parallel = 64, 8
)

// Sweep goes on with deletions that have ended before they were complete and announced, as far as Redis knows them.
func (d *Deleter) Sweep(ctx context.Context) error {
	return errors.Join(d.goOn(ctx), d.measure(context.WithoutCancel(ctx)))
}

func (d *Deleter) goOn(ctx context.Context) error {
	until, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	for until.Err() == nil {
		ids, err := d.pending.claim(ctx, d.rules.Overdue, batch)
		if err != nil {
			return err
		}
		if err := each(ids, func(id string) error { return d.complete(ctx, id) }); err != nil {
			return err
		}
		if len(ids) < batch {
			break
		}
	}
	return nil
}

// each calls do for all items, some at a time. It goes on after an error, and returns the first one.
func each[T any](items []T, do func(T) error) error {
	var group errgroup.Group
	group.SetLimit(parallel)
	for _, item := range items {
		group.Go(func() error { return do(item) })
	}
	return group.Wait()
}

// IsDue reports whether a scan that came by an image has something for Tidy to do about it: the image has expired, its
// deletion has ended before it was complete, something was stored beside its tombstone, or the tombstone is old.
func (d *Deleter) IsDue(image imagestore.Image) bool {
	if tombstone := image.Deleted; tombstone != nil {
		age := d.age(tombstone.Info)
		if tombstone.Pending {
			return age > d.rules.Overdue
		}
		return len(image.Leftovers) > 0 || age > d.rules.Keep
	}
	return d.hasExpired(image)
}

// hasExpired goes by the original, or by the failure note of an image without one.
func (d *Deleter) hasExpired(image imagestore.Image) bool {
	switch {
	case image.Deleted != nil:
		return false
	case image.Original != nil:
		return d.rules.expired(d.age(image.Original))
	}
	return image.Result != nil && d.rules.expired(d.age(image.Result))
}

// age returns how long ago an object was stored, by the clock of the store or by that of this process, whichever says
// less: one that is wrong must not delete images.
func (d *Deleter) age(object *imagestore.Info) time.Duration {
	return min(d.Images.Now().Sub(object.Modified), time.Since(object.Modified))
}

// Tidy does what is due about images. It goes on after an error, and returns the first one: the next scan does the
// rest.
func (d *Deleter) Tidy(ctx context.Context, images []imagestore.Image) error {
	return each(images, func(image imagestore.Image) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return d.tidy(ctx, image)
	})
}

func (d *Deleter) tidy(ctx context.Context, image imagestore.Image) error {
	switch {
	case image.Deleted == nil:
		return d.expire(ctx, image)
	case image.Deleted.Pending || len(image.Leftovers) > 0:
		return d.complete(ctx, image.ID)
	}
	d.metrics.forgotten.Inc()
	return d.Images.RemoveTombstone(ctx, image.ID)
}

// expire deletes an image. One that has failed by hearsay may never have been, and may yet come: see Status.Hearsay. So
// only its failure is removed, unless the image has come since the scan.
func (d *Deleter) expire(ctx context.Context, image imagestore.Image) error {
	if image.Original == nil {
		objects, err := d.Images.Find(ctx, image.ID)
		if err != nil {
			return err
		}
		if image.Objects = objects; image.Original != nil || !d.hasExpired(image) {
			return nil
		}
		failure, err := d.Statuses.ReadFailure(ctx, image.Result)
		if err != nil {
			return err
		}
		if failure != nil && failure.Hearsay {
			return d.Statuses.Discard(ctx, image.ID, image.Result)
		}
	}
	err := d.Delete(ctx, image.ID, events.DeletionExpired)
	if errors.Is(err, imagestore.ErrNotFound) { // it was rolled back since the scan
		return nil
	}
	return err
}

func (d *Deleter) measure(ctx context.Context) error {
	count, age, err := d.pending.backlog(ctx)
	if err == nil {
		d.metrics.pending.Set(float64(count))
		d.metrics.oldest.Set(age.Seconds())
	}
	return err
}

// pending has in Redis the IDs of images whose deletion has begun: by the time at which it was last tried, and by that
// at which it began. It is a hint: a scan of the bucket finds what Redis forgets.
type pending struct {
	client redis.UniversalClient
	keys   []string // the set of each time
}

func newPending(client redis.UniversalClient, bucket string) pending {
	key := "image:deletions:" + connect.Tagged(client, bucket)
	return pending{client, []string{key, key + ":began"}}
}

var addPending = redis.NewScript(status.Now + `
local time = now()
for _, key in ipairs(KEYS) do redis.call('ZADD', key, 'NX', time, ARGV[1]) end
return 1
`)

func (p pending) add(ctx context.Context, imageID string) error {
	if err := addPending.Run(ctx, p.client, p.keys, imageID).Err(); err != nil {
		return fmt.Errorf("note the deletion of %s: %w", imageID, err)
	}
	return nil
}

func (p pending) remove(ctx context.Context, imageID string) error {
	pipe := p.client.Pipeline()
	for _, key := range p.keys {
		pipe.ZRem(ctx, key, imageID)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("note the end of the deletion of %s: %w", imageID, err)
	}
	return nil
}

// Times in the future were written before Redis's clock was set back.
var claimPending = redis.NewScript(status.Now + `
local time = now()
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', time - ARGV[1], 'LIMIT', 0, ARGV[2])
if #due == 0 then due = redis.call('ZRANGEBYSCORE', KEYS[1], time + ARGV[1], '+inf', 'LIMIT', 0, ARGV[2]) end
for _, id in ipairs(due) do redis.call('ZADD', KEYS[1], time, id) end
return due
`)

// claim returns at most limit images whose deletion began longer than age ago. No other sweep gets them until age has
// passed again.
func (p pending) claim(ctx context.Context, age time.Duration, limit int) ([]string, error) {
	ids, err := claimPending.Run(ctx, p.client, p.keys[:1], age.Seconds(), limit).StringSlice()
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("claim deletions: %w", err)
	}
	return ids, nil
}

// Of an image that is not in the first set the deletion is complete, or Redis has lost it.
var backlog = redis.NewScript(status.Now + `
local count = redis.call('ZCARD', KEYS[1])
while true do
  local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
  if #first == 0 then return {count, '0'} end
  if redis.call('ZSCORE', KEYS[1], first[1]) then
    return {count, string.format('%.3f', math.max(0, now() - tonumber(first[2])))}
  end
  redis.call('ZREM', KEYS[2], first[1])
end
`)

// backlog returns how many deletions there are, and how long ago the oldest began.
func (p pending) backlog(ctx context.Context) (count int64, age time.Duration, err error) {
	answer, err := backlog.Run(ctx, p.client, p.keys).Slice()
	if err == nil && len(answer) == 2 {
		count, _ = answer[0].(int64)
		text, _ := answer[1].(string)
		age, err = time.ParseDuration(text + "s")
	}
	if err != nil {
		return 0, 0, fmt.Errorf("measure deletions: %w", err)
	}
	return count, age, nil
}

type metrics struct {
	deleted   *prometheus.CounterVec
	forgotten prometheus.Counter
	pending   prometheus.Gauge
	oldest    prometheus.Gauge
}

func newMetrics(registerer prometheus.Registerer) metrics {
	register := promauto.With(registerer)
	m := metrics{
		deleted: register.NewCounterVec(prometheus.CounterOpts{
			Name: "images_deleted_total",
			Help: "Images that were deleted and announced as such, by reason.",
		}, []string{"reason"}),
		forgotten: register.NewCounter(prometheus.CounterOpts{
			Name: "image_tombstones_removed_total",
			Help: "Tombstones that were removed because of their age.",
		}),
		pending: register.NewGauge(prometheus.GaugeOpts{
			Name: "image_deletions_pending",
			Help: "Deletions that are in progress, or wait for a backend, at the end of the last sweep of this process.",
		}),
		oldest: register.NewGauge(prometheus.GaugeOpts{
			Name: "image_deletion_age_seconds",
			Help: "How long ago the oldest of them began.",
		}),
	}
	for _, reason := range events.Deletions() {
		m.deleted.WithLabelValues(string(reason)) // so that rate() sees the first one
	}
	return m
}
