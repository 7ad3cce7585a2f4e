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

// limit counts a request of subject, if there is a limit, and tells the client what is left. If Redis fails, GET and
// HEAD are allowed, because they work without it; other methods fail at once, because they need it anyway.
func (g *Guard) limit(w http.ResponseWriter, r *http.Request, subject string) error {
	limit := g.settings.limit
	if !g.settings.limits() {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), limitTimeout)
	defer cancel()
	result, err := g.limiter.Take(ctx, limit, subject)
	if err != nil {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			g.process.Log.DebugContext(ctx, "request_not_counted", "error.message", err.Error())
			return nil
		}
		return err
	}
	// https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-10
	window, reset := wholeSeconds(limit.Window()), wholeSeconds(result.ResetAfter)
	w.Header().Set("RateLimit-Policy", fmt.Sprintf(`"requests";q=%d;w=%d`, limit.Burst, window))
	w.Header().Set("RateLimit", fmt.Sprintf(`"requests";r=%d;t=%d`, result.Remaining, reset))
	if result.Allowed {
		return nil
	}
	return rateLimited(limit, result)
}

func rateLimited(limit ratelimit.Limit, result ratelimit.Result) *refusal {
	return &refusal{"rate_limited", "there are too many requests", &apierror.Error{
		Status:     http.StatusTooManyRequests,
		Code:       apierror.CodeRateLimited,
		Message:    "Too many requests; try again later (limit is how many may be sent at once)",
		Limit:      limit.Burst,
		RetryAfter: time.Duration(wholeSeconds(result.RetryAfter)) * time.Second,
	}}
}

// wholeSeconds rounds up, to at least 1.
func wholeSeconds(d time.Duration) int64 {
	return max(1, int64((d+time.Second-1)/time.Second))
}
