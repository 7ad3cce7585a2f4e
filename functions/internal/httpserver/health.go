package httpserver

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/jsonhttp"
)

// A Check asks a backend whether it can be used. Ask returns nil if it can, and may not return after its context ends.
type Check struct {
	Backend string // its name in the response and the log
	Ask     func(context.Context) error
}

const (
	// A prober must get the response before it gives up.
	readyTimeout = 2 * time.Second
	// Requests within this time get the last result, so that no client can make the function load the backends.
	readyInterval = time.Second
)

// health responds as long as the process runs.
func health(w http.ResponseWriter, _ *http.Request) {
	jsonhttp.Write(w, http.StatusOK, map[string]string{"status": "healthy"})
}

// readiness reports whether the backends can be used. It is for people and alerts. For Knative, a function that scales
// from zero would wait for every backend before its first event; for a load balancer, all pods would fail at once. The
// response names the backends that cannot be used, and their flaws; the log says why.
type readiness struct {
	log    *slog.Logger
	checks []Check

	lock    sync.Mutex
	checked time.Time
	result  unavailability // at that time
}

// An unavailability has the names of the backends that cannot be used, and the flaws of some.
type unavailability struct{ down, flaws []string }

func (u unavailability) String() string {
	message := strings.Join(u.down, " and ") + " cannot be used"
	if len(u.flaws) > 0 {
		message += ": " + strings.Join(u.flaws, "; ")
	}
	return message
}

func (r *readiness) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if found := r.unavailable(request.Context()); len(found.down) > 0 {
		jsonhttp.Write(w, http.StatusServiceUnavailable, map[string]string{"status": "not ready", "error": found.String()})
		return
	}
	jsonhttp.Write(w, http.StatusOK, map[string]string{"status": "ready"})
}

func (r *readiness) unavailable(ctx context.Context) unavailability {
	r.lock.Lock()
	defer r.lock.Unlock() // concurrent requests wait for the same result
	if r.checked.IsZero() || time.Since(r.checked) > readyInterval {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyTimeout)
		defer cancel()
		r.result, r.checked = r.check(ctx), time.Now()
	}
	return r.result
}

// check runs all checks at once and returns the backends whose check failed or did not end in time.
func (r *readiness) check(ctx context.Context) (found unavailability) {
	results := make([]chan error, len(r.checks))
	for i, check := range r.checks {
		results[i] = make(chan error, 1)
		go func() { results[i] <- check.Ask(ctx) }()
	}
	for i, check := range r.checks {
		if err := receive(ctx, results[i]); err != nil {
			r.log.WarnContext(ctx, "readiness_check_failed", "backend", check.Backend, "error.message", err.Error())
			found.down = append(found.down, check.Backend)
			var flaw apierror.Flaw
			if errors.As(err, &flaw) {
				found.flaws = append(found.flaws, flaw.Error())
			}
		}
	}
	return found
}

func receive(ctx context.Context, result <-chan error) error {
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
	}
	select { // it may have come while the checks before it were waited for
	case err := <-result:
		return err
	default:
		return ctx.Err()
	}
}
