package fitness

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
)

// testStore is examined with the given outcome.
type testStore struct {
	lock    sync.Mutex
	missing string // the requirement that is not met; "" for none
	err     error
	open    bool // whether no verdict about the others was possible
	times   int
}

func (s *testStore) Examine(context.Context, int) (verdicts []imagestore.Verdict, err error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.times++
	for _, requirement := range imagestore.Requirements() {
		v := imagestore.Verdict{Requirement: requirement}
		switch {
		case requirement.Name == s.missing:
			v.Found = "something else"
		case s.open:
			v.Err = errors.New("the server failed")
		}
		verdicts = append(verdicts, v)
	}
	return verdicts, s.err
}

// set changes the outcome.
func (s *testStore) set(missing string, err error, open bool) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.missing, s.err, s.open = missing, err, open
}

func (s *testStore) examined() int {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.times
}

// open returns a Gate that runs until the test ends, or stop is called.
func open(
	t *testing.T, store *testStore, endpoint string, client redis.UniversalClient,
) (gate *Gate, registry *prometheus.Registry, log *bytes.Buffer, stop func()) {
	t.Helper()
	registry, log = prometheus.NewRegistry(), &bytes.Buffer{}
	gate = New(store, endpoint, client, slog.New(slog.NewJSONHandler(log, nil)), registry)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { gate.Run(ctx); close(done) }()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return gate, registry, log, stop
}

// nowhere is a Redis that cannot be reached.
func nowhere(t *testing.T) redis.UniversalClient {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	t.Cleanup(func() { client.Close() })
	return client
}

// An unfit store lets no image in, and the answer, /ready, the metric and the log say what it lacks.
func TestUnfitStore(t *testing.T) {
	t.Parallel()
	gate, registry, log, stop := open(t, &testStore{missing: "atomic_parts"}, "store", nowhere(t))
	var refused *apierror.Error
	if err := gate.Pass(t.Context()); !errors.As(err, &refused) || refused.Status != 503 || refused.Code != "store_unfit" {
		t.Errorf("Pass() = %v, want 503 store_unfit", err)
	}
	var flaw apierror.Flaw
	if err := gate.Ready(t.Context()); !errors.As(err, &flaw) || !strings.Contains(string(flaw), "atomic_parts") {
		t.Errorf("Ready() = %v, want what is missing", err)
	}
	families, err := registry.Gather()
	if err != nil || len(families) != 1 || len(families[0].GetMetric()) != len(imagestore.Requirements()) {
		t.Fatalf("got metrics %v (%v), want one for each requirement", families, err)
	}
	for _, metric := range families[0].GetMetric() {
		name, want := metric.GetLabel()[0].GetValue(), 1.0
		if name == "atomic_parts" {
			want = 0
		}
		if got := metric.GetGauge().GetValue(); got != want {
			t.Errorf("the metric of %s is %v, want %v", name, got, want)
		}
	}
	stop() // the log is written to by Run
	if !strings.Contains(log.String(), `"msg":"store_unfit"`) || !strings.Contains(log.String(), "something else") {
		t.Errorf("logged %s, want store_unfit with what was found", log)
	}
}

func TestFitStore(t *testing.T) {
	t.Parallel()
	store := &testStore{}
	gate, _, _, _ := open(t, store, "store", nowhere(t))
	for range 3 {
		if err := errors.Join(gate.Pass(t.Context()), gate.Ready(t.Context())); err != nil {
			t.Error(err)
		}
	}
	if got := store.examined(); got != 1 {
		t.Errorf("the store was examined %d times, want once", got)
	}
}

// A store that cannot be examined is neither fit nor unfit: images are refused as while MinIO is down, and the next one
// tries again.
func TestUnknownStore(t *testing.T) {
	t.Parallel()
	away := errors.New("away")
	for name, store := range map[string]*testStore{"away": {err: away}, "failing": {open: true}} {
		t.Run(name, func(t *testing.T) {
			gate, _, _, _ := open(t, store, "store", nowhere(t))
			err := gate.Pass(t.Context())
			if refused := apierror.From(err); err == nil || refused.Code != apierror.CodeUnavailable {
				t.Errorf("Pass() = %v, want a temporary error", err)
			}
			if gate.Ready(t.Context()) == nil {
				t.Error("Ready() = nil, want an error")
			}
			store.set("", nil, false)
			if err := gate.Pass(t.Context()); err != nil {
				t.Errorf("Pass() = %v after the store came back, want nil", err)
			}
		})
	}
	missing := &testStore{missing: "ranges", open: true}
	gate, _, _, _ := open(t, missing, "store", nowhere(t))
	if err := gate.Pass(t.Context()); apierror.From(err).Code != apierror.CodeStoreUnfit {
		t.Errorf("Pass() = %v, want what is known to be missing to count", err)
	}
}

// One process examines the store for all, also for those that start later. Another store, and a version with other
// requirements, is not taken for the one that was examined.
func TestResultIsShared(t *testing.T) {
	t.Parallel()
	client, endpoint := testservers.Redis(t, testservers.StartStores(t)), "store-"+uuid.NewString()
	first, second := &testStore{}, &testStore{}
	pass := func(store *testStore, endpoint string) (examined int) {
		t.Helper()
		gate, _, _, stop := open(t, store, endpoint, client)
		if err := gate.Pass(t.Context()); err != nil {
			t.Error(err)
		}
		stop()
		return store.examined()
	}
	if got := pass(first, endpoint); got != 1 {
		t.Errorf("the first process examined %d times, want once", got)
	}
	if got := pass(second, endpoint); got != 0 {
		t.Errorf("the next process examined %d times, want the result of the first one", got)
	}
	if got := pass(second, endpoint+"-other"); got != 1 {
		t.Errorf("another store was examined %d times, want once", got)
	}
	key := "image:store:" + endpoint
	if err := client.Set(t.Context(), key, `{"required":["bytes"],"missing":{}}`, time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	if got := pass(second, endpoint); got != 2 {
		t.Errorf("after a result of another version: examined %d times, want twice", got)
	}
	if ttl := client.TTL(t.Context(), key).Val(); ttl < 24*time.Hour {
		t.Errorf("the result is kept for %v, want a month", ttl)
	}
}

// An examination ends when the process does.
func TestRunEnds(t *testing.T) {
	t.Parallel()
	store := &endlessStore{began: make(chan struct{})}
	gate := New(store, "store", nowhere(t), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { gate.Run(ctx); close(done) }()
	<-store.began
	if err := gate.Ready(t.Context()); err != nil { // long before the examination ends
		t.Errorf("Ready() = %v during the first examination, want nothing against the store", err)
	}
	cancel()
	<-done
}

// endlessStore is examined until the context ends.
type endlessStore struct{ began chan struct{} }

func (s *endlessStore) Examine(ctx context.Context, _ int) ([]imagestore.Verdict, error) {
	close(s.began)
	<-ctx.Done()
	return nil, ctx.Err()
}

// A good result is renewed daily and used meanwhile, a bad one every minute, and an unknown one every few seconds.
func TestRenewal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &testStore{err: errors.New("away")}
		client := redis.NewClient(&redis.Options{
			Addr:       "127.0.0.1:1", // a name would be looked up outside of the bubble
			Dialer:     func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no Redis") },
			MaxRetries: -1,
		})
		defer client.Close()
		gate := New(store, "store", client, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { gate.Run(ctx); close(done) }()
		wait := func(d time.Duration, want int) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			if got := store.examined(); got != want {
				t.Errorf("examined %d times, want %d", got, want)
			}
		}
		wait(time.Second, 1)
		store.set("names", nil, false)
		wait(renewUnknown, 2)
		wait(renewBad/2, 2)
		store.set("", nil, false)
		wait(renewBad, 3)
		if err := gate.Pass(ctx); err != nil {
			t.Errorf("after the repair: %v, want nil", err)
		}
		wait(renewGood/2, 3)
		store.set("", errors.New("away"), false)
		wait(renewGood/2, 4)
		wait(renewBad, 5)
		if err := gate.Pass(ctx); err != nil {
			t.Errorf("when it could not be renewed: %v, want the last result", err)
		}
		cancel()
		<-done
	})
}
