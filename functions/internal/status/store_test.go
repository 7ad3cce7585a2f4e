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
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
)

// store is a Store with the two servers below it.
type store struct {
	*Store
	redis  redis.UniversalClient
	images *imagestore.Store
}

func open(tb testing.TB) store {
	tb.Helper()
	r := config.NewReader(testservers.StartStores(tb))
	images, err := imagestore.Open(imagestore.ReadSettings(r))
	if err != nil {
		tb.Fatal(err)
	}
	client := connect.OpenRedis(connect.ReadRedis(r))
	if err := r.Err(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { client.Close() })
	return store{New(client, images), client, images}
}

// withoutRedis is the same image store behind a Redis that is down.
func (s store) withoutRedis(tb testing.TB) *Store {
	tb.Helper()
	client := connect.OpenRedis(connect.Redis{Addresses: []string{"127.0.0.1:1"}})
	tb.Cleanup(func() { client.Close() })
	return New(client, s.images)
}

func completedStatus(imageID string) Status {
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

func failedStatus(imageID string) Status {
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
		return completedStatus(imageID)
	case Failed:
		return failedStatus(imageID)
	}
	return Status{ImageID: imageID, State: state}
}

// read reads a status that must not be stale.
func (s store) read(tb testing.TB, imageID string) *Status {
	tb.Helper()
	got, stale, err := s.Read(tb.Context(), imageID)
	if err != nil || stale {
		tb.Fatalf("Read() = %+v, %v, %v; want a status that is not stale", got, stale, err)
	}
	return got
}

func (s store) advance(tb testing.TB, next Status) (before *Status) {
	tb.Helper()
	before, err := s.Advance(tb.Context(), next)
	if err != nil {
		tb.Fatalf("Advance(%s) = %v", next.State, err)
	}
	return before
}

// record stores a result without telling Redis.
func (s store) record(tb testing.TB, final Status) {
	tb.Helper()
	original := imagestore.OriginalKey(final.ImageID, "ä.jpg")
	thumbnail := &File{Rendition: raster.Rendition{Format: raster.JPEG}}
	if _, err := s.Record(tb.Context(), original, final, thumbnail); err != nil {
		tb.Fatal(err)
	}
}

// The original system's clients and dashboards read this JSON, from GET /status and from Redis.
func TestJSON(t *testing.T) {
	s := open(t)
	for state, want := range map[State]string{
		Queued:     `{"image_id":"%s","status":"queued"}`,
		Processing: `{"image_id":"%s","status":"processing"}`,
		Completed: `{"image_id":"%s","status":"completed","result":{"success":true,"thumbnail":"%[1]s/thumbnail_ä.jpg",` +
			`"original_size":[1920,1080],"thumbnail_size":[200,112]},"processed_at":1699999999.123}`,
		Failed: `{"image_id":"%s","status":"failed","reason":"damaged",` +
			`"result":{"success":false,"error":"The JPEG is damaged"},"processed_at":1699999999.123}`,
	} {
		t.Run(string(state), func(t *testing.T) {
			id := uuid.NewString()
			s.advance(t, in(state, id))
			want := fmt.Sprintf(want, id)
			if got, err := s.redis.Get(t.Context(), s.keys.Key(id)).Result(); err != nil || got != want {
				t.Errorf("Redis has %s, %v; want %s", got, err, want)
			}
			if left := s.redis.TTL(t.Context(), s.keys.Key(id)).Val(); left < Expiry-time.Minute || left > Expiry {
				t.Errorf("it expires in %v, want %v", left, Expiry)
			}
		})
	}
}

// Every state after every other state: a status goes forward or stays.
func TestAdvanceOnlyGoesForward(t *testing.T) {
	s := open(t)
	order := map[State]int{Queued: 1, Processing: 2, Completed: 3, Failed: 3}
	for from := range order {
		for to := range order {
			t.Run(fmt.Sprintf("%s to %s", from, to), func(t *testing.T) {
				id := uuid.NewString()
				if before := s.advance(t, in(from, id)); before != nil {
					t.Errorf("first Advance() = %v, want nothing before", before)
				}
				if before := s.advance(t, in(to, id)); before == nil || !reflect.DeepEqual(*before, in(from, id)) {
					t.Errorf("Advance() = %+v, want the status before", before)
				}
				want := from
				if order[to] > order[from] {
					want = to
				}
				if got := s.read(t, id); !reflect.DeepEqual(*got, in(want, id)) {
					t.Errorf("status is %+v, want %s", got, want)
				}
			})
		}
	}
}

// Many writers at once: one of them sets the final status, and it stays.
func TestOneFinalStatus(t *testing.T) {
	s := open(t)
	id := uuid.NewString()
	states := []State{Queued, Processing, Completed, Failed}
	var wait sync.WaitGroup
	firsts := make(chan State, 80)
	for i := range cap(firsts) {
		wait.Go(func() {
			state := states[i%len(states)]
			before, err := s.Advance(t.Context(), in(state, id))
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
		t.Errorf("%d writers were the first with a final status, want 1", more+1)
	}
	if got := s.read(t, id); got.State != first {
		t.Errorf("status is %+v, want the first final one, %s", got, first)
	}
}

// What another program wrote under the key of a status counts as no status.
func TestNotAStatus(t *testing.T) {
	s := open(t)
	for _, junk := range []string{"", "{", "null", "[]", `"queued"`, `{"status":7}`, `{"status":"lost"}`, "\xff"} {
		t.Run(fmt.Sprintf("%q", junk), func(t *testing.T) {
			id := uuid.NewString()
			if err := s.redis.Set(t.Context(), s.keys.Key(id), junk, 0).Err(); err != nil {
				t.Fatal(err)
			}
			if got := s.read(t, id); got != nil && got.State != "lost" {
				t.Errorf("status is %+v, want none", got)
			}
			s.advance(t, in(Queued, id))
			if got := s.read(t, id); got == nil || got.State != Queued {
				t.Errorf("status after Advance() is %+v, want queued", got)
			}
		})
	}
}

func TestOneRoundTrip(t *testing.T) {
	s := open(t)
	queued, done := uuid.NewString(), uuid.NewString()
	s.advance(t, completedStatus(done))
	s.advance(t, in(Queued, queued)) // sends the script to Redis
	commands := &counter{}
	s.redis.AddHook(commands)
	for name, call := range map[string]func(){
		"Advance":             func() { s.advance(t, in(Queued, queued)) },
		"Read of a final one": func() { s.read(t, done) },
		"Read of another one": func() { s.read(t, queued) },
	} {
		t.Run(name, func(t *testing.T) {
			before := commands.count.Load()
			call()
			if got := commands.count.Load() - before; got != 1 {
				t.Errorf("%d commands, want 1", got)
			}
		})
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

func TestReadWithoutBucket(t *testing.T) {
	s := open(t)
	if got := s.read(t, uuid.NewString()); got != nil {
		t.Errorf("Read() = %+v, want nothing", got)
	}
}

// After Redis has forgotten a status, Read rebuilds it from the image store, and says that Redis should be told.
func TestReadRebuilds(t *testing.T) {
	s := open(t)
	for state, final := range map[State]func(string) Status{Completed: completedStatus, Failed: failedStatus} {
		t.Run(string(state), func(t *testing.T) {
			id := uuid.NewString()
			original := imagestore.OriginalKey(id, "ä.jpg")
			attributes := imagestore.Attributes{ContentType: "image/jpeg"}
			if err := s.images.Put(t.Context(), original, []byte("x"), attributes); err != nil {
				t.Fatal(err)
			}
			checkRebuilt := func(want Status) {
				t.Helper()
				if err := s.Forget(t.Context(), id); err != nil {
					t.Fatal(err)
				}
				got, stale, err := s.Read(t.Context(), id)
				if err != nil || !stale || got == nil || !reflect.DeepEqual(*got, want) {
					t.Errorf("Read() = %+v, %v, %v; want %+v, stale", got, stale, err, want)
				}
				s.advance(t, *got)
				if got := s.read(t, id); !reflect.DeepEqual(*got, want) {
					t.Errorf("Read() after Advance() = %+v, want %+v", got, want)
				}
			}
			checkRebuilt(in(Queued, id))
			want := final(id)
			recorded, err := s.Record(t.Context(), original, want, &File{Rendition: raster.Rendition{
				Format: raster.JPEG, Bytes: []byte("thumbnail"),
			}})
			if err != nil || !reflect.DeepEqual(*recorded, want) {
				t.Errorf("Record() = %+v, %v; want %+v", recorded, err, want)
			}
			checkRebuilt(want)

			later := final(id)
			later.ProcessedAt++
			recorded, err = s.Record(t.Context(), original, later,
				&File{Rendition: raster.Rendition{Format: raster.PNG, Bytes: []byte("other")}})
			if err != nil || !reflect.DeepEqual(*recorded, want) {
				t.Errorf("second Record() = %+v, %v; want the first one's %+v", recorded, err, want)
			}
		})
	}
}

func TestRedisDown(t *testing.T) {
	s := open(t)
	down := s.withoutRedis(t)
	id := uuid.NewString()
	if _, err := down.Advance(t.Context(), in(Queued, id)); err == nil {
		t.Error("Advance() = nil, want an error")
	}
	s.record(t, completedStatus(id))
	got, stale, err := down.Read(t.Context(), id)
	if err != nil || stale || !reflect.DeepEqual(*got, completedStatus(id)) {
		t.Errorf("Read() = %+v, %v, %v; want it from the image store, and Redis not to be told", got, stale, err)
	}
}

// A result was stored while Redis was down. When Redis is back, with the status that it had before or with none, Read
// still returns the result.
func TestRedisWasDownAtTheEnd(t *testing.T) {
	s := open(t)
	for _, last := range []State{Queued, Processing} {
		t.Run(string(last), func(t *testing.T) {
			id := uuid.NewString()
			s.advance(t, in(last, id))
			if got := s.read(t, id); got == nil || got.State != last {
				t.Errorf("before the end: %+v, want %s", got, last)
			}
			s.record(t, completedStatus(id))
			got, stale, err := s.Read(t.Context(), id)
			for tries := 0; err == nil && !stale && tries < 100; tries++ { // the image store may take longer than Read waits
				got, stale, err = s.Read(t.Context(), id)
			}
			if err != nil || !stale || !reflect.DeepEqual(*got, completedStatus(id)) {
				t.Errorf("Read() = %+v, %v, %v; want it from the image store, stale", got, stale, err)
			}
		})
	}
}

// Record finds another result, which is gone when it is read.
func TestRecordedAndLost(t *testing.T) {
	s := open(t)
	if got, err := s.recorded(t.Context(), uuid.NewString()); err == nil {
		t.Errorf("recorded() = %+v, want an error", got)
	}
}

// A process is slow to cache a failure that was removed meanwhile, so that the image is tried again. What the store has
// counts, in Redis as well. What the store does not have stays in Redis: it may be the first status of two.
func TestConcludeLate(t *testing.T) {
	s := open(t)
	id := uuid.NewString()
	late, final := failedStatus(id), completedStatus(id)
	if got, err := s.Conclude(t.Context(), late); err != nil || !reflect.DeepEqual(*got, late) {
		t.Fatalf("Conclude() = %+v, %v; want %+v", got, err, late)
	}
	if got, err := s.Conclude(t.Context(), final); err != nil || got.State != Failed {
		t.Errorf("without a stored result: Conclude() = %+v, %v; want the first one", got, err)
	}
	original := imagestore.OriginalKey(id, "a.png")
	thumbnail := &File{Rendition: raster.Rendition{Format: raster.JPEG, Bytes: []byte("thumbnail")}}
	if _, err := s.Record(t.Context(), original, final, thumbnail); err != nil {
		t.Fatal(err)
	}
	published := s.redis.Subscribe(t.Context(), s.keys.Key(id))
	defer published.Close()
	if _, err := published.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got, err := s.Conclude(t.Context(), final)
		if err != nil || got.State != Completed {
			t.Errorf("Conclude() = %+v, %v; want %s", got, err, Completed)
		}
		if got := s.read(t, id); got.State != Completed {
			t.Errorf("Redis has %+v, want %s", got, Completed)
		}
	}
	if message, err := published.ReceiveMessage(t.Context()); err != nil || parse(message.Payload).State != Completed {
		t.Errorf("published %v, %v; want %s", message, err, Completed)
	}
}

// The same status gives the same event.
func TestEvent(t *testing.T) {
	id := uuid.NewString()
	original := imagestore.OriginalKey(id, "ä.jpg")
	for _, final := range []Status{completedStatus(id), failedStatus(id)} {
		t.Run(string(final.State), func(t *testing.T) {
			first, err := final.Event(t.Context(), events.SourceThumbnail, "images", original)
			if err != nil {
				t.Fatal(err)
			}
			second, err := final.Event(t.Context(), events.SourceThumbnail, "images", original)
			if err != nil || first.String() != second.String() {
				t.Errorf("the same status gives two events, %v:\n%s\n%s", err, first, second)
			}
			if got, want := first.Time().Format(time.RFC3339Nano), "2023-11-14T22:13:19.123Z"; got != want {
				t.Errorf("time is %s, want %s", got, want)
			}
		})
	}
}

// A status costs Redis one command and the network one round trip.
func BenchmarkAdvance(b *testing.B) {
	s := open(b)
	id := uuid.NewString()
	b.ReportAllocs()
	for b.Loop() {
		s.advance(b, in(Processing, id))
	}
}

func BenchmarkRead(b *testing.B) {
	s := open(b)
	id := uuid.NewString()
	s.advance(b, completedStatus(id))
	b.ReportAllocs()
	for b.Loop() {
		s.read(b, id)
	}
}
