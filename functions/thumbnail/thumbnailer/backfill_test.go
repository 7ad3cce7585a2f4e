package thumbnailer

import (
	"bytes"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
	"gitlab.com/yourorg/image-service/functions/internal/rendition"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"gitlab.com/yourorg/image-service/functions/thumbnail/admission"
)

// renderEvent asks for what an image lacks.
func renderEvent(t *testing.T, request events.ImageRender) event.Event {
	t.Helper()
	e, err := events.Encode(request, events.Envelope{Source: events.SourceUpload, ID: request.ID("set")})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// backfill delivers an image.render, whose answer is to be an empty 200.
func (s *service) backfill(t *testing.T, url string, request events.ImageRender) {
	t.Helper()
	if got := s.deliverTo(url, renderEvent(t, request)); got.status != http.StatusOK || got.body != "" {
		t.Errorf("got %d %q, want 200 without a reply", got.status, got.body)
	}
}

// completed stores an image and has its thumbnail made.
func (s *service) completed(t *testing.T, filename string, content []byte) (id string, before *status.Status) {
	t.Helper()
	e := s.uploaded(filename, content)
	s.deliver(e).reply(t)
	return e.Subject(), s.status(t, e.Subject())
}

// status returns the status of an image, which is the same with and without what Redis has.
func (s *service) status(t *testing.T, id string) *status.Status {
	t.Helper()
	known, _, err := s.statuses.Read(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return known
}

// described returns name~hash and extension of the renditions of a status, without the thumbnail's.
func described(known *status.Status) (names []string) {
	for _, r := range known.Result.Renditions {
		names = append(names, r.Name+" "+r.ContentType+" "+r.URL[strings.LastIndexByte(r.URL, '=')+1:])
	}
	return names
}

// versions returns the objects of an image with their ETags and times.
func (s *service) versions(t *testing.T, id string) map[string]string {
	t.Helper()
	versions := map[string]string{}
	for _, name := range s.names(id) {
		info, err := s.store.Stat(t.Context(), id+"/"+name)
		if err != nil {
			t.Fatal(err)
		}
		versions[name] = info.ETag + " " + info.Modified.String()
	}
	return versions
}

// A completed image gets what the configuration has beside its thumbnail: objects, and a status in Redis and in the
// store. All else stays. The same event again changes nothing.
func TestBackfill(t *testing.T) {
	t.Parallel()
	s := start(t)
	photo := jpegOf(t, 320, 240)
	id, before := s.completed(t, "a.jpg", photo)
	url := s.run(testservers.With(s.getenv, "RENDITIONS="+fiveRenditions+"\nplaceholder: thumbhash\ncolor: true"))
	thumbnail, _ := s.object(id + "/thumbnail_a.jpg")

	s.backfill(t, url, events.ImageRender{ImageID: id})
	after := s.status(t, id)
	want := *before.Result
	want.Renditions, want.Placeholder, want.Color = after.Result.Renditions, after.Result.Placeholder, after.Result.Color
	if after.ProcessedAt != before.ProcessedAt || !reflect.DeepEqual(*after.Result, want) {
		t.Errorf("got %+v, want the status of before with renditions", after.Result)
	}
	if len(want.Renditions) != 6 || len(want.Placeholder) < 20 || len(want.Color) != 7 {
		t.Errorf("got %+v, want six files, a placeholder and a colour", want)
	}
	if same, info := s.object(id + "/thumbnail_a.jpg"); !bytes.Equal(same, thumbnail) || info.ContentType != "image/jpeg" {
		t.Errorf("the thumbnail is another one, of the type %s", info.ContentType)
	}
	fresh, _ := s.completedWith(t, url, photo)
	for _, r := range after.Result.Renditions {
		made, _ := s.object(r.Object)
		if same, _ := s.object(strings.Replace(r.Object, id, fresh, 1)); !bytes.Equal(made, same) || len(made) == 0 {
			t.Errorf("%s is not what an upload under the configuration gets", r.Object)
		}
	}

	objects := s.versions(t, id)
	s.backfill(t, url, events.ImageRender{ImageID: id, Bucket: s.store.Bucket()})
	if again := s.versions(t, id); !reflect.DeepEqual(again, objects) {
		t.Errorf("the event again: got %v, want %v", again, objects)
	}
	if err := s.statuses.Forget(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if rebuilt := s.status(t, id); !reflect.DeepEqual(rebuilt, after) {
		t.Errorf("rebuilt: %+v, want %+v", rebuilt.Result, after.Result)
	}
}

// completedWith is completed with another process.
func (s *service) completedWith(t *testing.T, url string, content []byte) (string, *status.Status) {
	t.Helper()
	e := s.uploaded("a.jpg", content)
	s.deliverTo(url, e).reply(t)
	return e.Subject(), s.status(t, e.Subject())
}

// An event may name the renditions to make. Names that are not configured have no effect.
func TestBackfillNames(t *testing.T) {
	t.Parallel()
	s := start(t)
	id, _ := s.completed(t, "a.jpg", jpegOf(t, 320, 240))
	url := s.run(testservers.With(s.getenv, "RENDITIONS="+fiveRenditions+"\nplaceholder: thumbhash"))
	s.backfill(t, url, events.ImageRender{ImageID: id, Renditions: []string{"gone"}})
	if got := s.names(id); len(got) != 2 {
		t.Errorf("of a name that is not configured: got %q", got)
	}
	s.backfill(t, url, events.ImageRender{ImageID: id, Renditions: []string{"hero", "gone"}})
	if got := described(s.status(t, id)); len(got) != 3 || !strings.HasPrefix(got[1], "hero ") ||
		!strings.HasPrefix(got[2], "hero ") {
		t.Errorf("got %q, want the thumbnail and both files of hero", got)
	}
}

// A specification that changes, and changes back, makes each file once. The status lists those of the current one, also
// where another was stored later, the thumbnail among them.
func TestBackfillChanges(t *testing.T) {
	t.Parallel()
	const (
		first  = "renditions: {thumbnail: {width: 90}, card: {width: 30}}"
		second = "renditions: {thumbnail: {width: 80}, card: {width: 40, format: webp}, hero: {width: 50}}"
	)
	s := start(t, "RENDITIONS="+first)
	id, before := s.completed(t, "a.jpg", jpegOf(t, 320, 240))
	other := s.run(testservers.With(s.getenv, "RENDITIONS="+second))
	s.backfill(t, other, events.ImageRender{ImageID: id})
	changed := s.status(t, id)
	want := setOf(t, second, "image/jpeg", "image/webp", "image/jpeg")
	if got := described(changed); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if changed.Result.Thumbnail != before.Result.Thumbnail ||
		*changed.Result.ThumbnailSize != *before.Result.ThumbnailSize {
		t.Errorf("got the thumbnail %+v, want that of the contract, %+v", changed.Result, before.Result)
	}
	objects := s.versions(t, id)
	s.backfill(t, s.url, events.ImageRender{ImageID: id})
	want = setOf(t, first, "image/jpeg", "image/jpeg")
	if got := described(s.status(t, id)); !slices.Equal(got[:2], want) {
		t.Errorf("after changing back: got %q, want %q first", got, want)
	}
	if again := s.versions(t, id); !reflect.DeepEqual(again, objects) {
		t.Errorf("after changing back: got objects %v, want %v", again, objects)
	}
}

// setOf returns what described returns for a set, one file each.
func setOf(t *testing.T, document string, types ...string) (names []string) {
	t.Helper()
	set, err := rendition.Parse([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	for i, spec := range set.Renditions {
		names = append(names, spec.Name+" "+types[i]+" "+spec.Hash)
	}
	return names
}

// Where there is nothing to do, nothing is done: the event is acknowledged, and no status changes.
func TestBackfillWithoutEffect(t *testing.T) {
	t.Parallel()
	s := start(t)
	url := s.run(testservers.With(s.getenv, "RENDITIONS="+fiveRenditions, "MAX_IMAGE_PIXELS=1000"))
	refused, _ := s.completed(t, "a.jpg", jpegOf(t, 320, 240))
	failed, _ := s.completed(t, "a.jpg", []byte("no image"))
	waiting := s.uploaded("a.jpg", jpegOf(t, 20, 20)).Subject()
	busy := s.uploaded("a.jpg", jpegOf(t, 20, 20)).Subject()
	if _, err := s.statuses.Advance(t.Context(), status.Status{ImageID: busy, State: status.Processing}); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		request events.ImageRender
		status  int
		outcome outcome
	}{
		"no image":               {events.ImageRender{ImageID: uuid.NewString()}, 200, absent},
		"failed":                 {events.ImageRender{ImageID: failed}, 200, "failed"},
		"not begun":              {events.ImageRender{ImageID: waiting}, 200, unfinished},
		"another set is at work": {events.ImageRender{ImageID: busy}, 503, erroneous},
		"too large by now":       {events.ImageRender{ImageID: refused}, 200, "refused"},
		"another bucket":         {events.ImageRender{ImageID: refused, Bucket: "other-bucket"}, 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			id := test.request.ImageID
			before, objects := s.status(t, id), s.versions(t, id)
			if got := s.deliverTo(url, renderEvent(t, test.request)); got.status != test.status ||
				test.status == 200 && got.body != "" {
				t.Errorf("got %d %s, want %d", got.status, got.body, test.status)
			}
			if after := s.status(t, id); !reflect.DeepEqual(after, before) {
				t.Errorf("the status is %+v, want %+v", after, before)
			}
			if after := s.versions(t, id); !reflect.DeepEqual(after, objects) {
				t.Errorf("the objects are %v, want %v", after, objects)
			}
			if test.outcome == "" {
				return
			}
			metrics := s.send(s.get(url + "/metrics")).body
			if want := `backfill_images_total{outcome="` + string(test.outcome) + `"} 1`; !strings.Contains(metrics, want) {
				t.Errorf("the metrics lack %s", want)
			}
		})
	}
	malformed := renderEvent(t, events.ImageRender{ImageID: waiting})
	malformed.DataEncoded = []byte(`{"image_id":"7"}`)
	if got := s.deliverTo(url, malformed); got.status != 400 {
		t.Errorf("malformed: got %d %s, want 400", got.status, got.body)
	}
}

// An image of a backfill waits while an upload is in progress, but not forever.
func TestBackfillYields(t *testing.T) {
	t.Parallel()
	s := start(t)
	id, _ := s.completed(t, "a.jpg", jpegOf(t, 32, 24))
	client := testservers.Redis(t, s.getenv)
	other := status.NewKeys(client, s.store.Bucket()).Key(uuid.NewString())
	yielded := regexp.MustCompile(`(?m)^backfill_yielded_seconds_total (\S+)$`)
	for seconds := 0.0; seconds < 0.9; {
		client.Publish(t.Context(), other, string(status.Processing)) // the function subscribes at the first image
		s.backfill(t, s.url, events.ImageRender{ImageID: id})
		found := yielded.FindStringSubmatch(s.send(s.get(s.url + "/metrics")).body)
		if found == nil {
			t.Fatal("the metric is missing")
		}
		var err error
		if seconds, err = strconv.ParseFloat(found[1], 64); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *service) get(url string) *http.Request {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return request
}

// An image whose rendering has begun three times and never ended is given up: its event becomes a dead letter at once,
// and its status stays. When that is redriven it has as many attempts again.
func TestBackfillAbandoned(t *testing.T) {
	t.Parallel()
	s := start(t)
	id, before := s.completed(t, "a.jpg", jpegOf(t, 320, 240))
	url := s.run(testservers.With(s.getenv, "RENDITIONS="+fiveRenditions))
	key := "image:attempts:" + s.store.Bucket() + ":" + id
	client := testservers.Redis(t, s.getenv)
	if err := client.Set(t.Context(), key, backfillAllowance.attempts, 0).Err(); err != nil {
		t.Fatal(err)
	}
	got := s.deliverTo(url, renderEvent(t, events.ImageRender{ImageID: id}))
	if got.status != 422 || !strings.Contains(got.body, `"code":"render_abandoned"`) {
		t.Errorf("got %d %s, want 422 render_abandoned", got.status, got.body)
	}
	if after := s.status(t, id); !reflect.DeepEqual(after, before) {
		t.Errorf("the status is %+v, want %+v", after, before)
	}
	s.backfill(t, url, events.ImageRender{ImageID: id})
	if got := described(s.status(t, id)); len(got) != 6 {
		t.Errorf("redriven: got %q, want all renditions", got)
	}
	if left, err := client.Exists(t.Context(), key).Result(); err != nil || left != 0 {
		t.Errorf("the attempts are counted on, %v", err)
	}
}

// Files of an earlier engine are made again and replaced, and no others. What is not of the engine stays: time, cause,
// and the place of the thumbnail. It happens once.
func TestBackfillEngine(t *testing.T) {
	t.Parallel()
	s := start(t, "RENDITIONS="+fiveRenditions)
	id, before := s.completed(t, "a.jpg", jpegOf(t, 320, 240))
	card := before.Result.Renditions[2].Object
	want := map[string][]byte{}
	for _, key := range []string{before.Result.Thumbnail, card} {
		want[key], _ = s.object(key)
		s.age(t, key)
	}
	aged := s.versions(t, id)
	s.backfill(t, s.url, events.ImageRender{ImageID: id})
	if after := s.versions(t, id); !reflect.DeepEqual(after, aged) {
		t.Errorf("without a version: got %v, want %v", after, aged)
	}

	s.backfill(t, s.url, events.ImageRender{ImageID: id, EngineOlderThan: 1000}) // which only this version is asked for
	now := s.versions(t, id)
	for key, content := range want {
		name := strings.TrimPrefix(key, id+"/")
		if got, _ := s.object(key); !bytes.Equal(got, content) {
			t.Errorf("%s was not made again", name)
		}
		if info, err := s.store.Stat(t.Context(), key); err != nil || info.Engine() != raster.Engine {
			t.Errorf("%s is of the engine %d, %v; want %d", name, info.Engine(), err, raster.Engine)
		}
		delete(now, name)
		delete(aged, name)
	}
	if !reflect.DeepEqual(now, aged) {
		t.Errorf("the other objects are %v, want %v", now, aged)
	}
	if after := s.status(t, id); !reflect.DeepEqual(after, before) {
		t.Errorf("the status is %+v, want %+v", after.Result, before.Result)
	}
	if err := s.statuses.Forget(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if after := s.status(t, id); !reflect.DeepEqual(after, before) {
		t.Errorf("rebuilt: %+v, want %+v", after.Result, before.Result)
	}
	now = s.versions(t, id)
	s.backfill(t, s.url, events.ImageRender{ImageID: id, EngineOlderThan: 1000})
	if again := s.versions(t, id); !reflect.DeepEqual(again, now) {
		t.Errorf("the event again: got %v, want %v", again, now)
	}
}

// age stores other bytes in the place of a rendition, with all that is known of it but its engine.
func (s *service) age(t *testing.T, key string) {
	t.Helper()
	_, info := s.object(key)
	about := minio.PutObjectOptions{ContentType: info.ContentType, UserMetadata: info.UserMetadata}
	about.UserMetadata["Engine"] = "0" // the fake keeps metadata that the object has lost
	client := testservers.MinIO(t, s.getenv)
	if _, err := client.PutObject(t.Context(), s.store.Bucket(), key, strings.NewReader("old"), 3, about); err != nil {
		t.Fatal(err)
	}
}

// The thumbnail of the original system has no metadata: what is read from the image itself stays known.
func TestBackfillOriginalSystem(t *testing.T) {
	t.Parallel()
	s := start(t, "RENDITIONS=placeholder: thumbhash")
	e := s.uploaded("a.jpg", jpegOf(t, 320, 240))
	id := e.Subject()
	thumbnail := jpegOf(t, 200, 150)
	err := s.store.Put(t.Context(), id+"/thumbnail_a.jpg", thumbnail, imagestore.Attributes{ContentType: "image/jpeg"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.statuses.Forget(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	before := s.status(t, id)
	s.backfill(t, s.url, events.ImageRender{ImageID: id})
	after := s.status(t, id)
	if len(after.Result.Placeholder) < 20 {
		t.Errorf("got %+v, want a placeholder", after.Result)
	}
	after.Result.Placeholder = ""
	if !reflect.DeepEqual(after, before) {
		t.Errorf("got %+v, want %+v", after, before)
	}
	if same, _ := s.object(id + "/thumbnail_a.jpg"); !bytes.Equal(same, thumbnail) {
		t.Error("the thumbnail is another one")
	}
}

// Deliveries of several events of an image to two processes, at the same time: each file is made, and is in the status.
func TestBackfillAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	id, _ := s.completed(t, "a.jpg", jpegOf(t, 320, 240))
	settings := testservers.With(s.getenv, "RENDITIONS="+fiveRenditions+"\ncolor: true")
	urls := []string{s.run(settings), s.run(settings)}
	requests := []events.ImageRender{
		{ImageID: id}, {ImageID: id, Renditions: []string{"hero"}}, {ImageID: id, Renditions: []string{"card", "box"}},
	}
	var wait sync.WaitGroup
	for i := range 12 {
		wait.Go(func() {
			for range 20 { // 503 is another delivery that has changed the thumbnail: the event comes again
				e, err := events.Encode(requests[i%3], events.Envelope{Source: "/test", ID: uuid.NewString()})
				if err != nil {
					t.Error(err)
					return
				}
				if s.deliverTo(urls[i%2], e).status == http.StatusOK {
					return
				}
			}
			t.Error("the event was never acknowledged")
		})
	}
	wait.Wait()
	if got := s.status(t, id); len(described(got)) != 6 || got.Result.Color == "" {
		t.Errorf("got %+v, want all renditions and the colour", got.Result)
	}
}

// worker returns a thumbnailer that serves nothing.
func (s *service) worker(t *testing.T, document string) *thumbnailer {
	t.Helper()
	r := config.NewReader(testservers.With(s.getenv, "RENDITIONS="+document))
	settings := readSettings(r)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	client := connect.OpenRedis(settings.redis)
	t.Cleanup(func() { client.Close() })
	w := &thumbnailer{
		Process: httpserver.New("thumbnail", settings.process), settings: settings, store: s.store, redis: client,
		plan: newPlan(settings.renditions, s.store, settings.limits), statuses: status.New(client, s.store),
		gate: admission.New(settings.limits.Memory, 1),
	}
	w.registerMetrics()
	return w
}

// Nothing is left of a backfill for an image that is removed meanwhile.
func TestBackfillRemoved(t *testing.T) {
	t.Parallel()
	s := start(t)
	id, _ := s.completed(t, "a.jpg", jpegOf(t, 320, 240))
	w := s.worker(t, fiveRenditions)
	lacking, result, err := w.lackOf(t.Context(), events.ImageRender{ImageID: id})
	if err != nil || result != "" || len(lacking.specs) != 4 {
		t.Fatalf("got %+v, %s, %v; want four specifications", lacking, result, err)
	}
	files, err := w.renderLack(t.Context(), id, lacking)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range s.names(id) {
		if err := s.store.Remove(t.Context(), id+"/"+name); err != nil {
			t.Fatal(err)
		}
	}
	result, err = w.storeLack(t.Context(), id, lacking, files)
	if err != nil || result != absent {
		t.Errorf("got %s, %v; want %s", result, err, absent)
	}
	if left := s.names(id); len(left) > 0 {
		t.Errorf("there are %q, want nothing", left)
	}
}

// An image at which the engine panics is reported and given up at once: its event becomes a dead letter. It keeps its
// status.
func TestBackfillPanics(t *testing.T) {
	t.Parallel()
	s := start(t)
	id, _ := s.completed(t, "a.jpg", jpegOf(t, 320, 240))
	info, err := s.store.Stat(t.Context(), id+"/a.jpg")
	if err != nil {
		t.Fatal(err)
	}
	before := s.status(t, id)
	w := s.worker(t, fiveRenditions)
	err = w.abandonAtPanic(t.Context(), id, info, &raster.PanicError{Value: "index out of range"})
	if got := apierror.From(err); got.Code != apierror.CodeRenderAbandoned || !got.Permanent() {
		t.Errorf("got %+v, want %s, which is not delivered again", got, apierror.CodeRenderAbandoned)
	}
	var metrics bytes.Buffer
	families, err := w.Metrics.Gather()
	for _, family := range families {
		fmt.Fprintln(&metrics, family)
	}
	if !regexp.MustCompile(`decoder_panics_total.*value:1`).Match(metrics.Bytes()) || err != nil {
		t.Errorf("the panic was not counted: %v", err)
	}
	if after := s.status(t, id); !reflect.DeepEqual(after, before) {
		t.Errorf("the status is %+v, want %+v", after, before)
	}
}
