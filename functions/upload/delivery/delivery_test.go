package delivery

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/outbox"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"gitlab.com/yourorg/image-service/functions/upload/idempotency"
	"gitlab.com/yourorg/image-service/functions/upload/ownership"
)

// open returns a Delivery whose outbox is in a Redis that is down, and the operations whose errors it ignores.
func open(t *testing.T, policy ownership.Policy) (d *Delivery, ignored *[]string) {
	t.Helper()
	return openWith(t, testservers.StartStores(t), policy)
}

func openWith(t *testing.T, getenv func(string) string, policy ownership.Policy) (d *Delivery, ignored *[]string) {
	t.Helper()
	r := config.NewReader(getenv)
	images, err := imagestore.Open(imagestore.ReadSettings(r))
	if err != nil {
		t.Fatal(err)
	}
	client := connect.OpenRedis(connect.ReadRedis(r))
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	down := connect.OpenRedis(connect.Redis{Addresses: []string{"127.0.0.1:1"}})
	watcher := status.NewWatcher(client, images.Bucket())
	t.Cleanup(func() {
		watcher.Close()
		client.Close()
		down.Close()
	})
	ignored = &[]string{}
	return New(Backends{
		Images:     images,
		Statuses:   status.New(client, images),
		Outbox:     outbox.New(down, images.Bucket(), func(err error) { t.Error(err) }),
		Watcher:    watcher,
		References: idempotency.NewReferences(client, images.Bucket()),
		IgnoreError: func(_ context.Context, operation string, err error) {
			if err == nil {
				t.Error("IgnoreError() is called without an error")
			}
			*ignored = append(*ignored, operation)
		},
	}, policy, 1), ignored
}

func request(id string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.SetPathValue("id", id)
	return r
}

// A status that cannot be put back into Redis is answered all the same, and the error is reported.
func TestStatusThatIsNotRestored(t *testing.T) {
	t.Parallel()
	d, ignored := open(t, ownership.Policy{})
	id := uuid.NewString()
	if err := d.Images.Put(t.Context(), id+"/a.png", []byte("x"), imagestore.Attributes{}); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	if err := d.Status(w, request(id)); err != nil || !strings.Contains(w.Body.String(), `"queued"`) {
		t.Errorf("Status() = %v, answered %s; want queued", err, w.Body)
	}
	if len(*ignored) != 1 || (*ignored)[0] != "restore_status" {
		t.Errorf("ignored %q, want restore_status", *ignored)
	}
}

// A failure note is not a thumbnail.
func TestThumbnailOfFailedImage(t *testing.T) {
	t.Parallel()
	d, _ := open(t, ownership.Policy{})
	id := uuid.NewString()
	if _, err := d.Statuses.Fail(t.Context(), id, id+"/a.png", events.Cause{}, "damaged", "x"); err != nil {
		t.Fatal(err)
	}
	err := d.Thumbnail(httptest.NewRecorder(), request(id))
	var refused *apierror.Error
	if !errors.As(err, &refused) || refused.Code != "thumbnail_not_found" {
		t.Errorf("Thumbnail() = %v, want thumbnail_not_found", err)
	}
}

// With authentication, a request without a client sees nothing.
func TestNothingWithoutClient(t *testing.T) {
	t.Parallel()
	d, _ := open(t, ownership.Policy{Enforced: true})
	id := uuid.NewString()
	if err := d.Images.Put(t.Context(), id+"/a.png", []byte("x"), imagestore.Attributes{}); err != nil {
		t.Fatal(err)
	}
	for name, handle := range map[string]func(http.ResponseWriter, *http.Request) error{
		"Status": d.Status, "Original": d.Original, "Thumbnail": d.Thumbnail,
	} {
		t.Run(name, func(t *testing.T) {
			err := handle(httptest.NewRecorder(), request(id))
			var refused *apierror.Error
			if !errors.As(err, &refused) || refused.Status != http.StatusNotFound {
				t.Errorf("%s() = %v, want 404", name, err)
			}
		})
	}
}
