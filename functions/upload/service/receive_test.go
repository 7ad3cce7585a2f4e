package service

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/cloudevent"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

const structuredMode = "application/cloudevents+json"

// scanner is a system of this run's own: a source and an id name an event for ever.
var scanner = "/scanner/" + uuid.NewString()

// binaryHeader are the attributes of an event in binary mode.
func binaryHeader(id string, more ...string) []string {
	return append([]string{"Ce-Specversion: 1.0", "Ce-Type: image.received", "Ce-Source: " + scanner, "Ce-Id: " + id}, more...)
}

func structuredEvent(t *testing.T, attributes map[string]any) *bytes.Reader {
	t.Helper()
	e := map[string]any{"specversion": "1.0", "type": "image.received", "source": scanner, "id": uuid.NewString()}
	for name, value := range attributes {
		e[name] = value
	}
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(text)
}

// put stores an object as another system would.
func (s *testServer) put(bucket, key string, content []byte) {
	s.t.Helper()
	client := testservers.MinIO(s.t, s.getenv)
	if there, err := client.BucketExists(s.t.Context(), bucket); err != nil {
		s.t.Fatal(err)
	} else if !there {
		if err := client.MakeBucket(s.t.Context(), bucket, minio.MakeBucketOptions{}); err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(func() {
			_ = client.RemoveObject(s.t.Context(), bucket, key, minio.RemoveObjectOptions{})
			_ = client.RemoveBucket(s.t.Context(), bucket)
		})
	}
	if _, err := client.PutObject(s.t.Context(), bucket, key, bytes.NewReader(content), int64(len(content)), minio.PutObjectOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

// Every form in which an image.received may come, to / as Knative delivers and to /upload.
func TestReceive(t *testing.T) {
	t.Parallel()
	bucket := "scans-" + uuid.NewString()
	s := start(t, "SOURCE_BUCKETS="+bucket+",other")
	content := pngOf(t, 40, 30)
	s.put(bucket, "2026/blatt 1.png", content)
	reference := `{"bucket":"` + bucket + `","object_name":"2026/blatt 1.png","filename":"../Blatt ①.png"}`
	dataref := events.FormatDataRef(bucket, "2026/blatt 1.png")
	inline := base64.StdEncoding.EncodeToString(content)

	for name, test := range map[string]struct {
		send     func(path string) answered
		filename string
	}{
		"binary, image": {func(path string) answered {
			return s.do(http.MethodPost, path, "image/png", bytes.NewReader(content), binaryHeader(uuid.NewString())...)
		}, "image.png"},
		"binary, image of unknown length": {func(path string) answered {
			return s.do(http.MethodPost, path, "image/png", struct{ *bytes.Reader }{bytes.NewReader(content)}, binaryHeader(uuid.NewString())...)
		}, "image.png"},
		"binary, image with a subject": {func(path string) answered {
			return s.do(http.MethodPost, path, "", bytes.NewReader(content), binaryHeader(uuid.NewString(), "Ce-Subject: trays/7/a.png")...)
		}, "a.png"},
		"binary, reference": {func(path string) answered {
			return s.do(http.MethodPost, path, "application/json", strings.NewReader(reference), binaryHeader(uuid.NewString())...)
		}, "Blatt ①.png"},
		"binary, dataref": {func(path string) answered {
			return s.do(http.MethodPost, path, "", nil, binaryHeader(uuid.NewString(), "Ce-Dataref: "+dataref)...)
		}, "blatt 1.png"},
		"structured, image": {func(path string) answered {
			return s.do(http.MethodPost, path, structuredMode, structuredEvent(t, map[string]any{"datacontenttype": "image/png", "data_base64": inline}))
		}, "image.png"},
		"structured, reference": {func(path string) answered {
			return s.do(http.MethodPost, path, structuredMode, structuredEvent(t, map[string]any{"datacontenttype": "application/json", "data": json.RawMessage(reference)}))
		}, "Blatt ①.png"},
		"structured, dataref": {func(path string) answered {
			return s.do(http.MethodPost, path, structuredMode, structuredEvent(t, map[string]any{"dataref": dataref}))
		}, "blatt 1.png"},
	} {
		for _, path := range []string{"/", "/upload"} {
			before := len(s.broker.announced())
			answer := test.send(path)
			if answer.status != http.StatusOK || (answer.body == "") != (path == "/") {
				t.Errorf("%s to %s: %d %s", name, path, answer.status, answer.body)
				continue
			}
			announced := s.broker.announced()[before:]
			if len(announced) != 1 {
				t.Errorf("%s to %s: announced %d events, want 1", name, path, len(announced))
				continue
			}
			image, err := events.Decode[events.ImageUploaded](announced[0])
			if err != nil || image.Filename != test.filename || image.Bucket != s.getenv("MINIO_BUCKET") {
				t.Errorf("%s to %s: announced %+v, %v", name, path, image, err)
			}
			if path == "/" && answer.header.Get("Location") != "/status/"+image.ImageID || path == "/upload" && answer.json(t)["image_id"] != image.ImageID {
				t.Errorf("%s to %s: answered %v %s for %s", name, path, answer.header, answer.body, image.ImageID)
			}
			if got := s.get("/images/" + image.ImageID); got.body != string(content) {
				t.Errorf("%s to %s: other bytes were stored", name, path)
			}
		}
	}
}

// An event that comes again, as events do, adds nothing.
func TestReceiveAgain(t *testing.T) {
	t.Parallel()
	s := start(t)
	first := pngOf(t, 40, 30)
	for range 5 {
		answer := s.do(http.MethodPost, "/", "image/png", bytes.NewReader(first), binaryHeader("again")...)
		if answer.status != http.StatusOK {
			t.Fatalf("%d %s", answer.status, answer.body)
		}
		if length := answer.header.Get("Content-Length"); length != "0" {
			t.Errorf("the answer has the length %q; want 0, so that it does not pass for a reply", length)
		}
	}
	if answer := s.do(http.MethodPost, "/", "image/png", bytes.NewReader(pngOf(t, 50, 50)), binaryHeader("again")...); answer.status != http.StatusOK {
		t.Errorf("another image under the same id: %d %s", answer.status, answer.body)
	}
	if stored := s.stored(); len(stored) != 1 {
		t.Errorf("stored %q, want one object", stored)
	}
	announced := s.broker.announced()
	for _, e := range announced {
		if e.ID() != announced[0].ID() || e.Source() != announced[0].Source() {
			t.Errorf("announced as %s %s and as %s %s: the same fact under two names", e.Source(), e.ID(), announced[0].Source(), announced[0].ID())
		}
	}
	if got := s.get("/images/" + announced[0].Subject()); got.body != string(first) {
		t.Error("what was stored first was replaced")
	}
	s.do(http.MethodPost, "/", "image/png", bytes.NewReader(first), binaryHeader("other")...)
	if stored := s.stored(); len(stored) != 2 {
		t.Errorf("stored %q after an event of another id, want two objects", stored)
	}
}

// What was accepted stays so when its event comes again and brings nothing good, or another name.
func TestReceiveAgainOtherwise(t *testing.T) {
	t.Parallel()
	bucket := "scans-" + uuid.NewString()
	s := start(t, "SOURCE_BUCKETS="+bucket)
	s.put(bucket, "a.png", pngOf(t, 40, 30))
	reference := func() *strings.Reader { return strings.NewReader(`{"bucket":"` + bucket + `","object_name":"a.png"}`) }
	if answer := s.do(http.MethodPost, "/", "application/json", reference(), binaryHeader("otherwise")...); answer.status != http.StatusOK {
		t.Fatalf("%d %s", answer.status, answer.body)
	}
	id := s.broker.announced()[0].Subject()
	if err := testservers.MinIO(t, s.getenv).RemoveObject(t.Context(), bucket, "a.png", minio.RemoveObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, state := range []status.State{status.Queued, status.Completed} {
		if state == status.Completed {
			complete(t, s, id)
		}
		for name, answer := range map[string]answered{
			"its object is gone": s.do(http.MethodPost, "/", "application/json", reference(), binaryHeader("otherwise")...),
			"no image":           s.do(http.MethodPost, "/", "image/png", strings.NewReader("text"), binaryHeader("otherwise")...),
			"another name":       s.do(http.MethodPost, "/", "image/png", bytes.NewReader(pngOf(t, 9, 9)), binaryHeader("otherwise", "Ce-Subject: zzz.png")...),
		} {
			if answer.status != http.StatusOK || answer.body != "" {
				t.Errorf("%s: %d %s, want 200 without a reply", name, answer.status, answer.body)
			}
		}
		if err := boardOf(t, s).Forget(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if got := s.get("/status/" + id).json(t)["status"]; got != string(state) {
			t.Errorf("status %v, want %s", got, state)
		}
	}
	if announced := len(s.broker.announced()); announced != 4 { // once, and three times again while it was queued
		t.Errorf("announced %d times, want 4", announced)
	}
}

// complete does what the thumbnail function does.
func complete(t *testing.T, s *testServer, id string) {
	t.Helper()
	final := status.Status{ImageID: id, State: status.Completed, ProcessedAt: 1, Result: &status.Result{
		Success: true, Thumbnail: id + "/thumbnail_a.png", OriginalSize: &status.Size{40, 30}, ThumbnailSize: &status.Size{40, 30},
	}}
	if _, err := boardOf(t, s).Record(t.Context(), id+"/a.png", final, pngOf(t, 40, 30), "image/png"); err != nil {
		t.Fatal(err)
	}
}

// Deliveries of one event at the same time, which disagree on its name, leave one image.
func TestReceiveAtTheSameTime(t *testing.T) {
	t.Parallel()
	s := start(t)
	var deliveries sync.WaitGroup
	for i := range 12 {
		deliveries.Go(func() {
			answer := s.do(http.MethodPost, "/", "image/png", bytes.NewReader(pngOf(t, 40+i, 30)), binaryHeader("same-time", fmt.Sprintf("Ce-Subject: %d.png", i))...)
			if answer.status != http.StatusOK {
				t.Errorf("%d %s", answer.status, answer.body)
			}
		})
	}
	deliveries.Wait()
	if stored := s.stored(); len(stored) != 1 {
		t.Errorf("stored %q, want one object", stored)
	}
}

// What the delivery contract says of images that can never work, of bad events and of what may still come.
func TestReceiveRefuses(t *testing.T) {
	t.Parallel()
	bucket := "scans-" + uuid.NewString()
	s := start(t, "SOURCE_BUCKETS="+bucket, "MAX_UPLOAD_BYTES=1000000", "MAX_IMAGE_PIXELS=10000")
	s.put(bucket, "text.txt", []byte("this is not an image"))
	s.put(bucket, "large.png", make([]byte, 1000001))
	reference := func(bucket, key string) *strings.Reader {
		return strings.NewReader(`{"bucket":"` + bucket + `","object_name":"` + key + `"}`)
	}
	for name, test := range map[string]struct {
		answer answered
		status int
		reason string // of an image.failed, or the code of a problem
	}{
		"text":            {s.do(http.MethodPost, "/", "image/png", strings.NewReader("this is not an image"), binaryHeader("1")...), 200, "not_an_image"},
		"nothing, chunks": {s.do(http.MethodPost, "/", "image/png", struct{ *strings.Reader }{strings.NewReader("")}, binaryHeader("2")...), 200, "not_an_image"},
		"cut":             {s.do(http.MethodPost, "/", "image/png", bytes.NewReader(pngOf(t, 9, 9)[:20]), binaryHeader("3")...), 200, "damaged"},
		"bytes":           {s.do(http.MethodPost, "/", "image/png", bytes.NewReader(make([]byte, 1000001)), binaryHeader("4")...), 200, "too_many_bytes"},
		"bytes, chunks":   {s.do(http.MethodPost, "/", "image/png", struct{ *bytes.Reader }{bytes.NewReader(append(pngOf(t, 9, 9), make([]byte, 2000000)...))}, binaryHeader("5")...), 200, "too_many_bytes"},
		"pixels":          {s.do(http.MethodPost, "/", "image/png", bytes.NewReader(pngOf(t, 101, 100)), binaryHeader("6")...), 200, "too_many_pixels"},
		"object: text":    {s.do(http.MethodPost, "/", "application/json", reference(bucket, "text.txt"), binaryHeader("7")...), 200, "not_an_image"},
		"object: bytes":   {s.do(http.MethodPost, "/", "application/json", reference(bucket, "large.png"), binaryHeader("8")...), 200, "too_many_bytes"},
		"object: missing": {s.do(http.MethodPost, "/", "application/json", reference(bucket, "none.png"), binaryHeader("9")...), 404, "object_not_found"},
		"unknown bucket":  {s.do(http.MethodPost, "/", "application/json", reference("secrets", "a.png"), binaryHeader("10")...), 400, "unknown_bucket"},
		"own bucket":      {s.do(http.MethodPost, "/", "application/json", reference(s.getenv("MINIO_BUCKET"), "a.png"), binaryHeader("11")...), 400, "unknown_bucket"},
		"foreign dataref": {s.do(http.MethodPost, "/", "", nil, binaryHeader("12", "Ce-Dataref: http://169.254.169.254/latest/meta-data")...), 400, "invalid_event"},
		"bad payload":     {s.do(http.MethodPost, "/", "application/json", strings.NewReader(`{"bucket":7}`), binaryHeader("13")...), 400, "invalid_event"},
		"no data":         {s.do(http.MethodPost, "/", "", nil, binaryHeader("14")...), 400, "invalid_event"},
		"another type":    {s.do(http.MethodPost, "/", "image/png", bytes.NewReader(pngOf(t, 9, 9)), binaryHeader("15", "Ce-Type: image.uploaded")...), 400, "invalid_event"},
		"no event":        {s.do(http.MethodPost, "/", "image/png", bytes.NewReader(pngOf(t, 9, 9))), 400, "invalid_event"},
		"bad base64":      {s.do(http.MethodPost, "/", structuredMode, structuredEvent(t, map[string]any{"data_base64": "%%%"})), 400, "invalid_event"},
		"inline too long": {s.do(http.MethodPost, "/", structuredMode, structuredEvent(t, map[string]any{"datacontenttype": "image/png", "data_base64": strings.Repeat("A", 8<<20)})), 413, "too_many_bytes"},
		"unnamed header":  {s.do(http.MethodPost, "/", "image/png", strings.NewReader("text"), binaryHeader("16", "Ce-: x")...), 200, "not_an_image"},
	} {
		if test.answer.status != test.status {
			t.Errorf("%s: answered %d %s, want %d", name, test.answer.status, test.answer.body, test.status)
			continue
		}
		if test.status != http.StatusOK {
			if got := test.answer.json(t)["code"]; got != test.reason {
				t.Errorf("%s: code %v, want %s", name, got, test.reason)
			}
			continue
		}
		reply, err := cloudevent.Parse(test.answer.header, []byte(test.answer.body))
		if err != nil {
			t.Errorf("%s: replied %s: %v", name, test.answer.body, err)
			continue
		}
		failed, err := events.Decode[events.ImageFailed](reply)
		if err != nil || string(failed.Reason) != test.reason {
			t.Errorf("%s: replied %+v, %v; want reason %s", name, failed, err, test.reason)
		}
		if got := s.get("/status/" + failed.ImageID).json(t); got["status"] != "failed" || got["reason"] != test.reason {
			t.Errorf("%s: status %v", name, got)
		}
	}
	if announced := s.broker.announced(); len(announced) != 0 {
		t.Errorf("announced %v, want nothing", announced)
	}
	for _, key := range s.stored() {
		if !strings.Contains(key, "/thumbnail_") {
			t.Errorf("stored %q, want nothing but notes of why there is no thumbnail", key)
		}
	}
}

// The same refusal twice is the same reply twice, whatever Redis remembers and the event brings then.
func TestReceiveRefusesAgain(t *testing.T) {
	t.Parallel()
	s := start(t)
	board := boardOf(t, s)
	var replies []string
	for _, content := range []string{"text", "text", "<svg/>", string(pngOf(t, 40, 30))} {
		answer := s.do(http.MethodPost, "/", "image/png", strings.NewReader(content), binaryHeader("refused-again", "Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")...)
		replies = append(replies, answer.header.Get("Ce-Id")+answer.header.Get("Ce-Time")+answer.body)
		if err := board.Forget(t.Context(), answer.header.Get("Ce-Subject")); err != nil {
			t.Fatal(err)
		}
		if got := s.get("/status/" + answer.header.Get("Ce-Subject")).json(t); got["status"] != "failed" || got["reason"] != "not_an_image" {
			t.Errorf("status %v", got)
		}
	}
	if slices.Sort(replies); replies[0] != replies[len(replies)-1] {
		t.Errorf("replied %q", replies)
	}
}

func TestReceiveManyInline(t *testing.T) {
	t.Parallel()
	s := start(t)
	content := base64.StdEncoding.EncodeToString(append(pngOf(t, 9, 9), make([]byte, 2<<20)...))
	answers := make(chan answered)
	for range 12 {
		body := structuredEvent(t, map[string]any{"datacontenttype": "image/png", "data_base64": content})
		go func() {
			answer := s.do(http.MethodPost, "/", structuredMode, body)
			for try := 1; try < 10 && answer.status == http.StatusServiceUnavailable; try++ { // on a slow machine; a Broker does it, too
				body.Seek(0, io.SeekStart)
				answer = s.do(http.MethodPost, "/", structuredMode, body)
			}
			answers <- answer
		}()
	}
	for range 12 {
		if answer := <-answers; answer.status != http.StatusOK {
			t.Errorf("%d %s", answer.status, answer.body)
		}
	}
}
