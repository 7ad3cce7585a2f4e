package thumbnailer

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	_ "image/jpeg"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"github.com/prometheus/client_golang/prometheus"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"golang.org/x/sync/semaphore"
)

func TestThumbnailMade(t *testing.T) {
	t.Parallel()
	s := start(t)
	e := s.uploaded("Überblick ☃.jpg", jpegOf(t, 1920, 1080))
	id := e.Subject()
	reply := s.deliver(e).reply(t)
	made, err := events.Decode[events.ImageThumbnailed](reply)
	want := events.ImageThumbnailed{
		ImageID: id, Bucket: s.store.Bucket(), ObjectName: id + "/Überblick ☃.jpg", Thumbnail: id + "/thumbnail_Überblick ☃.jpg",
		OriginalSize: [2]int{1920, 1080}, ThumbnailSize: [2]int{200, 112}, ProcessedAt: made.ProcessedAt,
	}
	if err != nil || made != want || time.Since(time.UnixMilli(int64(made.ProcessedAt*1000))) > time.Minute {
		t.Errorf("replied %+v, %v; want %+v", made, err, want)
	}
	if trace, _ := reply.Extensions()[events.TraceParent].(string); !strings.HasPrefix(trace, "00-4bf92f3577b34da6a3ce929d0e0e4736-") {
		t.Errorf("traceparent is %q, want the trace of the event", trace)
	}
	content, info := s.object(made.Thumbnail)
	decoded, format, err := image.Decode(bytes.NewReader(content))
	if err != nil || format != "jpeg" || decoded.Bounds().Size() != image.Pt(200, 112) || info.ContentType != "image/jpeg" {
		t.Errorf("stored %s %s, %v", info.ContentType, format, err)
	}
	got, _, err := s.statuses.Read(t.Context(), id)
	if err != nil || got.State != status.Completed || *got.Result.ThumbnailSize != (status.Size{200, 112}) || got.Result.Thumbnail != made.Thumbnail {
		t.Errorf("status %+v, %v", got, err)
	}
}

// The delivery contract, row by row.
func TestDeliveryContract(t *testing.T) {
	t.Parallel()
	s := start(t, "MAX_IMAGE_PIXELS=100000", "MAX_PIXELS_IN_FLIGHT=100000", "MAX_UPLOAD_BYTES=200000")
	photo := jpegOf(t, 100, 80)
	withData := func(e event.Event, data string) event.Event {
		e = e.Clone()
		e.DataEncoded = []byte(data)
		return e
	}
	typed := func(e event.Event, eventType string) event.Event { e = e.Clone(); e.SetType(eventType); return e }
	missing := s.uploaded("gone.jpg", photo)
	if err := s.store.Remove(t.Context(), missing.Subject()+"/gone.jpg"); err != nil {
		t.Fatal(err)
	}
	other := events.ImageUploaded{ImageID: uuid.NewString(), Filename: "a.jpg", Timestamp: 1, Bucket: "other-bucket"}
	other.ObjectName = imagestore.OriginalKey(other.ImageID, "a.jpg")

	for name, test := range map[string]struct {
		event  event.Event
		status int
		reason string // of an image.failed, or the code of a problem
		state  status.State
	}{
		"text":              {s.uploaded("text.jpg", []byte("this is text and no image")), 200, "not_an_image", status.Failed},
		"nothing":           {s.uploaded("empty.jpg", nil), 200, "not_an_image", status.Failed},
		"a PDF":             {s.uploaded("doc.jpg", []byte("%PDF-1.7 and so on")), 200, "unsupported", status.Failed},
		"cut":               {s.uploaded("cut.jpg", photo[:len(photo)/2]), 200, "damaged", status.Failed},
		"too many pixels":   {s.uploaded("large.jpg", jpegOf(t, 400, 300)), 200, "too_many_pixels", status.Failed},
		"too many bytes":    {s.uploaded("long.jpg", append(jpegOf(t, 100, 80), make([]byte, 200000)...)), 200, "too_many_bytes", status.Failed},
		"a bad payload":     {withData(s.uploaded("a.jpg", photo), `{"image_id":7}`), 400, "invalid_event", status.Queued},
		"another's object":  {withData(s.uploaded("a.jpg", photo), `{"image_id":"`+uuid.NewString()+`","object_name":"../secret","filename":"secret","timestamp":1}`), 400, "invalid_event", status.Queued},
		"another type":      {typed(s.uploaded("a.jpg", photo), "image.thumbnailed"), 400, "invalid_event", status.Queued},
		"an unknown bucket": {s.announces(other), 400, "unknown_bucket", ""},
		"no object":         {missing, 404, "object_not_found", status.Queued},
	} {
		t.Run(name, func(t *testing.T) {
			answer := s.deliver(test.event)
			if answer.status != test.status {
				t.Fatalf("answered %d %s, want %d", answer.status, answer.body, test.status)
			}
			if test.status == http.StatusOK {
				failed, err := events.Decode[events.ImageFailed](answer.reply(t))
				if err != nil || string(failed.Reason) != test.reason || failed.ObjectName == "" {
					t.Errorf("replied %+v, %v; want reason %s", failed, err, test.reason)
				}
			} else if !strings.Contains(answer.body, `"code":"`+test.reason+`"`) {
				t.Errorf("answered %s, want code %s", answer.body, test.reason)
			}
			got, _, err := s.statuses.Read(t.Context(), test.event.Subject())
			if err != nil || test.state == "" && got != nil || test.state != "" && got.State != test.state {
				t.Errorf("status %+v, %v; want %s", got, err, test.state)
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
		"a form":       {"POST", "multipart/form-data; boundary=x", "--x--", 400},
		"nothing":      {"POST", "", "", 400},
		"a batch":      {"POST", "application/cloudevents-batch+json", "[]", 400},
		"broken":       {"POST", "application/cloudevents+json", "{", 400},
		"too large":    {"POST", "application/cloudevents+json", strings.Repeat("x", 65537), 413},
		"PUT":          {"PUT", "application/cloudevents+json", "{}", 405},
		"GET":          {"GET", "", "", 405},
		"another path": {"POST", "", "", 404},
	} {
		url := s.url
		if name == "another path" {
			url += "/upload"
		}
		request, err := http.NewRequest(test.method, url, strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", test.contentType)
		if answer := s.send(request); answer.status != test.status {
			t.Errorf("%s: %d %s, want %d", name, answer.status, answer.body, test.status)
		}
	}
}

// The same event, one after the other and at the same time, at two pods: the same answer, and one thumbnail.
func TestSameEventAgain(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, e := range []event.Event{s.uploaded("good.jpg", jpegOf(t, 640, 480)), s.uploaded("bad.jpg", []byte("text, not an image"))} {
		var answers sync.Map
		deliver := func(url string) {
			answer := s.deliverTo(url, e)
			reply := answer.reply(t)
			answers.Store(fmt.Sprint(reply.Type(), reply.ID(), reply.Source(), reply.Time(), string(reply.Data())), true)
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
		answers.Range(func(any, any) bool { count++; return true })
		if count != 1 {
			answers.Range(func(answer, _ any) bool { t.Log(answer); return true })
			t.Errorf("%s was answered in %d ways, want one", e.Subject(), count)
		}
		if after := s.listed(e.Subject()); len(before) != 2 || fmt.Sprint(before) != fmt.Sprint(after) {
			t.Errorf("stored %v, then %v; want the original and one more, left as they were", before, after)
		}
	}
}

// listed is what is stored of an image, and when it was.
func (s *service) listed(id string) (objects []string) {
	s.t.Helper()
	for object := range testservers.MinIO(s.t, s.getenv).ListObjects(s.t.Context(), s.store.Bucket(), minio.ListObjectsOptions{Prefix: id + "/", Recursive: true}) {
		if object.Err != nil {
			s.t.Fatal(object.Err)
		}
		objects = append(objects, object.Key+" "+object.LastModified.String()+" "+object.ETag)
	}
	return objects
}

// A task of the original system, as its API wrote it to the topic and a KafkaSource passes it on.
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
	e.DataEncoded = []byte(`{"image_id": "` + id + `", "object_name": "` + id + `/photo.jpg", "filename": "photo.jpg", "timestamp": 1699999999.123}`)
	made, err := events.Decode[events.ImageThumbnailed](s.deliver(e).reply(t))
	if err != nil || made.ThumbnailSize != [2]int{200, 200} {
		t.Errorf("replied %+v, %v", made, err)
	}
}

// A thumbnail that the original system made is left as it is, and its status can be told all the same.
func TestThumbnailOfTheOriginal(t *testing.T) {
	t.Parallel()
	s := start(t)
	e := s.uploaded("photo.jpg", jpegOf(t, 1920, 1080))
	thumbnail := jpegOf(t, 200, 112)
	if err := s.store.Put(t.Context(), imagestore.ThumbnailKey(e.Subject()+"/photo.jpg"), thumbnail, imagestore.Attributes{ContentType: "image/jpeg"}); err != nil {
		t.Fatal(err)
	}
	if err := s.statuses.Forget(t.Context(), e.Subject()); err != nil {
		t.Fatal(err)
	}
	made, err := events.Decode[events.ImageThumbnailed](s.deliver(e).reply(t))
	if err != nil || made.OriginalSize != [2]int{1920, 1080} || made.ThumbnailSize != [2]int{200, 112} {
		t.Errorf("replied %+v, %v", made, err)
	}
	if got, _ := s.object(made.Thumbnail); !bytes.Equal(got, thumbnail) {
		t.Error("the thumbnail was replaced")
	}
}

// Whatever is away, the event is to come again, and succeeds when it does.
func TestBackendsAway(t *testing.T) {
	t.Parallel()
	there := start(t)
	e := there.uploaded("photo.jpg", jpegOf(t, 300, 200))
	for name, away := range map[string]map[string]string{
		"redis": {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": "1"},
		"minio": {"MINIO_ENDPOINT": "https://127.0.0.1:1"},
	} {
		url := there.run(with(there.getenv, away))
		if answer := there.deliverTo(url, e); answer.status != http.StatusServiceUnavailable {
			t.Errorf("%s away: answered %d %s, want 503", name, answer.status, answer.body)
		}
	}
	there.deliver(e).reply(t)
}

// with is an environment in which some settings are others.
func with(getenv func(string) string, others map[string]string) func(string) string {
	return func(name string) string { return cmp.Or(others[name], getenv(name)) }
}

// What MinIO knows to be done stays so when Redis has forgotten, even if MinIO is away just when the event comes again.
func TestStatusNeverGoesBack(t *testing.T) {
	t.Parallel()
	s := start(t)
	e := s.uploaded("photo.jpg", jpegOf(t, 300, 200))
	s.deliver(e).reply(t)
	if err := s.statuses.Forget(t.Context(), e.Subject()); err != nil {
		t.Fatal(err)
	}
	url := s.run(with(s.getenv, map[string]string{"MINIO_ENDPOINT": "https://127.0.0.1:1"}))
	if answer := s.deliverTo(url, e); answer.status != http.StatusServiceUnavailable {
		t.Errorf("answered %d %s, want 503", answer.status, answer.body)
	}
	if got, _, err := s.statuses.Read(t.Context(), e.Subject()); err != nil || got.State != status.Completed {
		t.Errorf("status %+v, %v; want completed", got, err)
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

// Two pods that disagree, as while new limits are rolled out, leave one result, which both tell from then on.
func TestTwoResults(t *testing.T) {
	t.Parallel()
	s := start(t)
	strict := s.run(with(s.getenv, map[string]string{"MAX_IMAGE_PIXELS": "1000"}))
	for range 20 {
		e := s.uploaded("photo.jpg", jpegOf(t, 300, 200))
		var wait sync.WaitGroup
		for _, url := range []string{s.url, strict, s.url, strict} {
			wait.Go(func() { s.deliverTo(url, e).reply(t) })
		}
		wait.Wait()
		if stored := s.listed(e.Subject()); len(stored) != 2 {
			t.Errorf("stored %q, want the original and one result", stored)
		}
		told, _, err := s.statuses.Read(t.Context(), e.Subject())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.statuses.Forget(t.Context(), e.Subject()); err != nil {
			t.Fatal(err)
		}
		rebuilt, _, err := s.statuses.Read(t.Context(), e.Subject())
		if err != nil || rebuilt.State != told.State {
			t.Errorf("status %+v, and when Redis had forgotten %+v, %v", told, rebuilt, err)
		}
	}
}

// A result that is lost while Redis remembers it is made again when its event comes again, and is that of the original
// which is there now: under its old key another image may have been uploaded.
func TestResultLost(t *testing.T) {
	t.Parallel()
	s := start(t)
	for name, content := range map[string][]byte{"completed": jpegOf(t, 300, 200), "failed": []byte("text, not an image")} {
		e := s.uploaded("photo.jpg", content)
		original := e.Subject() + "/photo.jpg"
		s.deliver(e).reply(t)
		s.remove(original, imagestore.ThumbnailKey(original))
		if answer := s.deliver(e); answer.status != http.StatusNotFound {
			t.Errorf("%s, without its original: answered %d %s, want 404", name, answer.status, answer.body)
		}

		if err := s.store.Put(t.Context(), original, jpegOf(t, 150, 100), imagestore.Attributes{}); err != nil {
			t.Fatal(err)
		}
		made, err := events.Decode[events.ImageThumbnailed](s.deliver(e).reply(t))
		if err != nil || made.OriginalSize != [2]int{150, 100} {
			t.Errorf("%s: replied %+v, %v; want the size of what is stored", name, made, err)
		}
		s.object(made.Thumbnail)
		if told, _, err := s.statuses.Read(t.Context(), e.Subject()); err != nil || told.ProcessedAt != made.ProcessedAt {
			t.Errorf("%s: status %+v, %v; want what was replied, %+v", name, told, err, made)
		}
	}
}

// remove loses objects.
func (s *service) remove(keys ...string) {
	s.t.Helper()
	for _, key := range keys {
		if err := s.store.Remove(s.t.Context(), key); err != nil {
			s.t.Fatal(err)
		}
	}
}

// What the original system's worker left is answered for good, whatever it lacks. Its failures left nothing in the bucket,
// and are found out again.
func TestStatusOfTheOriginal(t *testing.T) {
	t.Parallel()
	s := start(t)
	for name, left := range map[string]struct {
		status    string
		thumbnail bool
	}{
		"no reason": {`{"image_id":"%s","status":"failed","result":{"success":false,"error":"cannot identify image file"},"processed_at":1699999999.1}`, false},
		"no result": {`{"image_id":"%s","status":"failed","processed_at":1699999999.1}`, false},
		"no sizes":  {`{"image_id":"%s","status":"completed","result":{"success":true,"thumbnail":"%[1]s/thumbnail_photo.jpg"},"processed_at":1699999999.1}`, true},
	} {
		e := s.uploaded("photo.jpg", jpegOf(t, 300, 200))
		if left.thumbnail {
			if err := s.store.Put(t.Context(), imagestore.ThumbnailKey(e.Subject()+"/photo.jpg"), jpegOf(t, 200, 133), imagestore.Attributes{}); err != nil {
				t.Fatal(err)
			}
		}
		client := testservers.Redis(t, s.getenv)
		if err := client.Set(t.Context(), "image:status:"+e.Subject(), fmt.Sprintf(left.status, e.Subject()), time.Hour).Err(); err != nil {
			t.Fatal(err)
		}
		answer := s.deliver(e)
		if answer.status != http.StatusOK {
			t.Errorf("%s: answered %d %s, want 200", name, answer.status, answer.body)
		}
		if made := len(answer.body) > 0; made == left.thumbnail {
			t.Errorf("%s: answered %s", name, answer.body)
		}
	}
}

// More pixels than may be worked on at a time: some wait, and none is lost.
func TestPixelsInFlight(t *testing.T) {
	t.Parallel()
	s := start(t, "MAX_IMAGE_PIXELS=480000", "MAX_PIXELS_IN_FLIGHT=480000")
	var waiting []event.Event
	for range 8 {
		waiting = append(waiting, s.uploaded("photo.jpg", jpegOf(t, 800, 600)))
	}
	for tries := 0; len(waiting) > 0; tries++ {
		if tries == 10 {
			t.Fatalf("%d are still sent back after %d tries", len(waiting), tries)
		}
		var lock sync.Mutex
		var again []event.Event
		var wait sync.WaitGroup
		for _, e := range waiting {
			wait.Go(func() {
				answer := s.deliver(e)
				lock.Lock()
				defer lock.Unlock()
				if answer.status == http.StatusTooManyRequests && answer.header.Get("Retry-After") != "" {
					again = append(again, e)
				} else if answer.status != http.StatusOK {
					t.Errorf("answered %d %s", answer.status, answer.body)
				}
			})
		}
		wait.Wait()
		waiting = again
	}
}

func TestBusy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &renderer{settings: settings{pixelsInFlight: 100}, pixels: semaphore.NewWeighted(100), inFlight: prometheus.NewGauge(prometheus.GaugeOpts{})}
		if err := r.acquire(t.Context(), 60); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		busy := apierror.From(r.acquire(t.Context(), 60))
		if busy.Status != http.StatusTooManyRequests || busy.Permanent() || busy.RetryAfter == 0 || time.Since(began) != pixelsTimeout {
			t.Errorf("%+v after %v; want 429 after %v", busy, time.Since(began), pixelsTimeout)
		}
		if err := r.acquire(t.Context(), 40); err != nil {
			t.Errorf("there is room for 40: %v", err)
		}
		r.release(60)
		if err := r.acquire(t.Context(), 60); err != nil {
			t.Errorf("there is room again: %v", err)
		}
	})
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
		`tasks_processed_total{status="error"} 1`,
		"active_tasks 0",
		"pixels_in_flight 0",
		"thumbnail_duration_seconds_count 3",
	} {
		if !strings.Contains(metrics, want+"\n") {
			t.Errorf("metrics have no %s", want)
		}
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
	settings := map[string]string{"REDIS_PORT": "0", "MAX_IMAGE_PIXELS": "2000", "MAX_PIXELS_IN_FLIGHT": "1000", "LOG_LEVEL": "LOUD"}
	err := Run(t.Context(), nil, func(name string) string { return settings[name] })
	if err == nil {
		t.Fatal("it runs")
	}
	for _, want := range []string{"MINIO_ENDPOINT is not set", "MINIO_ACCESS_KEY is not set", "MINIO_SECRET_KEY is not set", "REDIS_HOST is not set",
		`REDIS_PORT is "0"`, "MAX_PIXELS_IN_FLIGHT is 1000", "LOG_LEVEL is"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %s in it", err, want)
		}
	}
}
