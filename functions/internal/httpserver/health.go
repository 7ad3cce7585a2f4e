package httpserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
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
		WriteJSON(w, http.StatusServiceUnavailable, map[string]string{"status": "not ready", "error": found.String()})
		return
	}
	WriteJSON(w, http.StatusOK, map[string]string{"status": "ready"})
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

// WriteJSON responds with body as JSON that is never cached. It panics if body cannot be encoded.
func WriteJSON(w http.ResponseWriter, status int, body any) {
	text, err := JSON(body)
	if err != nil {
		panic(err) // callers pass types of this program
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(text) // the client may have gone
}

// JSON returns body as a line of JSON. Unlike json.Marshal it leaves an & as it is: the answers are not part of an HTML
// page, and people copy signed URLs from them, which work only to the letter.
func JSON(body any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(body)
	return text.Bytes(), err
}
