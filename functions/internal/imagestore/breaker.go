package imagestore

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

var errOpen = errors.New("the store does not respond; the circuit breaker is open")

const (
	// A request that was abandoned sooner says nothing about MinIO.
	minTimeout = time.Second
	// While the breaker is open, one request in each interval is a probe.
	probeInterval = time.Second
)

// A breaker is a circuit breaker, so that requests do not wait for a MinIO that stops responding. It opens when a
// request timed out and none was answered since it began. While it is open, requests fail at once, but for one probe a
// second; the first answer closes it. That a connection is refused does not open it, because that takes no time.
type breaker struct {
	next http.RoundTripper

	lock     sync.Mutex
	answered time.Time
	open     bool
	probed   time.Time // while it is open
}

// RoundTrip returns the result of next, or errOpen.
func (b *breaker) RoundTrip(r *http.Request) (*http.Response, error) {
	began := time.Now()
	if !b.allow(began, r.Method) {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, errOpen
	}
	response, err := b.next.RoundTrip(r)
	b.record(began, err == nil, err != nil && timedOut(r.Context(), err))
	return response, err
}

// allow never has a DELETE for a probe: its caller cleans up after another request, for which it has waited already.
func (b *breaker) allow(now time.Time, method string) bool {
	b.lock.Lock()
	defer b.lock.Unlock()
	if b.open && (method == http.MethodDelete || now.Sub(b.probed) < probeInterval) {
		return false
	}
	b.probed = now
	return true
}

// record closes the breaker on any answer, be it an error of S3.
func (b *breaker) record(began time.Time, answered, timedOut bool) {
	now := time.Now()
	b.lock.Lock()
	defer b.lock.Unlock()
	switch {
	case answered:
		b.open, b.answered = false, now
	case timedOut && now.Sub(began) >= minTimeout && b.answered.Before(began):
		b.open = true
	}
}

// timedOut reports whether err is a timeout of this package or of a deadline, and not a client that left.
func timedOut(ctx context.Context, err error) bool {
	var fault net.Error
	return errors.As(err, &fault) && fault.Timeout() || errors.Is(context.Cause(ctx), errStalled)
}
