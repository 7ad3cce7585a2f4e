package connect

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// An issuer gives tokens 1, 2, 3 ..., which live for a minute.
type issuer struct {
	requests int
	failure  error
	slow     time.Duration
	endless  bool // tokens have no end
}

func (i *issuer) fetch(context.Context) (bearer, error) {
	i.requests++
	time.Sleep(i.slow)
	if i.failure != nil {
		return bearer{}, i.failure
	}
	begin, end := time.Now(), time.Now().Add(time.Minute)
	if i.endless {
		end = time.Time{}
	}
	return newBearer(strconv.Itoa(i.requests), begin, end), nil
}

func (t *tokens) mustBe(tb testing.TB, want string) {
	tb.Helper()
	got, err := t.Token()
	if err != nil || got.Token != want {
		tb.Errorf("Token() = %v, %v; want %s", got, err, want)
	}
}

// A token is renewed after 80 % of its life. While that fails it is used until its end, and no longer.
func TestTokenIsRenewed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{}
		tokens := &tokens{fetch: i.fetch, extensions: map[string]string{"logicalCluster": "lkc-1"}}
		tokens.mustBe(t, "1")
		time.Sleep(47 * time.Second)
		tokens.mustBe(t, "1")
		time.Sleep(time.Second)
		tokens.mustBe(t, "2")
		i.failure = errors.New("the issuer does not respond")
		time.Sleep(59 * time.Second)
		tokens.mustBe(t, "2")
		time.Sleep(time.Second)
		if got, err := tokens.Token(); !errors.Is(err, i.failure) {
			t.Errorf("after its end: Token() = %v, %v; want %v", got, err, i.failure)
		}
		i.failure = nil
		tokens.mustBe(t, "5") // 3 and 4 have failed
	})
}

// Logins at the same time share one request, also when it fails.
func TestOneRequestAtATime(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]error{"a token": nil, "a failure": errors.New("the issuer does not respond")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i := &issuer{slow: time.Second, failure: failure}
				tokens := &tokens{fetch: i.fetch}
				var logins sync.WaitGroup
				for range 50 {
					logins.Go(func() {
						if _, err := tokens.Token(); !errors.Is(err, failure) {
							t.Errorf("Token() = %v, want %v", err, failure)
						}
					})
				}
				logins.Wait()
				if i.requests != 1 {
					t.Errorf("got %d requests, want 1", i.requests)
				}
			})
		})
	}
}

// A token whose end is not known is used once.
func TestTokenWithoutAnEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{endless: true}
		tokens := &tokens{fetch: i.fetch}
		tokens.mustBe(t, "1")
		tokens.mustBe(t, "2")
		i.failure = errors.New("the issuer does not respond")
		if got, err := tokens.Token(); !errors.Is(err, i.failure) {
			t.Errorf("Token() = %v, %v; want %v", got, err, i.failure)
		}
	})
}
