package service

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/cloudevent"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

const structuredMode = "application/cloudevents+json"

// eventSource is a source of this run's own: a source and an ID identify an event forever.
var eventSource = "/scanner/" + uuid.NewString()

// binaryHeader returns the attributes of an event in binary mode.
func binaryHeader(id string, more ...string) []string {
	return append([]string{
		"Ce-Specversion: 1.0", "Ce-Type: image.received", "Ce-Source: " + eventSource, "Ce-Id: " + id,
	}, more...)
}

func structuredEvent(tb testing.TB, attributes map[string]any) *bytes.Reader {
	tb.Helper()
	e := map[string]any{
		"specversion": "1.0", "type": "image.received", "source": eventSource, "id": uuid.NewString(),
	}
	for name, value := range attributes {
		e[name] = value
	}
	text, err := json.Marshal(e)
	if err != nil {
		tb.Fatal(err)
	}
	return bytes.NewReader(text)
}

// reference is the data of an event that names an object.
func reference(bucket, key string) *strings.Reader {
	return strings.NewReader(`{"bucket":"` + bucket + `","object_name":"` + key + `"}`)
}

// complete stores a thumbnail as the thumbnail function does, but does not tell Redis.
func (s *testServer) complete(imageID string) {
	s.t.Helper()
	final := status.Status{ImageID: imageID, State: status.Completed, ProcessedAt: 1, Result: &status.Result{
		Success:       true,
		Thumbnail:     imageID + "/thumbnail_a.png",
		OriginalSize:  &status.Size{40, 30},
		ThumbnailSize: &status.Size{40, 30},
	}}
	thumbnail := &status.File{Rendition: raster.Rendition{Format: raster.PNG, Bytes: pngOf(s.t, 40, 30)}}
	if _, err := s.statuses().Record(s.t.Context(), imageID+"/a.png", final, thumbnail); err != nil {
		s.t.Fatal(err)
	}
}

// forget removes a status from Redis.
func (s *testServer) forget(imageID string) {
	s.t.Helper()
	if err := s.statuses().Forget(s.t.Context(), imageID); err != nil {
		s.t.Fatal(err)
	}
}

// Every form of an image.received event, to / as Knative delivers it and to /upload.
func TestReceive(t *testing.T) {
	t.Parallel()
	bucket := "scans-" + uuid.NewString()
	s := start(t, "SOURCE_BUCKETS="+bucket+",other")
	content := pngOf(t, 40, 30)
	s.put(bucket, "2026/blatt 1.png", content)
	data := `{"bucket":"` + bucket + `","object_name":"2026/blatt 1.png","filename":"../Blatt ①.png"}`
	dataref := events.FormatDataRef(bucket, "2026/blatt 1.png")
	inline := base64.StdEncoding.EncodeToString(content)
	binary := func(contentType string, body func() io.Reader, more ...string) func(path string) response {
		return func(path string) response {
			return s.post(path, contentType, body(), binaryHeader(uuid.NewString(), more...)...)
		}
	}
	structured := func(attributes map[string]any) func(path string) response {
		return func(path string) response { return s.post(path, structuredMode, structuredEvent(t, attributes)) }
	}
	image := func() io.Reader { return bytes.NewReader(content) }

	for name, test := range map[string]struct {
		send     func(path string) response
		filename string
	}{
		"binary, image": {binary("image/png", image), "image.png"},
		"binary, image of unknown length": {
			binary("image/png", func() io.Reader { return ofUnknownLength(image()) }), "image.png",
		},
		"binary, image with a subject": {binary("", image, "Ce-Subject: trays/7/a.png"), "a.png"},
		"binary, reference": {
			binary("application/json", func() io.Reader { return strings.NewReader(data) }), "Blatt ①.png",
		},
		"binary, dataref": {binary("", func() io.Reader { return nil }, "Ce-Dataref: "+dataref), "blatt 1.png"},
		"structured, image": {
			structured(map[string]any{"datacontenttype": "image/png", "data_base64": inline}), "image.png",
		},
		"structured, reference": {
			structured(map[string]any{"datacontenttype": "application/json", "data": json.RawMessage(data)}), "Blatt ①.png",
		},
		"structured, dataref": {structured(map[string]any{"dataref": dataref}), "blatt 1.png"},
	} {
		for _, path := range []string{"/", "/upload"} {
			t.Run(name+" to "+path, func(t *testing.T) {
				before := len(s.broker.published())
				got := test.send(path)
				if got.status != http.StatusOK || (got.body == "") != (path == "/") {
					t.Fatalf("answer is %d %s, want 200, with a body at /upload only", got.status, got.body)
				}
				published := s.broker.published()[before:]
				if len(published) != 1 {
					t.Fatalf("published %d events, want 1", len(published))
				}
				image, err := events.Decode[events.ImageUploaded](published[0])
				if err != nil || image.Filename != test.filename || image.Bucket != s.getenv("MINIO_BUCKET") {
					t.Errorf("published %+v, %v; want the filename %q", image, err, test.filename)
				}
				if location := got.header.Get("Location"); path == "/" && location != "/status/"+image.ImageID {
					t.Errorf("Location is %q, want that of %s", location, image.ImageID)
				}
				if path == "/upload" && got.imageID(t) != image.ImageID {
					t.Errorf("answer is %s, want the ID %s", got.body, image.ImageID)
				}
				if got := s.get("/images/" + image.ImageID); got.body != string(content) {
					t.Errorf("GET /images answers %d with %d bytes, want the image", got.status, len(got.body))
				}
			})
		}
	}
}

// An event that is delivered again, as events are, adds nothing.
func TestReceiveAgain(t *testing.T) {
	t.Parallel()
	s := start(t)
	first := pngOf(t, 40, 30)
	deliver := func(id string, image []byte) response {
		t.Helper()
		got := s.post("/", "image/png", bytes.NewReader(image), binaryHeader(id)...)
		if got.status != http.StatusOK {
			t.Fatalf("answer is %d %s, want 200", got.status, got.body)
		}
		return got
	}
	for range 5 {
		if length := deliver("again", first).header.Get("Content-Length"); length != "0" {
			t.Errorf("Content-Length is %q, want 0, so that the answer is not taken for a reply", length)
		}
	}
	deliver("again", pngOf(t, 50, 50))
	if got := s.keys(); len(got) != 1 {
		t.Errorf("bucket has %q, want one image", got)
	}
	published := s.broker.published()
	for _, e := range published {
		if e.ID() != published[0].ID() || e.Source() != published[0].Source() {
			t.Errorf("published %s of %s, want %s of %s", e.ID(), e.Source(), published[0].ID(), published[0].Source())
		}
	}
	if got := s.get("/images/" + published[0].Subject()); got.body != string(first) {
		t.Errorf("GET /images answers %d with %d bytes, want the first image", got.status, len(got.body))
	}
	deliver("another event", first)
	if got := s.keys(); len(got) != 2 {
		t.Errorf("after another event the bucket has %q, want two images", got)
	}
}

// An image stays accepted when its event comes again without a good image, or with another filename.
func TestReceiveAgainOtherwise(t *testing.T) {
	t.Parallel()
	bucket := "scans-" + uuid.NewString()
	s := start(t, "SOURCE_BUCKETS="+bucket)
	s.put(bucket, "a.png", pngOf(t, 40, 30))
	deliver := func(contentType string, body io.Reader, more ...string) response {
		return s.post("/", contentType, body, binaryHeader("otherwise", more...)...)
	}
	if got := deliver("application/json", reference(bucket, "a.png")); got.status != http.StatusOK {
		t.Fatalf("the first answer is %d %s, want 200", got.status, got.body)
	}
	id := s.broker.published()[0].Subject()
	client := s.minio()
	if err := client.RemoveObject(t.Context(), bucket, "a.png", minio.RemoveObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, state := range []status.State{status.Queued, status.Completed} {
		if state == status.Completed {
			s.complete(id)
		}
		for name, repeat := range map[string]func() response{
			"the object is gone": func() response { return deliver("application/json", reference(bucket, "a.png")) },
			"not an image":       func() response { return deliver("image/png", strings.NewReader("text")) },
			"another filename": func() response {
				return deliver("image/png", bytes.NewReader(pngOf(t, 9, 9)), "Ce-Subject: zzz.png")
			},
		} {
			t.Run(name+" while "+string(state), func(t *testing.T) {
				if got := repeat(); got.status != http.StatusOK || got.body != "" {
					t.Errorf("answer is %d %s, want 200 without a reply", got.status, got.body)
				}
			})
		}
		s.forget(id)
		if got := s.status(id); got != string(state) {
			t.Errorf("status is %q, want %s", got, state)
		}
	}
	if got := len(s.broker.published()); got != 4 { // once, and for each repetition while it was queued
		t.Errorf("published %d events, want 4", got)
	}
}

// Deliveries of one event at the same time, with different filenames, leave one image.
func TestReceiveAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	var deliveries sync.WaitGroup
	for i := range 12 {
		deliveries.Go(func() {
			header := binaryHeader("at once", fmt.Sprintf("Ce-Subject: %d.png", i))
			got := s.post("/", "image/png", bytes.NewReader(pngOf(t, 40+i, 30)), header...)
			if got.status != http.StatusOK {
				t.Errorf("delivery %d: %d %s, want 200", i, got.status, got.body)
			}
		})
	}
	deliveries.Wait()
	if got := s.keys(); len(got) != 1 {
		t.Errorf("bucket has %q, want one image", got)
	}
}

// An image that can never be processed is answered with image.failed, and is failed from then on.
func TestReceiveRefuses(t *testing.T) {
	t.Parallel()
	bucket := "scans-" + uuid.NewString()
	s := start(t, "SOURCE_BUCKETS="+bucket, "MAX_UPLOAD_BYTES=1000000", "MAX_IMAGE_PIXELS=10000")
	s.put(bucket, "text.txt", []byte("this is not an image"))
	s.put(bucket, "large.png", make([]byte, 1000001))
	tooLong := append(pngOf(t, 9, 9), make([]byte, 2000000)...)
	for name, test := range map[string]struct {
		contentType string
		body        io.Reader
		more        []string // attributes of the event
		reason      string
	}{
		"text":                     {"image/png", strings.NewReader("this is not an image"), nil, "not_an_image"},
		"empty, of unknown length": {"image/png", ofUnknownLength(strings.NewReader("")), nil, "not_an_image"},
		"cut":                      {"image/png", bytes.NewReader(pngOf(t, 9, 9)[:20]), nil, "damaged"},
		"too many bytes":           {"image/png", bytes.NewReader(make([]byte, 1000001)), nil, "too_many_bytes"},
		"too many bytes, of unknown length": {
			"image/png", ofUnknownLength(bytes.NewReader(tooLong)), nil, "too_many_bytes",
		},
		"too many pixels":       {"image/png", bytes.NewReader(pngOf(t, 101, 100)), nil, "too_many_pixels"},
		"object of text":        {"application/json", reference(bucket, "text.txt"), nil, "not_an_image"},
		"object of many bytes":  {"application/json", reference(bucket, "large.png"), nil, "too_many_bytes"},
		"header without a name": {"image/png", strings.NewReader("text"), []string{"Ce-: x"}, "not_an_image"},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.post("/", test.contentType, test.body, binaryHeader(name, test.more...)...)
			if got.status != http.StatusOK {
				t.Fatalf("answer is %d %s, want 200", got.status, got.body)
			}
			reply, err := cloudevent.Parse(got.header, []byte(got.body))
			if err != nil {
				t.Fatalf("reply is %s: %v", got.body, err)
			}
			failed, err := events.Decode[events.ImageFailed](reply)
			if err != nil || string(failed.Reason) != test.reason {
				t.Errorf("reply is %+v, %v; want the reason %s", failed, err, test.reason)
			}
			state := s.get("/status/" + failed.ImageID).json(t)
			if state["status"] != "failed" || state["reason"] != test.reason {
				t.Errorf("status is %v, want failed with the reason %s", state, test.reason)
			}
		})
	}
	if got := s.broker.published(); len(got) != 0 {
		t.Errorf("published %v, want nothing", got)
	}
	for _, key := range s.keys() {
		if !strings.Contains(key, "/thumbnail_") {
			t.Errorf("bucket has %q, want only failure notes", key)
		}
	}
}

// Events that are wrong in themselves are answered by a status code.
func TestReceiveErrors(t *testing.T) {
	t.Parallel()
	bucket := "scans-" + uuid.NewString()
	s := start(t, "SOURCE_BUCKETS="+bucket)
	s.put(bucket, "a.png", pngOf(t, 9, 9))
	own, image := s.getenv("MINIO_BUCKET"), func() io.Reader { return bytes.NewReader(pngOf(t, 9, 9)) }
	tooLong := map[string]any{"datacontenttype": "image/png", "data_base64": strings.Repeat("A", 8<<20)}
	dataref := "Ce-Dataref: http://169.254.169.254/latest/meta-data"
	for name, test := range map[string]struct {
		contentType string
		body        io.Reader
		header      []string
		status      int
		code        string
	}{
		"unknown bucket":  {"application/json", reference("secrets", "a.png"), binaryHeader("2"), 400, "unknown_bucket"},
		"own bucket":      {"application/json", reference(own, "a.png"), binaryHeader("3"), 400, "unknown_bucket"},
		"foreign dataref": {"", nil, binaryHeader("4", dataref), 400, "invalid_event"},
		"bad payload":     {"application/json", strings.NewReader(`{"bucket":7}`), binaryHeader("5"), 400, "invalid_event"},
		"no data":         {"", nil, binaryHeader("6"), 400, "invalid_event"},
		"another type":    {"image/png", image(), binaryHeader("7", "Ce-Type: image.uploaded"), 400, "invalid_event"},
		"not an event":    {"image/png", image(), nil, 400, "invalid_event"},
		"bad base64": {
			structuredMode, structuredEvent(t, map[string]any{"data_base64": "%%%"}), nil, 400, "invalid_event",
		},
		"inline image too long": {structuredMode, structuredEvent(t, tooLong), nil, 413, "too_many_bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.post("/", test.contentType, test.body, test.header...)
			if got.status != test.status || got.code(t) != test.code {
				t.Errorf("answer is %d %s, want %d %s", got.status, got.body, test.status, test.code)
			}
		})
	}
	if got := s.keys(); len(got) != 0 || len(s.broker.published()) != 0 {
		t.Errorf("bucket has %q, published %v; want nothing", got, s.broker.published())
	}
}

// A refused event gets the same reply however often it comes, whatever it brings then, and whatever Redis remembers.
func TestReceiveRefusesAgain(t *testing.T) {
	t.Parallel()
	s := start(t)
	trace := "Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	var first string
	for _, delivery := range []struct{ name, content string }{
		{"text", "text"}, {"the same text", "text"}, {"another text", "<svg/>"}, {"an image", string(pngOf(t, 40, 30))},
	} {
		t.Run(delivery.name, func(t *testing.T) {
			header := binaryHeader("refused again", trace)
			got := s.post("/", "image/png", strings.NewReader(delivery.content), header...)
			reply := got.header.Get("Ce-Id") + got.header.Get("Ce-Time") + got.body
			if first == "" {
				first = reply
			}
			if reply != first || got.status != http.StatusOK {
				t.Errorf("answer is %d %s, want 200 %s", got.status, reply, first)
			}
			id := got.header.Get("Ce-Subject")
			s.forget(id)
			if got := s.get("/status/" + id).json(t); got["status"] != "failed" || got["reason"] != "not_an_image" {
				t.Errorf("status is %v, want failed with the reason not_an_image", got)
			}
		})
	}
}

// Many events with an image inside their JSON wait for the memory that they share, and are accepted.
func TestReceiveManyInline(t *testing.T) {
	t.Parallel()
	s := start(t)
	content := base64.StdEncoding.EncodeToString(append(pngOf(t, 9, 9), make([]byte, 2<<20)...))
	answers := make(chan response)
	for range 12 {
		body := structuredEvent(t, map[string]any{"datacontenttype": "image/png", "data_base64": content})
		go func() {
			got := s.post("/", structuredMode, body)
			for try := 1; try < 10 && got.status == http.StatusServiceUnavailable; try++ { // as a Broker does, on a slow machine
				if _, err := body.Seek(0, io.SeekStart); err != nil {
					t.Error(err)
				}
				got = s.post("/", structuredMode, body)
			}
			answers <- got
		}()
	}
	for range 12 {
		if got := <-answers; got.status != http.StatusOK {
			t.Errorf("answer is %d %s, want 200", got.status, got.body)
		}
	}
}
