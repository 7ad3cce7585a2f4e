// Package idempotency makes requests that are repeated give the answer of the first one.
package idempotency

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// Durations remember, for a day, how long the first request for an image took: a repetition is answered with the same
// duration.
type Durations struct{ client *redis.Client }

// NewDurations returns the durations that Redis remembers. The caller closes the client.
func NewDurations(client *redis.Client) *Durations { return &Durations{client} }

var first = redis.NewScript(`
redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EX', 86400)
return redis.call('GET', KEYS[1])
`)

// First returns the duration of the first request for an image: that of an earlier one, or else the one it is given,
// which it stores. One round trip.
func (d *Durations) First(ctx context.Context, imageID, duration string) (string, error) {
	stored, err := first.Run(ctx, d.client, []string{"image:answer:" + imageID}, duration).Text()
	if err != nil {
		return "", fmt.Errorf("remember duration for %s: %w", imageID, err)
	}
	return stored, nil
}
