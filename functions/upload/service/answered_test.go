package service

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
)

// writeAsObject answers with content as a store does with that of an object.
func writeAsObject(w http.ResponseWriter, content []byte) {
	w.Header().Set("ETag", `"1"`)
	w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
	w.Write(content)
}

// An answer to the request for an object of another system that is not the object, or not all of it, says nothing about
// the image.
func TestObjectOfAnotherAnswer(t *testing.T) {
	t.Parallel()
	photo := pngOf(t, 300, 200)
	page := []byte("<h1>Back soon</h1>")
	both := []string{http.MethodGet, http.MethodHead}
	for name, test := range map[string]struct {
		methods []string // that are answered so
		answer  []byte
	}{
		"page of a proxy":                {both, page},
		"page of a proxy, to GET alone":  {[]string{http.MethodGet}, page},
		"cut":                            {[]string{http.MethodGet}, photo[:len(photo)/2]},
		"another image, to GET alone":    {[]string{http.MethodGet}, pngOf(t, 20, 20)},
		"another image of the same size": {[]string{http.MethodGet}, slices.Concat(photo[:len(photo)-1], []byte{0})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bucket := "scans-" + uuid.NewString()
			s := startServers(t, "SOURCE_BUCKETS="+bucket)
			var away atomic.Bool
			s.getenv = testservers.WithMinIO(t, s.getenv, func(minio http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					isObject := strings.HasSuffix(r.URL.Path, "/photo.png") && strings.Contains(r.URL.Path, bucket)
					if away.Load() && isObject && slices.Contains(test.methods, r.Method) {
						writeAsObject(w, test.answer)
						return
					}
					minio.ServeHTTP(w, r)
				})
			})
			s.knowsStore(s.getenv("MINIO_ENDPOINT"))
			s.url = run(t, s.getenv)
			s.put(bucket, "photo.png", photo)
			deliver := func() response {
				return s.post("/", "application/json", reference(bucket, "photo.png"), binaryHeader(name)...)
			}
			away.Store(true)
			if got := deliver(); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
				t.Errorf("got %d %s, want 503 with Retry-After", got.status, got.body)
			}
			if keys := s.keys(); len(keys) > 0 {
				t.Errorf("bucket has %q, want nothing", keys)
			}
			away.Store(false)
			got := deliver()
			id := strings.TrimPrefix(got.header.Get("Location"), "/status/")
			if image := s.get("/images/" + id); got.status != http.StatusOK || image.body != string(photo) {
				t.Errorf("then got %d %s, and an image of %d bytes; want 200 and those of the object",
					got.status, got.body, len(image.body))
			}
		})
	}
}

// A user who may read objects and not list them is enough: what the object's headers confirm is refused for good.
func TestObjectOfUnlistedBucket(t *testing.T) {
	t.Parallel()
	bucket := "scans-" + uuid.NewString()
	s := startServers(t, "SOURCE_BUCKETS="+bucket)
	s.getenv = testservers.WithMinIO(t, s.getenv, func(minio http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			isListing := r.Method == http.MethodGet && strings.Trim(r.URL.Path, "/") == bucket
			if isListing && !r.URL.Query().Has("location") {
				w.Header().Set("X-Amz-Request-Id", "1")
				w.WriteHeader(http.StatusForbidden)
				w.Write([]byte("<Error><Code>AccessDenied</Code><RequestId>1</RequestId></Error>"))
				return
			}
			minio.ServeHTTP(w, r)
		})
	})
	s.knowsStore(s.getenv("MINIO_ENDPOINT"))
	s.url = run(t, s.getenv)
	s.put(bucket, "notes.txt", []byte("not an image"))
	got := s.post("/", "application/json", reference(bucket, "notes.txt"), binaryHeader(uuid.NewString())...)
	if got.header.Get("Ce-Type") != events.TypeImageFailed || !strings.Contains(got.body, "not_an_image") {
		t.Errorf("got %d %s, want image.failed for not_an_image", got.status, got.body)
	}
}
