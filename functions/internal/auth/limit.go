package auth

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/ratelimit"
)

// limitTimeout bounds the time that Redis takes to count a request.
const limitTimeout = time.Second

// limit counts a request of subject, if there is a limit, and tells the client what is left. The context that it
// returns is for Charge. If Redis fails, GET and HEAD are allowed, because they work without it; other methods fail at
// once, because they need it anyway.
func (g *Guard) limit(
	ctx context.Context, w http.ResponseWriter, r *http.Request, subject string,
) (context.Context, error) {
	if !g.settings.limits() {
		return ctx, nil
	}
	a := &account{g, subject, w.Header()}
	result, err := a.take(ctx, 1)
	switch {
	case err != nil && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		g.process.Log.DebugContext(ctx, "request_not_counted", "error.message", err.Error())
		return ctx, nil
	case err != nil:
		return ctx, err
	case !result.Allowed:
		return ctx, rateLimited(g.settings.limit, result.RetryAfter)
	}
	return context.WithValue(ctx, accountKey{}, a), nil
}

// An account is what the units of a request are counted against.
type account struct {
	guard   *Guard
	subject string
	header  http.Header // of the response
}

type accountKey struct{}

// Charge counts a request, which has counted as one unit so far, as a number of units in all: what it asks for turned
// out to be more work than others. One that costs more than a burst costs a burst. A request that came through no
// Guard, or has no limit, is not counted. The error is the response to a client that has fewer units left, or
// temporary.
func Charge(ctx context.Context, units int64) error {
	a, ok := ctx.Value(accountKey{}).(*account)
	if !ok {
		return nil
	}
	g, limit := a.guard, a.guard.settings.limit
	more := min(units, limit.Burst) - 1
	if more <= 0 {
		return nil
	}
	result, err := a.take(ctx, more)
	if err != nil || result.Allowed {
		return err
	}
	refused := rateLimited(limit, result.RetryAfter+limit.Every) // the request that is sent again is counted, too
	g.refused.WithLabelValues(refused.reason).Inc()
	return refused
}

// take takes units, and tells the client what is left.
func (a *account) take(ctx context.Context, units int64) (ratelimit.Result, error) {
	limit := a.guard.settings.limit
	ctx, cancel := context.WithTimeout(ctx, limitTimeout)
	defer cancel()
	result, err := a.guard.limiter.Take(ctx, limit, a.subject, units)
	if err == nil {
		// https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-10
		window, reset := wholeSeconds(limit.Window()), wholeSeconds(result.ResetAfter)
		a.header.Set("RateLimit-Policy", fmt.Sprintf(`"requests";q=%d;w=%d`, limit.Burst, window))
		a.header.Set("RateLimit", fmt.Sprintf(`"requests";r=%d;t=%d`, result.Remaining, reset))
	}
	return result, err
}

func rateLimited(limit ratelimit.Limit, retryAfter time.Duration) *refusal {
	return &refusal{"rate_limited", "there are too many requests", &apierror.Error{
		Status:     http.StatusTooManyRequests,
		Code:       apierror.CodeRateLimited,
		Message:    "Too many requests; try again later (limit is how many may be sent at once)",
		Limit:      limit.Burst,
		RetryAfter: time.Duration(wholeSeconds(retryAfter)) * time.Second,
	}}
}

// wholeSeconds rounds up, to at least 1.
func wholeSeconds(d time.Duration) int64 {
	return max(1, int64((d+time.Second-1)/time.Second))
}
