//go:build faults

package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"gitlab.com/yourorg/image-service/events"
)

// deletionFaults are the names of the faults that are injected while images are deleted.
var deletionFaults = []string{
	"upload killed repeatedly",
	"thumbnail killed repeatedly",
	"all of the service's processes killed repeatedly",
	"rolling restart (SIGTERM)",
	"redis killed, restarted empty",
	"minio killed, restarted with its data",
	"kafka killed, restarted with its data",
}

// TestDeletions deletes images in every state, by request and by event, under load and faults. What was deleted is
// gone, stays so whatever is repeated, and is announced once; what was accepted and not deleted is kept.
func TestDeletions(t *testing.T) {
	for _, name := range deletionFaults {
		i := slices.IndexFunc(faults, func(f fault) bool { return f.name == name })
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			faults[i].runWithDeletions(t)
		})
	}
}

func (f fault) runWithDeletions(t *testing.T) {
	t.Helper()
	l := newSystem(t, withRace, "ALLOW_DELETE=everyone").startLoad(samples(t))
	finish := l.startDeletions()
	if err := l.awaitDeletions(5); err != nil {
		t.Fatalf("before the fault: %v", err)
	}
	if err := f.inject(l); err != nil {
		t.Fatal(err)
	}
	l.faultOver()
	before := time.Now()
	if err := l.awaitAccepted(20); err != nil {
		t.Errorf("after the fault: %v", err)
	}
	if err := l.awaitDeletions(5); err != nil {
		t.Errorf("after the fault: %v", err)
	}
	finish()
	l.stopLoad()
	for _, image := range l.drain(drainLimit) {
		t.Errorf("not processed after %v: %s", drainLimit, image)
	}
	drained := time.Since(before)
	l.repeatDeleted()
	if err := retry(drainLimit, l.checkDeleted); err != nil {
		t.Error(err)
	}
	f.name = fmt.Sprintf("images are deleted (%d), %s", len(l.uploads(true)), f.name)
	l.checkInvariants(f, drained)
}

// deleters is the number of concurrent deletions.
const deleters = 3

// startDeletions deletes images until finish is called, which returns when all deletions have ended.
func (l *loadGenerator) startDeletions() (finish func()) {
	ctx, stop := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	for range deleters {
		random := rand.New(rand.NewPCG(l.random.Uint64(), 0))
		wait.Go(func() {
			for ctx.Err() == nil {
				if u := l.choose(random); u != nil {
					l.deleteUntilDone(u, random.IntN(4) == 0)
				}
				time.Sleep(time.Duration(50+random.IntN(150)) * time.Millisecond)
			}
		})
	}
	finish = func() { stop(); wait.Wait() }
	l.t.Cleanup(finish)
	return finish
}

// choose returns an image to delete, one of the last, which is being processed, or of all; nil while there are few.
func (l *loadGenerator) choose(random *rand.Rand) *submission {
	candidates := l.acceptedUploads()
	if len(candidates) < 10 || len(candidates) < 2*len(l.uploads(true)) {
		return nil
	}
	if random.IntN(2) == 0 {
		candidates = candidates[len(candidates)-3:]
	}
	u := candidates[random.IntN(len(candidates))]
	l.lock.Lock()
	defer l.lock.Unlock()
	if u.deleted { // by another goroutine
		return nil
	}
	u.deleted = true
	return u
}

func (l *loadGenerator) isDeleted(u *submission) bool {
	l.lock.Lock()
	defer l.lock.Unlock()
	return u.deleted
}

// deleteUntilDone requests a deletion until it is done, as a client does that is told to try again, or gets no answer.
func (l *loadGenerator) deleteUntilDone(u *submission, byEvent bool) {
	ask := l.requestDeletion
	if byEvent {
		ask = l.requestDeletionByEvent
	}
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if ask(u) {
			for _, path := range []string{"/images/", "/status/"} {
				if status, body := l.get(path + u.imageID); status == http.StatusOK {
					l.violation("%s%s after the deletion (by an event: %t): got 200 %.200q", path, u.imageID, byEvent, body)
				}
			}
			return
		}
	}
	l.violation("%s was not deleted within two minutes", u.imageID)
}

// requestDeletion reports whether the image is deleted now.
func (l *loadGenerator) requestDeletion(u *submission) (done bool) {
	request, err := http.NewRequest(http.MethodDelete, l.address()+"/images/"+u.imageID, nil)
	if err != nil {
		l.violation("%v", err)
		return true
	}
	began := time.Now()
	response, err := l.client.Do(request)
	if err != nil {
		l.countUnanswered(err, time.Since(began))
		return false
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		l.countUnanswered(err, time.Since(began))
		return false
	case response.StatusCode == http.StatusNoContent:
		return true
	case response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "":
		l.violation("DELETE of the accepted image %s (%s, %s): got %s %s",
			u.imageID, u.name, u.mode, response.Status, body)
		return true
	}
	return false
}

// requestDeletionByEvent reports whether the image is deleted, some time after the Broker has accepted the event.
func (l *loadGenerator) requestDeletionByEvent(u *submission) (done bool) {
	e, err := events.Encode(events.ImageDelete{ImageID: u.imageID},
		events.Envelope{Source: "/faults", ID: uuid.NewString()})
	if err != nil {
		l.violation("%v", err)
		return true
	}
	response, err := post(context.Background(), l.client, l.broker, e)
	if err != nil {
		return false
	}
	response.Body.Close()
	if response.StatusCode != http.StatusAccepted {
		return false
	}
	return retry(drainLimit, func() error {
		for _, path := range []string{"/images/", "/status/"} { // the image is gone first
			if status, body := l.get(path + u.imageID); status != http.StatusGone {
				return fmt.Errorf("got %d %.200q", status, body)
			}
		}
		return nil
	}) == nil
}

// get returns the answer to a GET; 0 without one.
func (l *loadGenerator) get(path string) (status int, body string) {
	response, err := l.client.Get(l.address() + path)
	if err != nil {
		return 0, ""
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, ""
	}
	return response.StatusCode, string(text)
}

// awaitDeletions waits until more images are chosen to be deleted.
func (l *loadGenerator) awaitDeletions(more int) error {
	want := len(l.uploads(true)) + more
	return retry(time.Minute, func() error {
		if got := len(l.uploads(true)); got < want {
			return fmt.Errorf("%d deletions, want %d", got, want)
		}
		return nil
	})
}

// repeatDeleted repeats, for every deleted image, what could bring it back: its announcement, and its upload with the
// same key or event, which is refused.
func (l *loadGenerator) repeatDeleted() {
	for i, u := range l.uploads(true) {
		answer, err := l.deliver(l.thumbnail.pods[i%2].address, l.uploadedEvent(u))
		if err != nil || strings.TrimSpace(answer) != "200" {
			l.violation("image.uploaded of the deleted image %s: got %s, %v; want an empty 200", u.imageID, answer, err)
		}
		if u.key == "" {
			continue
		}
		if err := retry(requestLimit, func() error { return l.wantGone(u) }); err != nil {
			l.violation("%v", err)
		}
	}
}

// wantGone uploads an image again.
func (l *loadGenerator) wantGone(u *submission) error {
	request, err := u.request(l.address() + "/upload")
	if err != nil {
		return err
	}
	response, err := l.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var answer struct{ Code string }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return err
	}
	if response.StatusCode != http.StatusGone || answer.Code != "image_deleted" {
		return fmt.Errorf("upload of the deleted image %s again: got %s %s; want 410 image_deleted",
			u.imageID, response.Status, answer.Code)
	}
	return nil
}

// checkDeleted returns an error unless every deleted image is gone, and was announced as deleted by one event, and no
// other image was.
func (l *loadGenerator) checkDeleted() error {
	left, err := l.currentObjects()
	if err != nil {
		return err
	}
	l.watcher.Lock()
	announced := maps.Clone(l.watcher.deletions)
	l.watcher.Unlock()
	for _, u := range l.uploads(true) {
		if got := left[u.imageID]; len(got) != 1 || got[0] != "deleted~done" {
			return fmt.Errorf("the bucket has %q of the deleted image %s (%s, %s), want its tombstone",
				got, u.imageID, u.name, u.mode)
		}
		if got := announced[u.imageID]; len(got) != 1 {
			return fmt.Errorf("the deletion of %s (%s) was announced by %d events: %v; want one",
				u.imageID, u.mode, len(got), got)
		}
		delete(announced, u.imageID)
		for _, path := range []string{"/status/", "/images/", "/thumbnails/"} {
			if status, body := l.get(path + u.imageID); status != http.StatusGone {
				return fmt.Errorf("%s%s: got %d %.200q, want 410", path, u.imageID, status, body)
			}
		}
	}
	if len(announced) > 0 {
		return fmt.Errorf("announced as deleted, and not to be: %v", announced)
	}
	return nil
}

// currentObjects lists the bucket without its history: the names of the objects of each image.
func (s *system) currentObjects() (map[string][]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	found := map[string][]string{}
	for object := range s.minioClient.ListObjects(ctx, s.bucket, minio.ListObjectsOptions{Recursive: true}) {
		if object.Err != nil {
			return nil, object.Err
		}
		imageID, name, _ := strings.Cut(object.Key, "/")
		found[imageID] = append(found[imageID], name)
	}
	return found, nil
}
