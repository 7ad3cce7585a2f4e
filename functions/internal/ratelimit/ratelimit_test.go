package ratelimit

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/config"
)

func open(t *testing.T) (*Limiter, *redis.Client) {
	t.Helper()
	getenv := testservers.Start(t)
	client := testservers.Redis(t, getenv)
	return New(client, "test:"+uuid.NewString()+":"), client
}

func take(t *testing.T, l *Limiter, limit Limit, who string) Result {
	t.Helper()
	answer, err := l.Take(t.Context(), limit, who)
	if err != nil {
		t.Error(err)
	}
	return answer
}

func near(got, want time.Duration) bool { return got <= want && got > want-10*time.Second }

// A burst at once, then one every so often; and what is taken is taken from one only.
func TestSpend(t *testing.T) {
	t.Parallel()
	l, client := open(t)
	limit := Limit{Every: time.Minute, Burst: 3}
	for n := range int64(3) {
		got := take(t, l, limit, "a")
		if want := time.Duration(n+1) * time.Minute; !got.Allowed || got.Remaining != 2-n || !near(got.ResetAfter, want) {
			t.Errorf("request %d: %+v", n, got)
		}
	}
	for range 3 {
		if got := take(t, l, limit, "a"); got.Allowed || got.Remaining != 0 || !near(got.RetryAfter, time.Minute) || !near(got.ResetAfter, 3*time.Minute) {
			t.Errorf("beyond the burst: %+v", got)
		}
	}
	if got := take(t, l, limit, "b"); !got.Allowed || got.Remaining != 2 {
		t.Errorf("another one: %+v", got)
	}
	if left := client.PTTL(t.Context(), l.prefix+"a").Val(); !near(left, 3*time.Minute) {
		t.Errorf("it is remembered for %v", left)
	}
}

// What has passed is had again: a time in the past owes nothing, and one far ahead, of a clock that was put back, no more than a burst.
func TestSpendAtOtherTimes(t *testing.T) {
	t.Parallel()
	l, client := open(t)
	limit := Limit{Every: time.Minute, Burst: 3}
	for at, want := range map[time.Duration]Result{
		-time.Hour:                     {Allowed: true, Remaining: 2},
		time.Minute + 30*time.Second:   {Allowed: true, Remaining: 0},
		2*time.Minute + 30*time.Second: {Allowed: false, RetryAfter: 30 * time.Second},
		1000 * time.Hour:               {Allowed: false, RetryAfter: time.Minute},
	} {
		if err := client.Set(t.Context(), l.prefix+"a", time.Now().Add(at).UnixMicro(), 0).Err(); err != nil {
			t.Fatal(err)
		}
		if got := take(t, l, limit, "a"); got.Allowed != want.Allowed || got.Remaining != want.Remaining || !near(got.RetryAfter, want.RetryAfter) {
			t.Errorf("%v ahead: %+v, want %+v", at, got, want)
		}
	}
	if err := client.Set(t.Context(), l.prefix+"a", "junk", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if got := take(t, l, limit, "a"); !got.Allowed {
		t.Errorf("what is no time counts: %+v", got)
	}
}

// However many ask at once, at however many pods, no more than a burst get through.
func TestSpendAtOnce(t *testing.T) {
	t.Parallel()
	l, _ := open(t)
	var through atomic.Int64
	var wait sync.WaitGroup
	for range 60 {
		wait.Go(func() {
			if take(t, l, Limit{Every: time.Hour, Burst: 7}, "a").Allowed {
				through.Add(1)
			}
		})
	}
	wait.Wait()
	if got := through.Load(); got != 7 {
		t.Errorf("%d got through, want 7", got)
	}
}

func TestReadLimit(t *testing.T) {
	for text, want := range map[string]Limit{
		"": {}, "10/s": {100 * time.Millisecond, 10}, "600/m": {100 * time.Millisecond, 600}, "1/h": {time.Hour, 1}, "999999/s": {time.Second / 999999, 999999},
	} {
		r := config.NewReader(func(name string) string { return map[string]string{"RATE_LIMIT": text}[name] })
		if got := ReadLimit(r); got != want || r.Err() != nil {
			t.Errorf("%q: %+v, %v; want %+v", text, got, r.Err(), want)
		}
	}
	r := config.NewReader(func(name string) string {
		return map[string]string{"RATE_LIMIT": "10/s", "RATE_LIMIT_BURST": "50"}[name]
	})
	if got := ReadLimit(r); got.Burst != 50 || got.Window() != 5*time.Second {
		t.Errorf("%+v", got)
	}
	for _, text := range []string{"10", "10/d", "-1/s", "0/s", "01/s", "1000000/s", "10 /s", "1.5/s", "/s"} {
		r := config.NewReader(func(name string) string { return map[string]string{"RATE_LIMIT": text}[name] })
		if ReadLimit(r); r.Err() == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
