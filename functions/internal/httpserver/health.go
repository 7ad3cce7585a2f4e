package httpserver

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
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
	WriteJSON(w, http.StatusOK, map[string]string{"status": "healthy"})
}

// readiness reports whether the backends can be used. It is for people, load balancers and alerts, and not for Knative:
// a function that scales from zero would wait for every backend before its first event. The response names the backends
// that cannot be used; the log says why.
type readiness struct {
	log    *slog.Logger
	checks []Check

	lock    sync.Mutex
	checked time.Time
	down    []string // at that time
}

func (r *readiness) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if down := r.unavailable(request.Context()); len(down) > 0 {
		message := strings.Join(down, " and ") + " cannot be used"
		WriteJSON(w, http.StatusServiceUnavailable, map[string]string{"status": "not ready", "error": message})
		return
	}
	WriteJSON(w, http.StatusOK, map[string]string{"status": "ready"})
}

func (r *readiness) unavailable(ctx context.Context) []string {
	r.lock.Lock()
	defer r.lock.Unlock() // concurrent requests wait for the same result
	if r.checked.IsZero() || time.Since(r.checked) > readyInterval {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyTimeout)
		defer cancel()
		r.down, r.checked = r.check(ctx), time.Now()
	}
	return r.down
}

// check runs all checks at once and returns the names of the backends whose check failed or did not end in time.
func (r *readiness) check(ctx context.Context) (down []string) {
	results := make([]chan error, len(r.checks))
	for i, check := range r.checks {
		results[i] = make(chan error, 1)
		go func() { results[i] <- check.Ask(ctx) }()
	}
	for i, check := range r.checks {
		if err := receive(ctx, results[i]); err != nil {
			r.log.WarnContext(ctx, "readiness_check_failed", "backend", check.Backend, "error.message", err.Error())
			down = append(down, check.Backend)
		}
	}
	return down
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

// WriteJSON responds with body as JSON that is never cached. It panics if body cannot be encoded.
func WriteJSON(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // callers pass types of this program
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)+1))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // the client may have gone
}
