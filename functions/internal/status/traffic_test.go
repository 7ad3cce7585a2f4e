package status

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/functions/connect"
)

// quietTraffic hears of nothing but what a test has it receive.
func quietTraffic() *Traffic {
	t := NewTraffic(nil, "images")
	t.start.Do(func() {})
	return t
}

func (t *Traffic) hears(imageID string) bool {
	t.lock.Lock()
	defer t.lock.Unlock()
	_, hears := t.heard[imageID]
	return hears
}

func TestTurn(t *testing.T) {
	const tenth = 100 * time.Millisecond
	type message struct {
		after   time.Duration
		imageID string
		state   State
	}
	for name, test := range map[string]struct {
		messages []message
		timeout  time.Duration   // of each wait
		want     []time.Duration // that the waits take
	}{
		"nothing": {nil, time.Hour, []time.Duration{0, 0}},
		"until completed": {
			[]message{{0, "a", Queued}, {3 * tenth, "a", Completed}},
			time.Hour, []time.Duration{3 * tenth, 0},
		},
		"a state on": {
			[]message{{0, "a", Queued}, {tenth, "a", Processing}, {3 * tenth, "a", Failed}},
			time.Hour, []time.Duration{3 * tenth},
		},
		"until the last": {
			[]message{{0, "a", Queued}, {0, "b", Processing}, {tenth, "a", Deleted}, {4 * tenth, "b", Failed}},
			time.Hour, []time.Duration{4 * tenth, 0},
		},
		"final at first":   {[]message{{0, "a", Completed}}, time.Hour, []time.Duration{0}},
		"another message":  {[]message{{0, "a", ""}, {tenth, "a", Completed}}, time.Hour, []time.Duration{tenth}},
		"a second in all":  {[]message{{0, "a", Queued}}, time.Hour, []time.Duration{time.Second, 0}},
		"in several waits": {[]message{{0, "a", Queued}}, 6 * tenth, []time.Duration{6 * tenth, 4 * tenth, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				traffic := quietTraffic()
				for _, m := range test.messages {
					receive := func() { traffic.receive(traffic.keys.Key(m.imageID), m.state) }
					time.AfterFunc(m.after, receive)
				}
				synctest.Wait()
				turn := traffic.Turn()
				var total time.Duration
				for i, want := range test.want {
					ctx, cancel := context.WithTimeout(t.Context(), test.timeout)
					began := time.Now()
					turn.Wait(ctx)
					cancel()
					if got := time.Since(began); got != want {
						t.Errorf("wait %d took %v, want %v", i+1, got, want)
					}
					total += time.Since(began)
				}
				if got := turn.Waited(); got != total {
					t.Errorf("Waited() = %v, want %v", got, total)
				}
			})
		})
	}
}

// An image of which nothing is heard for a while does not count, and no message about anything else does.
func TestTrafficForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		traffic := quietTraffic()
		traffic.receive("another:channel", Queued)
		traffic.receive(traffic.keys.Key("a"), Queued)
		time.Sleep(trafficTimeout)
		traffic.receive(traffic.keys.Key("b"), Queued)
		for _, want := range []int{2, 1, 0} {
			traffic.forget()
			if got := len(traffic.heard); got != want {
				t.Errorf("got %v, want %d", traffic.heard, want)
			}
			time.Sleep(trafficTimeout/2 + time.Nanosecond)
		}
		turn := traffic.Turn()
		if turn.Wait(t.Context()); turn.Waited() != 0 {
			t.Errorf("waited for %v, though nothing is on its way", turn.Waited())
		}
	})
}

// What a Store writes is heard of.
func TestTraffic(t *testing.T) {
	t.Parallel()
	s := open(t)
	traffic := NewTraffic(s.redis, s.images.Bucket())
	defer traffic.Close()
	traffic.Turn().Wait(t.Context())
	id := uuid.NewString()
	await(t, func() bool { // it subscribes
		s.redis.Publish(t.Context(), s.keys.Key(id), `{"status":"processing"}`)
		return traffic.hears(id)
	})
	s.advance(t, completedStatus(id))
	await(t, func() bool { return !traffic.hears(id) })
}

// await waits until a condition is true.
func await(t *testing.T, is func() bool) {
	t.Helper()
	timeout, tick := time.After(soon), time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("not after %v", soon)
		}
	}
}

// Without Redis, and without the right to subscribe, no traffic is known of.
func TestTrafficUnknown(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string]connect.Redis{
		"no Redis":  {Addresses: []string{"127.0.0.1:1"}},
		"no rights": silentUser(t),
	} {
		t.Run(name, func(t *testing.T) {
			client := connect.OpenRedis(settings)
			defer client.Close()
			traffic := NewTraffic(client, "images")
			traffic.Turn().Wait(t.Context())
			traffic.Close()
			if len(traffic.heard) > 0 {
				t.Errorf("heard of %v", traffic.heard)
			}
		})
	}
}
