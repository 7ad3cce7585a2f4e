package thumbnailer

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// bury deletes an image as package deletion does, but does not remove what is stored after it.
func (s *service) bury(imageID string) {
	s.t.Helper()
	record := []byte(`{"image_id": "` + imageID + `", "reason": "requested", "deleted_at": 1767225601.5}`)
	if err := s.store.Bury(s.t.Context(), imageID, record); err != nil {
		s.t.Error(err)
	}
	if _, err := s.statuses.Delete(s.t.Context(), imageID, time.Now()); err != nil {
		s.t.Error(err)
	}
	if err := s.store.RemoveLeftovers(s.t.Context(), imageID); err != nil {
		s.t.Error(err)
	}
}

// wantNothing fails the test unless the tombstone is all that is stored for an image.
func (s *service) wantNothing(imageID string) {
	s.t.Helper()
	objects, err := s.store.Find(s.t.Context(), imageID)
	if err != nil || objects.Deleted == nil || len(objects.Leftovers) > 0 {
		s.t.Errorf("Find() = %+v, %v; want the tombstone and nothing else", objects, err)
	}
	notes, err := s.store.FindDeferred(s.t.Context(), imageID)
	if err != nil || len(notes) > 0 {
		s.t.Errorf("FindDeferred() = %v, %v; want none", notes, err)
	}
	known, _, err := s.statuses.Read(s.t.Context(), imageID)
	if err != nil || known == nil || known.State != status.Deleted {
		s.t.Errorf("Read() = %+v, %v; want deleted", known, err)
	}
}

// The event of an image that was deleted has no effect and no reply, whatever Redis knows.
func TestEventOfDeletedImage(t *testing.T) {
	t.Parallel()
	s := start(t)
	for name, queued := range map[string]bool{"known to Redis": false, "queued, says Redis": true} {
		t.Run(name, func(t *testing.T) {
			s := *s
			s.t = t
			e := s.uploaded("a.jpg", jpegOf(t, 30, 20))
			s.bury(e.Subject())
			if queued { // Redis was restored from a backup
				s.forget(e.Subject())
				s.queue(e.Subject())
			}
			for range 2 {
				if got := s.deliver(e); got.status != http.StatusOK || got.body != "" {
					t.Errorf("answer is %d %s, want 200 without a reply", got.status, got.body)
				}
			}
			s.wantNothing(e.Subject())
		})
	}
}

// An image is deleted while its thumbnail is made: what is stored after that is removed by the one that stored it.
func TestDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	for name, forgets := range map[string]bool{"": false, "and Redis forgets it": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			e := s.uploaded("a.jpg", jpegOf(t, 30, 20))
			url := s.runBehind(func(r *http.Request) {
				if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/thumbnail_") {
					s.bury(e.Subject())
					if forgets {
						s.forget(e.Subject())
					}
				}
			})
			if got := s.deliverTo(url, e); got.status != http.StatusOK || got.body != "" {
				t.Errorf("answer is %d %s, want 200 without a reply", got.status, got.body)
			}
			s.wantNothing(e.Subject())
			if got := s.deliverTo(url, e); got.status != http.StatusOK || got.body != "" {
				t.Errorf("the second answer is %d %s, want 200 without a reply", got.status, got.body)
			}
		})
	}
}

func (s *service) forget(imageID string) {
	s.t.Helper()
	if err := s.statuses.Forget(s.t.Context(), imageID); err != nil {
		s.t.Error(err)
	}
}

func (s *service) queue(imageID string) {
	s.t.Helper()
	if _, err := s.statuses.Advance(s.t.Context(), status.Status{ImageID: imageID, State: status.Queued}); err != nil {
		s.t.Error(err)
	}
}

// runBehind runs another process of the function, whose requests to MinIO see sees before they are answered.
func (s *service) runBehind(see func(*http.Request)) (address string) {
	s.t.Helper()
	return s.run(testservers.WithMinIO(s.t, s.getenv, func(minio http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			see(r)
			minio.ServeHTTP(w, r)
		})
	}))
}
