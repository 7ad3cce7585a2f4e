package deletion

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/deferral"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/outbox"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"gitlab.com/yourorg/image-service/functions/upload/ownership"
	"gitlab.com/yourorg/image-service/functions/upload/quota"
)

// published is a publisher that keeps events.
type published struct {
	sync.Mutex
	events []event.Event
}

func (p *published) Publish(_ context.Context, e event.Event) error {
	p.Lock()
	defer p.Unlock()
	p.events = append(p.events, e)
	return nil
}

func (p *published) Check(context.Context) error { return nil }

func (p *published) Close() error { return nil }

// open returns a Deleter with the servers around it.
func open(t *testing.T, rules Rules) (*Deleter, *published) {
	t.Helper()
	r := config.NewReader(testservers.StartStores(t))
	images, err := imagestore.Open(imagestore.ReadSettings(r))
	if err != nil {
		t.Fatal(err)
	}
	client := connect.OpenRedis(connect.ReadRedis(r))
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	box := outbox.New(client, images.Bucket(), func(err error) { t.Errorf("acknowledge: %v", err) })
	t.Cleanup(func() {
		box.Close()
		client.Close()
	})
	publisher := &published{}
	return New(Backends{
		Images: images, Statuses: status.New(client, images), Outbox: box, Deferred: deferral.New(client, images),
		Ledger: quota.NewLedger(client, images.Bucket()), Redis: client, Publisher: publisher,
	}, rules, ownership.Policy{}, slog.New(slog.DiscardHandler), nil), publisher
}

// store stores objects under the given names in the folder of a new image.
func store(t *testing.T, d *Deleter, names ...string) (imageID string) {
	t.Helper()
	imageID = uuid.NewString()
	for _, name := range names {
		attributes := imagestore.Attributes{ContentType: "image/png"}
		if err := d.Images.Put(t.Context(), imageID+"/"+name, []byte("an image"), attributes); err != nil {
			t.Fatal(err)
		}
	}
	return imageID
}

// scan returns an image as a scan finds it; ok is false if nothing of it is stored.
func scan(t *testing.T, d *Deleter, imageID string) (found imagestore.Image, ok bool) {
	t.Helper()
	for image, err := range d.Images.Scan(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if image.ID == imageID {
			return image, true
		}
	}
	return found, false
}

// awaitDue returns an image once something is due about it.
func awaitDue(t *testing.T, d *Deleter, imageID string) imagestore.Image {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if image, _ := scan(t, d, imageID); d.IsDue(image) {
			return image
		}
	}
	t.Fatalf("nothing is due about %s after a minute", imageID)
	return imagestore.Image{}
}

// Images that have expired are deleted as if a client had asked for it, and announced with that reason; an image that
// failed and has no original, too.
func TestExpired(t *testing.T) {
	t.Parallel()
	for name, objects := range map[string][]string{
		"completed":           {"a.png", "thumbnail_a.png", "card~0123abcd_a.png.webp"},
		"queued":              {"a.png"},
		"without an original": {"thumbnail_a.png"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, publisher := open(t, Rules{Expire: time.Millisecond, Keep: time.Hour, Overdue: time.Hour})
			imageID := store(t, d, objects...)
			if err := d.Tidy(t.Context(), []imagestore.Image{awaitDue(t, d, imageID)}); err != nil {
				t.Fatal(err)
			}
			image, _ := scan(t, d, imageID)
			left := image.Original != nil || image.Result != nil || len(image.Leftovers) > 0
			if image.Deleted == nil || image.Deleted.Pending || left {
				t.Errorf("the image has %+v, want a tombstone alone", image.Objects)
			}
			if d.IsDue(image) {
				t.Error("something is due about a deleted image")
			}
			if len(publisher.events) != 1 {
				t.Fatalf("published %d events, want 1", len(publisher.events))
			}
			payload, err := events.Decode[events.ImageDeleted](publisher.events[0])
			if err != nil || payload.ImageID != imageID || payload.Reason != events.DeletionExpired {
				t.Errorf("published %+v with error %v, want an image.deleted of the image that expired", payload, err)
			}
		})
	}
}

// Nothing expires before its time, or without the setting.
func TestNotExpired(t *testing.T) {
	t.Parallel()
	for name, expire := range map[string]time.Duration{"later": time.Hour, "never": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, _ := open(t, Rules{Expire: expire, Keep: time.Hour, Overdue: time.Hour})
			image, ok := scan(t, d, store(t, d, "a.png", "thumbnail_a.png"))
			if !ok || d.IsDue(image) {
				t.Errorf("found %v, due %v; want an image that stays", ok, d.IsDue(image))
			}
		})
	}
}

// A clock that is wrong deletes no image before its time: neither that of this process nor that of the store, of which
// any response may have the wrong date.
func TestExpiredByTwoClocks(t *testing.T) {
	t.Parallel()
	for name, difference := range map[string]time.Duration{
		"the process is ahead": -24 * time.Hour,
		"the store is ahead":   24 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, _ := open(t, Rules{Expire: time.Hour, Keep: time.Hour, Overdue: time.Hour})
			theirs := time.Now().Add(difference).Truncate(time.Second)
			d.Images = storeAt(t, theirs)
			earlier := time.Now()
			if theirs.Before(earlier) {
				earlier = theirs
			}
			info := func(age time.Duration) *imagestore.Info { return &imagestore.Info{Modified: earlier.Add(-age)} }
			due := func(objects imagestore.Objects) bool {
				t.Helper()
				if _, err := d.Images.Stat(t.Context(), "any"); !errors.Is(err, imagestore.ErrNotFound) { // as a scan asks
					t.Fatalf("Stat() = %v, want ErrNotFound", err)
				}
				return d.IsDue(imagestore.Image{ID: uuid.NewString(), Objects: objects})
			}
			if due(imagestore.Objects{Original: info(time.Minute)}) {
				t.Error("an image of a minute has expired, which is kept for an hour")
			}
			if !due(imagestore.Objects{Original: info(2 * time.Hour)}) {
				t.Error("an image of two hours has not expired, which is kept for an hour")
			}
			if due(imagestore.Objects{Deleted: &imagestore.Tombstone{Info: info(time.Minute)}}) {
				t.Error("a tombstone of a minute is old, which is kept for an hour")
			}
		})
	}
}

// storeAt returns a store without objects whose responses have a date.
func storeAt(t *testing.T, date time.Time) *imagestore.Store {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", date.UTC().Format(http.TimeFormat))
		w.Header().Set("X-Amz-Request-Id", "1")
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(server.Close)
	images, err := imagestore.Open(imagestore.Settings{
		Endpoint: server.Listener.Addr().String(), AccessKey: "a", SecretKey: "b", Region: "us-east-1", Bucket: "images",
	})
	if err != nil {
		t.Fatal(err)
	}
	return images
}

// failByHearsay has an image failed of which nothing is known but an image.uploaded, and returns where it would be.
func failByHearsay(t *testing.T, d *Deleter) (imageID, original string) {
	t.Helper()
	imageID = uuid.NewString()
	original = imagestore.OriginalKey(imageID, "a.png")
	if _, err := d.Statuses.FailByHearsay(t.Context(), imageID, original, "object_not_found", "none"); err != nil {
		t.Fatal(err)
	}
	return imageID, original
}

// What an event said about an image that was never stored must not keep it out when it comes: that is forgotten, and
// nothing was deleted.
func TestHearsayExpires(t *testing.T) {
	t.Parallel()
	d, publisher := open(t, Rules{Expire: time.Millisecond, Keep: time.Hour, Overdue: time.Hour})
	imageID, _ := failByHearsay(t, d)
	if err := d.Tidy(t.Context(), []imagestore.Image{awaitDue(t, d, imageID)}); err != nil {
		t.Fatal(err)
	}
	if image, found := scan(t, d, imageID); found || len(publisher.events) > 0 {
		t.Errorf("the bucket has %+v, and %d events were published; want nothing", image.Objects, len(publisher.events))
	}
	if known, _, err := d.Statuses.Read(t.Context(), imageID); known != nil || err != nil {
		t.Errorf("Read() = %+v, %v; want nothing", known, err)
	}
}

// An image that comes after a scan has found its failure by hearsay stays.
func TestImageThatComesAfterTheScan(t *testing.T) {
	t.Parallel()
	d, publisher := open(t, Rules{Expire: time.Millisecond, Keep: time.Hour, Overdue: time.Hour})
	imageID, original := failByHearsay(t, d)
	before := awaitDue(t, d, imageID)
	if err := d.Statuses.Discard(t.Context(), imageID, before.Result); err != nil {
		t.Fatal(err)
	}
	attributes := imagestore.Attributes{ContentType: "image/png"}
	if err := d.Images.Put(t.Context(), original, []byte("an image"), attributes); err != nil {
		t.Fatal(err)
	}
	if err := d.Tidy(t.Context(), []imagestore.Image{before}); err != nil {
		t.Fatal(err)
	}
	if image, _ := scan(t, d, imageID); image.Original == nil || image.Deleted != nil || len(publisher.events) > 0 {
		t.Errorf("the bucket has %+v, and %d events were published; want the original", image.Objects, len(publisher.events))
	}
}

// A tombstone is removed when no repeated event can come any longer, and nothing of the image is left then.
func TestTombstoneIsRemoved(t *testing.T) {
	t.Parallel()
	d, publisher := open(t, Rules{Keep: time.Millisecond, Overdue: time.Hour})
	imageID := store(t, d, "a.png", "thumbnail_a.png")
	if err := d.Delete(t.Context(), imageID, events.DeletionRequested); err != nil {
		t.Fatal(err)
	}
	if err := d.Tidy(t.Context(), []imagestore.Image{awaitDue(t, d, imageID)}); err != nil {
		t.Fatal(err)
	}
	if image, ok := scan(t, d, imageID); ok {
		t.Errorf("the bucket has %+v, want nothing", image.Objects)
	}
	if len(publisher.events) != 1 {
		t.Errorf("published %d events, want 1", len(publisher.events))
	}
}
