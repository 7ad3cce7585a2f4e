package thumbnailer

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// A request that was sent is not ended before its answer, whatever the status of the image: it may be the probe of the
// circuit breaker. Nothing remains of it after that.
func TestFetchIsAnswered(t *testing.T) {
	t.Parallel()
	var ended atomic.Bool
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
			ended.Store(true)
		case <-time.After(50 * time.Millisecond):
		}
		w.Header().Set("ETag", `"1"`)
		w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
		w.Write([]byte("an image"))
	}))
	defer store.Close() // waits for connections in use
	images, err := imagestore.Open(imagestore.Settings{
		Endpoint: store.Listener.Addr().String(), AccessKey: "user", SecretKey: "password", Region: "us-east-1",
		Bucket: "images",
	})
	if err != nil {
		t.Fatal(err)
	}
	fetching := (&thumbnailer{store: images}).fetch(t.Context(), events.ImageUploaded{
		Bucket: "images", ObjectName: "1/photo.jpg",
	})
	fetching.close()
	if _, _, err := fetching.wait(); err != nil || ended.Load() {
		t.Errorf("got %v, want an answer; the request was ended: %v", err, ended.Load())
	}
	if n, err := fetching.object.Read(make([]byte, 1)); err == nil {
		t.Errorf("read %d bytes of an object that is closed", n)
	}
}

// A status that cannot be advanced has the event delivered again, even though the image is decoded meanwhile, and
// nothing is stored before that.
func TestStatusNotAdvanced(t *testing.T) {
	t.Parallel()
	redis := miniredis.RunT(t)
	var fails atomic.Bool
	redis.Server().SetPreHook(func(peer *server.Peer, command string, arguments ...string) bool {
		if !strings.HasPrefix(command, "EVAL") || !slices.Contains(arguments, string(status.Processing)) || !fails.Load() {
			return false
		}
		peer.WriteError("ERR refused by the test")
		return true
	})
	s := startWith(t, testservers.WithRedis(testservers.Start(t), redis))
	for name, content := range map[string][]byte{"photo.jpg": jpegOf(t, 300, 200), "cut.jpg": jpegOf(t, 300, 200)[:700]} {
		t.Run(name, func(t *testing.T) {
			e := s.uploaded(name, content)
			fails.Store(true)
			if got := s.deliver(e); got.status != http.StatusServiceUnavailable {
				t.Errorf("got %d %s, want 503", got.status, got.body)
			}
			objects, err := s.store.Find(t.Context(), e.Subject())
			if err != nil || objects.Result != nil {
				t.Errorf("Find() = %+v, %v; want no result", objects, err)
			}
			fails.Store(false)
			s.deliver(e).reply(t)
		})
	}
}

// An event of an image that has a result changes nothing: what it costs Redis is reading, and the final status once.
func TestDuplicateIsNotAdvanced(t *testing.T) {
	t.Parallel()
	getenv, counts := testservers.Count(t, testservers.Start(t))
	s := startWith(t, getenv)
	e := s.uploaded("photo.jpg", jpegOf(t, 300, 200))
	first := s.deliver(e).reply(t)
	counts.Take()
	second := s.deliver(e).reply(t)
	if _, commands := counts.Take(); commands["SET"] > 0 || commands["PUBLISH"] > 0 {
		t.Errorf("sent %v to Redis, want no status", commands)
	}
	if string(first.Data()) != string(second.Data()) || first.ID() != second.ID() {
		t.Errorf("replied %s and %s, want one reply", first, second)
	}
}

// answering returns the settings of a server in front of MinIO that answers with answer while it says so, and forwards
// all other requests.
func answering(t *testing.T, answer func(http.ResponseWriter, *http.Request) bool) func(string) string {
	t.Helper()
	return testservers.WithMinIO(t, testservers.StartStores(t), func(minio http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !answer(w, r) {
				minio.ServeHTTP(w, r)
			}
		})
	})
}

const proxyPage = "<h1>Back soon</h1>"

// writeAsObject answers with content as a store does with that of an object.
func writeAsObject(w http.ResponseWriter, content []byte) {
	w.Header().Set("ETag", `"1"`)
	w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
	w.Write(content)
}

// An answer to the request for an original that is not the original, or not all of it, says nothing about the image.
func TestAnswerOfAnother(t *testing.T) {
	t.Parallel()
	photo := jpegOf(t, 300, 200)
	for name, answer := range map[string][]byte{
		"page of a proxy": []byte(proxyPage),
		"cut":             photo[:len(photo)/2],
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var away atomic.Bool
			s := startWith(t, answering(t, func(w http.ResponseWriter, r *http.Request) bool {
				if !away.Load() || r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "/photo.jpg") {
					return false
				}
				writeAsObject(w, answer)
				return true
			}))
			e := s.uploaded("photo.jpg", photo)
			away.Store(true)
			if got := s.deliver(e); got.status != http.StatusServiceUnavailable {
				t.Errorf("got %d %s, want 503", got.status, got.body)
			}
			away.Store(false)
			if got := s.deliver(e).reply(t); got.Type() != events.TypeImageThumbnailed {
				t.Errorf("got %s, want a thumbnail", got)
			}
		})
	}
}

// An original that the store lists and does not return is a fault of the store. To announce it again at once would
// never end.
func TestListedOnly(t *testing.T) {
	t.Parallel()
	s := startWith(t, answering(t, func(w http.ResponseWriter, r *http.Request) bool {
		isOriginal := r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/photo.jpg")
		if isOriginal {
			w.Header().Set("X-Amz-Request-Id", "1")
			w.WriteHeader(http.StatusNotFound)
		}
		return isOriginal
	}))
	e := s.uploaded("photo.jpg", jpegOf(t, 300, 200))
	if got := s.deliver(e); got.status != http.StatusServiceUnavailable {
		t.Errorf("got %d %s, want 503", got.status, got.body)
	}
	if deferred, err := s.store.IsDeferred(t.Context(), e.Subject()); deferred || err != nil {
		t.Errorf("IsDeferred() = %t, %v; want false", deferred, err)
	}
}

// An original that the decoder does not read to its end keeps no connection while the result is stored.
func TestOriginalIsClosed(t *testing.T) {
	t.Parallel()
	ended, stored := make(chan struct{}), make(chan bool, 1)
	end := sync.OnceFunc(func() { close(ended) })
	s := startWith(t, answering(t, func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/photo.jpg"):
			context.AfterFunc(r.Context(), end)
		case r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/thumbnail_photo.jpg"):
			select {
			case <-ended:
				stored <- true
			case <-time.After(5 * time.Second):
				stored <- false
			}
		}
		return false
	}))
	s.deliver(s.uploaded("photo.jpg", append(jpegOf(t, 300, 200), make([]byte, 8<<20)...))).reply(t)
	if !<-stored {
		t.Error("the original was open while the thumbnail was stored")
	}
}

// An original of the original system may have the name of a result; that it is damaged is final, as of any other.
func TestDamagedWithTheNameOfAResult(t *testing.T) {
	t.Parallel()
	s := start(t)
	e := s.uploaded("thumbnail_cat.jpg", jpegOf(t, 300, 200)[:700])
	if got := s.deliver(e).reply(t); got.Type() != events.TypeImageFailed {
		t.Errorf("got %s, want a failure", got)
	}
}

// An event that names another object than the original of its image fails no image.
func TestAnotherObjectIsDamaged(t *testing.T) {
	t.Parallel()
	s := startWith(t, answering(t, func(w http.ResponseWriter, r *http.Request) bool {
		isOther := r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/other.jpg")
		if isOther {
			writeAsObject(w, []byte(proxyPage))
		}
		return isOther
	}))
	e := s.uploaded("photo.jpg", jpegOf(t, 300, 200))
	other := s.eventOf(events.ImageUploaded{
		ImageID: e.Subject(), ObjectName: imagestore.OriginalKey(e.Subject(), "other.jpg"), Filename: "other.jpg",
		Timestamp: status.Seconds(time.Now()), Bucket: s.store.Bucket(),
	})
	if got := s.deliver(other); got.status != http.StatusOK || len(got.body) > 0 {
		t.Errorf("got %d %s, want an empty 200", got.status, got.body)
	}
	if got := s.deliver(e).reply(t); got.Type() != events.TypeImageThumbnailed {
		t.Errorf("got %s, want a thumbnail", got)
	}
}
