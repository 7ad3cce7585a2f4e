package relay

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
)

// A scan goes on where the last one ended, and begins again after the last image.
func TestScanGoesOn(t *testing.T) {
	t.Parallel()
	r := open(t)
	first, second := "0"+uuid.NewString()[1:], "f"+uuid.NewString()[1:]
	for _, id := range []string{first, second} {
		r.store(t, id)
	}
	sweep := func() {
		t.Helper()
		r.age(t)
		if err := r.Sweep(t.Context()); err != nil {
			t.Fatalf("Sweep() = %v", err)
		}
	}
	await(t, "the second image is announced", func() bool {
		if err := r.Outbox.Cursor().Set(t.Context(), first+"0"); err != nil { // behind the first image
			t.Fatal(err)
		}
		sweep()
		return len(r.published.of(second)) == 1
	})
	if got := len(r.published.of(first)); got != 0 {
		t.Errorf("the image before the cursor was announced %d times, want 0", got)
	}
	if got, err := r.Outbox.Cursor().Get(t.Context()); got != "" || err != nil {
		t.Errorf("after the last image the cursor is %q, %v; want the beginning", got, err)
	}
	await(t, "the first image is announced", func() bool { sweep(); return len(r.published.of(first)) == 1 })
}

// Objects that belong to no image do not stop a scan, even if there are more of them than it has time to list: the next
// scan goes on behind those that it saw.
func TestScanAmongOtherObjects(t *testing.T) {
	t.Parallel()
	var listed atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("location") {
			_, _ = io.WriteString(w, `<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></LocationConstraint>`)
			return
		}
		time.Sleep(time.Millisecond)
		fmt.Fprintf(w, `<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken>
			<Contents><Key>%09d.jpg</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents></ListBucketResult>`,
			listed.Add(1))
	}))
	defer server.CloseClientConnections()
	images, err := imagestore.Open(imagestore.Settings{
		Endpoint: server.Listener.Addr().String(), AccessKey: "a", SecretKey: "secret-key", Bucket: "images",
	})
	if err != nil {
		t.Fatal(err)
	}
	r := &Relay{Backends: Backends{Images: images, Deleter: nothingDue{}}}
	for last := ""; last < "000000100.jpg"; {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		all, cursor, err := r.findAll(ctx, last, nil, nil)
		cancel()
		if len(all.waiting) > 0 || cursor < last || err != nil && cursor != last { // a busy machine may not get any further
			t.Fatalf("findAll(%q) = %v, %q, %v; want no images, and a cursor further on", last, all.waiting, cursor, err)
		}
		last = cursor
	}
}
