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

// A Check asks a backend, by its name, whether it is there.
type Check struct {
	Backend string
	Ask     func(context.Context) error
}

const (
	// A probe must answer before its prober gives up.
	readyTimeout = 2 * time.Second
	// Whoever asks sooner gets the last answer, so that nobody has us ask the backends without end.
	readyEvery = time.Second
)

// health answers whether the process lives.
func health(w http.ResponseWriter, _ *http.Request) {
	WriteJSON(w, http.StatusOK, map[string]string{"status": "healthy"})
}

// readiness answers whether the backends are there. Knative is not told to probe it: a function that scales from zero
// would wait for every backend before its first event. It is for people, load balancers and alerts. The answer names
// the backends that are away; why and where is in the log.
type readiness struct {
	log    *slog.Logger
	checks []Check

	lock  sync.Mutex
	asked time.Time
	away  []string // when they were asked
}

func (r *readiness) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if away := r.whoIsAway(request.Context()); len(away) > 0 {
		message := strings.Join(away, " and ") + " can not be used"
		WriteJSON(w, http.StatusServiceUnavailable, map[string]string{"status": "not ready", "error": message})
		return
	}
	WriteJSON(w, http.StatusOK, map[string]string{"status": "ready"})
}

func (r *readiness) whoIsAway(ctx context.Context) []string {
	r.lock.Lock()
	defer r.lock.Unlock() // who comes meanwhile waits for the same answer
	if r.asked.IsZero() || time.Since(r.asked) > readyEvery {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyTimeout)
		defer cancel()
		r.away, r.asked = r.ask(ctx), time.Now()
	}
	return r.away
}

// ask asks all backends at once and returns the names of those that did not answer, or not well.
func (r *readiness) ask(ctx context.Context) (away []string) {
	answers := make([]chan error, len(r.checks))
	for i, check := range r.checks {
		answers[i] = make(chan error, 1)
		go func() { answers[i] <- check.Ask(ctx) }()
	}
	for i, check := range r.checks {
		if err := answerOf(ctx, answers[i]); err != nil {
			r.log.WarnContext(ctx, "readiness_check_failed", "backend", check.Backend, "error.message", err.Error())
			away = append(away, check.Backend)
		}
	}
	return away
}

func answerOf(ctx context.Context, answer <-chan error) error {
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
	}
	select { // it may have come while another one was waited for
	case err := <-answer:
		return err
	default:
		return ctx.Err()
	}
}

// WriteJSON answers with a value as JSON, which nobody caches.
func WriteJSON(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // they are types of this program's own
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)+1))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // a caller that has gone needs no answer
}
