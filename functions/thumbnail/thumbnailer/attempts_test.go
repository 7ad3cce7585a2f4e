package thumbnailer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// killed has an image processed by a process that is killed meanwhile.
func (s *service) killed(w *thumbnailer, imageID string) {
	s.t.Helper()
	_, begun, err := s.statuses.FinalFromStore(s.t.Context(), imageID)
	if err == nil && begun {
		err = w.beginAttempt(s.t.Context(), imageID, taskAllowance)
	}
	if err == nil {
		_, err = s.statuses.Advance(s.t.Context(), status.Status{ImageID: imageID, State: status.Processing})
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// An image that kills its process kills three at once and three more after pauses, in which it waits with images that
// were not admitted. Then its event becomes a dead letter, and the image stays as it is: when the event is redriven, it
// has one more attempt.
func TestImageThatKills(t *testing.T) {
	t.Parallel()
	s := start(t)
	w := s.worker(t, "")
	client := testservers.Redis(t, s.getenv)
	e := s.uploaded("photo.jpg", jpegOf(t, 300, 200))
	id := e.Subject()
	key := w.attemptsKey(id)
	for n := range 3 {
		s.killed(w, id)
		if got := s.waiting(); len(got) > 0 {
			t.Fatalf("got %q waiting after %d attempts, want none", got, n+1)
		}
	}
	for n := range 3 {
		for range 2 { // a second delivery counts as none
			if got := s.deliver(e); got.status != http.StatusOK || got.body != "" {
				t.Fatalf("after %d attempts: got %d %s, want an empty 200", n+3, got.status, got.body)
			}
		}
		if got, want := s.waiting(), []string{id + "/"}; !slices.Equal(got, want) {
			t.Errorf("after %d attempts: got %q waiting, want %q", n+3, got, want)
		}
		begun := client.Get(t.Context(), key).Val()
		count, _, _ := strings.Cut(begun, " ")
		if want := fmt.Sprint(n + 2); count != want {
			t.Errorf("after %d attempts: Redis has %q, want %s with a time", n+3, begun, want)
		}
		client.Set(t.Context(), key, count+" 1.000", 0) // the pause is over
		s.killed(w, id)
	}
	for range 2 { // redriven once, by which nothing has become better
		got := s.deliver(e)
		if got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, `"code":"render_abandoned"`) {
			t.Errorf("got %d %s, want 422 render_abandoned", got.status, got.body)
		}
		if objects, err := s.store.Find(t.Context(), id); err != nil || objects.Result != nil {
			t.Errorf("Find() = %+v, %v; want no result", objects, err)
		}
		s.killed(w, id)
	}
	if got := s.deliver(e); got.status != http.StatusUnprocessableEntity {
		t.Errorf("got %d %s, want 422", got.status, got.body)
	}
	if got := s.deliver(e).reply(t); got.Type() != events.TypeImageThumbnailed {
		t.Errorf("once it kills no more: got %s, want a thumbnail", got)
	}
	if left := client.Exists(t.Context(), key).Val(); left != 0 {
		t.Error("the attempts are counted on")
	}
}

// An attempt that ends is not counted, however it ends and however often.
func TestAttemptsThatEnd(t *testing.T) {
	t.Parallel()
	var away atomic.Bool
	s := startWith(t, answering(t, func(w http.ResponseWriter, r *http.Request) bool {
		isResult := r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/thumbnail_")
		isHalf := r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/cut.jpg")
		switch {
		case away.Load() && isResult:
			w.WriteHeader(http.StatusBadRequest)
			return true
		case away.Load() && isHalf:
			writeAsObject(w, jpegOf(t, 300, 200)[:700])
			return true
		}
		return false
	}))
	client := testservers.Redis(t, s.getenv)
	for _, name := range []string{"photo.jpg", "cut.jpg"} {
		e := s.uploaded(name, jpegOf(t, 300, 200))
		away.Store(true)
		for range taskAllowance.attempts + 2 {
			if got := s.deliver(e); got.status != http.StatusServiceUnavailable {
				t.Errorf("%s: got %d %s, want 503", name, got.status, got.body)
			}
		}
		key := "image:attempts:" + s.store.Bucket() + ":" + e.Subject()
		if left := client.Exists(t.Context(), key).Val(); left != 0 {
			t.Errorf("%s: the attempts are counted", name)
		}
		away.Store(false)
		s.deliver(e).reply(t)
	}
}

// A value that another version has written, a clock that was set back, and a Redis that is down end no image.
func TestAttemptsOfOthers(t *testing.T) {
	t.Parallel()
	s := start(t)
	w := s.worker(t, "")
	client := testservers.Redis(t, s.getenv)
	for _, value := range []string{"", "2", "2 ", "-1", "two", "1 99999999999.000", "2 x", "{}"} {
		if err := client.Set(t.Context(), w.attemptsKey("a"), value, 0).Err(); err != nil {
			t.Fatal(err)
		}
		if err := w.beginAttempt(t.Context(), "a", taskAllowance); err != nil {
			t.Errorf("after %q: %v, want an attempt", value, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.beginAttempt(ctx, "a", taskAllowance); err == nil || errors.Is(err, errAbandoned) || !isBegun(err) {
		t.Errorf("without an answer: %v, want an error after which the attempt may have begun", err)
	}
}
