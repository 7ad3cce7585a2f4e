package relay

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/outbox"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"gitlab.com/yourorg/image-service/functions/upload/quota"
)

// testRelay is a Relay with the servers around it.
type testRelay struct {
	*Relay
	redis     redis.UniversalClient
	published *published
}

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

// setDown makes the publisher refuse events, or accept them again.
func (p *published) setDown(down bool) {
	p.Lock()
	defer p.Unlock()
	p.down = down
}

// of returns the events of an image.
func (p *published) of(imageID string) (events []event.Event) {
	p.Lock()
	defer p.Unlock()
	for _, e := range p.events {
		if e.Subject() == imageID {
			events = append(events, e)
		}
	}
	return events
}

func (p *published) count() int {
	p.Lock()
	defer p.Unlock()
	return len(p.events)
}

func open(tb testing.TB) *testRelay {
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
	box := outbox.New(client, images.Bucket(), func(err error) { tb.Errorf("acknowledge: %v", err) })
	tb.Cleanup(func() {
		box.Close()
		client.Close()
	})
	publisher := &published{}
	backends := Backends{Images: images, Statuses: status.New(client, images), Outbox: box, Publisher: publisher}
	backends.Ledger = quota.NewLedger(client, images.Bucket())
	backends.Deleter = nothingDue{}
	ages := Ages{Queued: time.Minute, Stored: time.Second} // MinIO's times cannot be changed
	return &testRelay{
		Relay:     New(backends, ages, slog.New(slog.DiscardHandler), nil),
		redis:     client,
		published: publisher,
	}
}

// nothingDue is a Deleter for tests without deletions.
type nothingDue struct{}

func (nothingDue) IsDue(imagestore.Image) bool                    { return false }
func (nothingDue) Tidy(context.Context, []imagestore.Image) error { return nil }

// store stores an original, as if the function had ended right after.
func (r *testRelay) store(tb testing.TB, imageID string) {
	tb.Helper()
	key := imagestore.OriginalKey(imageID, "a.png")
	if err := r.Images.Put(tb.Context(), key, pngOf(tb), imagestore.Attributes{ContentType: "image/png"}); err != nil {
		tb.Fatal(err)
	}
}

func (r *testRelay) queue(tb testing.TB, imageID string) {
	tb.Helper()
	if _, err := r.Outbox.Queue(tb.Context(), imageID); err != nil {
		tb.Fatal(err)
	}
}

// queued returns the IDs in the outbox.
func (r *testRelay) queued(tb testing.TB) []string {
	tb.Helper()
	ids, err := r.redis.ZRange(tb.Context(), "image:outbox:"+connect.Tagged(r.redis, r.Images.Bucket()), 0, -1).Result()
	if err != nil {
		tb.Fatal(err)
	}
	return ids
}

// age makes everything in the outbox, and the last sweep, an hour older.
func (r *testRelay) age(tb testing.TB) {
	tb.Helper()
	for _, id := range r.queued(tb) {
		older := redis.ZAddArgs{XX: true, Members: []redis.Z{{Score: -3600, Member: id}}} // it may have left meanwhile
		err := r.redis.ZAddArgsIncr(tb.Context(), "image:outbox:"+connect.Tagged(r.redis, r.Images.Bucket()), older).Err()
		if err != nil && !errors.Is(err, redis.Nil) {
			tb.Fatal(err)
		}
	}
	if err := r.redis.Del(tb.Context(), "image:sweep:"+r.Images.Bucket()).Err(); err != nil {
		tb.Fatal(err)
	}
}

// awaitEmptyOutbox waits until all announcements are acknowledged in Redis.
func (r *testRelay) awaitEmptyOutbox(tb testing.TB) {
	tb.Helper()
	await(tb, "the outbox is empty", func() bool { return len(r.queued(tb)) == 0 })
}

// await waits up to a minute for a condition.
func await(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("after a minute it does not hold that %s", what)
		}
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

// A queued image is announced, and leaves the outbox.
func TestSweep(t *testing.T) {
	t.Parallel()
	r := open(t)
	const id = "11111111-1111-4111-8111-111111111111"
	r.store(t, id)
	r.queue(t, id)
	if err := r.Sweep(t.Context()); err != nil || r.published.count() != 0 {
		t.Errorf("Sweep() right after it was queued = %v, published %d; want 0", err, r.published.count())
	}
	r.published.setDown(true)
	r.age(t)
	if err := r.Sweep(t.Context()); err == nil {
		t.Error("Sweep() while the publisher is down = nil, want an error")
	}
	if got := r.queued(t); !slices.Equal(got, []string{id}) {
		t.Errorf("outbox has %q, want %q", got, id)
	}
	r.published.setDown(false)
	if err := r.Sweep(t.Context()); err != nil || r.published.count() != 0 {
		t.Errorf("Sweep() less than half a minute after another = %v, published %d; want 0", err, r.published.count())
	}
	r.age(t)
	if err := r.Sweep(t.Context()); err != nil || len(r.published.of(id)) != 1 {
		t.Errorf("Sweep() = %v, published %d; want 1", err, len(r.published.of(id)))
	}
	r.awaitEmptyOutbox(t)
}

// What a sweep has no time for is left to the next one.
func TestSweepWithoutTime(t *testing.T) {
	t.Parallel()
	r := open(t)
	const id = "22222222-2222-4222-8222-222222222222"
	r.store(t, id)
	r.queue(t, id)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.announceAll(over, []string{id}); !errors.Is(err, errNoTime) {
		t.Errorf("announceAll() = %v, want errNoTime", err)
	}
	if err := r.announceOverdue(over); err != nil {
		t.Errorf("announceOverdue() = %v", err)
	}
	if got := r.queued(t); !slices.Equal(got, []string{id}) || r.published.count() != 0 {
		t.Errorf("outbox has %q, published %d; want %q, and 0", got, r.published.count(), id)
	}
	r.age(t)
	if err := r.Sweep(t.Context()); err != nil || len(r.published.of(id)) != 1 {
		t.Errorf("the next Sweep() = %v, published %d; want 1", err, len(r.published.of(id)))
	}
}
