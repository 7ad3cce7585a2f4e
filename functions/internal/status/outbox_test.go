package status

import (
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
)

// inOutbox are the ids in the outbox, the oldest first.
func (b *Board) inOutbox(t *testing.T) []string {
	t.Helper()
	ids, err := b.redis.ZRange(t.Context(), b.outbox(), 0, -1).Result()
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// age makes an image in the outbox older.
func (b *Board) age(t *testing.T, imageID string, by time.Duration) {
	t.Helper()
	older := redis.ZAddArgs{Members: []redis.Z{{Score: -by.Seconds(), Member: imageID}}}
	if err := b.redis.ZAddArgsIncr(t.Context(), b.outbox(), older).Err(); err != nil {
		t.Fatal(err)
	}
}

func (b *Board) overdue(t *testing.T, limit int) []string {
	t.Helper()
	ids, err := b.Overdue(t.Context(), time.Minute, limit)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func TestQueue(t *testing.T) {
	board, _ := open(t)
	id := uuid.NewString()
	ticket, err := board.Queue(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	since, err := strconv.ParseFloat(string(ticket), 64)
	if off := time.Since(time.UnixMilli(int64(since * 1000))).Abs(); err != nil || off > time.Minute {
		t.Errorf("ticket is %q, %v; want the time", ticket, err)
	}
	if got, err := board.Read(t.Context(), id); err != nil || got == nil || got.State != Queued {
		t.Errorf("status is %+v, %v; want queued", got, err)
	}
	if got := board.inOutbox(t); !slices.Equal(got, []string{id}) {
		t.Errorf("outbox has %q, want %q", got, id)
	}
	if size, age, err := board.Backlog(t.Context()); err != nil || size != 1 || age > time.Minute {
		t.Errorf("Backlog() = %d, %v, %v", size, age, err)
	}
	board.Announced(id)
	board.announced.wait.Wait()
	if got := board.inOutbox(t); len(got) != 0 {
		t.Errorf("once it is announced, the outbox has %q", got)
	}
	if size, age, err := board.Backlog(t.Context()); err != nil || size != 0 || age != 0 {
		t.Errorf("Backlog() of nothing = %d, %v, %v", size, age, err)
	}
}

// What is queued again does not go back, and what is not final lasts an hour longer.
func TestQueueAgain(t *testing.T) {
	board, _ := open(t)
	for state, longer := range map[State]bool{Queued: true, Processing: true, Completed: false, Failed: false} {
		id := uuid.NewString()
		if _, err := board.Advance(t.Context(), in(state, id)); err != nil {
			t.Fatal(err)
		}
		board.redis.Expire(t.Context(), key(id), time.Minute)
		if _, err := board.Queue(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if got, err := board.Read(t.Context(), id); err != nil || got.State != state {
			t.Errorf("%s became %+v, %v", state, got, err)
		}
		if left := board.redis.TTL(t.Context(), key(id)).Val(); (left > time.Minute) != longer {
			t.Errorf("%s lasts %v", state, left)
		}
	}
}

// A plain upload waits for one round trip, and what is told of its announcement goes together.
func TestQueueIsOneRoundTrip(t *testing.T) {
	board, _ := open(t)
	if _, err := board.Queue(t.Context(), uuid.NewString()); err != nil { // sends the script
		t.Fatal(err)
	}
	commands := &counter{}
	board.redis.AddHook(commands)
	ids := make([]string, 100)
	for i := range ids {
		ids[i] = uuid.NewString()
		if _, err := board.Queue(t.Context(), ids[i]); err != nil {
			t.Fatal(err)
		}
	}
	if took := commands.count.Load(); took != 100 {
		t.Errorf("100 took %d commands", took)
	}
	board.announced.lock.Lock()
	board.announced.telling = true // as if Redis were being told of others
	board.announced.lock.Unlock()
	for _, id := range ids {
		board.Announced(id)
	}
	board.tellAnnounced()
	if took := commands.count.Load() - 100; took != 1 {
		t.Errorf("to take them out took %d commands, want 1", took)
	}
}

func TestOverdue(t *testing.T) {
	board, _ := open(t)
	var ids []string
	for i := range 5 {
		id := uuid.NewString()
		if _, err := board.Queue(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if i < 4 {
			board.age(t, id, time.Duration(10-i)*time.Minute)
			ids = append(ids, id)
		}
	}
	if got := board.overdue(t, 3); !slices.Equal(got, ids[:3]) {
		t.Errorf("overdue are %q, want the three oldest %q", got, ids[:3])
	}
	if got := board.overdue(t, 3); !slices.Equal(got, ids[3:]) {
		t.Errorf("then %q, want the fourth, %q", got, ids[3:])
	}
	if got := board.overdue(t, 3); len(got) != 0 {
		t.Errorf("then %q, want none: they were given out", got)
	}
	board.age(t, ids[0], 2*time.Minute)
	if got := board.overdue(t, 3); !slices.Equal(got, ids[:1]) {
		t.Errorf("after more time %q, want what was given out and is still there", got)
	}
	board.age(t, ids[1], -time.Hour)
	if got := board.overdue(t, 3); !slices.Equal(got, ids[1:2]) {
		t.Errorf("with the clock put back %q, want what is of a time to come", got)
	}
}

// However many ask at once, each image is given to one.
func TestOverdueAtOnce(t *testing.T) {
	board, _ := open(t)
	const images = 100
	for range images {
		id := uuid.NewString()
		if _, err := board.Queue(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		board.age(t, id, time.Hour)
	}
	given := make(chan string, 2*images)
	var wait sync.WaitGroup
	for range 10 {
		wait.Go(func() {
			for {
				ids, err := board.Overdue(t.Context(), time.Minute, 7)
				if err != nil {
					t.Error(err)
				}
				if len(ids) == 0 {
					return
				}
				for _, id := range ids {
					given <- id
				}
			}
		})
	}
	wait.Wait()
	close(given)
	seen := map[string]bool{}
	for id := range given {
		if seen[id] {
			t.Errorf("%s was given to two", id)
		}
		seen[id] = true
	}
	if len(seen) != images {
		t.Errorf("%d were given out, want %d", len(seen), images)
	}
}

func TestWithdraw(t *testing.T) {
	board, _ := open(t)
	for name, test := range map[string]struct {
		between func(id string)
		want    bool
	}{
		"at once": {func(string) {}, true},
		"when it is being announced": {func(id string) {
			board.age(t, id, time.Hour)
			board.overdue(t, 100)
			board.age(t, id, -time.Millisecond) // all of this takes less, and really takes longer
		}, false},
		"when it was announced": {func(id string) { board.Announced(id); board.announced.wait.Wait() }, false},
	} {
		id := uuid.NewString()
		ticket, err := board.Queue(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		test.between(id)
		if got, err := board.Withdraw(t.Context(), id, ticket); got != test.want || err != nil {
			t.Errorf("Withdraw() %s = %v, %v; want %v", name, got, err, test.want)
		}
		if got, err := board.Read(t.Context(), id); (got == nil) != test.want || err != nil {
			t.Errorf("%s: the status afterwards is %+v, %v", name, got, err)
		}
	}
}

// What was told of lately is not lost; what Redis does not know, or has not heard of for long, may be.
func TestEnlist(t *testing.T) {
	board, _ := open(t)
	unknown, recent, old, known := uuid.NewString(), uuid.NewString(), uuid.NewString(), uuid.NewString()
	for _, id := range []string{recent, old, known} {
		if _, err := board.Queue(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if id != known {
			board.Announced(id)
		}
	}
	board.announced.wait.Wait()
	for _, id := range []string{old, known} {
		board.redis.Expire(t.Context(), key(id), Expiry-11*time.Minute)
	}
	var images []Waiting
	for i, id := range []string{unknown, recent, old, known} {
		images = append(images, Waiting{id, time.Now().Add(time.Duration(i-100) * time.Minute)})
	}
	if count, err := board.Enlist(t.Context(), images, 10*time.Minute); count != 2 || err != nil {
		t.Errorf("Enlist() = %d, %v; want 2", count, err)
	}
	if got, want := board.inOutbox(t), []string{unknown, old, known}; !slices.Equal(got, want) {
		t.Errorf("outbox has %q, want %q", got, want)
	}
	if got, want := board.overdue(t, 10), []string{unknown, old}; !slices.Equal(got, want) {
		t.Errorf("overdue are %q, want %q", got, want)
	}
}

// An image that is found again and again is announced more and more seldom, but never no more.
func TestEnlistAgain(t *testing.T) {
	board, _ := open(t)
	id := uuid.NewString()
	enlist := func() bool {
		t.Helper()
		count, err := board.Enlist(t.Context(), []Waiting{{id, time.Now()}}, 10*time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		board.Announced(id)
		board.announced.wait.Wait()
		return count == 1
	}
	if !enlist() {
		t.Error("it is not found for the first time")
	}
	for try, rest := range []time.Duration{20 * time.Minute, 40 * time.Minute, 80 * time.Minute, 160 * time.Minute,
		320 * time.Minute, 640 * time.Minute, 1280 * time.Minute, 24 * time.Hour, 24 * time.Hour} {
		for _, test := range []struct {
			passed time.Duration
			want   bool
		}{{0, false}, {rest - time.Minute, false}, {rest, true}} {
			board.redis.Expire(t.Context(), "image:lost:"+id, 7*24*time.Hour-test.passed)
			if got := enlist(); got != test.want {
				t.Errorf("try %d, %v after the one before: found is %v, want %v", try+2, test.passed, got, test.want)
			}
		}
	}
}

// An image that waits and that Redis has forgotten is in the outbox as soon as somebody asks for it.
func TestReadOfWhatWasForgotten(t *testing.T) {
	board, store := open(t)
	id := uuid.NewString()
	if err := store.Put(t.Context(), imagestore.OriginalKey(id, "a.jpg"), []byte("x"), imagestore.Attributes{}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got, err := board.Read(t.Context(), id); err != nil || got.State != Queued {
			t.Errorf("Read() = %+v, %v; want queued", got, err)
		}
		if got := board.inOutbox(t); !slices.Equal(got, []string{id}) {
			t.Errorf("outbox has %q, want %s", got, id)
		}
	}
}

// One of many may begin, and another after a while.
func TestBegin(t *testing.T) {
	board, _ := open(t)
	for round := range 2 {
		var wait sync.WaitGroup
		begun := make(chan bool, 100)
		for range cap(begun) {
			wait.Go(func() {
				ok, err := board.Begin(t.Context(), time.Minute)
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
			t.Errorf("round %d: %d have begun, want 1", round, len(begun))
		}
		ago := time.Now().Add(-2 * time.Minute)
		board.redis.Set(t.Context(), "image:sweep:"+board.store.Bucket(), Seconds(ago), 0)
	}
}

func TestWalked(t *testing.T) {
	board, _ := open(t)
	if got, err := board.Walked(t.Context()); got != "" || err != nil {
		t.Errorf("Walked() = %q, %v; want the beginning", got, err)
	}
	id := uuid.NewString()
	if err := board.SetWalked(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if got, err := board.Walked(t.Context()); got != id || err != nil {
		t.Errorf("Walked() = %q, %v; want %q", got, err, id)
	}
}

// The first answer stays, for a day.
func TestRemember(t *testing.T) {
	board, _ := open(t)
	id := uuid.NewString()
	for range 2 {
		if got, err := board.Remember(t.Context(), id, "first"); got != "first" || err != nil {
			t.Errorf("Remember() = %q, %v", got, err)
		}
	}
	if got, err := board.Remember(t.Context(), id, "second"); got != "first" || err != nil {
		t.Errorf("Remember() of another = %q, %v", got, err)
	}
	if left := board.redis.TTL(t.Context(), "image:answer:"+id).Val(); left < 23*time.Hour || left > 24*time.Hour {
		t.Errorf("it is remembered for %v, want a day", left)
	}
}

// Every command says that Redis is away, and none says that there is nothing.
func TestOutboxAway(t *testing.T) {
	_, store := open(t)
	away := Open(Settings{Address: "127.0.0.1:1"}, store)
	defer away.Close()
	id := uuid.NewString()
	for name, call := range map[string]func() error{
		"Queue":     func() error { _, err := away.Queue(t.Context(), id); return err },
		"Withdraw":  func() error { _, err := away.Withdraw(t.Context(), id, ""); return err },
		"Overdue":   func() error { _, err := away.Overdue(t.Context(), time.Minute, 1); return err },
		"Enlist":    func() error { _, err := away.Enlist(t.Context(), []Waiting{{id, time.Now()}}, 1); return err },
		"Backlog":   func() error { _, _, err := away.Backlog(t.Context()); return err },
		"Begin":     func() error { _, err := away.Begin(t.Context(), time.Minute); return err },
		"Walked":    func() error { _, err := away.Walked(t.Context()); return err },
		"Remember":  func() error { _, err := away.Remember(t.Context(), id, "x"); return err },
		"SetWalked": func() error { return away.SetWalked(t.Context(), id) },
	} {
		if err := call(); err == nil {
			t.Errorf("%s() = nil", name)
		}
	}
	away.Announced(id)
}
