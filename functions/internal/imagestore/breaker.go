package imagestore

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

var errSilent = errors.New("the store has not answered for a while; it is being asked again")

const (
	// A request that was given up sooner says nothing about MinIO.
	silentAfter = time.Second
	// While MinIO is silent, a request goes to it so often.
	askSilentEvery = time.Second
)

// silence spares callers the wait for a MinIO that stands still. When a request was given up, and no other was answered
// since it began, those who come next are told so at once, but for one a second, which finds out when MinIO is back.
type silence struct {
	next http.RoundTripper

	lock     sync.Mutex
	answered time.Time
	silent   bool
	asked    time.Time // when silent
}

// RoundTrip is that of next, or errSilent.
func (s *silence) RoundTrip(r *http.Request) (*http.Response, error) {
	began := time.Now()
	if !s.mayAsk(began, r.Method) {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, errSilent
	}
	response, err := s.next.RoundTrip(r)
	s.note(began, err == nil, err != nil && wasGivenUp(r.Context(), err))
	return response, err
}

// mayAsk never sends what only takes something back: who does that has waited for MinIO already.
func (s *silence) mayAsk(now time.Time, method string) bool {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.silent && (method == http.MethodDelete || now.Sub(s.asked) < askSilentEvery) {
		return false
	}
	s.asked = now
	return true
}

// note takes any answer for a sign of life, be it a refusal.
func (s *silence) note(began time.Time, answered, givenUp bool) {
	now := time.Now()
	s.lock.Lock()
	defer s.lock.Unlock()
	switch {
	case answered:
		s.silent, s.answered = false, now
	case givenUp && now.Sub(began) >= silentAfter && s.answered.Before(began):
		s.silent = true
	}
}

// wasGivenUp tells whether we have waited in vain. That a caller has left, or that there is nobody who listens, is
// something else, and takes no time.
func wasGivenUp(ctx context.Context, err error) bool {
	var fault net.Error
	return errors.As(err, &fault) && fault.Timeout() || errors.Is(context.Cause(ctx), errStalled)
}
