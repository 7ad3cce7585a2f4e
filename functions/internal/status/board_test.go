package status

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
)

func open(t testing.TB) (*Board, *imagestore.Store) {
	t.Helper()
	r := config.NewReader(testservers.Start(t))
	store, err := imagestore.Open(imagestore.ReadSettings(r))
	if err != nil {
		t.Fatal(err)
	}
	board := Open(ReadSettings(r), store)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { board.Close() })
	return board, store
}

func completed(imageID string) Status {
	return Status{
		ImageID:     imageID,
		State:       Completed,
		ProcessedAt: 1699999999.123,
		Result: &Result{
			Success:       true,
			Thumbnail:     imageID + "/thumbnail_ä.jpg",
			OriginalSize:  &Size{1920, 1080},
			ThumbnailSize: &Size{200, 112},
		},
	}
}

func failed(imageID string) Status {
	return Status{
		ImageID:     imageID,
		State:       Failed,
		Reason:      string(events.ReasonDamaged),
		ProcessedAt: 1699999999.123,
		Result:      &Result{Error: "The JPEG is damaged"},
	}
}

func in(state State, imageID string) Status {
	switch state {
	case Completed:
		return completed(imageID)
	case Failed:
		return failed(imageID)
	}
	return Status{ImageID: imageID, State: state}
}

// The original system's JSON, as its clients and dashboards read it.
func TestJSON(t *testing.T) {
	board, _ := open(t)
	id := uuid.NewString()
	for state, want := range map[State]string{
		Queued:     `{"image_id":"%s","status":"queued"}`,
		Processing: `{"image_id":"%s","status":"processing"}`,
		Completed: `{"image_id":"%s","status":"completed","result":{"success":true,"thumbnail":"%[1]s/thumbnail_ä.jpg",` +
			`"original_size":[1920,1080],"thumbnail_size":[200,112]},"processed_at":1699999999.123}`,
	} {
		if _, err := board.Advance(t.Context(), in(state, id)); err != nil {
			t.Fatal(err)
		}
		got, err := board.redis.Get(t.Context(), "image:status:"+id).Result()
		if want := fmt.Sprintf(want, id); state == Completed && (err != nil || got != want) {
			t.Errorf("redis has %s, %v; want %s", got, err, want)
		}
		id = uuid.NewString()
	}
	if _, err := board.Advance(t.Context(), failed(id)); err != nil {
		t.Fatal(err)
	}
	want := `{"image_id":"` + id + `","status":"failed","reason":"damaged","result":{"success":false,"error":"The JPEG is damaged"},"processed_at":1699999999.123}`
	if got, err := board.redis.Get(t.Context(), "image:status:"+id).Result(); err != nil || got != want {
		t.Errorf("redis has %s, %v; want %s", got, err, want)
	}
	if left := board.redis.TTL(t.Context(), "image:status:"+id).Val(); left < Expiry-time.Minute || left > Expiry {
		t.Errorf("it expires in %v, want %v", left, Expiry)
	}
}

// Every state after every other: a status goes forward or stays.
func TestOnlyForward(t *testing.T) {
	board, _ := open(t)
	order := map[State]int{Queued: 1, Processing: 2, Completed: 3, Failed: 3}
	for from := range order {
		for to := range order {
			id := uuid.NewString()
			if before, err := board.Advance(t.Context(), in(from, id)); before != nil || err != nil {
				t.Fatalf("first Advance() = %v, %v; want nothing before", before, err)
			}
			before, err := board.Advance(t.Context(), in(to, id))
			if err != nil || before == nil || !reflect.DeepEqual(*before, in(from, id)) {
				t.Errorf("Advance() from %s to %s = %+v, %v; want what was there", from, to, before, err)
			}
			want := from
			if order[to] > order[from] {
				want = to
			}
			if got, err := board.Read(t.Context(), id); err != nil || !reflect.DeepEqual(*got, in(want, id)) {
				t.Errorf("after %s and %s: %+v, %v; want %s", from, to, got, err, want)
			}
		}
	}
}

func TestOneFinalStatus(t *testing.T) {
	board, _ := open(t)
	id := uuid.NewString()
	states := []State{Queued, Processing, Completed, Failed}
	var wait sync.WaitGroup
	firsts := make(chan State, 80)
	for i := range cap(firsts) {
		wait.Go(func() {
			state := states[i%len(states)]
			before, err := board.Advance(t.Context(), in(state, id))
			if err != nil {
				t.Error(err)
			}
			if state.Final() && (before == nil || !before.State.Final()) {
				firsts <- state
			}
		})
	}
	wait.Wait()
	close(firsts)
	first, more := <-firsts, len(firsts)
	if more != 0 {
		t.Errorf("%d were told that they were the first with a final status, want 1", more+1)
	}
	if got, err := board.Read(t.Context(), id); err != nil || got.State != first {
		t.Errorf("status is %+v, %v; want the first final one, %s", got, err, first)
	}
}

func TestNotAStatus(t *testing.T) {
	board, _ := open(t)
	for _, junk := range []string{"", "{", "null", "[]", `"queued"`, `{"status":7}`, `{"status":"lost"}`, "\xff"} {
		id := uuid.NewString()
		if err := board.redis.Set(t.Context(), "image:status:"+id, junk, 0).Err(); err != nil {
			t.Fatal(err)
		}
		if got, err := board.Read(t.Context(), id); err != nil || got != nil && got.State != "lost" {
			t.Errorf("with %q in redis: %+v, %v", junk, got, err)
		}
		if _, err := board.Advance(t.Context(), in(Queued, id)); err != nil {
			t.Errorf("Advance() over %q: %v", junk, err)
		}
		if got, err := board.Read(t.Context(), id); err != nil || got == nil || got.State != Queued {
			t.Errorf("after Advance() over %q: %+v, %v", junk, got, err)
		}
	}
}

// After the first time, for which Redis has to be sent the script.
func TestOneRoundTrip(t *testing.T) {
	board, _ := open(t)
	id := uuid.NewString()
	commands := &counter{}
	for round := range 2 {
		for name, call := range map[string]func() error{
			"Advance": func() error { _, err := board.Advance(t.Context(), in(Queued, id)); return err },
			"Read":    func() error { _, err := board.Read(t.Context(), id); return err },
		} {
			before := commands.count.Load()
			if err := call(); err != nil {
				t.Fatal(err)
			}
			if took := commands.count.Load() - before; round > 0 && took != 1 {
				t.Errorf("%s took %d commands, want 1", name, took)
			}
		}
		if round == 0 {
			board.redis.AddHook(commands)
		}
	}
}

// counter counts the commands that go to Redis.
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

func TestRebuiltFromTheStore(t *testing.T) {
	board, store := open(t)
	if got, err := board.Read(t.Context(), uuid.NewString()); got != nil || err != nil {
		t.Errorf("without a bucket: %+v, %v; want nothing", got, err)
	}
	for _, final := range []func(string) Status{completed, failed} {
		id := uuid.NewString()
		original := imagestore.OriginalKey(id, "ä.jpg")
		if err := store.Put(t.Context(), original, []byte("x"), imagestore.Attributes{ContentType: "image/jpeg"}); err != nil {
			t.Fatal(err)
		}
		forgetful := func(want Status) {
			t.Helper()
			if err := board.Forget(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			for _, source := range []string{"the store", "redis, where it was put back"} {
				if got, err := board.Read(t.Context(), id); err != nil || got == nil || !reflect.DeepEqual(*got, want) {
					t.Errorf("from %s: %+v, %v; want %+v", source, got, err, want)
				}
			}
		}
		forgetful(in(Queued, id))
		want := final(id)
		recorded, err := board.Record(t.Context(), original, want, []byte("thumbnail"), "image/jpeg")
		if err != nil || !reflect.DeepEqual(*recorded, want) {
			t.Errorf("Record() = %+v, %v", recorded, err)
		}
		forgetful(want)

		later := final(id)
		later.ProcessedAt++
		if recorded, err := board.Record(t.Context(), original, later, []byte("other"), "image/png"); err != nil || !reflect.DeepEqual(*recorded, want) {
			t.Errorf("second Record() = %+v, %v; want the first one's", recorded, err)
		}
	}
}

func TestRedisAway(t *testing.T) {
	board, store := open(t)
	away := Open(Settings{Address: "127.0.0.1:1"}, store)
	defer away.Close()
	id := uuid.NewString()
	if _, err := away.Advance(t.Context(), in(Queued, id)); err == nil {
		t.Error("Advance() = nil")
	}
	if err := away.Check(t.Context()); err == nil {
		t.Error("Check() = nil")
	}
	if _, err := board.Record(t.Context(), imagestore.OriginalKey(id, "ä.jpg"), completed(id), nil, "image/jpeg"); err != nil {
		t.Fatal(err)
	}
	if got, err := away.Read(t.Context(), id); err != nil || !reflect.DeepEqual(*got, completed(id)) {
		t.Errorf("Read() = %+v, %v; want it from the store", got, err)
	}
}

// Who was told the end while Redis was away is told it again when Redis, which was not, or knows only what it knew some time
// ago, is back.
func TestRedisWasAwayAtTheEnd(t *testing.T) {
	board, _ := open(t)
	for _, last := range []State{Queued, Processing} {
		id := uuid.NewString()
		if _, err := board.Advance(t.Context(), in(last, id)); err != nil {
			t.Fatal(err)
		}
		if got, err := board.Read(t.Context(), id); err != nil || got == nil || got.State != last {
			t.Errorf("before the end: %+v, %v", got, err)
		}
		if _, err := board.Record(t.Context(), imagestore.OriginalKey(id, "ä.jpg"), completed(id), nil, "image/jpeg"); err != nil {
			t.Fatal(err)
		}
		got, err := board.Read(t.Context(), id)
		for tries := 0; err == nil && got.State == last && tries < 100; tries++ { // the store may take longer than Read waits
			got, err = board.Read(t.Context(), id)
		}
		if err != nil || !reflect.DeepEqual(*got, completed(id)) {
			t.Errorf("Read() = %+v, %v; want it from the store", got, err)
		}
		if before, err := board.Advance(t.Context(), in(Processing, id)); err != nil || before == nil || before.State != Completed {
			t.Errorf("Redis has %+v, %v; want what was read", before, err)
		}
	}
}

// A result that was there when another was to be stored, and is gone when it is asked for, is none.
func TestRecordedAndLost(t *testing.T) {
	board, _ := open(t)
	if got, err := board.recorded(t.Context(), uuid.NewString()); err == nil {
		t.Errorf("recorded() = %+v, want an error", got)
	}
}

func TestEvent(t *testing.T) {
	id := uuid.NewString()
	original := imagestore.OriginalKey(id, "ä.jpg")
	for _, final := range []Status{completed(id), failed(id)} {
		first, err := final.Event(t.Context(), events.SourceThumbnail, "images", original)
		if err != nil {
			t.Fatal(err)
		}
		second, err := final.Event(t.Context(), events.SourceThumbnail, "images", original)
		if err != nil || first.String() != second.String() {
			t.Errorf("told twice:\n%s\n%s", first, second)
		}
		if got, want := first.Time().Format(time.RFC3339Nano), "2023-11-14T22:13:19.123Z"; got != want {
			t.Errorf("time is %s, want %s", got, want)
		}
	}
}

// A status costs Redis one command and the network one round trip.
func BenchmarkAdvance(b *testing.B) {
	board, _ := open(b)
	id := uuid.NewString()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := board.Advance(b.Context(), in(Processing, id)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	board, _ := open(b)
	id := uuid.NewString()
	if _, err := board.Advance(b.Context(), completed(id)); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := board.Read(b.Context(), id); err != nil {
			b.Fatal(err)
		}
	}
}
