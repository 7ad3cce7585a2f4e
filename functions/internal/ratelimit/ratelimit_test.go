package ratelimit

import (
	"errors"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	peers "github.com/alicebob/miniredis/v2/server"
	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/config"
)

func open(t *testing.T) (*Limiter, redis.UniversalClient) {
	t.Helper()
	getenv := testservers.StartStores(t)
	client := testservers.Redis(t, getenv)
	return New(client, "test:"+uuid.NewString()+":"), client
}

func mustTake(t *testing.T, l *Limiter, limit Limit, subject string) Result {
	t.Helper()
	result, err := l.Take(t.Context(), limit, subject, 1)
	if err != nil {
		t.Error(err)
	}
	return result
}

// near allows for the time since a request, which is less than that for which a limit of one in a minute has to wait.
func near(got, want time.Duration) bool { return got <= want && got > want-30*time.Second }

// A burst is allowed at once, then one request in each interval. Subjects are counted apart.
func TestTake(t *testing.T) {
	t.Parallel()
	l, client := open(t)
	limit := Limit{Every: time.Minute, Burst: 3}
	for n := range int64(3) {
		got := mustTake(t, l, limit, "a")
		if want := time.Duration(n+1) * time.Minute; !got.Allowed || got.Remaining != 2-n || !near(got.ResetAfter, want) {
			t.Errorf("request %d: got %+v, want it allowed, %d remaining, reset after %v", n, got, 2-n, want)
		}
	}
	for range 3 {
		got := mustTake(t, l, limit, "a")
		if got.Allowed || got.Remaining != 0 || !near(got.RetryAfter, time.Minute) || !near(got.ResetAfter, 3*time.Minute) {
			t.Errorf("beyond the burst: got %+v, want it refused for a minute", got)
		}
	}
	if got := mustTake(t, l, limit, "b"); !got.Allowed || got.Remaining != 2 {
		t.Errorf("another subject: got %+v, want 2 remaining", got)
	}
	if got := client.PTTL(t.Context(), l.prefix+"a").Val(); !near(got, 3*time.Minute) {
		t.Errorf("got a key that expires after %v, want 3m", got)
	}
}

// A request may cost several units; one that is refused costs nothing, and one beyond a burst costs the burst.
func TestTakeUnits(t *testing.T) {
	t.Parallel()
	l, _ := open(t)
	limit := Limit{Every: time.Minute, Burst: 5}
	for i, test := range []struct {
		subject string
		units   int64
		want    Result
	}{
		{"a", 3, Result{Allowed: true, Remaining: 2, ResetAfter: 3 * time.Minute}},
		{"a", 4, Result{Remaining: 2, ResetAfter: 3 * time.Minute, RetryAfter: 2 * time.Minute}},
		{"a", 2, Result{Allowed: true, ResetAfter: 5 * time.Minute}},
		{"b", 99, Result{Allowed: true, ResetAfter: 5 * time.Minute}},
		{"b", 99, Result{ResetAfter: 5 * time.Minute, RetryAfter: 5 * time.Minute}},
		{"c", 0, Result{Allowed: true, Remaining: 4, ResetAfter: time.Minute}},
	} {
		got, err := l.Take(t.Context(), limit, test.subject, test.units)
		if err != nil {
			t.Fatal(err)
		}
		isNear := near(got.ResetAfter, test.want.ResetAfter) && near(got.RetryAfter, test.want.RetryAfter)
		if got.Allowed != test.want.Allowed || got.Remaining != test.want.Remaining || !isNear {
			t.Errorf("request %d, %d units of %s: got %+v, want %+v", i, test.units, test.subject, got, test.want)
		}
	}
}

// A stored time in the past allows a burst, and one far ahead, after a clock was put back, waits for at most a burst.
func TestTakeAtOtherTimes(t *testing.T) {
	t.Parallel()
	l, client := open(t)
	limit := Limit{Every: time.Minute, Burst: 3}
	for at, want := range map[time.Duration]Result{
		-time.Hour:                     {Allowed: true, Remaining: 2},
		time.Minute + 30*time.Second:   {Allowed: true, Remaining: 0},
		2*time.Minute + 30*time.Second: {Allowed: false, RetryAfter: 30 * time.Second},
		1000 * time.Hour:               {Allowed: false, RetryAfter: time.Minute},
	} {
		t.Run(at.String()+" ahead", func(t *testing.T) {
			if err := client.Set(t.Context(), l.prefix+"a", time.Now().Add(at).UnixMicro(), 0).Err(); err != nil {
				t.Fatal(err)
			}
			got := mustTake(t, l, limit, "a")
			if got.Allowed != want.Allowed || got.Remaining != want.Remaining || !near(got.RetryAfter, want.RetryAfter) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
	t.Run("junk", func(t *testing.T) {
		if err := client.Set(t.Context(), l.prefix+"a", "junk", 0).Err(); err != nil {
			t.Fatal(err)
		}
		if got := mustTake(t, l, limit, "a"); !got.Allowed {
			t.Errorf("got %+v, want it allowed", got)
		}
	})
}

// Of any number of concurrent requests a burst is allowed.
func TestTakeConcurrently(t *testing.T) {
	t.Parallel()
	l, _ := open(t)
	var allowed atomic.Int64
	var wait sync.WaitGroup
	for range 60 {
		wait.Go(func() {
			if mustTake(t, l, Limit{Every: time.Hour, Burst: 7}, "a").Allowed {
				allowed.Add(1)
			}
		})
	}
	wait.Wait()
	if got := allowed.Load(); got != 7 {
		t.Errorf("got %d allowed, want 7", got)
	}
}

func TestReadLimit(t *testing.T) {
	for text, want := range map[string]Limit{
		"":         {},
		"10/s":     {100 * time.Millisecond, 10},
		"600/m":    {100 * time.Millisecond, 600},
		"1/h":      {time.Hour, 1},
		"999999/s": {time.Second / 999999, 999999},
	} {
		t.Run("limit "+text, func(t *testing.T) {
			r := readerOf(map[string]string{"RATE_LIMIT": text})
			if got := ReadLimit(r); got != want || r.Err() != nil {
				t.Errorf("got %+v, %v; want %+v", got, r.Err(), want)
			}
		})
	}
	t.Run("burst", func(t *testing.T) {
		got := ReadLimit(readerOf(map[string]string{"RATE_LIMIT": "10/s", "RATE_LIMIT_BURST": "50"}))
		if got.Burst != 50 || got.Window() != 5*time.Second {
			t.Errorf("got %+v, want a burst of 50 in 5 s", got)
		}
	})
	for _, text := range []string{"10", "10/d", "-1/s", "0/s", "01/s", "1000000/s", "10 /s", "1.5/s", "/s"} {
		t.Run("malformed "+text, func(t *testing.T) {
			r := readerOf(map[string]string{"RATE_LIMIT": text})
			if got := ReadLimit(r); r.Err() == nil {
				t.Errorf("got %+v, want an error", got)
			}
		})
	}
}

func readerOf(settings map[string]string) *config.Reader {
	return config.NewReader(func(name string) string { return settings[name] })
}

func TestUnitsOfBytes(t *testing.T) {
	t.Parallel()
	for bytes, want := range map[int64]int64{
		0: 0, 1: 1, ByteUnit: 1, ByteUnit + 1: 2, math.MaxInt64 - 1: math.MaxInt64/ByteUnit + 1,
		math.MaxInt64: math.MaxInt64/ByteUnit + 1,
	} {
		if got := UnitsOfBytes(bytes); got != want {
			t.Errorf("UnitsOfBytes(%d) = %d, want %d", bytes, got, want)
		}
	}
}

// An answer that is not one of the script is an error that says so.
func TestTakeOtherAnswer(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	server.Server().SetPreHook(func(peer *peers.Peer, command string, _ ...string) bool {
		isScript := strings.HasPrefix(command, "EVAL")
		if isScript {
			peer.WriteLen(1)
			peer.WriteInt(1)
		}
		return isScript
	})
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer client.Close()
	_, err := New(client, "test:").Take(t.Context(), Limit{Every: time.Second, Burst: 1}, "a", 1)
	if err == nil || errors.Unwrap(err) == nil || !strings.Contains(err.Error(), "got 1 numbers") {
		t.Errorf("got %v, want an error that says what is wrong", err)
	}
}
