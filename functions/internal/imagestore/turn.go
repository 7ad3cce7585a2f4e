package imagestore

import (
	"context"
	"net/http"
)

type turnKey struct{}

// WithTurns returns a context whose requests to the store call wait first. A request that is sent is on its way: MinIO
// knows no priorities, so what is less urgent has to wait before.
func WithTurns(ctx context.Context, wait func(context.Context)) context.Context {
	return context.WithValue(ctx, turnKey{}, wait)
}

// turns has requests wait for their turn.
type turns struct{ next http.RoundTripper }

// RoundTrip returns the result of next.
func (t turns) RoundTrip(r *http.Request) (*http.Response, error) {
	if wait, ok := r.Context().Value(turnKey{}).(func(context.Context)); ok {
		wait(r.Context())
	}
	return t.next.RoundTrip(r)
}
