package fitness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
)

// keptFor is how long Redis keeps a result. Only one that is good is used for longer than renewGood, while it is
// renewed.
const keptFor = 30 * 24 * time.Hour

// A result is what one examination found, as it is kept in Redis.
type result struct {
	// Required are the names of all requirements: a later version may have more of them.
	Required []string `json:"required"`
	// Missing has what was found instead, by the name of a requirement.
	Missing  map[string]string `json:"missing"`
	Examined time.Time         `json:"examined"`
}

func newResult(verdicts []imagestore.Verdict, now time.Time) *result {
	r := &result{Required: required(), Missing: map[string]string{}, Examined: now}
	for _, v := range verdicts {
		if v.Found != "" {
			r.Missing[v.Name] = v.Found
		}
	}
	return r
}

func required() (names []string) {
	for _, requirement := range imagestore.Requirements() {
		names = append(names, requirement.Name)
	}
	return names
}

func (r *result) fit() bool { return len(r.Missing) == 0 }

func (r *result) names() []string { return slices.Sorted(maps.Keys(r.Missing)) }

// renewIn returns the time until the store is examined again; it is not positive if that is due.
func (r *result) renewIn(now time.Time) time.Duration {
	every := renewBad
	if r.fit() {
		every = renewGood
	}
	return every - now.Sub(r.Examined).Abs()
}

// A cache keeps the result for all processes of the function. The key has the endpoint of the store, and not the
// bucket, which can be copied to another one.
type cache struct {
	client redis.UniversalClient
	key    string
}

// load returns nil if there is no result for these requirements.
func (c cache) load(ctx context.Context) (*result, error) {
	text, err := c.client.Get(ctx, c.key).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("get %q: %w", c.key, err)
	}
	var r result
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("read %q: %w", c.key, err)
	}
	if !slices.Equal(r.Required, required()) {
		return nil, nil
	}
	return &r, nil
}

func (c cache) save(ctx context.Context, r *result) error {
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write %q: %w", c.key, err)
	}
	if err := c.client.Set(ctx, c.key, text, keptFor).Err(); err != nil {
		return fmt.Errorf("set %q: %w", c.key, err)
	}
	return nil
}
