package idempotency

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Durations remember, for a day, how long the first request for an image took: a repetition is answered with the same
// duration.
type Durations struct{ client redis.UniversalClient }

// NewDurations returns the durations that Redis remembers. The caller closes the client.
func NewDurations(client redis.UniversalClient) *Durations { return &Durations{client} }

var first = redis.NewScript(`
redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EX', 86400)
return redis.call('GET', KEYS[1])
`)

// First returns how long the first request for an image took, as 0.12s: an earlier request, or else the one that began
// at a time. Requests without a key are never repetitions. With a key, it takes one round trip.
func (d *Durations) First(ctx context.Context, began time.Time, key, imageID string) (string, error) {
	duration := fmt.Sprintf("%.2fs", time.Since(began).Seconds())
	if key == "" {
		return duration, nil
	}
	stored, err := first.Run(ctx, d.client, []string{"image:answer:" + imageID}, duration).Text()
	if err != nil {
		return "", fmt.Errorf("remember duration of %s: %w", imageID, err)
	}
	return stored, nil
}
