package retry

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/deferral"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"gitlab.com/yourorg/image-service/functions/upload/accept"
)

// A bucket that does not exist says nothing about its objects: an event waits for it, however long.
func TestMissingBucket(t *testing.T) {
	t.Parallel()
	r := open(t, time.Nanosecond)
	note := r.deferReceived(t, "a.png")
	if err := r.Queue.Settle(t.Context(), entryOf(t, r)); err != nil {
		t.Fatal(err)
	}
	note.Bucket = "missing-" + uuid.NewString()
	r.defers(t, note)
	for range 3 {
		if err := r.tryAll(t); err != nil {
			t.Fatal(err)
		}
	}
	r.checkStatus(t, note.ImageID, status.Queued, "")
	if got := r.published.of(events.TypeImageFailed, note.ImageID); len(got) != 0 {
		t.Errorf("published %v, want nothing", got)
	}
}

// One pod looks for the object a last time, another one accepts it, and then the first one records that there is none.
func TestAcceptedAtTheLastMoment(t *testing.T) {
	t.Parallel()
	r := open(t, time.Hour)
	note := r.deferReceived(t, "inbox/late.png")
	candidate := func() accept.Candidate {
		return accept.Candidate{Object: &accept.Object{Bucket: note.Bucket, Key: note.ObjectName}, Filename: note.Filename}
	}
	looked, err := r.Acceptor.AcceptEvent(t.Context(), note.Event, candidate())
	if !errors.Is(err, accept.ErrNotYet) {
		t.Fatalf("the last look: %v, want ErrNotYet", err)
	}
	r.put(t, note.ObjectName, pngOf(t))
	if _, err := r.Acceptor.AcceptEvent(t.Context(), note.Event, candidate()); err != nil {
		t.Fatal(err)
	}
	outcome, err := r.fail(t.Context(), note, looked.ObjectName, apierror.CodeObjectNotFound, "it does not exist")
	if outcome != settled || err != nil {
		t.Errorf("fail() = %s, %v; want settled", outcome, err)
	}
	r.checkStatus(t, note.ImageID, status.Queued, "")
	if got := r.published.of(events.TypeImageFailed, note.ImageID); len(got) != 0 {
		t.Errorf("published %v, want no failure", got)
	}
	if got := r.published.of(events.TypeImageUploaded, note.ImageID); len(got) == 0 {
		t.Error("published no image.uploaded, want one")
	}
}

// An original that is stored after its image has failed does not count: its delivery is answered with the failure.
func TestStoredAfterFailure(t *testing.T) {
	t.Parallel()
	r := open(t, time.Hour)
	note := r.deferReceived(t, "inbox/late.png")
	key := imagestore.OriginalKey(note.ImageID, "a.png")
	if _, err := r.fail(t.Context(), note, key, apierror.CodeObjectNotFound, "it does not exist"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second) // stores have times in seconds
	r.put(t, key, pngOf(t))
	if err := r.Images.Confirm(t.Context(), note.ImageID, key); !errors.Is(err, imagestore.ErrExists) {
		t.Errorf("Confirm() = %v, want ErrExists", err)
	}
	r.checkStatus(t, note.ImageID, status.Failed, apierror.CodeObjectNotFound)
}

// An image.uploaded for which there is nothing, forged or early, does not fail an image whose own event waits.
func TestImageThatArrives(t *testing.T) {
	t.Parallel()
	r := open(t, time.Nanosecond)
	note := r.deferReceived(t, "inbox/late.png")
	forged := deferral.NewNote(deferral.Uploaded, note.Event, note.ImageID, note.Bucket, note.ImageID+"/x.png", "x.png")
	outcome, err := r.announce(t.Context(), forged, true)
	if outcome != settled || err != nil {
		t.Errorf("announce() = %s, %v; want settled", outcome, err)
	}
	r.checkStatus(t, note.ImageID, status.Queued, "")
	if got := r.published.of(events.TypeImageFailed, note.ImageID); len(got) != 0 {
		t.Errorf("published %v, want nothing", got)
	}
}

// A name of any length fits a note, and its image is accepted.
func TestLongFilename(t *testing.T) {
	t.Parallel()
	r := open(t, time.Hour)
	note := r.deferReceived(t, "inbox/a.png")
	if err := r.Queue.Settle(t.Context(), entryOf(t, r)); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("<", 1<<20) + ".png"
	r.defers(t, deferral.NewNote(deferral.Received, note.Event, note.ImageID, note.Bucket, note.ObjectName, long))
	r.put(t, note.ObjectName, pngOf(t))
	r.await(t, "nothing waits", func() bool { return len(r.waiting(t)) == 0 })
	objects, err := r.Images.Find(t.Context(), note.ImageID)
	if err != nil || objects.Original == nil || !strings.HasSuffix(objects.Original.Key, ".png") {
		t.Errorf("Find() = %+v, %v; want the image with its extension", objects, err)
	}
}
