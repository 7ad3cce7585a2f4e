// Package fitness lets images in only where the store keeps what the service promises (imagestore.Requirements).
//
// The store is examined once, not by every process: the result is kept in Redis, so that a cold start costs one read. A
// good result is used for weeks, and renewed daily in the background; a bad one is renewed every minute, so that a
// repaired store is noticed. While nothing is known, an image waits for the result.
package fitness

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
)

const (
	// rounds of each race in one examination: some 300 small requests in all.
	rounds = 2
	// An examination takes a second or two on a store that responds in milliseconds.
	timeout = time.Minute
	// An image waits at most this long for the first result.
	patience = 15 * time.Second
	// Ready waits at most this long for it, which is less than a readiness check may take.
	readyPatience = time.Second

	renewGood    = 24 * time.Hour
	renewBad     = time.Minute
	renewUnknown = 5 * time.Second
)

// examiner is the part of imagestore.Store that this package uses.
type examiner interface {
	Examine(ctx context.Context, rounds int) ([]imagestore.Verdict, error)
}

// A Gate knows whether the store is fit, while it runs. It is safe for use by several goroutines.
type Gate struct {
	store examiner
	cache cache
	log   *slog.Logger
	met   *prometheus.GaugeVec

	result atomic.Pointer[result] // nil until one is known
	wanted chan struct{}          // has an element if somebody waits for the result

	lock sync.Mutex
	next *attempt // the one that ends next
}

// An attempt to learn the result.
type attempt struct {
	done chan struct{}
	err  error // when it is done
}

func newAttempt() *attempt { return &attempt{done: make(chan struct{})} }

// New returns a Gate for the store at an endpoint. It makes no connection.
func New(
	store examiner, endpoint string, client redis.UniversalClient, log *slog.Logger, registerer prometheus.Registerer,
) *Gate {
	return &Gate{
		store:  store,
		cache:  cache{client: client, key: "image:store:" + endpoint},
		log:    log,
		wanted: make(chan struct{}, 1),
		next:   newAttempt(),
		met: promauto.With(registerer).NewGaugeVec(prometheus.GaugeOpts{
			Name: "object_store_requirement_met",
			Help: "Whether the object store does what the service needs (1 or 0), by requirement; nothing until it is known.",
		}, []string{"requirement"}),
	}
}

// Run learns the result, and renews it until ctx ends.
func (g *Gate) Run(ctx context.Context) {
	for ctx.Err() == nil {
		g.finish(g.renew(ctx))
		var wanted chan struct{}
		pause := renewUnknown
		if known := g.result.Load(); known != nil {
			pause = max(known.renewIn(time.Now()), renewBad)
		} else {
			wanted = g.wanted
		}
		select {
		case <-ctx.Done():
		case <-wanted:
		case <-time.After(pause):
		}
	}
}

// finish ends the attempt that others wait for.
func (g *Gate) finish(err error) {
	g.lock.Lock()
	defer g.lock.Unlock()
	g.next.err = err
	close(g.next.done)
	g.next = newAttempt()
}

// Pass returns nil if images may be stored. It waits for the first result. The error is an apierror.Error if the store
// is not fit, and otherwise says why that is not known.
func (g *Gate) Pass(ctx context.Context) error {
	known := g.result.Load()
	if known == nil {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		err := g.learn(ctx)
		if known = g.result.Load(); known == nil {
			return fmt.Errorf("learn whether the store is fit: %w", err)
		}
	}
	if known.fit() {
		return nil
	}
	return &apierror.Error{
		Status:     http.StatusServiceUnavailable,
		Code:       apierror.CodeStoreUnfit,
		Message:    "The object store cannot keep images safely; an operator has to replace it",
		Found:      known.names(),
		RetryAfter: renewBad,
	}
}

// Ready is an httpserver.Check. A store whose first examination goes on is not known to be unfit: images wait for its
// result.
func (g *Gate) Ready(ctx context.Context) error {
	known := g.result.Load()
	if known == nil {
		ctx, cancel := context.WithTimeout(ctx, readyPatience)
		defer cancel()
		if err := g.learn(ctx); ctx.Err() == nil {
			return err
		}
		return nil
	}
	if known.fit() {
		return nil
	}
	return apierror.Flaw("it lacks " + strings.Join(known.names(), ", "))
}

// learn waits for an attempt of Run, which it asks for if there is none. Concurrent callers share it.
func (g *Gate) learn(ctx context.Context) error {
	g.lock.Lock()
	next := g.next
	g.lock.Unlock()
	select {
	case g.wanted <- struct{}{}:
	default: // somebody else has asked
	}
	select {
	case <-next.done:
		return next.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// renew takes the result from the cache, and examines the store if there is none or it is due. A result that is known
// stays if the store cannot be examined.
func (g *Gate) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cached, err := g.cache.load(ctx)
	if err != nil {
		g.log.WarnContext(ctx, "store_result_not_read", "error.message", err.Error())
	}
	if cached != nil {
		g.set(ctx, cached)
		if cached.renewIn(time.Now()) > 0 {
			return nil
		}
	}
	began := time.Now()
	verdicts, err := g.store.Examine(ctx, rounds)
	if err == nil {
		err = unknown(verdicts)
	}
	if err != nil {
		g.log.WarnContext(ctx, "store_not_examined", "error.message", err.Error())
		return err
	}
	examined := newResult(verdicts, time.Now())
	g.log.InfoContext(ctx, "store_examined", "event.duration", time.Since(began).Nanoseconds(),
		"missing", examined.names())
	g.set(ctx, examined)
	if err := g.cache.save(ctx, examined); err != nil {
		g.log.WarnContext(ctx, "store_result_not_kept", "error.message", err.Error())
	}
	return nil
}

// set makes a result the one that counts, and logs what is missing if that is news.
func (g *Gate) set(ctx context.Context, r *result) {
	before := g.result.Swap(r)
	for _, requirement := range imagestore.Requirements() {
		_, isMissing := r.Missing[requirement.Name]
		g.met.WithLabelValues(requirement.Name).Set(map[bool]float64{true: 0, false: 1}[isMissing])
	}
	if before != nil && strings.Join(before.names(), " ") == strings.Join(r.names(), " ") {
		return
	}
	if r.fit() {
		g.log.InfoContext(ctx, "store_fit")
	}
	for _, requirement := range imagestore.Requirements() {
		if found, isMissing := r.Missing[requirement.Name]; isMissing {
			g.log.ErrorContext(ctx, "store_unfit", "requirement", requirement.Name, "needed", requirement.Needed,
				"found", found, "remedy", requirement.Remedy)
		}
	}
}

// unknown returns an error if a verdict is open and nothing is known to be missing.
func unknown(verdicts []imagestore.Verdict) (err error) {
	for _, v := range verdicts {
		if v.Found != "" {
			return nil
		}
		if v.Err != nil {
			err = v.Err
		}
	}
	return err
}
