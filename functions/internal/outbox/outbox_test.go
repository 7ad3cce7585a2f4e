package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

func open(tb testing.TB) *Outbox {
	tb.Helper()
	getenv := testservers.StartStores(tb)
	r := config.NewReader(getenv)
	client := connect.OpenRedis(connect.ReadRedis(r))
	if err := r.Err(); err != nil {
		tb.Fatal(err)
	}
	o := New(client, getenv("MINIO_BUCKET"), func(err error) { tb.Errorf("acknowledge: %v", err) })
	tb.Cleanup(func() {
		o.Close()
		client.Close()
	})
	return o
}

func (o *Outbox) queue(tb testing.TB, imageID string) Token {
	tb.Helper()
	token, err := o.Queue(tb.Context(), imageID)
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

// members returns the IDs in the outbox, the oldest first.
func (o *Outbox) members(tb testing.TB) []string {
	tb.Helper()
	ids, err := o.client.ZRange(tb.Context(), o.key(), 0, -1).Result()
	if err != nil {
		tb.Fatal(err)
	}
	return ids
}

// age makes an image in the outbox older.
func (o *Outbox) age(tb testing.TB, imageID string, by time.Duration) {
	tb.Helper()
	older := redis.ZAddArgs{Members: []redis.Z{{Score: -by.Seconds(), Member: imageID}}}
	if err := o.client.ZAddArgsIncr(tb.Context(), o.key(), older).Err(); err != nil {
		tb.Fatal(err)
	}
}

// claim claims what has been in the outbox for more than a minute.
func (o *Outbox) claim(tb testing.TB, limit int) []string {
	tb.Helper()
	ids, err := o.ClaimOverdue(tb.Context(), time.Minute, limit)
	if err != nil {
		tb.Fatal(err)
	}
	return ids
}

// acknowledge takes an image out of the outbox and waits until it is out.
func (o *Outbox) acknowledge(imageID string) {
	o.Acknowledge(imageID)
	o.acknowledged.pending.Wait()
}

// statusOf returns the status that Redis has; the zero Status if it has none.
func (o *Outbox) statusOf(tb testing.TB, imageID string) status.Status {
	tb.Helper()
	text, err := o.client.Get(tb.Context(), o.statuses.Key(imageID)).Bytes()
	if errors.Is(err, redis.Nil) {
		return status.Status{}
	}
	var got status.Status
	if err := errors.Join(err, json.Unmarshal(text, &got)); err != nil {
		tb.Fatal(err)
	}
	return got
}

// setStatus has Redis know a status for another minute.
func (o *Outbox) setStatus(tb testing.TB, s status.Status) {
	tb.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		tb.Fatal(err)
	}
	if err := o.client.Set(tb.Context(), o.statuses.Key(s.ImageID), text, time.Minute).Err(); err != nil {
		tb.Fatal(err)
	}
}

func (o *Outbox) backlog(tb testing.TB) (int64, time.Duration) {
	tb.Helper()
	size, age, err := o.Backlog(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return size, age
}

func TestQueue(t *testing.T) {
	o := open(t)
	id := uuid.NewString()
	token := o.queue(t, id)
	since, err := strconv.ParseFloat(string(token), 64)
	if off := time.Since(time.UnixMilli(int64(since * 1000))).Abs(); err != nil || off > time.Minute {
		t.Errorf("token is %q, %v; want the time", token, err)
	}
	if got := o.statusOf(t, id).State; got != status.Queued {
		t.Errorf("status is %q, want queued", got)
	}
	if got := o.members(t); !slices.Equal(got, []string{id}) {
		t.Errorf("outbox has %q, want %q", got, id)
	}
	if size, age := o.backlog(t); size != 1 || age > time.Minute {
		t.Errorf("Backlog() = %d, %v; want 1, and a short time", size, age)
	}
	o.acknowledge(id)
	if got := o.members(t); len(got) != 0 {
		t.Errorf("after Acknowledge() the outbox has %q, want nothing", got)
	}
	if size, age := o.backlog(t); size != 0 || age != 0 {
		t.Errorf("Backlog() of nothing = %d, %v", size, age)
	}
}

// Queueing again does not set a status back, and keeps one that is not final for another hour.
func TestQueueAgain(t *testing.T) {
	o := open(t)
	for state, longer := range map[status.State]bool{
		status.Queued: true, status.Processing: true, status.Completed: false, status.Failed: false,
	} {
		t.Run(string(state), func(t *testing.T) {
			id := uuid.NewString()
			o.setStatus(t, status.Status{ImageID: id, State: state})
			o.queue(t, id)
			if got := o.statusOf(t, id).State; got != state {
				t.Errorf("status is %s, want %s", got, state)
			}
			if left := o.client.TTL(t.Context(), o.statuses.Key(id)).Val(); (left > time.Minute) != longer {
				t.Errorf("it expires in %v, want later than in a minute: %v", left, longer)
			}
		})
	}
}

// An upload waits for one round trip, and the removals of many images go together.
func TestQueueIsOneRoundTrip(t *testing.T) {
	o := open(t)
	o.queue(t, uuid.NewString()) // sends the script
	commands := &counter{}
	o.client.AddHook(commands)
	ids := make([]string, 100)
	for i := range ids {
		ids[i] = uuid.NewString()
		o.queue(t, ids[i])
	}
	if got := commands.count.Load(); got != 100 {
		t.Errorf("queueing 100 images took %d commands, want 100", got)
	}
	for i, id := range ids {
		if first := o.acknowledged.add(id); first != (i == 0) {
			t.Errorf("image %d begins a removal: %t", i, first)
		}
	}
	o.removeAcknowledged()
	if got := commands.count.Load() - 100; got != 1 {
		t.Errorf("removing 100 images took %d commands, want 1", got)
	}
}

// counter counts the commands that are sent to Redis.
type counter struct{ count atomic.Int32 }

func (c *counter) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *counter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (c *counter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, command redis.Cmder) error {
		c.count.Add(1)
		return next(ctx, command)
	}
}

func TestClaimOverdue(t *testing.T) {
	o := open(t)
	var ids []string
	for i := range 5 {
		id := uuid.NewString()
		o.queue(t, id)
		if i < 4 {
			o.age(t, id, time.Duration(10-i)*time.Minute)
			ids = append(ids, id)
		}
	}
	for _, step := range []struct {
		name  string
		begin func()
		want  []string
	}{
		{"the three oldest", func() {}, ids[:3]},
		{"the fourth", func() {}, ids[3:]},
		{"none, as all are claimed", func() {}, nil},
		{"one that was claimed and not acknowledged", func() { o.age(t, ids[0], 2*time.Minute) }, ids[:1]},
		{"one from before the clock was set back", func() { o.age(t, ids[1], -time.Hour) }, ids[1:2]},
	} {
		t.Run(step.name, func(t *testing.T) {
			step.begin()
			if got := o.claim(t, 3); !slices.Equal(got, step.want) {
				t.Errorf("ClaimOverdue() = %q, want %q", got, step.want)
			}
		})
	}
}

// However many sweeps claim at once, each image goes to one of them.
func TestClaimOverdueAtOnce(t *testing.T) {
	o := open(t)
	const images = 100
	for range images {
		id := uuid.NewString()
		o.queue(t, id)
		o.age(t, id, time.Hour)
	}
	claimed := make(chan string, 2*images)
	var wait sync.WaitGroup
	for range 10 {
		wait.Go(func() {
			for {
				ids, err := o.ClaimOverdue(t.Context(), time.Minute, 7)
				if err != nil {
					t.Error(err)
				}
				if len(ids) == 0 {
					return
				}
				for _, id := range ids {
					claimed <- id
				}
			}
		})
	}
	wait.Wait()
	close(claimed)
	seen := map[string]bool{}
	for id := range claimed {
		if seen[id] {
			t.Errorf("%s was claimed twice", id)
		}
		seen[id] = true
	}
	if len(seen) != images {
		t.Errorf("%d images were claimed, want %d", len(seen), images)
	}
}

func TestWithdraw(t *testing.T) {
	o := open(t)
	for name, test := range map[string]struct {
		between func(id string)
		want    bool
	}{
		"at once": {func(string) {}, true},
		"while a sweep announces it": {func(id string) {
			o.age(t, id, time.Hour)
			o.claim(t, 100)
			o.age(t, id, -time.Millisecond) // the test may take less, a sweep never does
		}, false},
		"after it was announced": {o.acknowledge, false},
	} {
		t.Run(name, func(t *testing.T) {
			id := uuid.NewString()
			token := o.queue(t, id)
			test.between(id)
			if got, err := o.Withdraw(t.Context(), id, token); got != test.want || err != nil {
				t.Errorf("Withdraw() = %v, %v; want %v", got, err, test.want)
			}
			if got := o.statusOf(t, id); (got.State == "") != test.want {
				t.Errorf("status is %+v, want it gone: %v", got, test.want)
			}
		})
	}
}

// Images that were announced lately are not lost. Those that Redis does not know, or has not seen announced for long,
// may be.
func TestRequeue(t *testing.T) {
	o := open(t)
	unknown, recent, old, listed := uuid.NewString(), uuid.NewString(), uuid.NewString(), uuid.NewString()
	for _, id := range []string{recent, old, listed} {
		o.queue(t, id)
		if id != listed {
			o.acknowledge(id)
		}
	}
	for _, id := range []string{old, listed} {
		o.client.Expire(t.Context(), o.statuses.Key(id), status.Expiry-11*time.Minute)
	}
	var images []Entry
	for i, id := range []string{unknown, recent, old, listed} {
		images = append(images, Entry{id, time.Now().Add(time.Duration(i-100) * time.Minute)})
	}
	if count, err := o.Requeue(t.Context(), images, 10*time.Minute); count != 2 || err != nil {
		t.Errorf("Requeue() = %d, %v; want 2", count, err)
	}
	if got, want := o.members(t), []string{unknown, old, listed}; !slices.Equal(got, want) {
		t.Errorf("outbox has %q, want %q", got, want)
	}
	if got, want := o.claim(t, 10), []string{unknown, old}; !slices.Equal(got, want) {
		t.Errorf("overdue are %q, want %q", got, want)
	}
}

// An image that is requeued again and again is requeued ever less often, but at least once a day.
func TestRequeueAgain(t *testing.T) {
	o := open(t)
	id := uuid.NewString()
	requeue := func(t *testing.T) bool {
		t.Helper()
		count, err := o.Requeue(t.Context(), []Entry{{id, time.Now()}}, 10*time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		o.acknowledge(id)
		return count == 1
	}
	if !requeue(t) {
		t.Error("the first time it is not requeued")
	}
	for try, rest := range []time.Duration{20 * time.Minute, 40 * time.Minute, 80 * time.Minute, 160 * time.Minute,
		320 * time.Minute, 640 * time.Minute, 1280 * time.Minute, 24 * time.Hour, 24 * time.Hour} {
		for _, test := range []struct {
			passed time.Duration
			want   bool
		}{{0, false}, {rest - time.Minute, false}, {rest, true}} {
			t.Run(fmt.Sprintf("try %d after %v", try+2, test.passed), func(t *testing.T) {
				o.client.Expire(t.Context(), o.lostKey(id), 7*24*time.Hour-test.passed)
				if got := requeue(t); got != test.want {
					t.Errorf("requeued is %v, want %v", got, test.want)
				}
			})
		}
	}
}

// Of many pods one begins a sweep, and another one after a while.
func TestBeginSweep(t *testing.T) {
	o := open(t)
	for round := range 2 {
		t.Run(fmt.Sprintf("round %d", round), func(t *testing.T) {
			var wait sync.WaitGroup
			begun := make(chan bool, 100)
			for range cap(begun) {
				wait.Go(func() {
					ok, err := o.BeginSweep(t.Context(), time.Minute)
					if err != nil {
						t.Error(err)
					}
					if ok {
						begun <- true
					}
				})
			}
			wait.Wait()
			if len(begun) != 1 {
				t.Errorf("%d sweeps have begun, want 1", len(begun))
			}
			ago := time.Now().Add(-2 * time.Minute)
			o.client.Set(t.Context(), "image:sweep:"+o.bucket, status.Seconds(ago), 0)
		})
	}
}

func TestCursor(t *testing.T) {
	o := open(t)
	if got, err := o.Cursor().Get(t.Context()); got != "" || err != nil {
		t.Errorf("Cursor() = %q, %v; want the beginning", got, err)
	}
	id := uuid.NewString()
	if err := o.Cursor().Set(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if got, err := o.Cursor().Get(t.Context()); got != id || err != nil {
		t.Errorf("Cursor() = %q, %v; want %q", got, err, id)
	}
}

// Every method returns an error while Redis is down, and none pretends that the outbox is empty.
func TestRedisDown(t *testing.T) {
	client := connect.OpenRedis(connect.Redis{Addresses: []string{"127.0.0.1:1"}})
	defer client.Close()
	var reported []error
	o := New(client, "images", func(err error) { reported = append(reported, err) })
	id := uuid.NewString()
	for name, call := range map[string]func(context.Context) error{
		"Queue":        func(ctx context.Context) error { _, err := o.Queue(ctx, id); return err },
		"Withdraw":     func(ctx context.Context) error { _, err := o.Withdraw(ctx, id, ""); return err },
		"ClaimOverdue": func(ctx context.Context) error { _, err := o.ClaimOverdue(ctx, time.Minute, 1); return err },
		"Requeue": func(ctx context.Context) error {
			_, err := o.Requeue(ctx, []Entry{{id, time.Now()}}, 1)
			return err
		},
		"Backlog":    func(ctx context.Context) error { _, _, err := o.Backlog(ctx); return err },
		"BeginSweep": func(ctx context.Context) error { _, err := o.BeginSweep(ctx, time.Minute); return err },
		"Cursor":     func(ctx context.Context) error { _, err := o.Cursor().Get(ctx); return err },
		"SetCursor":  func(ctx context.Context) error { return o.Cursor().Set(ctx, id) },
		"Acknowledge": func(context.Context) error {
			o.acknowledge(id)
			return errors.Join(reported...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := call(t.Context()); err == nil {
				t.Errorf("%s() = nil, want an error", name)
			}
		})
	}
}
