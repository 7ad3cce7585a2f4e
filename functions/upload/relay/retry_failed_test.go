package relay

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// retryFailed returns the lines that RetryFailed writes.
func (r *testRelay) retryFailed(tb testing.TB, f Failures, dryRun bool) (good bool, lines []string) {
	tb.Helper()
	var out bytes.Buffer
	good, err := r.RetryFailed(tb.Context(), f, dryRun, &out, io.Discard)
	if err != nil {
		tb.Fatal(err)
	}
	return good, strings.Split(strings.TrimSpace(out.String()), "\n")
}

// failureFor returns a failure for a reason.
func failureFor(reason events.Reason, message string) status.Status {
	return status.Status{State: status.Failed, Reason: string(reason), Result: &status.Result{Error: message}}
}

// storeFailed stores an original and its failure, which Redis knows, too.
func (r *testRelay) storeFailed(tb testing.TB, imageID string, failure status.Status) {
	tb.Helper()
	r.store(tb, imageID)
	r.record(tb, imageID, failure, nil)
	failure.ImageID, failure.ProcessedAt = imageID, 1
	if _, err := r.Statuses.Conclude(tb.Context(), failure); err != nil {
		tb.Fatal(err)
	}
}

// checkStatus checks the status of an image in Redis and in the bucket.
func (r *testRelay) checkStatus(t *testing.T, imageID string, want status.State) {
	t.Helper()
	got, _, err := r.Statuses.Read(t.Context(), imageID)
	stored, storeErr := r.Statuses.Rebuild(t.Context(), imageID)
	if err != nil || storeErr != nil || got == nil || got.State != want || stored.State != want {
		t.Errorf("status of %s is %+v, %v, and %+v, %v in the bucket; want %s", imageID, got, err, stored, storeErr, want)
	}
}

// Failed images are announced once each, as selected by reason and time; others stay as they are.
func TestRetryFailed(t *testing.T) {
	t.Parallel()
	r := open(t)
	var ids []string
	for _, first := range []string{"1", "2", "3", "4", "5"} {
		ids = append(ids, first+uuid.NewString()[1:])
	}
	damaged, unsupported, nameless, done, refused := ids[0], ids[1], ids[2], ids[3], ids[4]
	r.storeFailed(t, damaged, failureFor(events.ReasonDamaged, "broken"))
	r.storeFailed(t, unsupported, failureFor(events.ReasonUnsupported, "a TIFF"))
	r.storeFailed(t, nameless, failureFor("", "of the original system"))
	r.store(t, done)
	r.record(t, done, status.Status{State: status.Completed, Result: &status.Result{
		Success: true, OriginalSize: &status.Size{8, 8}, ThumbnailSize: &status.Size{8, 8},
	}}, pngOf(t))
	r.record(t, refused, failureFor(events.ReasonNotAnImage, "text"), nil)

	early := Failures{Before: time.Now().Add(-time.Hour)}
	if good, lines := r.retryFailed(t, early, false); !good || len(lines) != 1 {
		t.Errorf("those before: %t, %q; want the summary", good, lines)
	}
	all := []string{
		"failed: " + damaged + "/a.png: damaged: broken",
		"failed: " + unsupported + "/a.png: unsupported: a TIFF",
		"failed: " + nameless + "/a.png: : of the original system",
		"never stored: " + refused + ": not_an_image: text",
		"5 images: 4 have failed as selected, of which 3 would be tried again and 1 were never stored",
	}
	if good, lines := r.retryFailed(t, Failures{}, true); good || !slices.Equal(lines, all) {
		t.Errorf("dry run: %t, %q; want false, %q", good, lines, all)
	}
	r.checkStatus(t, damaged, status.Failed)
	if got := r.published.count(); got != 0 {
		t.Errorf("published %d events, want none", got)
	}

	want := []string{all[1], all[2],
		"5 images: 2 have failed as selected, of which 2 are tried again and 0 were never stored"}
	selected := Failures{Reasons: []events.Reason{events.ReasonUnsupported}, Before: time.Now().Add(time.Hour)}
	if good, lines := r.retryFailed(t, selected, false); !good || !slices.Equal(lines, want) {
		t.Errorf("by reason: %t, %q; want true, %q", good, lines, want)
	}
	if good, lines := r.retryFailed(t, selected, false); !good || len(lines) != 1 {
		t.Errorf("once more: %t, %q; want the summary", good, lines)
	}
	for _, id := range []string{unsupported, nameless} {
		r.checkStatus(t, id, status.Queued)
		if got := r.published.of(id); len(got) != 1 || got[0].ID() != "image.uploaded/"+id {
			t.Errorf("published %v, want one image.uploaded", got)
		}
	}
	r.checkStatus(t, damaged, status.Failed)
	r.checkStatus(t, refused, status.Failed)
	r.checkStatus(t, done, status.Completed)
	if got := r.published.count(); got != 2 {
		t.Errorf("published %d events, want 2", got)
	}
}

// An image that fails again has failed anew, with another event; the time selects it no longer.
func TestRetryFailedFailsAgain(t *testing.T) {
	t.Parallel()
	r := open(t)
	id := uuid.NewString()
	first := failureFor(events.ReasonUnsupported, "a TIFF")
	r.storeFailed(t, id, first)
	time.Sleep(5 * time.Millisecond) // the resolution of MinIO's times is a millisecond
	objects, err := r.Images.Find(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	before := Failures{Before: objects.Result.Modified.Add(time.Millisecond)}
	if _, lines := r.retryFailed(t, before, false); len(lines) != 2 {
		t.Errorf("got %q, want the image and the summary", lines)
	}
	second, err := r.Statuses.Fail(t.Context(), id, id+"/a.png", events.Cause{}, string(events.ReasonDamaged), "broken")
	if err != nil {
		t.Fatal(err)
	}
	r.checkStatus(t, id, status.Failed)
	if _, lines := r.retryFailed(t, before, false); len(lines) != 1 {
		t.Errorf("got %q, want the summary", lines)
	}
	first.ImageID, first.ProcessedAt = id, 1
	var ids []string
	for _, failure := range []status.Status{first, *second} {
		e, err := failure.Event(t.Context(), events.SourceThumbnail, r.Images.Bucket(), id+"/a.png")
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, e.ID())
	}
	if ids[0] == ids[1] {
		t.Errorf("both failures have the event ID %q, want two", ids[0])
	}
}

// The process ends after the failure is removed, and before the image is announced: a sweep announces it.
func TestRetryFailedInterrupted(t *testing.T) {
	t.Parallel()
	r := open(t)
	ids := []string{uuid.NewString(), uuid.NewString()}
	for _, id := range ids {
		r.storeFailed(t, id, failureFor(events.ReasonUnsupported, "a TIFF"))
	}
	r.published.setDown(true)
	if good, err := r.RetryFailed(t.Context(), Failures{}, false, io.Discard, io.Discard); err == nil {
		t.Errorf("RetryFailed() without a publisher = %t, want an error", good)
	}
	r.published.setDown(false)
	r.ages.Queued = 0
	await(t, "a sweep announces them", func() bool {
		if err := r.announceOverdue(t.Context()); err != nil {
			t.Fatal(err)
		}
		return len(r.published.of(ids[0])) > 0 && len(r.published.of(ids[1])) > 0
	})
	for _, id := range ids {
		r.checkStatus(t, id, status.Queued)
	}
}

// The process ends between the removal of the failure and that of its status in Redis. A sweep announces the image all
// the same, and the thumbnail function takes it for one without a result.
func TestRetryFailedKilled(t *testing.T) {
	t.Parallel()
	r := open(t)
	id := uuid.NewString()
	r.storeFailed(t, id, failureFor(events.ReasonUnsupported, "a TIFF"))
	objects, err := r.Images.Find(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Outbox.Queue(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := r.Images.Remove(t.Context(), objects.Result.Key); err != nil {
		t.Fatal(err)
	}
	r.ages.Queued = 0
	await(t, "a sweep announces it", func() bool {
		if err := r.announceOverdue(t.Context()); err != nil {
			t.Fatal(err)
		}
		return len(r.published.of(id)) > 0
	})
	if final, _, err := r.Statuses.FinalFromStore(t.Context(), id); final != nil || err != nil {
		t.Errorf("FinalFromStore() = %+v, %v; want none", final, err)
	}
	r.checkStatus(t, id, status.Queued)
}

// Several runs at the same time have the effect of one.
func TestRetryFailedAtOnce(t *testing.T) {
	t.Parallel()
	r := open(t)
	var ids []string
	for range 5 {
		id := uuid.NewString()
		ids = append(ids, id)
		r.storeFailed(t, id, failureFor(events.ReasonUnsupported, "a TIFF"))
	}
	var runs sync.WaitGroup
	for range 2 {
		runs.Go(func() {
			if _, err := r.RetryFailed(t.Context(), Failures{}, false, io.Discard, io.Discard); err != nil {
				t.Error(err)
			}
		})
	}
	runs.Wait()
	for _, id := range ids {
		r.checkStatus(t, id, status.Queued)
		got := r.published.of(id)
		for _, e := range got {
			if e.ID() != "image.uploaded/"+id {
				t.Errorf("published %v, want image.uploaded", e)
			}
		}
		if len(got) == 0 {
			t.Errorf("%s is not announced", id)
		}
	}
}

// A misspelt reason is an error.
func TestFailuresValidate(t *testing.T) {
	t.Parallel()
	if err := (Failures{Reasons: events.Reasons()}).Validate(); err != nil {
		t.Errorf("Validate() = %v, want nil", err)
	}
	err := Failures{Reasons: []events.Reason{"not-an-image"}}.Validate()
	if err == nil || !strings.Contains(err.Error(), "expected one of not_an_image") {
		t.Errorf("Validate() = %v, want what is expected", err)
	}
}
