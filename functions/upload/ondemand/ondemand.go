// Package ondemand has renditions made that are configured, asked for, and not there: after a change of the
// configuration, the images that are looked at get theirs before a backfill comes to them.
//
// A request costs its caller one round trip to Redis, and is lost with the process, or without Kafka: the next one of
// the image makes up for it.
package ondemand

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/publisher"
	"gitlab.com/yourorg/image-service/functions/internal/trace"
	"golang.org/x/sync/semaphore"
)

const (
	// Once an hour for an image and a set. It is longer than making a rendition takes, and ends if an event is lost.
	repeatAfter = time.Hour
	// The answer to the client waits for no longer than that.
	redisTimeout = 300 * time.Millisecond
	// Events that are being published. Kafka may be unavailable, so their number is bounded.
	maxPublishing = 16
)

// A Queue requests renditions. Its methods are safe for use by several goroutines.
type Queue struct {
	client    redis.UniversalClient
	publisher publisher.Publisher
	bucket    string
	set       string
	log       *slog.Logger

	publishing *semaphore.Weighted
	running    sync.WaitGroup
}

// New returns a Queue for the images of a bucket. set names the renditions that are configured: any text that changes
// with them.
func New(client redis.UniversalClient, publisher publisher.Publisher, bucket, set string, log *slog.Logger) *Queue {
	return &Queue{
		client: client, publisher: publisher, bucket: bucket, set: set, log: log,
		publishing: semaphore.NewWeighted(maxPublishing),
	}
}

func keyOf(bucket, imageID string) string { return "image:render:" + bucket + ":" + imageID }

// Forget has the next request of an image ask for its renditions, whatever was asked for before: some were removed. Its
// error is one of Redis.
func Forget(ctx context.Context, client redis.UniversalClient, bucket, imageID string) error {
	if err := client.Del(ctx, keyOf(bucket, imageID)).Err(); err != nil {
		return fmt.Errorf("forget the requested renditions of %s: %w", imageID, err)
	}
	return nil
}

// enter reports whether a set is new among those that were requested of an image. There is one key for all, so that it
// can be removed by those who do not know them.
var enter = redis.NewScript(`
local sets = redis.call('GET', KEYS[1]) or ' '
if string.find(sets, ' ' .. ARGV[1] .. ' ', 1, true) then return 0 end
redis.call('SET', KEYS[1], sets .. ARGV[1] .. ' ', 'EX', ARGV[2])
return 1
`)

// Request has all renditions made that an image lacks, unless that was requested before, and reports whether they are
// on their way.
func (q *Queue) Request(ctx context.Context, imageID string) bool {
	if !q.publishing.TryAcquire(1) {
		return false
	}
	key := keyOf(q.bucket, imageID)
	asking, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	first, err := enter.Run(asking, q.client, []string{key}, q.set, int(repeatAfter.Seconds())).Bool()
	if !first || err != nil {
		q.publishing.Release(1)
		if err != nil {
			q.log.WarnContext(ctx, "render_not_requested", "image_id", imageID, "error.message", err.Error())
		}
		return err == nil
	}
	q.running.Go(func() {
		defer q.publishing.Release(1)
		q.publish(context.WithoutCancel(ctx), imageID)
	})
	return true
}

// publish sends the event. Without success the next request tries again.
func (q *Queue) publish(ctx context.Context, imageID string) {
	traceparent, tracestate := trace.Parent(ctx)
	request := events.ImageRender{ImageID: imageID, Bucket: q.bucket}
	e, err := events.Encode(request, events.Envelope{
		Source: events.SourceUpload, ID: request.ID(q.set), TraceParent: traceparent, TraceState: tracestate,
	})
	if err == nil {
		err = q.publisher.Publish(ctx, e)
	}
	if err == nil {
		q.log.InfoContext(ctx, "render_requested", "image_id", imageID)
		return
	}
	q.log.WarnContext(ctx, "render_not_requested", "image_id", imageID, "error.message", err.Error())
	forget, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	if err := Forget(forget, q.client, q.bucket, imageID); err != nil {
		q.log.WarnContext(ctx, "render_not_forgotten", "image_id", imageID, "error.message", err.Error())
	}
}

// Close waits for the events that are being published.
func (q *Queue) Close() { q.running.Wait() }
