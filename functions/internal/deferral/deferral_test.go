package deferral

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// A testQueue is a Queue with the servers around it.
type testQueue struct {
	*Queue
	statuses *status.Store
	admin    redis.UniversalClient // has more rights than the function
}

func open(tb testing.TB) testQueue {
	tb.Helper()
	getenv := testservers.StartStores(tb)
	r := config.NewReader(getenv)
	images, err := imagestore.Open(imagestore.ReadSettings(r))
	if err != nil {
		tb.Fatal(err)
	}
	client := connect.OpenRedis(connect.ReadRedis(r))
	if err := r.Err(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { client.Close() })
	return testQueue{New(client, images), status.New(client, images), testservers.Redis(tb, getenv)}
}

// noteOf is the note of an image.received.
func noteOf(imageID string) Note {
	e := event.New()
	e.SetType(events.TypeImageReceived)
	e.SetSource("/scanner")
	e.SetID("event of " + imageID)
	e.SetExtension(events.TraceParent, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	_ = e.SetData("application/json", map[string]string{"bucket": "scans"})
	note := NewNote(Received, e, imageID, "scans", "2026/ü.png", "../ü.png")
	note.Owner = "ada"
	return note
}

func (q testQueue) deferNew(tb testing.TB) Entry {
	tb.Helper()
	note := noteOf(uuid.NewString())
	if err := q.Defer(tb.Context(), note); err != nil {
		tb.Fatal(err)
	}
	return note.entry()
}

// shift makes everything due earlier.
func (q testQueue) shift(tb testing.TB, d time.Duration) {
	tb.Helper()
	for _, lane := range lanes {
		for _, member := range q.dueIn(tb, lane) {
			if err := q.admin.ZIncrBy(tb.Context(), q.key(lane), -d.Seconds(), member).Err(); err != nil {
				tb.Fatal(err)
			}
		}
	}
}

var lanes = []Lane{Events, Images}

// due returns all that waits.
func (q testQueue) due(tb testing.TB) (members []string) {
	tb.Helper()
	for _, lane := range lanes {
		members = append(members, q.dueIn(tb, lane)...)
	}
	return members
}

// dueIn returns what waits in a lane, in the order in which it is due.
func (q testQueue) dueIn(tb testing.TB, lane Lane) []string {
	tb.Helper()
	members, err := q.client.ZRange(tb.Context(), q.key(lane), 0, -1).Result()
	if err != nil {
		tb.Fatal(err)
	}
	return members
}

// forget has Redis lose everything about what waits.
func (q testQueue) forget(tb testing.TB) {
	tb.Helper()
	keys := []string{q.key(Events), q.key(Images), q.sinceKey()}
	if err := errors.Join(q.client.Del(tb.Context(), keys...).Err(), q.cursor().Set(tb.Context(), "")); err != nil {
		tb.Fatal(err)
	}
}

// claim claims up to limit entries of each lane.
func (q testQueue) claim(tb testing.TB, limit int) (entries []Entry) {
	tb.Helper()
	for _, lane := range lanes {
		claimed, err := q.ClaimDue(tb.Context(), lane, time.Minute, limit)
		if err != nil {
			tb.Fatal(err)
		}
		for _, entry := range claimed {
			entries = append(entries, Entry{ImageID: entry.ImageID, Name: entry.Name})
		}
	}
	return entries
}

// A note has all of the event but its data, is stored once, and its image is queued until it is settled.
func TestDefer(t *testing.T) {
	t.Parallel()
	q := open(t)
	want := noteOf(uuid.NewString())
	other := want
	other.Bucket = "other"
	for _, note := range []Note{want, want, other} {
		if err := q.Defer(t.Context(), note); err != nil {
			t.Fatal(err)
		}
	}
	entry := want.entry()
	got, age, err := q.Read(t.Context(), entry)
	if err != nil || age.Abs() > time.Minute {
		t.Fatalf("Read() = %+v, %v, %v", got, age, err)
	}
	if got.Event.String() != want.Event.String() || len(got.Event.Data()) != 0 {
		t.Errorf("event is %s, want %s", got.Event, want.Event)
	}
	got.Event, want.Event = event.Event{}, event.Event{}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("note is %+v, want the first one, %+v", got, want)
	}
	for range 2 {
		got, _, err := q.statuses.Read(t.Context(), entry.ImageID)
		if err != nil || got == nil || got.State != status.Queued {
			t.Errorf("status is %+v, %v; want queued", got, err)
		}
		if err := q.statuses.Forget(t.Context(), entry.ImageID); err != nil {
			t.Fatal(err)
		}
	}
	if size, age, err := q.Backlog(t.Context()); err != nil || size != 1 || age > time.Minute {
		t.Errorf("Backlog() = %d, %v, %v; want 1", size, age, err)
	}
	for range 2 {
		if err := q.Settle(t.Context(), entry); err != nil {
			t.Errorf("Settle() = %v", err)
		}
	}
	if _, _, err := q.Read(t.Context(), entry); !errors.Is(err, imagestore.ErrNotFound) {
		t.Errorf("Read() of what is settled = %v, want ErrNotFound", err)
	}
	if got, _, err := q.statuses.Read(t.Context(), entry.ImageID); err != nil || got != nil {
		t.Errorf("status is %+v, %v; want none", got, err)
	}
	if size, age, err := q.Backlog(t.Context()); err != nil || size != 0 || age != 0 {
		t.Errorf("Backlog() = %d, %v, %v; want nothing", size, age, err)
	}
}

// Two image.uploaded about one ID that name two objects have two notes.
func TestEntries(t *testing.T) {
	t.Parallel()
	q := open(t)
	id := uuid.NewString()
	for _, object := range []string{"a.png", "b.png", "a.png"} {
		note := NewNote(Uploaded, noteOf(id).Event, id, q.images.Bucket(), id+"/"+object, object)
		if err := q.Defer(t.Context(), note); err != nil {
			t.Fatal(err)
		}
	}
	q.shift(t, time.Minute)
	var objects []string
	for _, entry := range q.claim(t, 9) {
		note, _, err := q.Read(t.Context(), entry)
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, note.Filename)
	}
	slices.Sort(objects)
	if want := []string{"a.png", "b.png"}; !slices.Equal(objects, want) {
		t.Errorf("notes are about %q, want %q", objects, want)
	}
}

// What is claimed is due again after the lease, or when it is rescheduled.
func TestClaim(t *testing.T) {
	t.Parallel()
	q := open(t)
	entry := q.deferNew(t)
	if got := q.claim(t, 9); len(got) != 0 {
		t.Errorf("at once %v is due, want nothing for %v", got, FirstPause)
	}
	q.shift(t, FirstPause)
	if got := q.claim(t, 9); !slices.Equal(got, []Entry{entry}) {
		t.Errorf("later %v is due, want %v", got, entry)
	}
	if got := q.claim(t, 9); len(got) != 0 {
		t.Errorf("within the lease %v is due, want nothing", got)
	}
	q.shift(t, time.Minute)
	if got := q.claim(t, 9); !slices.Equal(got, []Entry{entry}) {
		t.Errorf("after the lease %v is due, want %v", got, entry)
	}
	if err := q.Reschedule(t.Context(), entry, 0); err != nil {
		t.Fatal(err)
	}
	if got := q.claim(t, 9); !slices.Equal(got, []Entry{entry}) {
		t.Errorf("after Reschedule %v is due, want %v", got, entry)
	}
	if err := q.Settle(t.Context(), entry); err != nil {
		t.Fatal(err)
	}
	if err := q.Reschedule(t.Context(), entry, 0); err != nil {
		t.Fatal(err)
	}
	if got := q.due(t); len(got) != 0 {
		t.Errorf("what is settled and rescheduled waits: %q", got)
	}
}

// Redis's clock was set back by a day: what was due before is due now.
func TestClaimAfterClockStep(t *testing.T) {
	t.Parallel()
	q := open(t)
	entry := q.deferNew(t)
	q.shift(t, -24*time.Hour)
	if got := q.claim(t, 9); !slices.Equal(got, []Entry{entry}) {
		t.Errorf("%v is due, want %v", got, entry)
	}
	if got := q.claim(t, 9); len(got) != 0 {
		t.Errorf("within the lease %v is due, want nothing", got)
	}
}

// A new event is among the first that are claimed, and so is the oldest one, whatever else is due.
func TestClaimIsFair(t *testing.T) {
	t.Parallel()
	q := open(t)
	flood := make([]redis.Z, 5000)
	for i := range flood {
		flood[i] = redis.Z{Score: float64(1000 + i), Member: uuid.NewString() + "/received"}
	}
	if err := q.client.ZAdd(t.Context(), q.key(Events), flood...).Err(); err != nil {
		t.Fatal(err)
	}
	entry := q.deferNew(t)
	q.shift(t, FirstPause)
	got := q.claim(t, 64)
	if len(got) != 64 || !slices.Contains(got, entry) || got[0].member() != flood[0].Member {
		t.Errorf("claimed %d, first %v; want 64 with the oldest, %v, and the newest, %v", len(got), got[0], flood[0], entry)
	}
	seen := map[Entry]bool{}
	for _, entry := range got {
		seen[entry] = true
	}
	if len(seen) != len(got) {
		t.Errorf("claimed %d different entries of %d", len(seen), len(got))
	}
}

// Scans in small steps put back all that Redis has forgotten, with its time, and leave what it knows.
func TestRestore(t *testing.T) {
	t.Parallel()
	q := open(t)
	if count, err := q.Restore(t.Context(), 9); count != 0 || err != nil {
		t.Errorf("Restore() without a bucket = %d, %v; want 0", count, err)
	}
	var want []string
	for range 7 {
		want = append(want, q.deferNew(t).member())
	}
	slices.Sort(want)
	if err := q.images.Put(t.Context(), "deferred/junk", []byte("x"), imagestore.Attributes{}); err != nil {
		t.Fatal(err)
	}
	q.forget(t)
	total := 0
	for range 4 {
		count, err := q.Restore(t.Context(), 3)
		if err != nil {
			t.Fatal(err)
		}
		total += count
	}
	got := q.due(t)
	if slices.Sort(got); total != len(want) || !slices.Equal(got, want) {
		t.Errorf("restored %d: %q, want %q", total, got, want)
	}
	if count, err := q.Restore(t.Context(), 100); count != 0 || err != nil {
		t.Errorf("another Restore() = %d, %v; want 0", count, err)
	}
	if got := q.claim(t, 100); len(got) != len(want) {
		t.Errorf("%d are due, want %d", len(got), len(want))
	}
	if size, age, err := q.Backlog(t.Context()); err != nil || size != 7 || age > time.Minute {
		t.Errorf("Backlog() = %d, %v, %v; want 7 of the last minute", size, age, err)
	}
}

// An image without a note waits in Redis alone.
func TestPostpone(t *testing.T) {
	t.Parallel()
	q := open(t)
	id := uuid.NewString()
	if err := q.Postpone(t.Context(), id, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	q.shift(t, 4*time.Second)
	if got := q.claim(t, 9); len(got) != 0 {
		t.Errorf("after 4 s %v is due, want nothing", got)
	}
	q.shift(t, time.Second)
	entry := Entry{ImageID: id}
	if got := q.claim(t, 9); !slices.Equal(got, []Entry{entry}) {
		t.Errorf("after 5 s %v is due, want %v", got, entry)
	}
	if err := q.Settle(t.Context(), entry); err != nil {
		t.Fatal(err)
	}
	if got := q.due(t); len(got) != 0 {
		t.Errorf("%q waits, want nothing", got)
	}
}

// An image that is announced again may be postponed again before its entry is settled: it goes on waiting.
func TestPostponedAgain(t *testing.T) {
	t.Parallel()
	q := open(t)
	id := uuid.NewString()
	if err := q.Postpone(t.Context(), id, time.Second); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		q.shift(t, time.Second)
		claimed, err := q.ClaimDue(t.Context(), Images, time.Minute, 9)
		if err != nil || len(claimed) != 1 || claimed[0].ImageID != id {
			t.Fatalf("ClaimDue() = %v, %v; want %s", claimed, err, id)
		}
		if err := q.Postpone(t.Context(), id, time.Second); err != nil {
			t.Fatal(err)
		}
		if err := q.Settle(t.Context(), claimed[0]); err != nil {
			t.Fatal(err)
		}
		if size, _, err := q.Backlog(t.Context()); err != nil || size != 1 {
			t.Errorf("Backlog() = %d, %v; want 1", size, err)
		}
	}
	q.shift(t, time.Second)
	claimed, err := q.ClaimDue(t.Context(), Images, time.Minute, 9)
	if err != nil || len(claimed) != 1 {
		t.Fatalf("ClaimDue() = %v, %v; want %s", claimed, err, id)
	}
	if err := q.Settle(t.Context(), claimed[0]); err != nil {
		t.Fatal(err)
	}
	if size, _, err := q.Backlog(t.Context()); err != nil || size != 0 || len(q.due(t)) != 0 {
		t.Errorf("Backlog() = %d, %v; want nothing", size, err)
	}
}

// An entry that an earlier version has put into the lane of events leaves it when it is settled.
func TestSettleOfEarlierVersion(t *testing.T) {
	t.Parallel()
	q := open(t)
	entry := Entry{ImageID: uuid.NewString()}
	z := redis.Z{Score: 1, Member: entry.member()}
	if err := q.client.ZAdd(t.Context(), q.key(Events), z).Err(); err != nil {
		t.Fatal(err)
	}
	if got := q.claim(t, 9); !slices.Equal(got, []Entry{entry}) {
		t.Fatalf("%v is due, want %v", got, entry)
	}
	if err := q.Settle(t.Context(), entry); err != nil {
		t.Fatal(err)
	}
	if got := q.due(t); len(got) != 0 {
		t.Errorf("%q waits, want nothing", got)
	}
}

// A note is never longer than what Read accepts: a filename is cut, and other events are refused.
func TestDeferLong(t *testing.T) {
	t.Parallel()
	q := open(t)
	t.Run("filename", func(t *testing.T) {
		long := strings.Repeat("<", 1<<20) + ".png"
		note := NewNote(Received, noteOf(uuid.NewString()).Event, uuid.NewString(), "scans", "a.png", long)
		if err := q.Defer(t.Context(), note); err != nil {
			t.Fatal(err)
		}
		got, _, err := q.Read(t.Context(), note.entry())
		if err != nil || len(got.Filename) > maxFilename || !strings.HasSuffix(got.Filename, "<.png") {
			t.Errorf("Read() has a filename of %d bytes, %v; want at most %d, with the end", len(got.Filename), err, maxFilename)
		}
	})
	t.Run("attribute", func(t *testing.T) {
		note := noteOf(uuid.NewString())
		note.Event.SetExtension("long", strings.Repeat("a", maxNote))
		if err := q.Defer(t.Context(), note); !errors.Is(err, events.ErrInvalid) {
			t.Errorf("Defer() = %v, want ErrInvalid", err)
		}
		if deferred, err := q.images.IsDeferred(t.Context(), note.ImageID); deferred || err != nil {
			t.Errorf("IsDeferred() = %t, %v; want false", deferred, err)
		}
	})
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	q := open(t)
	other := noteOf(uuid.NewString())
	if err := q.Defer(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	stolen, _, err := q.images.GetWhole(t.Context(), other.entry().key(), maxNote)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"empty": "", "not JSON": "text", "another JSON": "[]", "of another image": string(stolen),
		"without an event": `{"kind":"received"}`,
	} {
		t.Run(name, func(t *testing.T) {
			entry := Entry{ImageID: uuid.NewString(), Name: "received"}
			if err := q.images.Put(t.Context(), entry.key(), []byte(content), imagestore.Attributes{}); err != nil {
				t.Fatal(err)
			}
			_, age, err := q.Read(t.Context(), entry)
			if !errors.Is(err, ErrUnreadable) || age.Abs() > time.Minute {
				t.Errorf("Read() = %v, %v; want ErrUnreadable and the age", age, err)
			}
		})
	}
}

// Nothing is deferred that is not stored, and an error of Redis is returned as well: then the event is delivered again.
func TestWithoutServers(t *testing.T) {
	t.Parallel()
	q := open(t)
	client := connect.OpenRedis(connect.Redis{Addresses: []string{"127.0.0.1:1"}})
	t.Cleanup(func() { client.Close() })
	note := noteOf(uuid.NewString())
	if err := New(client, q.images).Defer(t.Context(), note); err == nil {
		t.Error("Defer() without Redis = nil, want an error")
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := q.Defer(over, noteOf(uuid.NewString())); err == nil {
		t.Error("Defer() without the store = nil, want an error")
	}
	if got := q.due(t); len(got) != 0 {
		t.Errorf("%q waits, want nothing", got)
	}
	if count, err := q.Restore(t.Context(), 9); count != 1 || err != nil {
		t.Errorf("Restore() = %d, %v; want the note that was stored", count, err)
	}
}
