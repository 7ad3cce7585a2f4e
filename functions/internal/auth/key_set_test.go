package auth

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// A keySource is an issuer without a network, whose answers take a second.
type keySource struct {
	sync.Mutex
	keys    []jose.JSONWebKey
	err     error
	fetches int
}

func newKeySource() *keySource {
	return &keySource{keys: []jose.JSONWebKey{
		{KeyID: "rsa", Key: &rsa.PublicKey{N: rsaKey().N, E: rsaKey().E}},
		{KeyID: "ed", Key: ed25519Key.Public()},
	}}
}

func (s *keySource) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	time.Sleep(time.Second)
	s.Lock()
	defer s.Unlock()
	s.fetches++
	return s.keys, errors.Join(s.err, ctx.Err())
}

func (s *keySource) set(keys []jose.JSONWebKey, err error) {
	s.Lock()
	defer s.Unlock()
	s.keys, s.err = keys, err
}

// open returns a key set with the keys of the source. It has no fetch under way when the test ends.
func (s *keySource) open(t *testing.T, log io.Writer) *keySet {
	t.Helper()
	keys := newKeySet(s.fetch, slog.New(slog.NewJSONHandler(log, nil)), nil)
	t.Cleanup(func() {
		keys.renewal.Stop()
		time.Sleep(2 * time.Second)
	})
	return keys
}

// withdrawRSA leaves the issuer with the other key.
func (s *keySource) withdrawRSA() { s.set(newKeySource().keys[1:], nil) }

func (s *keySource) fetched() int {
	s.Lock()
	defer s.Unlock()
	return s.fetches
}

var errDown = errors.New("the issuer is down")

// verifies requires the outcome of the verification of a token.
func verifies(t *testing.T, keys *keySet, token string, want error) {
	t.Helper()
	if _, err := keys.VerifySignature(t.Context(), token); !errors.Is(err, want) {
		t.Errorf("VerifySignature: got error %v, want %v", err, want)
	}
}

func unknownKey(t *testing.T, n int) string {
	t.Helper()
	return token(t, claims{"alg": "EdDSA", "kid": fmt.Sprint("unknown-", n)}, claims{})
}

// Nothing that a stranger sends moves the time at which a withdrawn key stops working.
func TestWithdrawnKeyUnderGarbage(t *testing.T) {
	signed := token(t, claims{"alg": "RS256", "kid": "rsa"}, claims{})
	for name, garbage := range map[string]func(t *testing.T, n int) string{
		"nothing":     nil,
		"not a token": func(*testing.T, int) string { return "a.b.c" },
		"unknown keys": func(t *testing.T, n int) string {
			t.Helper()
			return unknownKey(t, n)
		},
		"known key, wrong signature": func(*testing.T, int) string { return signed[:len(signed)-8] + "AAAAAAAA" },
		"the withdrawn key":          func(*testing.T, int) string { return signed },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source := newKeySource()
				keys := source.open(t, io.Discard)
				verifies(t, keys, signed, nil)
				source.withdrawRSA()
				for n := range int(keysMaxAge/time.Second) + 2 {
					if garbage != nil {
						_, _ = keys.VerifySignature(t.Context(), garbage(t, n))
					}
					time.Sleep(time.Second)
				}
				synctest.Wait()
				verifies(t, keys, signed, errSignature)
			})
		})
	}
}

// While the issuer is down, its last keys are valid, however long it takes; it is asked at each interval. Once it
// answers, a key that it has withdrawn works no longer.
func TestRenewalFails(t *testing.T) {
	signed := token(t, claims{"alg": "RS256", "kid": "rsa"}, claims{})
	synctest.Test(t, func(t *testing.T) {
		source, log := newKeySource(), &lines{}
		keys := source.open(t, log)
		verifies(t, keys, signed, nil)
		source.set(nil, errDown)
		time.Sleep(24 * time.Hour)
		verifies(t, keys, signed, nil)
		verifies(t, keys, unknownKey(t, 0), errKeysUnavailable)
		if got := log.String(); len(got) == 0 {
			t.Error("got no line in the log, want issuer_keys_not_renewed")
		}
		source.withdrawRSA()
		time.Sleep(keysFetchInterval + 2*time.Second)
		synctest.Wait()
		verifies(t, keys, signed, errSignature)
	})
}

// Tokens with unknown keys cause a fetch at each interval, one at a time.
func TestFetchesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newKeySource()
		keys := source.open(t, io.Discard)
		const seconds = 60
		var wait sync.WaitGroup
		for n := range seconds * 10 {
			wait.Go(func() { verifies(t, keys, unknownKey(t, n), errSignature) })
			time.Sleep(time.Second / 10)
		}
		wait.Wait()
		if got, most := source.fetched(), seconds/int(keysFetchInterval/time.Second)+1; got > most {
			t.Errorf("got %d fetches in %d seconds, want at most %d", got, seconds, most)
		}
	})
}

// Tokens that wait for a fetch share it, and it goes on when the first has left. Each finds the new keys afterwards.
func TestFetchIsShared(t *testing.T) {
	signed := token(t, claims{"alg": "RS256", "kid": "rsa"}, claims{})
	synctest.Test(t, func(t *testing.T) {
		source := newKeySource()
		keys := source.open(t, io.Discard)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := keys.VerifySignature(ctx, signed); !errors.Is(err, errKeysUnavailable) {
			t.Errorf("of a client that has left: got error %v, want %v", err, errKeysUnavailable)
		}
		var wait sync.WaitGroup
		for range 100 {
			wait.Go(func() {
				verifies(t, keys, signed, nil)
				if got := len(keys.known()); got != 2 {
					t.Errorf("got %d known keys after a fetch, want 2", got)
				}
			})
		}
		wait.Wait()
		if got := source.fetched(); got != 1 {
			t.Errorf("got %d fetches, want 1", got)
		}
	})
}

// No token with a known key waits for a fetch.
func TestKnownKeysDoNotWait(t *testing.T) {
	signed := token(t, claims{"alg": "RS256", "kid": "rsa"}, claims{})
	synctest.Test(t, func(t *testing.T) {
		source := newKeySource()
		keys := source.open(t, io.Discard)
		verifies(t, keys, signed, nil)
		time.Sleep(keysMaxAge + time.Second/2) // the fetch takes a second
		synctest.Wait()
		if keys.last.isDone() {
			t.Error("got no renewal under way, want one")
		}
		began := time.Now()
		verifies(t, keys, signed, nil)
		if waited := time.Since(began); waited != 0 {
			t.Errorf("waited %v during a renewal, want 0", waited)
		}
	})
}
