package thumbnailer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	_ "image/jpeg"
	"net/http"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/deferral"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"gitlab.com/yourorg/image-service/functions/thumbnail/admission"
)

func TestThumbnail(t *testing.T) {
	t.Parallel()
	s := start(t)
	e := s.uploaded("Überblick ☃.jpg", jpegOf(t, 1920, 1080))
	id := e.Subject()
	reply := s.deliver(e).reply(t)
	made, err := events.Decode[events.ImageThumbnailed](reply)
	want := events.ImageThumbnailed{
		ImageID: id, Bucket: s.store.Bucket(),
		ObjectName: id + "/Überblick ☃.jpg", Thumbnail: id + "/thumbnail_Überblick ☃.jpg",
		OriginalSize: [2]int{1920, 1080}, ThumbnailSize: [2]int{200, 112}, ProcessedAt: made.ProcessedAt,
	}
	age := time.Since(time.UnixMilli(int64(made.ProcessedAt * 1000)))
	if err != nil || !reflect.DeepEqual(made, want) || age > time.Minute {
		t.Errorf("got %+v, %v; want %+v", made, err, want)
	}
	trace, _ := reply.Extensions()[events.TraceParent].(string)
	if !strings.HasPrefix(trace, "00-4bf92f3577b34da6a3ce929d0e0e4736-") {
		t.Errorf("got traceparent %q, want the trace of the event", trace)
	}
	content, info := s.object(made.Thumbnail)
	decoded, format, err := image.Decode(bytes.NewReader(content))
	if err != nil || format != "jpeg" || info.ContentType != "image/jpeg" ||
		decoded.Bounds().Size() != image.Pt(200, 112) {
		t.Errorf("got %s %s, %v; want a JPEG of 200x112", info.ContentType, format, err)
	}
	got, _, err := s.statuses.Read(t.Context(), id)
	if err != nil || got.State != status.Completed || *got.Result.ThumbnailSize != (status.Size{200, 112}) ||
		got.Result.Thumbnail != made.Thumbnail {
		t.Errorf("got status %+v, %v; want completed, with the thumbnail", got, err)
	}
}

// The delivery contract: the response and the status decide what Knative and the client see.
func TestDeliveryContract(t *testing.T) {
	t.Parallel()
	s := start(t, "MAX_IMAGE_PIXELS=100000", "MAX_UPLOAD_BYTES=200000")
	photo := jpegOf(t, 100, 80)
	withData := func(e event.Event, data string) event.Event {
		e = e.Clone()
		e.DataEncoded = []byte(data)
		return e
	}
	typed := func(e event.Event, eventType string) event.Event { e = e.Clone(); e.SetType(eventType); return e }
	other := events.ImageUploaded{ImageID: uuid.NewString(), Filename: "a.jpg", Timestamp: 1, Bucket: "other-bucket"}
	other.ObjectName = imagestore.OriginalKey(other.ImageID, "a.jpg")

	for name, test := range map[string]struct {
		event  event.Event
		status int
		reason string // of an image.failed, or the code of an error
		state  status.State
	}{
		"text":            {s.uploaded("text.jpg", []byte("text, not an image")), 200, "not_an_image", status.Failed},
		"empty":           {s.uploaded("empty.jpg", nil), 200, "not_an_image", status.Failed},
		"PDF":             {s.uploaded("doc.jpg", []byte("%PDF-1.7 and so on")), 200, "unsupported", status.Failed},
		"truncated":       {s.uploaded("cut.jpg", photo[:len(photo)/2]), 200, "damaged", status.Failed},
		"too many pixels": {s.uploaded("large.jpg", jpegOf(t, 400, 300)), 200, "too_many_pixels", status.Failed},
		"too many bytes": {
			s.uploaded("long.jpg", append(jpegOf(t, 100, 80), make([]byte, 200000)...)),
			200, "too_many_bytes", status.Failed,
		},
		"malformed payload": {
			withData(s.uploaded("a.jpg", photo), `{"image_id":7}`), 400, "invalid_event", status.Queued,
		},
		"foreign object": {
			withData(s.uploaded("a.jpg", photo), `{"image_id":"`+uuid.NewString()+
				`","object_name":"../secret","filename":"secret","timestamp":1}`),
			400, "invalid_event", status.Queued,
		},
		"wrong type":     {typed(s.uploaded("a.jpg", photo), "image.thumbnailed"), 400, "invalid_event", status.Queued},
		"unknown bucket": {s.eventOf(other), 400, "unknown_bucket", ""},
	} {
		t.Run(name, func(t *testing.T) {
			response := s.deliver(test.event)
			if response.status != test.status {
				t.Fatalf("got %d %s, want %d", response.status, response.body, test.status)
			}
			if test.status == http.StatusOK {
				failed, err := events.Decode[events.ImageFailed](response.reply(t))
				if err != nil || string(failed.Reason) != test.reason || failed.ObjectName == "" {
					t.Errorf("got %+v, %v; want reason %s", failed, err, test.reason)
				}
			} else if !strings.Contains(response.body, `"code":"`+test.reason+`"`) {
				t.Errorf("got %s, want code %s", response.body, test.reason)
			}
			got, _, err := s.statuses.Read(t.Context(), test.event.Subject())
			if err != nil || test.state == "" && got != nil || test.state != "" && got.State != test.state {
				t.Errorf("got status %+v, %v; want %s", got, err, test.state)
			}
		})
	}
}

func TestNotAnEvent(t *testing.T) {
	t.Parallel()
	s := start(t)
	for name, test := range map[string]struct {
		method, contentType, body string
		status                    int
	}{
		"form":         {"POST", "multipart/form-data; boundary=x", "--x--", 400},
		"empty":        {"POST", "", "", 400},
		"batch":        {"POST", "application/cloudevents-batch+json", "[]", 400},
		"malformed":    {"POST", "application/cloudevents+json", "{", 400},
		"too large":    {"POST", "application/cloudevents+json", strings.Repeat("x", 65537), 413},
		"PUT":          {"PUT", "application/cloudevents+json", "{}", 405},
		"GET":          {"GET", "", "", 405},
		"unknown path": {"POST", "", "", 404},
	} {
		t.Run(name, func(t *testing.T) {
			url := s.url
			if name == "unknown path" {
				url += "/upload"
			}
			request, err := http.NewRequest(test.method, url, strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Content-Type", test.contentType)
			if got := s.send(request); got.status != test.status {
				t.Errorf("got %d %s, want %d", got.status, got.body, test.status)
			}
		})
	}
}

// The same event, delivered in turn and concurrently to two pods, gets the same reply and makes one thumbnail.
func TestSameEventAgain(t *testing.T) {
	t.Parallel()
	s := start(t)
	for name, e := range map[string]event.Event{
		"image":        s.uploaded("good.jpg", jpegOf(t, 640, 480)),
		"not an image": s.uploaded("bad.jpg", []byte("text, not an image")),
	} {
		t.Run(name, func(t *testing.T) {
			var replies sync.Map
			deliver := func(url string) {
				reply := s.deliverTo(url, e).reply(t)
				replies.Store(fmt.Sprint(reply.Type(), reply.ID(), reply.Source(), reply.Time(), string(reply.Data())), true)
			}
			var wait sync.WaitGroup
			for _, url := range []string{s.url, s.run(s.getenv)} {
				for range 10 {
					wait.Go(func() { deliver(url) })
				}
			}
			wait.Wait()
			deliver(s.url)
			before := s.listed(e.Subject())

			if err := s.statuses.Forget(t.Context(), e.Subject()); err != nil { // as Redis does after an hour
				t.Fatal(err)
			}
			deliver(s.url)
			count := 0
			replies.Range(func(any, any) bool { count++; return true })
			if count != 1 {
				replies.Range(func(reply, _ any) bool { t.Log(reply); return true })
				t.Errorf("got %d different replies, want 1", count)
			}
			if after := s.listed(e.Subject()); len(before) != 2 || fmt.Sprint(before) != fmt.Sprint(after) {
				t.Errorf("got %v, then %v; want the original and one result, unchanged", before, after)
			}
		})
	}
}

// listed returns the objects of an image with their times and ETags.
func (s *service) listed(id string) (objects []string) {
	s.t.Helper()
	client := testservers.MinIO(s.t, s.getenv)
	options := minio.ListObjectsOptions{Prefix: id + "/", Recursive: true}
	for object := range client.ListObjects(s.t.Context(), s.store.Bucket(), options) {
		if object.Err != nil {
			s.t.Fatal(object.Err)
		}
		objects = append(objects, object.Key+" "+object.LastModified.String()+" "+object.ETag)
	}
	return objects
}

// A task of the original system, as its API wrote it to the topic and a KafkaSource delivers it.
func TestTaskOfTheOriginal(t *testing.T) {
	t.Parallel()
	s := start(t)
	known := s.uploaded("photo.jpg", jpegOf(t, 300, 300))
	id := known.Subject()
	e := event.New()
	e.SetType(events.TypeKafkaRecord)
	e.SetSource("/apis/v1/namespaces/image-service/kafkasources/image-processing#image-processing")
	e.SetID("partition:0/offset:1")
	e.SetDataContentType("application/json")
	e.DataEncoded = []byte(`{"image_id": "` + id + `", "object_name": "` + id + `/photo.jpg", ` +
		`"filename": "photo.jpg", "timestamp": 1699999999.123}`)
	made, err := events.Decode[events.ImageThumbnailed](s.deliver(e).reply(t))
	if err != nil || made.ThumbnailSize != [2]int{200, 200} {
		t.Errorf("got %+v, %v; want the sizes of the image and its thumbnail", made, err)
	}
}

// A thumbnail of the original system is kept, and gives the status of its image.
func TestThumbnailOfTheOriginal(t *testing.T) {
	t.Parallel()
	s := start(t)
	e := s.uploaded("photo.jpg", jpegOf(t, 1920, 1080))
	thumbnail := jpegOf(t, 200, 112)
	key := imagestore.ThumbnailKey(e.Subject() + "/photo.jpg")
	if err := s.store.Put(t.Context(), key, thumbnail, imagestore.Attributes{ContentType: "image/jpeg"}); err != nil {
		t.Fatal(err)
	}
	if err := s.statuses.Forget(t.Context(), e.Subject()); err != nil {
		t.Fatal(err)
	}
	made, err := events.Decode[events.ImageThumbnailed](s.deliver(e).reply(t))
	if err != nil || made.OriginalSize != [2]int{1920, 1080} || made.ThumbnailSize != [2]int{200, 112} {
		t.Errorf("got %+v, %v; want the sizes of the image and its thumbnail", made, err)
	}
	if got, _ := s.object(made.Thumbnail); !bytes.Equal(got, thumbnail) {
		t.Error("the thumbnail was replaced")
	}
}

// While a backend is down the event is retried, and succeeds later.
func TestBackendsDown(t *testing.T) {
	t.Parallel()
	s := start(t)
	e := s.uploaded("photo.jpg", jpegOf(t, 300, 200))
	for name, getenv := range map[string]func(string) string{
		"redis": testservers.WithoutRedis(s.getenv),
		"minio": testservers.With(s.getenv, "MINIO_ENDPOINT=https://127.0.0.1:1"),
	} {
		t.Run(name, func(t *testing.T) {
			url := s.run(getenv)
			if got := s.deliverTo(url, e); got.status != http.StatusServiceUnavailable {
				t.Errorf("got %d %s, want 503", got.status, got.body)
			}
		})
	}
	s.deliver(e).reply(t)
}

// After Redis has forgotten a final status, it stays final, even if MinIO is down when the event is delivered again.
func TestStatusNeverGoesBack(t *testing.T) {
	t.Parallel()
	s := start(t)
	e := s.uploaded("photo.jpg", jpegOf(t, 300, 200))
	s.deliver(e).reply(t)
	if err := s.statuses.Forget(t.Context(), e.Subject()); err != nil {
		t.Fatal(err)
	}
	url := s.run(testservers.With(s.getenv, "MINIO_ENDPOINT=https://127.0.0.1:1"))
	if got := s.deliverTo(url, e); got.status != http.StatusServiceUnavailable {
		t.Errorf("got %d %s, want 503", got.status, got.body)
	}
	if got, _, err := s.statuses.Read(t.Context(), e.Subject()); err != nil || got.State != status.Completed {
		t.Errorf("got status %+v, %v; want completed", got, err)
	}
}

// A format that is switched off is refused, and so are images of it that were stored before.
func TestFormatThatIsSwitchedOff(t *testing.T) {
	t.Parallel()
	s := start(t, "FORMATS=png,webp")
	failed, err := events.Decode[events.ImageFailed](s.deliver(s.uploaded("photo.jpg", jpegOf(t, 300, 200))).reply(t))
	want := "JPEG is switched off in this service, expected PNG or WebP"
	if err != nil || failed.Reason != events.ReasonUnsupported || !strings.Contains(failed.Error, want) {
		t.Errorf("replied %+v, %v; want %s: %s", failed, err, events.ReasonUnsupported, want)
	}
}

// Two pods with different limits, as in a rollout, leave one result, which both reply from then on.
func TestTwoResults(t *testing.T) {
	t.Parallel()
	s := start(t)
	strict := s.run(testservers.With(s.getenv, "MAX_IMAGE_PIXELS=1000"))
	for range 20 {
		e := s.uploaded("photo.jpg", jpegOf(t, 300, 200))
		var wait sync.WaitGroup
		for _, url := range []string{s.url, strict, s.url, strict} {
			wait.Go(func() { s.deliverTo(url, e).reply(t) })
		}
		wait.Wait()
		if stored := s.listed(e.Subject()); len(stored) != 2 {
			t.Errorf("got %q, want the original and one result", stored)
		}
		before, _, err := s.statuses.Read(t.Context(), e.Subject())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.statuses.Forget(t.Context(), e.Subject()); err != nil {
			t.Fatal(err)
		}
		rebuilt, _, err := s.statuses.Read(t.Context(), e.Subject())
		if err != nil || rebuilt.State != before.State {
			t.Errorf("got status %+v, %v after Redis had forgotten %+v; want the same", rebuilt, err, before)
		}
	}
}

// A result that is lost while Redis remembers it is made again when its event is delivered again. It is that of the
// current original: another image may have been uploaded under its key.
func TestResultLost(t *testing.T) {
	t.Parallel()
	s := start(t)
	for name, content := range map[string][]byte{
		"completed": jpegOf(t, 300, 200), "failed": []byte("text, not an image"),
	} {
		t.Run(name, func(t *testing.T) {
			e := s.uploaded("photo.jpg", content)
			original := e.Subject() + "/photo.jpg"
			s.deliver(e).reply(t)
			s.remove(original, imagestore.ThumbnailKey(original))
			if got := s.deliver(e); got.status != http.StatusOK || got.body != "" {
				t.Errorf("without its original: got %d %s, want an empty 200", got.status, got.body)
			}

			if err := s.store.Put(t.Context(), original, jpegOf(t, 150, 100), imagestore.Attributes{}); err != nil {
				t.Fatal(err)
			}
			made, err := events.Decode[events.ImageThumbnailed](s.deliver(e).reply(t))
			if err != nil || made.OriginalSize != [2]int{150, 100} {
				t.Errorf("got %+v, %v; want the size of the current original", made, err)
			}
			s.object(made.Thumbnail)
			got, _, err := s.statuses.Read(t.Context(), e.Subject())
			if err != nil || got.ProcessedAt != made.ProcessedAt {
				t.Errorf("got status %+v, %v; want that of the reply, %+v", got, err, made)
			}
		})
	}
}

// remove deletes objects.
func (s *service) remove(keys ...string) {
	s.t.Helper()
	for _, key := range keys {
		if err := s.store.Remove(s.t.Context(), key); err != nil {
			s.t.Fatal(err)
		}
	}
}

// A status of the original system's worker is final, even if it lacks fields. Its failures have no object in the
// bucket, and are determined again.
func TestStatusOfTheOriginal(t *testing.T) {
	t.Parallel()
	s := start(t)
	for name, left := range map[string]struct {
		status    string
		thumbnail bool
	}{
		"no reason": {`{"image_id":"%s","status":"failed",` +
			`"result":{"success":false,"error":"cannot identify image file"},"processed_at":1699999999.1}`, false},
		"no result": {`{"image_id":"%s","status":"failed","processed_at":1699999999.1}`, false},
		"no sizes": {`{"image_id":"%s","status":"completed",` +
			`"result":{"success":true,"thumbnail":"%[1]s/thumbnail_photo.jpg"},"processed_at":1699999999.1}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			e := s.uploaded("photo.jpg", jpegOf(t, 300, 200))
			key := imagestore.ThumbnailKey(e.Subject() + "/photo.jpg")
			if left.thumbnail {
				if err := s.store.Put(t.Context(), key, jpegOf(t, 200, 133), imagestore.Attributes{}); err != nil {
					t.Fatal(err)
				}
			}
			final := fmt.Sprintf(left.status, e.Subject())
			client := testservers.Redis(t, s.getenv)
			cached := status.NewKeys(client, s.store.Bucket()).Key(e.Subject())
			if err := client.Set(t.Context(), cached, final, time.Hour).Err(); err != nil {
				t.Fatal(err)
			}
			got := s.deliver(e)
			if got.status != http.StatusOK {
				t.Errorf("got %d %s, want 200", got.status, got.body)
			}
			if replied := len(got.body) > 0; replied == left.thumbnail {
				t.Errorf("got the reply %q, want one: %t", got.body, !left.thumbnail)
			}
		})
	}
}

// plainWebP is a lossless image of 32 bytes whose pixels take no bits: each code has one symbol.
func plainWebP(width, height int) []byte {
	const fiveSimpleCodes = 0b0001_0001_0001_0001_0001 << 3 // then: no transform, no cache, no groups
	size := binary.LittleEndian.AppendUint32(nil, uint32(width-1|(height-1)<<14))
	return slices.Concat([]byte("RIFF\x16\x00\x00\x00WEBPVP8L\x0a\x00\x00\x00\x2f"), size,
		[]byte{fiveSimpleCodes & 0xff, fiveSimpleCodes >> 8 & 0xff, fiveSimpleCodes >> 16, 0, 0})
}

// inProcess is how many large images are in a process at a time: one for each core, and those that wait for their turn.
func inProcess() int { return 2*runtime.GOMAXPROCS(0) + 1 }

// startHolding starts a service whose store keeps the pixels of hostile.webp back until release is called, so that no
// such image is done before.
func startHolding(t *testing.T, hostile []byte, settings ...string) (s *service, release func()) {
	t.Helper()
	released := make(chan struct{})
	getenv := answering(t, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "/hostile.webp") {
			return false
		}
		const header = 25 // bytes, with the size of the image
		w.Header().Set("Content-Length", strconv.Itoa(len(hostile)))
		writeAsObject(w, hostile[:header])
		http.NewResponseController(w).Flush()
		select {
		case <-released:
			w.Write(hostile[header:])
		case <-r.Context().Done():
		}
		return true
	})
	return startWith(t, testservers.With(getenv, settings...)), sync.OnceFunc(func() { close(released) })
}

// Large images that are more than the process works on at a time: every delivery is answered with 200, and what got no
// reply waits in Redis.
func TestTooManyLargeImages(t *testing.T) {
	t.Parallel()
	hostile := plainWebP(4096, 3000)
	s, release := startHolding(t, hostile)
	var deliveries sync.WaitGroup
	defer deliveries.Wait()
	defer release()
	var lock sync.Mutex
	var deferred []string
	var tasks []event.Event
	for range 3 * inProcess() {
		tasks = append(tasks, s.uploaded("hostile.webp", hostile))
	}
	answered := make(chan struct{}, len(tasks))
	for _, e := range tasks { // at once
		deliveries.Go(func() {
			defer func() { answered <- struct{}{} }()
			got := s.deliver(e)
			lock.Lock()
			defer lock.Unlock()
			if got.status != http.StatusOK {
				t.Errorf("got %d %s, want 200", got.status, got.body)
			}
			if got.body == "" {
				deferred = append(deferred, e.Subject()+"/")
			}
		})
	}
	for range len(tasks) - inProcess() {
		<-answered
	}
	release()
	deliveries.Wait()
	slices.Sort(deferred)
	if got := s.waiting(); !slices.Equal(got, deferred) || len(got) == 0 {
		t.Errorf("got %q waiting, want %q, which got no reply", got, deferred)
	}
}

// Photos that come after a flood of large images overtake it: each is answered with its thumbnail at once, while most
// of the flood waits.
func TestPhotosOvertakeAFlood(t *testing.T) {
	t.Parallel()
	flood := 3 * inProcess()
	hostile, photo := plainWebP(4096, 4096), jpegOf(t, 300, 200)
	s, release := startHolding(t, hostile, "DECODE_MEMORY_BYTES=1073741824") // so that only time makes one large
	var deliveries sync.WaitGroup
	defer deliveries.Wait()
	defer release()
	var large, small []event.Event
	for range flood {
		large = append(large, s.uploaded("hostile.webp", hostile))
	}
	for range 20 {
		small = append(small, s.uploaded("photo.jpg", photo))
	}
	answers := make(chan response, flood)
	for _, e := range large {
		deliveries.Go(func() { answers <- s.deliver(e) })
	}
	for range flood - inProcess() {
		if got := <-answers; got.status != http.StatusOK || got.body != "" {
			t.Fatalf("got %d %q for a large image before the photos, want an empty 200", got.status, got.body)
		}
	}
	var photos sync.WaitGroup
	for _, e := range small {
		photos.Go(func() {
			if got := s.deliver(e); got.status != http.StatusOK || got.body == "" {
				t.Errorf("got %d %q, want 200 and the thumbnail's event", got.status, got.body)
			}
		})
	}
	photos.Wait()
	release()
	deliveries.Wait() // some of which have waited for too long on a slow machine
	s.deliver(large[0]).reply(t)
}

// waiting returns what waits in Redis, sorted.
func (s *service) waiting() []string {
	s.t.Helper()
	client := testservers.Redis(s.t, s.getenv)
	key := "image:deferred:images:" + connect.Tagged(client, s.store.Bucket())
	members, err := client.ZRange(s.t.Context(), key, 0, -1).Result()
	if err != nil {
		s.t.Fatal(err)
	}
	slices.Sort(members)
	return members
}

// An image that is not admitted is announced again later, and needs no note.
func TestNotAdmitted(t *testing.T) {
	t.Parallel()
	s := start(t)
	r := config.NewReader(s.getenv)
	client := testservers.Redis(t, s.getenv)
	th := &thumbnailer{
		Process: httpserver.New("thumbnail", httpserver.ReadSettings(r)), store: s.store, statuses: s.statuses,
		deferred: deferral.New(client, s.store),
	}
	e := s.uploaded("photo.jpg", jpegOf(t, 80, 60))
	task, err := events.Decode[events.ImageUploaded](e)
	if err != nil {
		t.Fatal(err)
	}
	if err := th.deferTask(t.Context(), e, task, admission.ErrFull); err != nil {
		t.Fatal(err)
	}
	if got, want := s.waiting(), []string{e.Subject() + "/"}; !slices.Equal(got, want) {
		t.Errorf("got %q waiting, want %q", got, want)
	}
	if deferred, err := s.store.IsDeferred(t.Context(), e.Subject()); err != nil || deferred {
		t.Errorf("got a note: %t, %v; want none", deferred, err)
	}
	client.Close()
	err = th.deferTask(t.Context(), e, task, admission.ErrFull)
	if apierror.From(err).Status != http.StatusServiceUnavailable {
		t.Errorf("without Redis: got %v, want a 503", err)
	}
}

// An event that names what can be no object is acknowledged, with a note that says so: nobody waits for the object.
func TestImpossibleObject(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.uploaded("other.jpg", jpegOf(t, 8, 8)) // makes the bucket
	id, name := uuid.NewString(), strings.Repeat("n", 300)
	e, err := events.Encode(events.ImageUploaded{
		ImageID: id, ObjectName: id + "/" + name, Filename: name, Timestamp: 1,
	}, events.Envelope{Source: events.SourceUpload})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.deliver(e); got.status != http.StatusOK || got.body != "" {
		t.Errorf("got %d %s, want an empty 200", got.status, got.body)
	}
	notes := s.listed("deferred/" + id)
	if len(notes) != 1 {
		t.Fatalf("got notes %q, want one", notes)
	}
	key, _, _ := strings.Cut(notes[0], " ")
	text, _, err := s.store.GetWhole(t.Context(), key, 1<<20)
	if err != nil || !strings.Contains(string(text), `"impossible":true`) {
		t.Errorf("got the note %s, %v; want it to say that the object is impossible", text, err)
	}
}

// An event without its object is acknowledged once it is stored, is queued whatever Redis remembers, and has one note
// however often it is delivered.
func TestObjectNotThere(t *testing.T) {
	t.Parallel()
	s := start(t)
	for name, change := range map[string]func(e *event.Event){
		"image.uploaded": func(*event.Event) {},
		"Kafka record":   func(e *event.Event) { e.SetType(events.TypeKafkaRecord); e.SetSource("/topic#images") },
	} {
		t.Run(name, func(t *testing.T) {
			e := s.uploaded("gone.jpg", jpegOf(t, 30, 20))
			change(&e)
			id := e.Subject()
			s.remove(id + "/gone.jpg")
			for range 3 {
				if got := s.deliver(e); got.status != http.StatusOK || got.body != "" || got.header.Get("Content-Length") != "0" {
					t.Errorf("got %d %s, want an empty 200", got.status, got.body)
				}
				if err := s.statuses.Forget(t.Context(), id); err != nil {
					t.Fatal(err)
				}
				if got, _, err := s.statuses.Read(t.Context(), id); err != nil || got == nil || got.State != status.Queued {
					t.Errorf("got status %+v, %v; want queued", got, err)
				}
			}
			if got := s.listed("deferred/" + id); len(got) != 1 {
				t.Errorf("got notes %q, want one", got)
			}
		})
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.deliver(s.uploaded("good.jpg", jpegOf(t, 30, 20)))
	s.deliver(s.uploaded("bad.jpg", []byte("text")))
	missing := s.uploaded("gone.jpg", jpegOf(t, 30, 20))
	if err := s.store.Remove(t.Context(), missing.Subject()+"/gone.jpg"); err != nil {
		t.Fatal(err)
	}
	s.deliver(missing)
	request, err := http.NewRequest(http.MethodGet, s.url+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	metrics := s.send(request).body
	for _, want := range []string{
		"# TYPE task_processing_duration_seconds gauge",
		"# TYPE active_tasks gauge",
		`tasks_processed_total{status="success"} 1`,
		`tasks_processed_total{status="failed"} 1`,
		`tasks_processed_total{status="deferred"} 1`,
		`tasks_processed_total{status="error"} 0`,
		"active_tasks 0",
		"decode_memory_in_flight_bytes 0",
		"thumbnail_duration_seconds_count 3",
	} {
		if !strings.Contains(metrics, want+"\n") {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

// An AVIF gets a JPEG thumbnail.
func TestAVIF(t *testing.T) {
	t.Parallel()
	photo, err := os.ReadFile("../../internal/raster/heif/testdata/avif/grid.avif")
	if err != nil {
		t.Fatal(err)
	}
	cut := append([]byte{}, photo[:len(photo)-300]...)
	broken := append(cut, make([]byte, 300)...)
	s := start(t)
	for name, test := range map[string]struct {
		file  []byte
		state status.State
		want  string // the reason
	}{
		"whole":   {photo, status.Completed, ""},
		"cut":     {photo[:len(photo)-1], status.Failed, "damaged"},
		"damaged": {broken, status.Failed, "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			event := s.uploaded("photo.avif", test.file)
			if response := s.deliver(event); response.status != http.StatusOK {
				t.Fatalf("got %d %s, want 200", response.status, response.body)
			}
			got, _, err := s.statuses.Read(t.Context(), event.Subject())
			if err != nil || got.State != test.state {
				t.Fatalf("got status %+v, %v; want %s", got, err, test.state)
			}
			if test.state == status.Failed && got.Reason != test.want {
				t.Errorf("got reason %s, want %s", got.Reason, test.want)
			}
			if test.state == status.Completed && *got.Result.ThumbnailSize != (status.Size{192, 128}) {
				t.Errorf("got result %+v, want a thumbnail of 192x128", got.Result)
			}
		})
	}
}

func TestIgnoreHEICThumbnails(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{"": false, "false": false, "true": true} {
		t.Run(value, func(t *testing.T) {
			r := config.NewReader(func(name string) string { return map[string]string{"IGNORE_HEIC_THUMBNAILS": value}[name] })
			if got := readSettings(r).limits.IgnoreThumbnails; got != want {
				t.Errorf("got %t, want %t", got, want)
			}
		})
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	settings := map[string]string{
		"REDIS_PORT": "0", "DECODE_MEMORY_BYTES": "1000", "LOG_LEVEL": "LOUD",
	}
	err := Run(t.Context(), nil, func(name string) string { return settings[name] })
	if err == nil {
		t.Fatal("Run() = nil, want an error")
	}
	for _, want := range []string{
		"MINIO_ENDPOINT is not set", "MINIO_ACCESS_KEY is not set", "MINIO_SECRET_KEY is not set", "REDIS_HOST is not set",
		`REDIS_PORT is "0"`, `DECODE_MEMORY_BYTES is "1000"`, "LOG_LEVEL is",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s in it", err, want)
		}
	}
}
