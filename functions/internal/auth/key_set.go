package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

const (
	// The keys are fetched again after this time even if every token has a known key: the issuer may have withdrawn
	// some.
	keysMaxAge = 5 * time.Minute
	// The time from one fetch to the next, at least: anybody can make up tokens with unknown keys.
	keysFetchInterval = 10 * time.Second
	// The issuer has this long to return its keys. A client with a token that needs them waits for it.
	keysFetchTimeout = 3 * time.Second
)

var (
	errKeysUnavailable = errors.New("the issuer's keys cannot be fetched")
	errSignature       = errors.New("no key of the issuer made the signature")
)

// A keySet has the keys of an issuer, and verifies signatures with them: it is an oidc.KeySet.
//
// The first token has the keys fetched. From then on a timer renews them, and only a fetch that succeeds sets it: no
// token delays the renewal. A token that no key verifies may have a new key, so it has the keys fetched, too, unless
// that was done within the interval. There is one fetch at a time, for all that wait for it; while it lasts, tokens
// with known keys are verified. An issuer that is down has withdrawn no key: until it answers again, its last keys are
// valid.
type keySet struct {
	fetch                     func(context.Context) ([]jose.JSONWebKey, error)
	maxAge, interval, timeout time.Duration
	log                       *slog.Logger
	bad                       prometheus.Gauge

	lock    sync.Mutex
	keys    []jose.JSONWebKey // of the last fetch that succeeded; nil before
	renewal *time.Timer       // nil before the first fetch that succeeded
	last    *keyFetch         // nil before the first fetch
}

// A keyFetch is a fetch, and what became of it once done is closed.
type keyFetch struct {
	began time.Time
	done  chan struct{}
	keys  []jose.JSONWebKey
	err   error
}

func newKeySet(
	fetch func(context.Context) ([]jose.JSONWebKey, error), log *slog.Logger, registerer prometheus.Registerer,
) *keySet {
	return &keySet{
		fetch: fetch, maxAge: keysMaxAge, interval: keysFetchInterval, timeout: keysFetchTimeout, log: log,
		bad: promauto.With(registerer).NewGauge(prometheus.GaugeOpts{
			Name: "issuer_keys_bad",
			Help: "1 if the keys of the issuer could not be fetched when that was last tried. Keys fetched before " +
				"stay in effect; tokens with others are refused.",
		}),
	}
}

// VerifySignature returns the payload of a token. The error wraps errSignature if none of the issuer's keys made the
// signature, and errKeysUnavailable if that is not known because they cannot be fetched.
func (s *keySet) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	signed, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil {
		return nil, fmt.Errorf("parse token: %w", errSignature)
	}
	if payload, err := verifySignature(signed, s.known()); err == nil {
		return payload, nil
	}
	keys, err := s.fetched(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errKeysUnavailable, err)
	}
	return verifySignature(signed, keys)
}

func verifySignature(signed *jose.JSONWebSignature, keys []jose.JSONWebKey) ([]byte, error) {
	header := signed.Signatures[0].Header
	for i := range keys {
		key := &keys[i]
		if header.KeyID != "" && header.KeyID != key.KeyID || key.Algorithm != "" && header.Algorithm != key.Algorithm {
			continue
		}
		if payload, err := signed.Verify(key); err == nil {
			return payload, nil
		}
	}
	return nil, errSignature
}

func (s *keySet) known() []jose.JSONWebKey {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.keys
}

// fetched returns the outcome of a fetch that began within the interval.
func (s *keySet) fetched(ctx context.Context) ([]jose.JSONWebKey, error) {
	fetch := s.current(ctx)
	select {
	case <-fetch.done:
		return fetch.keys, fetch.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// current returns the fetch that is under way, or the last one if it began within the interval, or a new one.
func (s *keySet) current(ctx context.Context) *keyFetch {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.last != nil && (!s.last.isDone() || time.Since(s.last.began) < s.interval) {
		return s.last
	}
	s.last = &keyFetch{began: time.Now(), done: make(chan struct{})}
	go s.run(context.WithoutCancel(ctx), s.last) // for all that wait, also when the first of them has left
	return s.last
}

func (f *keyFetch) isDone() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// run fetches the keys and keeps them, before done is closed, so that the callers that wait find the new ones.
func (s *keySet) run(ctx context.Context, fetch *keyFetch) {
	defer close(fetch.done)
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	fetch.keys, fetch.err = s.fetch(ctx)
	if fetch.err != nil {
		s.bad.Set(1)
		return
	}
	s.bad.Set(0)
	s.lock.Lock()
	defer s.lock.Unlock()
	s.keys = fetch.keys
	if s.renewal == nil {
		s.renewal = time.AfterFunc(s.maxAge, s.renew)
	} else {
		s.renewal.Reset(s.maxAge)
	}
}

// renew fetches the keys, and is called again: by run after a success, or else after the interval.
func (s *keySet) renew() {
	_, err := s.fetched(context.Background())
	if err == nil {
		return
	}
	s.log.Warn("issuer_keys_not_renewed", "error.message", err.Error())
	s.lock.Lock()
	defer s.lock.Unlock()
	s.renewal.Reset(s.interval)
}
