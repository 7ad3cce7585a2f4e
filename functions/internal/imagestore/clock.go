package imagestore

import (
	"net/http"
	"sync"
	"time"
)

// A clock has the time of the store, from the dates of its responses. The age of an object is the difference of two
// times by one clock: if that of the process were ahead, every image might seem to have expired.
type clock struct {
	next http.RoundTripper

	lock sync.Mutex
	date time.Time // of the last response that has one
	read time.Time // when it arrived
}

// RoundTrip returns the result of next.
func (c *clock) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if date := dateOf(response.Header); !date.IsZero() {
		c.lock.Lock()
		defer c.lock.Unlock()
		c.date, c.read = date, time.Now()
	}
	return response, nil
}

// now goes on from the last response by the monotonic clock, which nobody sets.
func (c *clock) now() time.Time {
	c.lock.Lock()
	defer c.lock.Unlock()
	if c.date.IsZero() {
		return time.Now()
	}
	return c.date.Add(time.Since(c.read))
}

// Now returns the time by the store's clock, as its last response said it, in whole seconds; before the first one, that
// of the process.
func (s *Store) Now() time.Time { return s.clock.now() }
