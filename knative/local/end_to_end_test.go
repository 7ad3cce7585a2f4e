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
	"mime"
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

// Real photographs of each format, end to end: HTTP, MinIO, Kafka, KafkaSource, Broker, Trigger, thumbnail, MinIO,
// Redis, reply, Broker.
func TestEndToEnd(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	for _, test := range []struct {
		filename            string
		content             []byte
		format              string
		original, thumbnail [2]int
		download            string // the file name of the thumbnail, but for its prefix
	}{
		{"Zweige im Schnee.jpg", photo(t, imaging, "branches.jpg"), "jpeg",
			[2]int{600, 400}, [2]int{200, 133}, "Zweige im Schnee.jpg"},
		{"花.png", photo(t, imaging, "flowers_small.png"), "png", [2]int{240, 160}, [2]int{200, 133}, "花.png"},
		{"branches.png", photo(t, imaging, "branches.png"), "png", [2]int{600, 400}, [2]int{200, 133}, "branches.png"},
		{"video.gif", goPhoto(t, "video-001.gif"), "gif", [2]int{150, 103}, [2]int{150, 103}, "video.gif"},
		{"progressive.jpg", goPhoto(t, "video-001.progressive.jpeg"), "jpeg",
			[2]int{150, 103}, [2]int{150, 103}, "progressive.jpg"},
		{"cmyk.jpg", goPhoto(t, "video-001.cmyk.jpeg"), "jpeg", [2]int{150, 103}, [2]int{150, 103}, "cmyk.jpg"},
		{"rose.webp", photo(t, xImage, "yellow_rose.lossy.webp"), "webp", [2]int{400, 301}, [2]int{200, 150}, "rose.webp"},
		{"rose-alpha.webp", photo(t, xImage, "yellow_rose.lossless.webp"), "webp",
			[2]int{400, 301}, [2]int{200, 150}, "rose-alpha.webp"},
		{"phone.heic", heic(t, "grid_turned"), "jpeg", [2]int{110, 150}, [2]int{110, 150}, "phone.jpg"},
		{"phone with alpha.heic", heic(t, "grid_alpha"), "png", [2]int{192, 144}, [2]int{192, 144}, "phone with alpha.png"},
	} {
		t.Run(test.filename, func(t *testing.T) {
			id := s.upload(test.filename, test.content)
			got := s.finalState(id)
			want := state{Status: "completed", ProcessedAt: got.ProcessedAt}
			want.Result.Success = true
			want.Result.Thumbnail = id + "/thumbnail_" + test.filename
			want.Result.OriginalSize = test.original
			want.Result.ThumbnailSize = test.thumbnail
			if got != want || time.Since(time.UnixMilli(int64(got.ProcessedAt*1000))) > time.Minute {
				t.Errorf("got status %+v, want %+v of the last minute", got, want)
			}
			original := s.get("/images/" + id)
			wantType := "image/" + test.format
			if strings.HasSuffix(test.filename, ".heic") {
				wantType = "image/heic"
			}
			if got := original.header.Get("Content-Type"); got != wantType {
				t.Errorf("got the original as %s, want %s", got, wantType)
			}
			if !bytes.Equal(original.body, test.content) {
				t.Errorf("got %d bytes of the original, want the %d that were uploaded", len(original.body), len(test.content))
			}
			thumbnail := s.get("/thumbnails/" + id)
			size := decode(t, test.format, thumbnail.body).Bounds().Size()
			wantSize := image.Pt(test.thumbnail[0], test.thumbnail[1])
			if format := thumbnail.header.Get("Content-Type"); size != wantSize || format != "image/"+test.format {
				t.Errorf("got thumbnail %s of %v, want image/%s of %v", format, size, test.format, wantSize)
			}
			_, name, err := mime.ParseMediaType(thumbnail.header.Get("Content-Disposition"))
			if err != nil || name["filename"] != "thumbnail_"+test.download {
				t.Errorf("got file name %q, error %v; want %q", name["filename"], err, "thumbnail_"+test.download)
			}
			uploaded := s.awaitEvents(1, events.TypeImageUploaded, id)
			thumbnailed := s.awaitEvents(1, events.TypeImageThumbnailed, id)
			made, err := events.Decode[events.ImageThumbnailed](thumbnailed[0])
			if err != nil || made.Thumbnail != want.Result.Thumbnail ||
				made.ThumbnailSize != test.thumbnail || made.ProcessedAt != got.ProcessedAt {
				t.Errorf("got event %+v, error %v; want the thumbnail of status %+v", made, err, want)
			}
			if a, b := traceOf(uploaded[0]), traceOf(thumbnailed[0]); a != b || a == "" {
				t.Errorf("got traces %q and %q, want one from the upload to the thumbnail", a, b)
			}
			for _, e := range []event.Event{uploaded[0], thumbnailed[0]} {
				if e.Extensions()[events.PartitionKey] != id || e.Extensions()[events.DataRef] == nil {
					t.Errorf("got extensions %v of %s, want the image's partition key and a dataref", e.Extensions(), e.Type())
				}
			}
		})
	}
}

// decode decodes an image with the decoder of a format.
func decode(t *testing.T, format string, content []byte) image.Image {
	t.Helper()
	decoders := map[string]func(io.Reader) (image.Image, error){
		"jpeg": jpeg.Decode, "png": png.Decode, "gif": gif.Decode, "webp": webp.Decode,
	}
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

// The thumbnails of all eight orientations of a photograph look the same, and none has its metadata.
func TestOrientations(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	var upright image.Image
	for orientation := 1; orientation <= 8; orientation++ {
		id := s.upload("turned.jpg", photo(t, imaging, fmt.Sprintf("orientation_%d.jpg", orientation)))
		got := s.finalState(id)
		thumbnail := s.get("/thumbnails/" + id).body
		decoded := decode(t, "jpeg", thumbnail)
		if orientation == 1 {
			upright = decoded
		}
		t.Run(fmt.Sprint(orientation), func(t *testing.T) {
			if decoded.Bounds() != upright.Bounds() || difference(decoded, upright) > 12 {
				t.Errorf("got %v, status %+v; want the pixels of orientation 1, %v", decoded.Bounds(), got, upright.Bounds())
			}
			if bytes.Contains(thumbnail, []byte("Exif")) {
				t.Error("got a thumbnail with EXIF, want none")
			}
		})
	}
}

// difference returns the mean difference of all pixels and channels, from 0 to 255.
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

// A photograph like those of phones: 12 megapixels, some MB.
func TestLargePhotograph(t *testing.T) {
	t.Parallel()
	s := startStack(t)
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
	got := s.finalState(s.upload("phone.jpg", content.Bytes()))
	if got.Status != "completed" || got.Result.ThumbnailSize != [2]int{200, 150} {
		t.Errorf("got status %+v, want completed with 200 x 150", got)
	}
}

// Images that look valid until they are decoded: the status says why each can never work, and the next upload works.
func TestHostileImages(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	good := photo(t, imaging, "branches.jpg")
	damaged := bytes.Clone(good)
	for i := len(damaged) / 2; i < len(damaged); i += 7 {
		damaged[i] = 0xff
	}
	progressive := goPhoto(t, "video-001.progressive.jpeg")
	last := progressive[bytes.LastIndex(progressive, []byte{0xff, 0xda}) : len(progressive)-2]
	scans := append(bytes.Clone(progressive[:len(progressive)-2]), bytes.Repeat(last, 300)...)
	scans = append(scans, 0xff, 0xd9)
	webpFile := photo(t, xImage, "yellow_rose.lossy.webp")
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
		{"cut.jpg", good[:len(good)/3], "failed", []string{"damaged"}},
		{"damaged.jpg", damaged, "failed", []string{"damaged"}},
		{"300 scans.jpg", scans, "failed", []string{"unsupported", "damaged"}},
		{"cut.png", photo(t, imaging, "flowers_small.png")[:5000], "failed", []string{"damaged"}},
		{"cut.gif", goPhoto(t, "video-001.gif")[:5000], "failed", []string{"damaged"}},
		{"cut.webp", webpFile[:len(webpFile)-1000], "failed", []string{"damaged"}},
		{"bomb within the limit.png", bomb.Bytes(), "completed", []string{""}},
	} {
		t.Run(test.name, func(t *testing.T) {
			id := s.upload(test.name, test.content)
			got := s.finalState(id)
			if got.Status != test.status || !slices.Contains(test.reasons, got.Reason) {
				t.Errorf("got %+v, want %s %q", got, test.status, test.reasons)
			}
			if (got.Status == "failed") != (got.Result.Error != "") {
				t.Errorf("got %+v, want an error exactly if it failed", got)
			}
			if got.Status == "failed" {
				failed, err := events.Decode[events.ImageFailed](s.awaitEvents(1, events.TypeImageFailed, id)[0])
				if err != nil || string(failed.Reason) != got.Reason || failed.Error != got.Result.Error {
					t.Errorf("got event %+v, error %v; want the reason of status %+v", failed, err, got)
				}
			}
			if next := s.finalState(s.upload("next.jpg", good)); next.Status != "completed" {
				t.Errorf("next upload: got %+v, want completed", next)
			}
		})
	}
}

// Repeated events of the service, one after the other and concurrently, have the same effect once.
func TestReplay(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	content := photo(t, imaging, "branches.jpg")
	good, bad := s.upload("good.jpg", content), s.upload("bad.jpg", content[:20000])
	for id, last := range map[string]string{good: events.TypeImageThumbnailed, bad: events.TypeImageFailed} {
		before := s.finalState(id)
		uploaded, final := s.awaitEvents(1, events.TypeImageUploaded, id), s.awaitEvents(1, last, id)
		objects := s.objects(id)
		var wait sync.WaitGroup
		for _, e := range []event.Event{uploaded[0], final[0]} {
			for range 5 {
				if code := s.post(e); code != http.StatusAccepted {
					t.Errorf("post %s again: got status %d, want 202", e.Type(), code)
				}
			}
			for range 5 {
				wait.Go(func() { s.post(e) })
			}
		}
		wait.Wait()
		// The first one, it again ten times, and the reply to each repetition of image.uploaded.
		for _, e := range s.awaitEvents(21, last, id) {
			if e.ID() != final[0].ID() || e.Source() != final[0].Source() ||
				!e.Time().Equal(final[0].Time()) || !bytes.Equal(e.Data(), final[0].Data()) {
				t.Errorf("got event %v, want the first one again, %v", e, final[0])
			}
		}
		if after := s.state(id); after != before {
			t.Errorf("got status %+v, want it unchanged, %+v", after, before)
		}
		if after := s.objects(id); after != objects {
			t.Errorf("got objects %s, want them unchanged, %s", after, objects)
		}
	}
}

// objects lists the objects stored for an image, with their times.
func (s *testStack) objects(id string) (all string) {
	s.t.Helper()
	client, options := testservers.MinIO(s.t, s.getenv), minio.ListObjectsOptions{Prefix: id, Recursive: true}
	for object := range client.ListObjects(s.t.Context(), s.getenv("MINIO_BUCKET"), options) {
		if object.Err != nil {
			s.t.Fatal(object.Err)
		}
		all += fmt.Sprintln(object.Key, object.ETag, object.LastModified)
	}
	return all
}

// Other systems send events to the Broker and records to the topic.
func TestOtherSystems(t *testing.T) {
	t.Parallel()
	incoming := "scans-" + uuid.NewString()
	s := startStack(t, "SOURCE_BUCKETS="+incoming)
	content := photo(t, imaging, "branches.jpg")
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
	source := "/scanner/" + s.getenv("MINIO_BUCKET")

	t.Run("image.received", func(t *testing.T) {
		putObject(t, client, incoming, "scan 1.jpg", content)
		scan := events.ImageReceived{Bucket: incoming, ObjectName: "scan 1.jpg"}
		received, err := events.Encode(scan, events.Envelope{Source: source, ID: "1"})
		if err != nil {
			t.Fatal(err)
		}
		if code := s.post(received); code != http.StatusAccepted {
			t.Fatalf("post: got status %d, want 202", code)
		}
		id := s.idOf(events.TypeImageUploaded)
		if got := s.finalState(id); got.Status != "completed" || got.Result.Thumbnail != id+"/thumbnail_scan 1.jpg" {
			t.Errorf("got status %+v, want completed with a thumbnail", got)
		}
	})
	t.Run("image.received of a text file", func(t *testing.T) {
		putObject(t, client, incoming, "text.jpg", []byte("text"))
		text := events.ImageReceived{Bucket: incoming, ObjectName: "text.jpg"}
		received, err := events.Encode(text, events.Envelope{Source: source, ID: "2"})
		if err != nil {
			t.Fatal(err)
		}
		s.post(received)
		id := s.idOf(events.TypeImageFailed)
		if got := s.state(id); got.Status != "failed" || got.Reason != "not_an_image" {
			t.Errorf("got status %+v, want failed, not_an_image", got)
		}
	})
	t.Run("task of the original system", func(t *testing.T) {
		id := uuid.NewString()
		putObject(t, client, s.getenv("MINIO_BUCKET"), id+"/old.jpg", content)
		task := fmt.Sprintf(
			`{"image_id": %q, "object_name": "%[1]s/old.jpg", "filename": "old.jpg", "timestamp": 1699999999.5}`, id)
		s.produce(&sarama.ProducerMessage{Value: sarama.StringEncoder(task)})
		s.awaitEvents(1, events.TypeImageThumbnailed, id)
		if got := s.finalState(id); got.Status != "completed" {
			t.Errorf("got status %+v, want completed", got)
		}
	})
	t.Run("records of other formats", func(t *testing.T) {
		for _, record := range []*sarama.ProducerMessage{
			{Value: sarama.StringEncoder("hello")},
			{Value: sarama.StringEncoder("")},
			{Value: sarama.StringEncoder("{"), Headers: headers("content-type", "application/cloudevents+json")},
			{Value: sarama.StringEncoder("{}"), Headers: headers("ce_specversion", "1.0", "ce_", "x")},
			{Value: sarama.StringEncoder(strings.Repeat("x", 500000))},
		} {
			s.produce(record)
		}
		if got := s.finalState(s.upload("next.jpg", content)); got.Status != "completed" {
			t.Errorf("next upload: got %+v, want completed", got)
		}
	})
}

// headers returns the headers of a record from keys and values in turn.
func headers(pairs ...string) (headers []sarama.RecordHeader) {
	for pair := range slices.Chunk(pairs, 2) {
		headers = append(headers, sarama.RecordHeader{Key: []byte(pair[0]), Value: []byte(pair[1])})
	}
	return headers
}

func putObject(tb testing.TB, client *minio.Client, bucket, key string, content []byte) {
	tb.Helper()
	body, size := bytes.NewReader(content), int64(len(content))
	if _, err := client.PutObject(tb.Context(), bucket, key, body, size, minio.PutObjectOptions{}); err != nil {
		tb.Fatal(err)
	}
}

// idOf waits for the first event of a type and returns its image's ID.
func (s *testStack) idOf(eventType string) string {
	s.t.Helper()
	for deadline := time.Now().Add(waitLimit); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		s.watcher.Lock()
		for _, e := range s.watcher.seen {
			if e.Type() == eventType {
				s.watcher.Unlock()
				return e.Subject()
			}
		}
		s.watcher.Unlock()
	}
	s.t.Fatalf("got no event %s within %v", eventType, waitLimit)
	return ""
}

// produce writes a record to the topic.
func (s *testStack) produce(record *sarama.ProducerMessage) {
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

// Events that are published while no source runs are delivered by the next one.
func TestSourceRestart(t *testing.T) {
	t.Parallel()
	getenv := testservers.Start(t)
	first := startStackWith(t, getenv)
	before := first.upload("before.jpg", photo(t, imaging, "branches.jpg"))
	first.finalState(before)
	first.stopEvents()
	var waiting []string
	for range 5 {
		waiting = append(waiting, first.upload("between.jpg", photo(t, imaging, "branches.jpg")))
	}
	for _, id := range waiting {
		if got := first.state(id); got.Status != "queued" {
			t.Errorf("status of %s without a source: got %q, want queued", id, got.Status)
		}
	}
	second := startStackWith(t, getenv)
	for _, id := range append(waiting, before) {
		if got := second.finalState(id); got.Status != "completed" {
			t.Errorf("status of %s: got %+v, want completed", id, got)
		}
	}
}

// A function that runs elsewhere gets its events like one that is started here.
func TestRunning(t *testing.T) {
	t.Parallel()
	thumbnail := &subscriber{codes: []int{http.StatusOK}}
	running, err := start(options{
		listen: "127.0.0.1:0", broker: "127.0.0.1:0", deadLetters: "127.0.0.1:0", getenv: testservers.Start(t),
		running: map[string]string{"thumbnail": strings.TrimPrefix(thumbnail.serve(t), "http://")},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(running.stop)
	s := &testStack{stack: running, t: t, url: "http://" + running.address}
	s.upload("photo.jpg", photo(t, imaging, "branches.jpg"))
	for deadline := time.Now().Add(time.Minute); len(thumbnail.got()) == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the function got no event within a minute")
		}
	}
	if got := thumbnail.got(); got[0] != events.TypeImageUploaded {
		t.Errorf("got events %q, want %s first", got, events.TypeImageUploaded)
	}
}
