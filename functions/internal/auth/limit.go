package auth

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/ratelimit"
)

// Redis has so long to count a request.
const limitTimeout = time.Second

// limit takes a request from what who may still ask for, if there is a limit, and tells the caller how much is left. Without
// Redis reading goes on: it needs none, and what was stored is to be had. Everything else needs it, and ends here at once.
func (g *Guard) limit(w http.ResponseWriter, r *http.Request, who string) error {
	limit := g.settings.limit
	if !g.settings.limits() {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), limitTimeout)
	defer cancel()
	answer, err := g.limiter.Take(ctx, limit, who)
	if err != nil {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			g.process.Log.DebugContext(ctx, "request_not_counted", "error.message", err.Error())
			return nil
		}
		return err
	}
	// https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-10
	w.Header().Set("RateLimit-Policy", fmt.Sprintf(`"requests";q=%d;w=%d`, limit.Burst, wholeSeconds(limit.Window())))
	w.Header().Set("RateLimit", fmt.Sprintf(`"requests";r=%d;t=%d`, answer.Remaining, wholeSeconds(answer.ResetAfter)))
	if answer.Allowed {
		return nil
	}
	return tooOften(limit, answer)
}

func tooOften(limit ratelimit.Limit, answer ratelimit.Result) *refusal {
	return &refusal{"rate_limited", "there are too many requests", &apierror.Error{
		Status:     http.StatusTooManyRequests,
		Code:       apierror.CodeRateLimited,
		Message:    "There are too many requests; try again (limit is how many may come at once)",
		Limit:      limit.Burst,
		RetryAfter: time.Duration(wholeSeconds(answer.RetryAfter)) * time.Second,
	}}
}

// wholeSeconds rounds up, and is 1 at least.
func wholeSeconds(d time.Duration) int64 {
	return max(1, int64((d+time.Second-1)/time.Second))
}
