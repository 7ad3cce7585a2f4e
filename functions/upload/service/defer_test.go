package service

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/events"
)

// refer delivers an event that names an object, and returns the ID of its image. The event must be acknowledged without
// a reply, and its image be queued.
func (s *testServer) refer(bucket, key, eventID string) (imageID string) {
	s.t.Helper()
	got := s.post("/", "application/json", reference(bucket, key), binaryHeader(eventID)...)
	imageID, found := strings.CutPrefix(got.header.Get("Location"), "/status/")
	if got.status != http.StatusOK || got.body != "" || got.header.Get("Content-Length") != "0" || !found {
		s.t.Fatalf("answer is %d %v %q, want 200 with a Location and Content-Length: 0", got.status, got.header, got.body)
	}
	return imageID
}

// forgetDeferred has Redis lose everything about what waits, and the status of an image.
func (s *testServer) forgetDeferred(imageID string) {
	s.t.Helper()
	bucket, client := s.tagged(), s.redis()
	for _, name := range []string{"due", "since", "scan", "cursor"} {
		if err := client.Del(s.t.Context(), "image:deferred:"+name+":"+bucket).Err(); err != nil {
			s.t.Fatal(err)
		}
	}
	s.forget(imageID)
}

// notes returns the keys of the notes of events that wait.
func (s *testServer) notes() []string {
	s.t.Helper()
	return slices.DeleteFunc(s.keys(), func(key string) bool { return !strings.HasPrefix(key, "deferred/") })
}

// eventsOf returns the events of a type that were published about an image.
func (b *broker) eventsOf(eventType, imageID string) (found []event.Event) {
	for _, e := range b.published() {
		if e.Type() == eventType && e.Subject() == imageID {
			found = append(found, e)
		}
	}
	return found
}

// An event whose object does not exist waits in the service. Its image is queued until the object appears, whatever
// Redis forgets, and then is accepted once, as if the event had been delivered then.
func TestObjectAppearsLater(t *testing.T) {
	t.Parallel()
	bucket := "scans-" + uuid.NewString()
	s := start(t, "SOURCE_BUCKETS="+bucket)
	for name, between := range map[string]func(id string){
		"nothing between":  func(string) {},
		"delivered again":  func(id string) { s.refer(bucket, "delivered again.png", "late delivered again") },
		"Redis forgets it": func(id string) { s.forgetDeferred(id) },
	} {
		t.Run(name, func(t *testing.T) {
			id := s.refer(bucket, name+".png", "late "+name)
			if got := s.status(id); got != "queued" {
				t.Errorf("status is %q, want queued", got)
			}
			between(id)
			if got := s.status(id); got != "queued" {
				t.Errorf("later the status is %q, want queued", got)
			}
			s.put(bucket, name+".png", pngOf(t, 30, 20))
			await(t, "the image is announced", func() bool {
				s.requestSweep() // without which nobody puts back what Redis has forgotten
				return len(s.broker.eventsOf(events.TypeImageUploaded, id)) > 0
			})
			await(t, "the note is removed", func() bool {
				return !slices.Contains(s.notes(), "deferred/"+id+"/received")
			})
			uploaded, err := events.Decode[events.ImageUploaded](s.broker.eventsOf(events.TypeImageUploaded, id)[0])
			if err != nil || uploaded.Filename != name+".png" || uploaded.Width != 30 {
				t.Errorf("announced %+v, %v; want the image", uploaded, err)
			}
			s.complete(id)
			if again := s.refer(bucket, name+".png", "late "+name); again != id {
				t.Errorf("a later delivery is answered with %s, want %s", again, id)
			}
		})
	}
}

// An image whose object never appears, or is not an image, has failed. It is announced, and a later delivery of its
// event is answered with the same event.
func TestDeferredImageFails(t *testing.T) {
	t.Parallel()
	bucket := "scans-" + uuid.NewString()
	s := start(t, "SOURCE_BUCKETS="+bucket, "OBJECT_WAIT_SECONDS=2")
	s.put(bucket, "another.png", pngOf(t, 8, 8)) // creates the bucket
	for name, test := range map[string]struct {
		appear func()
		reason string
	}{
		"never":   {func() {}, "object_not_found"},
		"as text": {func() { s.put(bucket, "as text.png", []byte("text")) }, "not_an_image"},
	} {
		t.Run(name, func(t *testing.T) {
			id := s.refer(bucket, name+".png", "failed "+name)
			test.appear()
			await(t, "it has failed", func() bool { return s.status(id) == "failed" })
			await(t, "the note is removed", func() bool {
				return !slices.Contains(s.notes(), "deferred/"+id+"/received")
			})
			published := s.broker.eventsOf(events.TypeImageFailed, id)
			if len(published) != 1 {
				t.Fatalf("published %v, want one image.failed", published)
			}
			failed, err := events.Decode[events.ImageFailed](published[0])
			if err != nil || string(failed.Reason) != test.reason {
				t.Errorf("published %+v, %v; want the reason %s", failed, err, test.reason)
			}
			s.put(bucket, name+".png", pngOf(t, 8, 8)) // too late
			s.forgetDeferred(id)
			got := s.post("/", "application/json", reference(bucket, name+".png"), binaryHeader("failed "+name)...)
			if got.header.Get("Ce-Id") != published[0].ID() || got.header.Get("Ce-Source") != published[0].Source() ||
				got.body != string(published[0].Data()) {
				t.Errorf("a later delivery is answered with %d %s, want %v", got.status, got.body, published[0])
			}
			if got := s.get("/status/" + id).json(t); got["status"] != "failed" || got["reason"] != test.reason {
				t.Errorf("the status is %v, want failed with the reason %s", got, test.reason)
			}
		})
	}
}

// A client that sends the event to /upload waits for the answer itself: it learns at once that there is no object.
func TestUploadWithoutObject(t *testing.T) {
	t.Parallel()
	bucket := "scans-" + uuid.NewString()
	s := start(t, "SOURCE_BUCKETS="+bucket, "OBJECT_WAIT_SECONDS=1")
	s.put(bucket, "other.png", pngOf(t, 8, 8)) // without its bucket nothing is known about an object
	for _, attempt := range []string{"first", "second"} {
		t.Run(attempt, func(t *testing.T) {
			got := s.post("/upload", "application/json", reference(bucket, "none.png"), binaryHeader("without object")...)
			if got.status != http.StatusNotFound || got.code(t) != "object_not_found" {
				t.Errorf("answer is %d %s, want 404 object_not_found", got.status, got.body)
			}
			if got := s.keys(); len(got) != 0 {
				t.Errorf("bucket has %q, want nothing", got)
			}
		})
	}
	id := s.refer(bucket, "none.png", "without object")
	await(t, "it has failed", func() bool { return s.status(id) == "failed" })
	got := s.post("/upload", "application/json", reference(bucket, "none.png"), binaryHeader("without object")...)
	if got.status != http.StatusNotFound || got.code(t) != "object_not_found" {
		t.Errorf("after it has failed the answer is %d %s, want 404 object_not_found", got.status, got.body)
	}
}

// An event that names what can be no object fails at once, and a notification of it stops nothing else.
func TestImpossibleObject(t *testing.T) {
	t.Parallel()
	bucket := "scans-" + uuid.NewString()
	s := start(t, "SOURCE_BUCKETS="+bucket)
	s.put(bucket, "other.png", pngOf(t, 8, 8)) // makes the bucket
	name := strings.Repeat("n", 300) + ".png"
	for range 2 {
		got := s.post("/", "application/json", reference(bucket, name), binaryHeader("impossible")...)
		failed, _ := got.failedReply(t)
		isReason := failed.Reason == events.ReasonObjectNotFound && strings.Contains(failed.Error, "name")
		if got.status != http.StatusOK || !isReason {
			t.Errorf("answer is %d %s, want image.failed for %s because of the name", got.status, got.body,
				events.ReasonObjectNotFound)
		}
	}
	if got := s.notes(); len(got) != 0 {
		t.Errorf("notes are %q, want none", got)
	}
	got := s.post("/upload", "application/json", reference(bucket, name), binaryHeader("impossible upload")...)
	if got.status != http.StatusNotFound || got.code(t) != "object_not_found" {
		t.Errorf("/upload: answer is %d %s, want 404 object_not_found", got.status, got.body)
	}
}

// A forbiddingMinIO is a proxy to MinIO that lets nobody read the objects of a bucket.
type forbiddingMinIO struct {
	proxy  http.Handler
	bucket string
}

// ServeHTTP forwards a request, or denies it.
func (f *forbiddingMinIO) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.URL.Path, "/"+f.bucket+"/") {
		f.proxy.ServeHTTP(w, r)
		return
	}
	w.Header().Set("X-Amz-Request-Id", "1")
	w.WriteHeader(http.StatusForbidden)
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, "<Error><Code>AccessDenied</Code><RequestId>1</RequestId></Error>")
	}
}

// The delivery of an event whose object the service may not read is acknowledged: it waits here until somebody grants
// it. A client at /upload learns why.
func TestForbiddenObject(t *testing.T) {
	t.Parallel()
	bucket := "scans-" + uuid.NewString()
	s := start(t, "SOURCE_BUCKETS="+bucket)
	s.put(bucket, "a.png", pngOf(t, 8, 8))
	pod := s.behind(func(minio http.Handler) http.Handler { return &forbiddingMinIO{minio, bucket} })
	got := pod.post("/upload", "application/json", reference(bucket, "a.png"), binaryHeader("forbidden upload")...)
	if got.status != http.StatusUnprocessableEntity || got.code(t) != "object_unreadable" {
		t.Errorf("/upload: answer is %d %s, want 422 object_unreadable", got.status, got.body)
	}
	id := pod.refer(bucket, "a.png", "forbidden")
	await(t, "another pod, which may read it, accepts it", func() bool {
		return len(s.broker.eventsOf(events.TypeImageUploaded, id)) > 0
	})
}

// Without the store an event cannot be kept, and is not acknowledged.
func TestNothingDeferredWithoutStore(t *testing.T) {
	t.Parallel()
	s := start(t)
	scheme := "" // as that of the server, so that the other settings fit
	if strings.HasPrefix(s.getenv("MINIO_ENDPOINT"), "https://") {
		scheme = "https://"
	}
	got := s.startAnother("MINIO_ENDPOINT="+scheme+"127.0.0.1:1").post("/", "application/json",
		reference(s.getenv("MINIO_BUCKET"), "none.png"), binaryHeader("no store")...)
	if got.status != http.StatusServiceUnavailable {
		t.Errorf("answer is %d %s, want 503", got.status, got.body)
	}
}
