package retry

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/deferral"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/outbox"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"gitlab.com/yourorg/image-service/functions/upload/accept"
	"gitlab.com/yourorg/image-service/functions/upload/grant"
	"gitlab.com/yourorg/image-service/functions/upload/idempotency"
	"gitlab.com/yourorg/image-service/functions/upload/quota"
	"gitlab.com/yourorg/image-service/functions/upload/relay"
)

// testRetrier is a Retrier with the servers around it. Objects are named in the service's own bucket.
type testRetrier struct {
	*Retrier
	redis     redis.UniversalClient
	published *published
}

// anyStore is a gate that lets images into any store.
type anyStore struct{}

func (anyStore) Pass(context.Context) error { return nil }

// published is a publisher that keeps events, unless it is down.
type published struct {
	sync.Mutex
	down   bool
	events []event.Event
}

func (p *published) Publish(_ context.Context, e event.Event) error {
	p.Lock()
	defer p.Unlock()
	if p.down {
		return errors.New("the publisher is down")
	}
	p.events = append(p.events, e)
	return nil
}

func (p *published) Check(context.Context) error { return nil }

func (p *published) Close() error { return nil }

func (p *published) setDown(down bool) {
	p.Lock()
	defer p.Unlock()
	p.down = down
}

// of returns the events of a type about an image.
func (p *published) of(eventType, imageID string) (found []event.Event) {
	p.Lock()
	defer p.Unlock()
	for _, e := range p.events {
		if e.Type() == eventType && e.Subject() == imageID {
			found = append(found, e)
		}
	}
	return found
}

// open returns a Retrier that waits for an object for as long as patience.
func open(tb testing.TB, patience time.Duration) *testRetrier {
	tb.Helper()
	return openWith(tb, testservers.StartStores(tb), patience)
}

func openWith(tb testing.TB, getenv func(string) string, patience time.Duration) *testRetrier {
	tb.Helper()
	r := config.NewReader(getenv)
	settings := imagestore.ReadSettings(r)
	settings.Memory = 32 << 20
	images, err := imagestore.Open(settings)
	if err != nil {
		tb.Fatal(err)
	}
	client := connect.OpenRedis(connect.ReadRedis(r))
	if err := r.Err(); err != nil {
		tb.Fatal(err)
	}
	box := outbox.New(client, images.Bucket(), func(err error) { tb.Errorf("acknowledge: %v", err) })
	tb.Cleanup(func() {
		box.Close()
		client.Close()
	})
	publisher, log := &published{}, slog.New(slog.DiscardHandler)
	statuses := status.New(client, images)
	sender := relay.New(relay.Backends{Images: images, Statuses: statuses, Outbox: box, Publisher: publisher},
		relay.Ages{Queued: time.Minute, Stored: time.Minute}, log, nil)
	limits := accept.Limits{Bytes: 100_000, Limits: raster.Limits{Pixels: 10_000}}
	accepting := accept.New(accept.Backends{
		Gate: anyStore{}, Quota: &quota.Quota{}, Grants: &grant.Ledger{}, Images: images, Relay: sender, Outbox: box,
	}, limits, log)
	acceptor := idempotency.New(accepting, images, statuses, sender, client, limits.Bytes)
	backends := Backends{
		Queue: deferral.New(client, images), Images: images, Statuses: statuses, Acceptor: acceptor, Relay: sender,
		Publisher: publisher,
	}
	return &testRetrier{New(backends, patience, log, nil), client, publisher}
}

// deferReceived has an image.received wait that names an object of the service's own bucket.
func (r *testRetrier) deferReceived(tb testing.TB, object string) deferral.Note {
	tb.Helper()
	e := event.New()
	e.SetType(events.TypeImageReceived)
	e.SetSource("/retry")
	e.SetID(uuid.NewString())
	id := idempotency.EventImageID("", e.Source(), e.ID())
	return r.defers(tb, deferral.NewNote(deferral.Received, e, id, r.Images.Bucket(), object, "a.png"))
}

// deferUploaded has an image.uploaded wait for an original.
func (r *testRetrier) deferUploaded(tb testing.TB, imageID, filename string) deferral.Note {
	tb.Helper()
	e := event.New()
	e.SetType(events.TypeImageUploaded)
	e.SetSource(events.SourceUpload)
	e.SetID(uuid.NewString())
	key := imagestore.OriginalKey(imageID, filename)
	return r.defers(tb, deferral.NewNote(deferral.Uploaded, e, imageID, r.Images.Bucket(), key, filename))
}

func (r *testRetrier) defers(tb testing.TB, note deferral.Note) deferral.Note {
	tb.Helper()
	if err := r.Queue.Defer(tb.Context(), note); err != nil {
		tb.Fatal(err)
	}
	return note
}

func (r *testRetrier) put(tb testing.TB, key string, content []byte) {
	tb.Helper()
	if err := r.Images.Put(tb.Context(), key, content, imagestore.Attributes{ContentType: "image/png"}); err != nil {
		tb.Fatal(err)
	}
}

func pngOf(tb testing.TB) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// waiting returns what waits in Redis.
func (r *testRetrier) waiting(tb testing.TB) []string {
	tb.Helper()
	var members []string
	for _, lane := range lanes {
		waiting, err := r.redis.ZRange(tb.Context(), r.key(lane), 0, -1).Result()
		if err != nil {
			tb.Fatal(err)
		}
		members = append(members, waiting...)
	}
	return members
}

var lanes = []deferral.Lane{deferral.Events, deferral.Images}

// key is the Redis key of a lane.
func (r *testRetrier) key(lane deferral.Lane) string {
	return "image:deferred:" + string(lane) + ":" + connect.Tagged(r.redis, r.Images.Bucket())
}

// tryAll makes everything due and tries it once, as Run does.
func (r *testRetrier) tryAll(tb testing.TB) error {
	tb.Helper()
	var errs []error
	for _, lane := range lanes {
		for _, member := range r.waiting(tb) {
			if err := r.redis.ZAddXX(tb.Context(), r.key(lane), redis.Z{Score: 1, Member: member}).Err(); err != nil {
				tb.Fatal(err)
			}
		}
		_, err := r.tryDue(tb.Context(), tb.Context(), lane)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// await tries everything until a condition holds, for up to a minute.
func (r *testRetrier) await(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if err := r.tryAll(tb); err != nil {
			tb.Fatal(err)
		}
		if time.Now().After(deadline) {
			tb.Fatalf("after a minute it does not hold that %s", what)
		}
	}
}

// checkStatus checks the status of an image, as Redis and as the bucket has it. reason is that of one that has failed.
func (r *testRetrier) checkStatus(t *testing.T, imageID string, want status.State, reason string) {
	t.Helper()
	for range 2 {
		got, _, err := r.Statuses.Read(t.Context(), imageID)
		if err != nil || got == nil || got.State != want || got.Reason != reason {
			t.Errorf("status is %+v, %v; want %s %s", got, err, want, reason)
		}
		if err := r.Statuses.Forget(t.Context(), imageID); err != nil {
			t.Fatal(err)
		}
	}
}

// checkSettled checks that nothing waits about an image.
func (r *testRetrier) checkSettled(t *testing.T, imageID string) {
	t.Helper()
	if deferred, err := r.Images.IsDeferred(t.Context(), imageID); err != nil || deferred {
		t.Errorf("IsDeferred() = %t, %v; want false", deferred, err)
	}
	if got := r.waiting(t); len(got) != 0 {
		t.Errorf("%q waits, want nothing", got)
	}
}

// An object that appears is accepted once, for both kinds of event; until then its image is queued.
func TestObjectAppears(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		wait   func(r *testRetrier) (note deferral.Note)
		object func(note deferral.Note) string
	}{
		"image.received": {func(r *testRetrier) deferral.Note { return r.deferReceived(t, "inbox/late.png") },
			func(deferral.Note) string { return "inbox/late.png" }},
		"image.uploaded": {func(r *testRetrier) deferral.Note { return r.deferUploaded(t, uuid.NewString(), "a.png") },
			func(note deferral.Note) string { return note.ObjectName }},
		"image.uploaded, under another name": {
			func(r *testRetrier) deferral.Note { return r.deferUploaded(t, uuid.NewString(), "a.png") },
			func(note deferral.Note) string { return note.ImageID + "/b.png" }},
	} {
		t.Run(name, func(t *testing.T) {
			r := open(t, time.Hour)
			note := test.wait(r)
			for range 3 {
				if err := r.tryAll(t); err != nil {
					t.Fatal(err)
				}
			}
			if got := r.waiting(t); len(got) != 1 || len(r.published.events) != 0 {
				t.Errorf("%q waits, published %v; want one, and nothing", got, r.published.events)
			}
			r.checkStatus(t, note.ImageID, status.Queued, "")
			r.put(t, test.object(note), pngOf(t))
			for range 3 {
				if err := r.tryAll(t); err != nil {
					t.Fatal(err)
				}
			}
			if got := r.published.of(events.TypeImageUploaded, note.ImageID); len(got) != 1 {
				t.Errorf("published %v, want one image.uploaded", got)
			}
			r.checkStatus(t, note.ImageID, status.Queued, "")
			r.checkSettled(t, note.ImageID)
		})
	}
}

// An image whose object does not appear in time has failed, with one event, for both kinds of event. Whatever happens
// later, it stays so.
func TestObjectNeverAppears(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		wait   func(r *testRetrier) deferral.Note
		source string
	}{
		"image.received": {func(r *testRetrier) deferral.Note { return r.deferReceived(t, "inbox/never.png") },
			events.SourceUpload},
		"image.uploaded": {func(r *testRetrier) deferral.Note { return r.deferUploaded(t, uuid.NewString(), "a.png") },
			events.SourceThumbnail},
	} {
		t.Run(name, func(t *testing.T) {
			r := open(t, time.Second) // MinIO's times cannot be changed
			note := test.wait(r)
			r.await(t, "nothing waits", func() bool { return len(r.waiting(t)) == 0 })
			r.defers(t, note) // delivered again meanwhile
			if err := r.tryAll(t); err != nil {
				t.Fatal(err)
			}
			r.await(t, "nothing waits", func() bool { return len(r.waiting(t)) == 0 })
			r.put(t, note.ObjectName, pngOf(t))
			published := r.published.of(events.TypeImageFailed, note.ImageID)
			if len(published) == 0 || len(published) != len(r.published.events) {
				t.Fatalf("published %v, want image.failed only", r.published.events)
			}
			for _, e := range published {
				failed, err := events.Decode[events.ImageFailed](e)
				if err != nil || failed.Reason != events.ReasonObjectNotFound || e.Source() != test.source {
					t.Errorf("published %v, %v; want the reason %s from %s", e, err, events.ReasonObjectNotFound, test.source)
				}
				if e.ID() != published[0].ID() || !bytes.Equal(e.Data(), published[0].Data()) {
					t.Errorf("published %v, and then %v; want the same event", published[0], e)
				}
			}
			r.checkStatus(t, note.ImageID, status.Failed, string(events.ReasonObjectNotFound))
			r.checkSettled(t, note.ImageID)
		})
	}
}

// An object that is not an image fails as an upload of it would, but after its event was acknowledged.
func TestObjectIsNoImage(t *testing.T) {
	t.Parallel()
	r := open(t, time.Hour)
	note := r.deferReceived(t, "inbox/text.png")
	r.put(t, "inbox/text.png", []byte("text"))
	if err := r.tryAll(t); err != nil {
		t.Fatal(err)
	}
	if got := r.published.of(events.TypeImageFailed, note.ImageID); len(got) != 1 {
		t.Errorf("published %v, want one image.failed", got)
	}
	r.checkStatus(t, note.ImageID, status.Failed, string(events.ReasonNotAnImage))
	r.checkSettled(t, note.ImageID)
}

// An event that names a missing object under the ID of an image which has an original, or a thumbnail, does not fail
// that image.
func TestImageUnderAnotherName(t *testing.T) {
	t.Parallel()
	for name, objects := range map[string][]string{
		"original": {"b.png"}, "original and thumbnail": {"b.png", "thumbnail_b.png"}, "thumbnail": {"thumbnail_b.png"},
	} {
		t.Run(name, func(t *testing.T) {
			r := open(t, 0) // the time of every event is over
			id := uuid.NewString()
			for _, object := range objects {
				r.put(t, imagestore.OriginalKey(id, object), pngOf(t))
			}
			r.deferUploaded(t, id, "a.png")
			r.await(t, "nothing waits", func() bool { return len(r.waiting(t)) == 0 })
			if got := r.published.of(events.TypeImageFailed, id); len(got) != 0 {
				t.Errorf("published %v, want no image.failed", got)
			}
			if got, _, err := r.Statuses.Read(t.Context(), id); err != nil || got == nil || got.State == status.Failed {
				t.Errorf("status is %+v, %v; want one that has not failed", got, err)
			}
		})
	}
}

// The process ends after each step of failing an image, or of accepting it. The next try finishes it.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	t.Run("before the event of a failure", func(t *testing.T) {
		r := open(t, time.Second)
		note := r.deferReceived(t, "inbox/never.png")
		r.published.setDown(true)
		for deadline := time.Now().Add(time.Minute); r.tryAll(t) == nil; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the image has not failed after a minute")
			}
		}
		r.checkStatus(t, note.ImageID, status.Failed, string(events.ReasonObjectNotFound))
		r.published.setDown(false)
		r.await(t, "nothing waits", func() bool { return len(r.waiting(t)) == 0 })
		if got := r.published.of(events.TypeImageFailed, note.ImageID); len(got) != 1 {
			t.Errorf("published %v, want one image.failed", got)
		}
	})
	t.Run("before the event of an upload", func(t *testing.T) {
		r := open(t, time.Hour)
		note := r.deferReceived(t, "inbox/late.png")
		r.put(t, "inbox/late.png", pngOf(t))
		r.published.setDown(true)
		if err := r.tryAll(t); err == nil {
			t.Error("a try without a publisher = nil, want an error")
		}
		r.published.setDown(false)
		r.await(t, "nothing waits", func() bool { return len(r.waiting(t)) == 0 })
		if got := r.published.of(events.TypeImageUploaded, note.ImageID); len(got) != 1 {
			t.Errorf("published %v, want one image.uploaded", got)
		}
	})
	t.Run("before it is settled", func(t *testing.T) {
		r := open(t, time.Hour)
		note := r.deferReceived(t, "inbox/late.png")
		r.put(t, "inbox/late.png", pngOf(t))
		entries, err := r.Queue.ClaimDue(t.Context(), deferral.Events, lease, batch)
		if err != nil || len(entries) != 0 {
			t.Fatalf("ClaimDue() = %v, %v; want nothing within the first second", entries, err)
		}
		if outcome, _, err := r.attempt(t.Context(), entryOf(t, r)); outcome != settled || err != nil {
			t.Fatalf("attempt() = %s, %v; want settled", outcome, err)
		}
		if err := r.Images.Remove(t.Context(), "inbox/late.png"); err != nil { // by its owner, who has it accepted
			t.Fatal(err)
		}
		r.patience = 0
		r.await(t, "nothing waits", func() bool { return len(r.waiting(t)) == 0 })
		if got := r.published.of(events.TypeImageFailed, note.ImageID); len(got) != 0 {
			t.Errorf("published %v, want no image.failed", got)
		}
		r.checkStatus(t, note.ImageID, status.Queued, "")
	})
	t.Run("by a loss of Redis's data", func(t *testing.T) {
		r := open(t, time.Hour)
		note := r.deferReceived(t, "inbox/late.png")
		bucket := connect.Tagged(r.redis, r.Images.Bucket())
		r.put(t, "inbox/late.png", pngOf(t))
		status := status.NewKeys(r.redis, r.Images.Bucket()).Key(note.ImageID)
		keys := []string{"image:deferred:due:" + bucket, "image:deferred:since:" + bucket, status}
		if err := r.redis.Del(t.Context(), keys...).Err(); err != nil {
			t.Fatal(err)
		}
		if err := r.Sweep(t.Context()); err != nil {
			t.Errorf("Sweep() = %v", err)
		}
		if got := r.published.of(events.TypeImageUploaded, note.ImageID); len(got) != 1 {
			t.Errorf("published %v, want one image.uploaded", got)
		}
		r.checkSettled(t, note.ImageID)
	})
}

// entryOf returns the only entry that waits.
func entryOf(t *testing.T, r *testRetrier) deferral.Entry {
	t.Helper()
	members := r.waiting(t)
	if len(members) != 1 {
		t.Fatalf("%q waits, want one", members)
	}
	return deferral.Entry{ImageID: members[0][:36], Name: members[0][37:]}
}

// An image that waits for memory is announced again; one that is settled is forgotten.
func TestPostponed(t *testing.T) {
	t.Parallel()
	r := open(t, time.Hour)
	stored, gone := uuid.NewString(), uuid.NewString()
	r.put(t, imagestore.OriginalKey(stored, "a.png"), pngOf(t))
	for _, id := range []string{stored, gone} {
		if err := r.Queue.Postpone(t.Context(), id, time.Second); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.tryAll(t); err != nil {
		t.Fatal(err)
	}
	if got := r.published.of(events.TypeImageUploaded, stored); len(got) != 1 || len(r.published.events) != 1 {
		t.Errorf("published %v, want one event of %s", r.published.events, stored)
	}
	r.checkSettled(t, stored)
}

// A note that makes no sense is kept, however long it waits, and stops nothing: its sender was told that it is stored.
func TestUnreadableNote(t *testing.T) {
	t.Parallel()
	for name, text := range map[string][]byte{
		"not JSON": []byte("text"),
		"too long": bytes.Repeat([]byte(" "), 1<<20+1),
	} {
		t.Run(name, func(t *testing.T) {
			r := open(t, 0) // its time is over
			id := uuid.NewString()
			r.put(t, imagestore.DeferredKey(id, "received"), text)
			if _, err := r.Queue.Restore(t.Context(), 9); err != nil {
				t.Fatal(err)
			}
			other := r.deferReceived(t, "inbox/never.png")
			for range 2 {
				if err := r.tryAll(t); err != nil {
					t.Fatal(err)
				}
			}
			if got, want := r.waiting(t), []string{id + "/received"}; !slices.Equal(got, want) {
				t.Errorf("%q waits, want %q", got, want)
			}
			if deferred, err := r.Images.IsDeferred(t.Context(), id); err != nil || !deferred {
				t.Errorf("IsDeferred() = %t, %v; want true", deferred, err)
			}
			r.checkStatus(t, other.ImageID, status.Failed, string(events.ReasonObjectNotFound))
		})
	}
}

// An event about an original whose name the store does not allow fails at the first try; an image that has an original,
// or whose own event waits, does not fail with it. The result of a long name has a key that the store allows.
func TestImpossibleName(t *testing.T) {
	t.Parallel()
	r := open(t, time.Hour)
	impossible := func(imageID string) {
		e := event.New()
		e.SetType(events.TypeImageUploaded)
		e.SetSource(events.SourceUpload)
		e.SetID(uuid.NewString())
		filename := strings.Repeat("n", 300)
		key := imagestore.OriginalKey(imageID, filename)
		note := deferral.NewNote(deferral.Uploaded, e, imageID, r.Images.Bucket(), key, filename)
		note.Impossible = true
		r.defers(t, note)
	}
	stored, unknown := uuid.NewString(), uuid.NewString()
	r.put(t, imagestore.OriginalKey(stored, "a.png"), pngOf(t))
	waiting := r.deferReceived(t, "inbox/late.png")
	for _, id := range []string{stored, unknown, waiting.ImageID} {
		impossible(id)
	}
	if err := r.tryAll(t); err != nil {
		t.Fatal(err)
	}
	if got, want := r.waiting(t), []string{waiting.ImageID + "/received"}; !slices.Equal(got, want) {
		t.Errorf("%q waits, want %q", got, want)
	}
	r.checkStatus(t, unknown, status.Failed, apierror.CodeObjectNotFound)
	r.checkStatus(t, stored, status.Queued, "")
	r.checkStatus(t, waiting.ImageID, status.Queued, "")
	if got := r.published.of(events.TypeImageFailed, unknown); len(got) != 1 {
		t.Errorf("published %v, want one image.failed", got)
	}
}

// A flood of events without an object, of which some have been due for longer than an image that waits for memory, and
// some became due later, does not delay the image.
func TestFloodDelaysNoImage(t *testing.T) {
	t.Parallel()
	r := open(t, time.Hour)
	id := uuid.NewString()
	r.put(t, imagestore.OriginalKey(id, "a.png"), pngOf(t))
	if err := r.Queue.Postpone(t.Context(), id, -time.Hour); err != nil {
		t.Fatal(err)
	}
	flood := make([]redis.Z, 4*batch)
	for i := range flood {
		due := time.Now().Add(-time.Minute)
		if i%2 == 0 {
			due = time.Now().Add(-24 * time.Hour)
		}
		flood[i] = redis.Z{Score: float64(due.Unix()), Member: uuid.NewString() + "/received"}
	}
	if err := r.redis.ZAdd(t.Context(), r.key(deferral.Events), flood...).Err(); err != nil {
		t.Fatal(err)
	}
	for _, lane := range lanes {
		if _, err := r.tryDue(t.Context(), t.Context(), lane); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.published.of(events.TypeImageUploaded, id); len(got) != 1 {
		t.Errorf("published %v, want the image", got)
	}
}

// forbidding returns settings with a proxy to MinIO that lets nobody read the objects of a prefix.
func forbidding(tb testing.TB, getenv func(string) string, prefix string) func(string) string {
	tb.Helper()
	return testservers.WithMinIO(tb, getenv, func(minio http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !strings.Contains(r.URL.Path, prefix) {
				minio.ServeHTTP(w, r)
				return
			}
			w.Header().Set("X-Amz-Request-Id", "1")
			w.WriteHeader(http.StatusForbidden)
			if r.Method != http.MethodHead {
				_, _ = io.WriteString(w, "<Error><Code>AccessDenied</Code><RequestId>1</RequestId></Error>")
			}
		})
	})
}

// An object that the service may not read waits with growing pauses, as one that does not exist, and its image fails
// in the end for the true reason.
func TestForbiddenObject(t *testing.T) {
	t.Parallel()
	r := openWith(t, forbidding(t, testservers.StartStores(t), "/scans-forbidden"), time.Hour)
	note := r.deferReceived(t, "a.png")
	if err := r.Queue.Settle(t.Context(), entryOf(t, r)); err != nil {
		t.Fatal(err)
	}
	note.Bucket = "scans-forbidden"
	r.defers(t, note)
	if outcome, pause, err := r.attempt(t.Context(), entryOf(t, r)); outcome != waiting || pause < minPause || err != nil {
		t.Errorf("attempt() = %s, %v, %v; want %s and a pause", outcome, pause, err, waiting)
	}
	r.patience = 0
	if err := r.tryAll(t); err != nil {
		t.Fatal(err)
	}
	r.checkStatus(t, note.ImageID, status.Failed, apierror.CodeObjectUnreadable)
	if got := r.published.of(events.TypeImageFailed, note.ImageID); len(got) != 1 {
		t.Errorf("published %v, want one image.failed", got)
	}
	r.checkSettled(t, note.ImageID)
}

// A process ends between the failure of an image and the look for an original that another delivery has stored just
// before. The next try takes the failure back, and the image goes on.
func TestEndsBeforeWithdrawal(t *testing.T) {
	t.Parallel()
	for name, wait := range map[string]func(r *testRetrier) deferral.Note{
		"image.received": func(r *testRetrier) deferral.Note { return r.deferReceived(t, "inbox/late.png") },
		"image.uploaded": func(r *testRetrier) deferral.Note { return r.deferUploaded(t, uuid.NewString(), "a.png") },
	} {
		t.Run(name, func(t *testing.T) {
			r := open(t, time.Hour)
			note := wait(r)
			key := imagestore.OriginalKey(note.ImageID, "a.png")
			r.put(t, key, pngOf(t))
			failed, err := r.Statuses.Fail(t.Context(), note.ImageID, key, note.Cause, apierror.CodeObjectNotFound, "not there")
			if err != nil || failed.State != status.Failed {
				t.Fatalf("Fail() = %+v, %v", failed, err)
			}
			r.patience = 0
			if err := r.tryAll(t); err != nil {
				t.Fatal(err)
			}
			r.checkStatus(t, note.ImageID, status.Queued, "")
			r.checkSettled(t, note.ImageID)
			if got := r.published.of(events.TypeImageUploaded, note.ImageID); len(got) != 1 {
				t.Errorf("published %v, want one image.uploaded", got)
			}
			if got := r.published.of(events.TypeImageFailed, note.ImageID); len(got) != 0 {
				t.Errorf("published %v, want no image.failed", got)
			}
		})
	}
}

// An image.uploaded that names no original, and that anybody can make up, has failed an image before the event that
// brings it arrives. The image is accepted all the same, once.
func TestHearsayBlocksNoImage(t *testing.T) {
	t.Parallel()
	r := open(t, 0)
	note := r.deferReceived(t, "inbox/a.png")
	if err := r.Queue.Settle(t.Context(), entryOf(t, r)); err != nil {
		t.Fatal(err)
	}
	r.deferUploaded(t, note.ImageID, "a.png") // its result has the key of the image's own
	r.await(t, "nothing waits", func() bool { return len(r.waiting(t)) == 0 })
	r.checkStatus(t, note.ImageID, status.Failed, apierror.CodeObjectNotFound)
	r.put(t, note.ObjectName, pngOf(t))
	for range 2 {
		accepted, err := r.Acceptor.AcceptEvent(t.Context(), note.Event, candidateOf(note))
		if err != nil || accepted.ImageID != note.ImageID {
			t.Fatalf("AcceptEvent() = %+v, %v; want the image", accepted, err)
		}
	}
	r.checkStatus(t, note.ImageID, status.Queued, "")
	objects, err := r.Images.Find(t.Context(), note.ImageID)
	if err != nil || objects.Original == nil || objects.Result != nil {
		t.Errorf("Find() = %+v, %v; want the original only", objects, err)
	}
	if got := r.published.of(events.TypeImageUploaded, note.ImageID); len(got) == 0 {
		t.Error("published no image.uploaded")
	}
}

// As TestHearsayBlocksNoImage, for an upload with an Idempotency-Key, of which the image ID follows, too.
func TestHearsayBlocksNoUpload(t *testing.T) {
	t.Parallel()
	r := open(t, 0)
	id := idempotency.KeyImageID("ada", "key", 0)
	r.deferUploaded(t, id, "a.png")
	r.await(t, "nothing waits", func() bool { return len(r.waiting(t)) == 0 })
	r.checkStatus(t, id, status.Failed, apierror.CodeObjectNotFound)
	for range 2 {
		content := pngOf(t)
		accepted, err := r.Acceptor.AcceptUpload(t.Context(), "key", 0, accept.Candidate{
			Owner: "ada", Body: bytes.NewReader(content), Size: int64(len(content)), Filename: "a.png",
		})
		if err != nil || accepted.ImageID != id {
			t.Fatalf("AcceptUpload() = %+v, %v; want %s", accepted, err, id)
		}
	}
	r.checkStatus(t, id, status.Queued, "")
}

// candidateOf is what a delivery of a note's event brings.
func candidateOf(note deferral.Note) accept.Candidate {
	object := &accept.Object{Bucket: note.Bucket, Key: note.ObjectName}
	return accept.Candidate{Object: object, Filename: note.Filename}
}

// An object that another delivery accepts after the last look at it has not failed.
func TestAcceptedAtLastMoment(t *testing.T) {
	t.Parallel()
	r := open(t, time.Hour)
	note := r.deferReceived(t, "inbox/late.png")
	r.put(t, note.ObjectName, pngOf(t))
	accepted, err := r.Acceptor.AcceptEvent(t.Context(), note.Event, candidateOf(note))
	if err != nil {
		t.Fatal(err)
	}
	outcome, err := r.fail(t.Context(), note, accepted.ObjectName, apierror.CodeObjectNotFound, "not there")
	if outcome != settled || err != nil {
		t.Errorf("fail() = %s, %v; want %s", outcome, err, settled)
	}
	r.checkStatus(t, note.ImageID, status.Queued, "")
	if got := r.published.of(events.TypeImageFailed, note.ImageID); len(got) != 0 {
		t.Errorf("published %v, want no image.failed", got)
	}
}

// An original that is stored after its image has failed is not accepted, and is removed; of the two one stays.
func TestFailedAtLastMoment(t *testing.T) {
	t.Parallel()
	r := open(t, time.Hour)
	note := r.deferReceived(t, "inbox/late.png")
	key := imagestore.OriginalKey(note.ImageID, "a.png")
	if _, err := r.fail(t.Context(), note, key, apierror.CodeObjectNotFound, "not there"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(5 * time.Millisecond) // the resolution of MinIO's times is a millisecond
	r.put(t, key, pngOf(t))
	if withdrawn, err := r.withdraw(t.Context(), note.ImageID); withdrawn || err != nil {
		t.Errorf("withdraw() = %t, %v; want false", withdrawn, err)
	}
	if _, err := r.Images.Confirm(t.Context(), note.ImageID, key); !errors.Is(err, imagestore.ErrExists) {
		t.Errorf("Confirm() = %v, want ErrExists", err)
	}
	r.checkStatus(t, note.ImageID, status.Failed, apierror.CodeObjectNotFound)
	objects, err := r.Images.Find(t.Context(), note.ImageID)
	if err != nil || objects.Original != nil || objects.Result == nil {
		t.Errorf("Find() = %+v, %v; want the failure only", objects, err)
	}
}

// An event about the original of an image does not fail it while the event that brings the image waits.
func TestUploadedBeforeReceived(t *testing.T) {
	t.Parallel()
	r := open(t, time.Hour)
	note := r.deferReceived(t, "inbox/late.png")
	forged := r.deferUploaded(t, note.ImageID, "x.png")
	if outcome, err := r.announce(t.Context(), forged, true); outcome != settled || err != nil {
		t.Errorf("announce() = %s, %v; want %s", outcome, err, settled)
	}
	r.put(t, note.ObjectName, pngOf(t))
	if err := r.tryAll(t); err != nil {
		t.Fatal(err)
	}
	r.checkStatus(t, note.ImageID, status.Queued, "")
	if got := r.published.of(events.TypeImageUploaded, note.ImageID); len(got) == 0 { // both events announce it
		t.Error("published no image.uploaded")
	}
}

// A bucket that does not exist says nothing about an object: the event waits for as long as the bucket is missing.
func TestMissingBucket(t *testing.T) {
	t.Parallel()
	r := open(t, 0) // its time is over
	note := r.deferReceived(t, "late.png")
	note.Bucket = "scans-missing-" + uuid.NewString()
	if outcome, err := r.receive(t.Context(), note, true); outcome != waiting || err != nil {
		t.Errorf("receive() = %s, %v; want %s", outcome, err, waiting)
	}
	r.checkStatus(t, note.ImageID, status.Queued, "")
}

// refusing is a relay that cannot announce one image, and counts the others.
type refusing struct {
	imageID   string
	announced atomic.Int64
}

func (r *refusing) AnnounceAgain(_ context.Context, imageID string) error {
	if imageID == r.imageID {
		return errors.New("the store refuses to read it")
	}
	r.announced.Add(1)
	return nil
}

// A sweep goes on after an entry that fails, and returns its error.
func TestSweepGoesOn(t *testing.T) {
	t.Parallel()
	r := open(t, time.Hour)
	relay := &refusing{imageID: uuid.NewString()}
	r.Relay = relay
	const others = 3 * batch
	for i := range others + 1 {
		id := relay.imageID
		if i > 0 {
			id = uuid.NewString()
		}
		if err := r.Queue.Postpone(t.Context(), id, -time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Sweep(t.Context()); err == nil {
		t.Error("Sweep() succeeded, want the error of the entry")
	}
	if got := relay.announced.Load(); got != others {
		t.Errorf("announced %d images, want %d", got, others)
	}
	if got, want := r.waiting(t), []string{relay.imageID + "/"}; !slices.Equal(got, want) {
		t.Errorf("%q waits, want %q", got, want)
	}
}

// Without the store nothing fails, however long that lasts.
func TestNothingFailsWithoutStore(t *testing.T) {
	t.Parallel()
	r := open(t, time.Nanosecond)
	note := r.deferReceived(t, "inbox/never.png")
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if outcome, err := r.try(over, entryOf(t, r)); outcome != broken || err == nil {
		t.Errorf("try() = %s, %v; want an error", outcome, err)
	}
	r.checkStatus(t, note.ImageID, status.Queued, "")
	if len(r.published.events) != 0 {
		t.Errorf("published %v, want nothing", r.published.events)
	}
}

func TestSchedule(t *testing.T) {
	t.Parallel()
	const patience = 15 * time.Minute
	for name, test := range map[string]struct {
		age, pause time.Duration
		over       bool
	}{
		"new":                        {0, time.Second, false},
		"after half a second":        {time.Second / 2, time.Second, false},
		"after 4 s":                  {4 * time.Second, 4 * time.Second, false},
		"after 59 s":                 {59 * time.Second, 59 * time.Second, false},
		"after 10 minutes":           {10 * time.Minute, time.Minute, false},
		"20 s before the end":        {patience - 20*time.Second, 20 * time.Second, false},
		"10 ms before the end":       {patience - 10*time.Millisecond, time.Second, false},
		"after 15 minutes":           {patience, time.Minute, true},
		"clock a minute back":        {-time.Minute, time.Second, false},
		"clock set back by a day":    {-24 * time.Hour, time.Second, true},
		"clock set forward by a day": {24 * time.Hour, time.Minute, true},
	} {
		t.Run(name, func(t *testing.T) {
			if pause, over := schedule(test.age, patience); pause != test.pause || over != test.over {
				t.Errorf("schedule(%v) = %v, %t; want %v, %t", test.age, pause, over, test.pause, test.over)
			}
		})
	}
}

// Run tries what is due until its context ends, and leaves the rest.
func TestRun(t *testing.T) {
	t.Parallel()
	r := open(t, time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { r.Run(ctx) })
	late, missing := r.deferReceived(t, "inbox/late.png"), r.deferReceived(t, "inbox/missing.png")
	r.put(t, "inbox/late.png", pngOf(t))
	for deadline := time.Now().Add(time.Minute); len(r.waiting(t)) > 1; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("after a minute both events wait")
		}
	}
	cancel()
	running.Wait()
	if got := r.published.of(events.TypeImageUploaded, late.ImageID); len(got) != 1 {
		t.Errorf("published %v, want one image.uploaded", got)
	}
	if got, want := r.waiting(t), []string{missing.ImageID + "/received"}; !slices.Equal(got, want) {
		t.Errorf("%q waits, want %q", got, want)
	}
}
