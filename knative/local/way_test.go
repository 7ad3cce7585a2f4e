package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"golang.org/x/image/webp"
)

const (
	imaging = "github.com/disintegration/imaging"
	xImage  = "golang.org/x/image"
)

// Real photographs of each format, all the way: HTTP, MinIO, Kafka, KafkaSource, Broker, Trigger, thumbnail, MinIO, Redis,
// reply, Broker.
func TestWholeWay(t *testing.T) {
	t.Parallel()
	s := begin(t)
	for _, photo := range []struct {
		filename            string
		content             []byte
		format              string
		original, thumbnail [2]int
	}{
		{"Zweige im Schnee.jpg", photograph(t, imaging, "branches.jpg"), "jpeg", [2]int{600, 400}, [2]int{200, 133}},
		{"花.png", photograph(t, imaging, "flowers_small.png"), "png", [2]int{240, 160}, [2]int{200, 133}},
		{"branches.png", photograph(t, imaging, "branches.png"), "png", [2]int{600, 400}, [2]int{200, 133}},
		{"video.gif", goPhotograph(t, "video-001.gif"), "gif", [2]int{150, 103}, [2]int{150, 103}},
		{"progressive.jpg", goPhotograph(t, "video-001.progressive.jpeg"), "jpeg", [2]int{150, 103}, [2]int{150, 103}},
		{"cmyk.jpg", goPhotograph(t, "video-001.cmyk.jpeg"), "jpeg", [2]int{150, 103}, [2]int{150, 103}},
		{"rose.webp", photograph(t, xImage, "yellow_rose.lossy.webp"), "webp", [2]int{400, 301}, [2]int{200, 150}},
		{"rose-alpha.webp", photograph(t, xImage, "yellow_rose.lossless.webp"), "webp", [2]int{400, 301}, [2]int{200, 150}},
	} {
		t.Run(photo.filename, func(t *testing.T) {
			id := s.upload(photo.filename, photo.content)
			got := s.settled(id)
			want := state{Status: "completed", ProcessedAt: got.ProcessedAt}
			want.Result.Success = true
			want.Result.Thumbnail = id + "/thumbnail_" + photo.filename
			want.Result.OriginalSize = photo.original
			want.Result.ThumbnailSize = photo.thumbnail
			if got != want || time.Since(time.UnixMilli(int64(got.ProcessedAt*1000))) > time.Minute {
				t.Errorf("status %+v; want %+v", got, want)
			}
			if original := s.get("/images/" + id); !bytes.Equal(original.body, photo.content) || original.header.Get("Content-Type") != "image/"+photo.format {
				t.Errorf("the original came back as %s, %d bytes", original.header.Get("Content-Type"), len(original.body))
			}
			thumbnail := s.get("/thumbnails/" + id)
			decoded := decode(t, photo.format, thumbnail.body)
			if size := decoded.Bounds().Size(); size != image.Pt(photo.thumbnail[0], photo.thumbnail[1]) || thumbnail.header.Get("Content-Type") != "image/"+photo.format {
				t.Errorf("thumbnail is %s of %v, want %s of %v", thumbnail.header.Get("Content-Type"), size, photo.format, photo.thumbnail)
			}
			uploaded, thumbnailed := s.await(1, events.TypeImageUploaded, id), s.await(1, events.TypeImageThumbnailed, id)
			made, err := events.Decode[events.ImageThumbnailed](thumbnailed[0])
			if err != nil || made.Thumbnail != want.Result.Thumbnail || made.ThumbnailSize != photo.thumbnail || made.ProcessedAt != got.ProcessedAt {
				t.Errorf("told %+v, %v", made, err)
			}
			if a, b := traceOf(uploaded[0]), traceOf(thumbnailed[0]); a != b || a == "" {
				t.Errorf("traces are %q and %q, want one from the upload to the thumbnail", a, b)
			}
			for _, e := range []event.Event{uploaded[0], thumbnailed[0]} {
				if e.Extensions()[events.PartitionKey] != id || e.Extensions()[events.DataRef] == nil {
					t.Errorf("%s has the extensions %v", e.Type(), e.Extensions())
				}
			}
		})
	}
}

// decode reads an image of a format, and of no other.
func decode(t *testing.T, format string, content []byte) image.Image {
	t.Helper()
	decoders := map[string]func(io.Reader) (image.Image, error){"jpeg": jpeg.Decode, "png": png.Decode, "gif": gif.Decode, "webp": webp.Decode}
	decoded, err := decoders[format](bytes.NewReader(content))
	if err != nil {
		t.Fatalf("decode %s: %v", format, err)
	}
	return decoded
}

func traceOf(e event.Event) string {
	parent, _ := e.Extensions()[events.TraceParent].(string)
	if len(parent) < 35 {
		return ""
	}
	return parent[3:35]
}

// All eight orientations of one photograph look the same, and nothing of its metadata leaves.
func TestOrientations(t *testing.T) {
	t.Parallel()
	s := begin(t)
	var upright image.Image
	for orientation := 1; orientation <= 8; orientation++ {
		id := s.upload("turned.jpg", photograph(t, imaging, fmt.Sprintf("orientation_%d.jpg", orientation)))
		got := s.settled(id)
		thumbnail := s.get("/thumbnails/" + id).body
		decoded := decode(t, "jpeg", thumbnail)
		if orientation == 1 {
			upright = decoded
		}
		if decoded.Bounds() != upright.Bounds() || difference(decoded, upright) > 12 {
			t.Errorf("orientation %d: %v, status %+v; want it as orientation 1, %v", orientation, decoded.Bounds(), got, upright.Bounds())
		}
		if bytes.Contains(thumbnail, []byte("Exif")) {
			t.Errorf("orientation %d: the thumbnail has EXIF", orientation)
		}
	}
}

// difference is the mean over all pixels and channels, of 255.
func difference(a, b image.Image) float64 {
	sum, bounds := 0, a.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			p, q := color.RGBAModel.Convert(a.At(x, y)).(color.RGBA), color.RGBAModel.Convert(b.At(x, y)).(color.RGBA)
			for _, d := range []int{int(p.R) - int(q.R), int(p.G) - int(q.G), int(p.B) - int(q.B)} {
				sum += max(d, -d)
			}
		}
	}
	return float64(sum) / float64(3*bounds.Dx()*bounds.Dy())
}

// A photograph as a phone takes it: 12 megapixels, some MB.
func TestLargePhotograph(t *testing.T) {
	t.Parallel()
	s := begin(t)
	m := image.NewRGBA(image.Rect(0, 0, 4000, 3000))
	seed := uint32(1)
	for i := range m.Pix {
		seed = seed*1664525 + 1013904223
		m.Pix[i] = uint8(i/4000) + uint8(seed>>29)
	}
	var content bytes.Buffer
	if err := jpeg.Encode(&content, m, &jpeg.Options{Quality: 90}); err != nil {
		t.Fatal(err)
	}
	got := s.settled(s.upload("phone.jpg", content.Bytes()))
	if got.Status != "completed" || got.Result.ThumbnailSize != [2]int{200, 150} {
		t.Errorf("status %+v", got)
	}
}

// Images that pass for good ones until they are decoded: their statuses say why they can never work, and the next upload
// works.
func TestHostileImages(t *testing.T) {
	t.Parallel()
	s := begin(t)
	photo := photograph(t, imaging, "branches.jpg")
	damaged := bytes.Clone(photo)
	for i := len(damaged) / 2; i < len(damaged); i += 7 {
		damaged[i] = 0xff
	}
	progressive := goPhotograph(t, "video-001.progressive.jpeg")
	last := progressive[bytes.LastIndex(progressive, []byte{0xff, 0xda}) : len(progressive)-2]
	scans := append(bytes.Clone(progressive[:len(progressive)-2]), bytes.Repeat(last, 300)...)
	scans = append(scans, 0xff, 0xd9)
	webpFile := photograph(t, xImage, "yellow_rose.lossy.webp")
	var bomb bytes.Buffer
	if err := png.Encode(&bomb, image.NewGray(image.Rect(0, 0, 7000, 7000))); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name    string
		content []byte
		status  string
		reasons []string
	}{
		{"cut.jpg", photo[:len(photo)/3], "failed", []string{"damaged"}},
		{"damaged.jpg", damaged, "failed", []string{"damaged"}},
		{"300 scans.jpg", scans, "failed", []string{"unsupported", "damaged"}},
		{"cut.png", photograph(t, imaging, "flowers_small.png")[:5000], "failed", []string{"damaged"}},
		{"cut.gif", goPhotograph(t, "video-001.gif")[:5000], "failed", []string{"damaged"}},
		{"cut.webp", webpFile[:len(webpFile)-1000], "failed", []string{"damaged"}},
		{"a bomb within the limit.png", bomb.Bytes(), "completed", []string{""}},
	} {
		id := s.upload(test.name, test.content)
		got := s.settled(id)
		if got.Status != test.status || !slices.Contains(test.reasons, got.Reason) || (got.Status == "failed") != (got.Result.Error != "") {
			t.Errorf("%s: %+v; want %s %q", test.name, got, test.status, test.reasons)
		}
		if got.Status == "failed" {
			failed, err := events.Decode[events.ImageFailed](s.await(1, events.TypeImageFailed, id)[0])
			if err != nil || string(failed.Reason) != got.Reason || failed.Error != got.Result.Error {
				t.Errorf("%s: told %+v, %v", test.name, failed, err)
			}
		}
		if next := s.settled(s.upload("next.jpg", photo)); next.Status != "completed" {
			t.Errorf("after %s: %+v", test.name, next)
		}
	}
}

// Each event that the service itself sends, again and again, in a row and at the same time.
func TestReplay(t *testing.T) {
	t.Parallel()
	s := begin(t)
	good, bad := s.upload("good.jpg", photograph(t, imaging, "branches.jpg")), s.upload("bad.jpg", photograph(t, imaging, "branches.jpg")[:20000])
	for id, last := range map[string]string{good: events.TypeImageThumbnailed, bad: events.TypeImageFailed} {
		before := s.settled(id)
		uploaded, told := s.await(1, events.TypeImageUploaded, id), s.await(1, last, id)
		stored := s.stored(id)
		var wait sync.WaitGroup
		for _, e := range []event.Event{uploaded[0], told[0]} {
			for range 5 {
				if code := s.post(e); code != http.StatusAccepted {
					t.Errorf("%s again: %d", e.Type(), code)
				}
			}
			for range 5 {
				wait.Go(func() { s.post(e) })
			}
		}
		wait.Wait()
		for _, e := range s.await(11, last, id) {
			if e.ID() != told[0].ID() || e.Source() != told[0].Source() || !e.Time().Equal(told[0].Time()) || !bytes.Equal(e.Data(), told[0].Data()) {
				t.Errorf("told otherwise: %v, first %v", e, told[0])
			}
		}
		if after := s.state(id); after != before {
			t.Errorf("status %+v became %+v", before, after)
		}
		if after := s.stored(id); after != stored {
			t.Errorf("stored %s became %s", stored, after)
		}
	}
}

// stored is what is stored of an image, and when it was.
func (s *running) stored(id string) (all string) {
	s.t.Helper()
	for object := range testservers.MinIO(s.t, s.getenv).ListObjects(s.t.Context(), s.getenv("MINIO_BUCKET"), minio.ListObjectsOptions{Prefix: id, Recursive: true}) {
		if object.Err != nil {
			s.t.Fatal(object.Err)
		}
		all += fmt.Sprintln(object.Key, object.ETag, object.LastModified)
	}
	return all
}

// What other systems send to the Broker and to the topic.
func TestOtherSystems(t *testing.T) {
	t.Parallel()
	incoming := "scans-" + uuid.NewString()
	s := begin(t, "SOURCE_BUCKETS="+incoming)
	content := photograph(t, imaging, "branches.jpg")
	client := testservers.MinIO(t, s.getenv)
	if err := client.MakeBucket(t.Context(), incoming, minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, key := range []string{"scan 1.jpg", "text.jpg"} {
			_ = client.RemoveObject(t.Context(), incoming, key, minio.RemoveObjectOptions{})
		}
		_ = client.RemoveBucket(t.Context(), incoming)
	})
	put := func(bucket, key string, content []byte) {
		t.Helper()
		if _, err := client.PutObject(t.Context(), bucket, key, bytes.NewReader(content), int64(len(content)), minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}

	t.Run("image.received", func(t *testing.T) {
		put(incoming, "scan 1.jpg", content)
		received, err := events.Encode(events.ImageReceived{Bucket: incoming, ObjectName: "scan 1.jpg"}, events.Envelope{Source: "/scanner/" + s.getenv("MINIO_BUCKET"), ID: "1"})
		if err != nil {
			t.Fatal(err)
		}
		if code := s.post(received); code != http.StatusAccepted {
			t.Fatalf("posted: %d", code)
		}
		id := s.idOf(events.TypeImageUploaded)
		if got := s.settled(id); got.Status != "completed" || got.Result.Thumbnail != id+"/thumbnail_scan 1.jpg" {
			t.Errorf("status %+v", got)
		}
	})
	t.Run("image.received of no image", func(t *testing.T) {
		put(incoming, "text.jpg", []byte("text"))
		received, err := events.Encode(events.ImageReceived{Bucket: incoming, ObjectName: "text.jpg"}, events.Envelope{Source: "/scanner/" + s.getenv("MINIO_BUCKET"), ID: "2"})
		if err != nil {
			t.Fatal(err)
		}
		s.post(received)
		id := s.idOf(events.TypeImageFailed)
		if got := s.state(id); got.Status != "failed" || got.Reason != "not_an_image" {
			t.Errorf("status %+v", got)
		}
	})
	t.Run("a task of the original system", func(t *testing.T) {
		id := uuid.NewString()
		put(s.getenv("MINIO_BUCKET"), id+"/old.jpg", content)
		task := `{"image_id": "` + id + `", "object_name": "` + id + `/old.jpg", "filename": "old.jpg", "timestamp": 1699999999.5}`
		s.produce(&sarama.ProducerMessage{Value: sarama.StringEncoder(task)})
		s.await(1, events.TypeImageThumbnailed, id)
		if got := s.settled(id); got.Status != "completed" {
			t.Errorf("status %+v", got)
		}
	})
	t.Run("what nobody understands", func(t *testing.T) {
		for _, record := range []*sarama.ProducerMessage{
			{Value: sarama.StringEncoder("hello")},
			{Value: sarama.StringEncoder("")},
			{Value: sarama.StringEncoder("{"), Headers: []sarama.RecordHeader{{Key: []byte("content-type"), Value: []byte("application/cloudevents+json")}}},
			{Value: sarama.StringEncoder("{}"), Headers: []sarama.RecordHeader{{Key: []byte("ce_specversion"), Value: []byte("1.0")}, {Key: []byte("ce_"), Value: []byte("x")}}},
			{Value: sarama.StringEncoder(strings.Repeat("x", 500000))},
		} {
			s.produce(record)
		}
		if got := s.settled(s.upload("next.jpg", content)); got.Status != "completed" {
			t.Errorf("the next upload: %+v", got)
		}
	})
}

// idOf waits for the first event of a type and returns the image that it is about.
func (s *running) idOf(eventType string) string {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		s.watcher.Lock()
		for _, e := range s.watcher.seen {
			if e.Type() == eventType {
				s.watcher.Unlock()
				return e.Subject()
			}
		}
		s.watcher.Unlock()
	}
	s.t.Fatalf("no event %s within a minute", eventType)
	return ""
}

// produce writes a record to the topic.
func (s *running) produce(record *sarama.ProducerMessage) {
	s.t.Helper()
	producer, err := sarama.NewSyncProducer(testservers.Kafka(s.t, s.getenv))
	if err != nil {
		s.t.Fatal(err)
	}
	defer producer.Close()
	record.Topic = s.getenv("KAFKA_TOPIC")
	if _, _, err := producer.SendMessage(record); err != nil {
		s.t.Fatal(err)
	}
}

// What is announced while nothing consumes is done by whoever comes next.
func TestNothingIsLostInBetween(t *testing.T) {
	t.Parallel()
	getenv := testservers.Start(t)
	group := "test-" + uuid.NewString()
	first := beginWith(t, getenv, group)
	before := first.upload("before.jpg", photograph(t, imaging, "branches.jpg"))
	first.settled(before)
	sources := first.stages[0]
	sources.stop()
	sources.wait.Wait()
	var waiting []string
	for range 5 {
		waiting = append(waiting, first.upload("between.jpg", photograph(t, imaging, "branches.jpg")))
	}
	for _, id := range waiting {
		if got := first.state(id); got.Status != "queued" {
			t.Errorf("%s is %q while nothing consumes", id, got.Status)
		}
	}
	second := beginWith(t, getenv, group)
	for _, id := range append(waiting, before) {
		if got := second.settled(id); got.Status != "completed" {
			t.Errorf("%s: %+v", id, got)
		}
	}
}

// A function that somebody else runs gets its events as one that is run here.
func TestRunning(t *testing.T) {
	t.Parallel()
	thumbnail := &subscriber{codes: []int{http.StatusOK}}
	w, err := start(options{
		listen: "127.0.0.1:0", broker: "127.0.0.1:0", deadLetters: "127.0.0.1:0", getenv: testservers.Start(t),
		group:   "test-" + uuid.NewString(),
		running: map[string]string{"thumbnail": strings.TrimPrefix(thumbnail.serve(t), "http://")},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.stop)
	s := &running{world: w, t: t, url: "http://" + w.address}
	s.upload("photo.jpg", photograph(t, imaging, "branches.jpg"))
	for deadline := time.Now().Add(time.Minute); len(thumbnail.got()) == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it got no event within a minute")
		}
	}
	if got := thumbnail.got(); got[0] != events.TypeImageUploaded {
		t.Errorf("it got %q", got)
	}
}
