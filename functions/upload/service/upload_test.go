package service

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/events"
)

// lastPublished returns the image of the last event.
func (s *testServer) lastPublished() events.ImageUploaded {
	s.t.Helper()
	published := s.broker.published()
	if len(published) == 0 {
		s.t.Fatal("published nothing")
	}
	image, err := events.Decode[events.ImageUploaded](published[len(published)-1])
	if err != nil {
		s.t.Fatal(err)
	}
	return image
}

// uploadedSeveral is the answer for a form with several images.
type uploadedSeveral struct {
	Message string
	ImageID string `json:"image_id"`
	Images  []struct {
		Filename, Error, Code string
		ImageID               string `json:"image_id"`
	}
}

func (r response) several(tb testing.TB) (answer uploadedSeveral) {
	tb.Helper()
	if err := json.Unmarshal([]byte(r.body), &answer); err != nil {
		tb.Fatalf("answer is %d %s: %v", r.status, r.body, err)
	}
	return answer
}

func TestUploadRaw(t *testing.T) {
	t.Parallel()
	s := start(t)
	content := pngOf(t, 40, 30)
	whole := func() io.Reader { return bytes.NewReader(content) }
	chunked := func() io.Reader { return ofUnknownLength(bytes.NewReader(content)) }
	queried := "/upload?filename=" + url.QueryEscape("../Über uns.png")
	for name, test := range map[string]struct {
		path, contentType, disposition string
		body                           func() io.Reader
		filename                       string
	}{
		"with its type":               {"/upload", "image/png", "", whole, "image.png"},
		"with a wrong type":           {"/upload", "image/jpeg", "", whole, "image.png"},
		"with curl's type":            {"/upload", "application/x-www-form-urlencoded", "", whole, "image.png"},
		"without a type":              {"/upload", "", "", whole, "image.png"},
		"of unknown length":           {"/upload", "image/png", "", chunked, "image.png"},
		"filename in the query":       {queried, "image/png", "", whole, "Über uns.png"},
		"filename in the disposition": {"/upload", "image/png", `attachment; filename="a b.png"`, whole, "a b.png"},
		"filename in UTF-8":           {"/upload", "image/png", `attachment; filename*=UTF-8''%E2%98%83.png`, whole, "☃.png"},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.post(test.path, test.contentType, test.body(), "Content-Disposition: "+test.disposition)
			if got.status != http.StatusOK {
				t.Fatalf("answer is %d %s, want 200", got.status, got.body)
			}
			image := s.lastPublished()
			if image.Filename != test.filename || image.ContentType != "image/png" || image.Size != int64(len(content)) {
				t.Errorf("published %+v, want %q of image/png with %d bytes", image, test.filename, len(content))
			}
			if got := s.get("/images/" + image.ImageID); got.body != string(content) {
				t.Errorf("GET /images answers %d with %d bytes, want the image", got.status, len(got.body))
			}
		})
	}
}

// A filename in the query is refused where it would be ignored.
func TestUploadWithAnotherFilename(t *testing.T) {
	t.Parallel()
	s := start(t)
	content := pngOf(t, 9, 9)
	form, contentType := formOf(t, field{"file", "a.png", content})
	event := []string{"Ce-Specversion: 1.0", "Ce-Id: 1", "Ce-Source: /t", "Ce-Type: image.received"}
	for name, got := range map[string]response{
		"form":  s.post("/upload?filename=b.png", contentType, form),
		"event": s.post("/upload?filename=b.png", "image/png", bytes.NewReader(content), event...),
	} {
		if got.status != http.StatusBadRequest || got.code(t) != "bad_query" || !strings.Contains(got.body, "whole body") {
			t.Errorf("%s: answer is %d %s, want 400 bad_query", name, got.status, got.body)
		}
	}
	if got := len(s.broker.published()); got != 0 {
		t.Errorf("published %d events, want none", got)
	}
}

// A part of a file does not become an image.
func TestUploadOfAPart(t *testing.T) {
	t.Parallel()
	s := start(t)
	got := s.post("/upload", "image/png", bytes.NewReader(pngOf(t, 9, 9)), "Content-Range: bytes 0-99/1000")
	if got.status != http.StatusBadRequest || got.code(t) != "incomplete_request" {
		t.Errorf("answer is %d %s, want 400 incomplete_request", got.status, got.body)
	}
	got = s.uploadForm(field{"dztotalchunkcount", "-", []byte("2")}, field{"file", "a.png", pngOf(t, 9, 9)})
	if got.status != http.StatusBadRequest || got.code(t) != "incomplete_request" {
		t.Errorf("a form of Dropzone: answer is %d %s, want 400 incomplete_request", got.status, got.body)
	}
}

func TestUploadSeveral(t *testing.T) {
	t.Parallel()
	s := start(t)
	got := s.uploadForm(
		field{"comment", "-", []byte("holiday")},
		field{"file", "a.jpg", jpegOf(t, 10, 10)},
		field{"other", "x.bin", []byte("ignored")},
		field{"file", "b.png", pngOf(t, 10, 10)},
		field{"file", "c.gif", gifOf(t, 10, 10)})
	answer := got.several(t)
	if got.status != http.StatusOK || answer.Message != "Images uploaded successfully" || len(answer.Images) != 3 ||
		answer.ImageID != answer.Images[0].ImageID {
		t.Fatalf("answer is %d %s, want 200 and three images", got.status, got.body)
	}
	for i, want := range []string{"a.jpg", "b.png", "c.gif"} {
		t.Run(want, func(t *testing.T) {
			if got := answer.Images[i].Filename; got != want {
				t.Errorf("image %d is %q, want %q", i, got, want)
			}
			if got := s.status(answer.Images[i].ImageID); got != "queued" {
				t.Errorf("status is %q, want queued", got)
			}
		})
	}
	if got := len(s.broker.published()); got != 3 {
		t.Errorf("published %d events, want 3", got)
	}
}

// A file in a field of another name is ignored, however large it is.
func TestUploadWithOtherFiles(t *testing.T) {
	t.Parallel()
	s := start(t)
	large := append(pngOf(t, 40, 30), make([]byte, 4<<20)...)
	other := field{"attachment", "attachment.png", large}
	if got := s.uploadForm(other, field{"file", "a.png", pngOf(t, 40, 30)}); got.status != http.StatusOK {
		t.Errorf("answer is %d %s, want 200", got.status, got.body)
	}
	got := s.uploadForm(other, field{"image", "a.png", pngOf(t, 40, 30)})
	if got.status != http.StatusBadRequest || got.code(t) != "no_file" {
		t.Errorf("with other files only: %d %s, want 400 no_file", got.status, got.body)
	}
}

// Images before one that is refused stay accepted, and the answer says which is which.
func TestUploadSeveralSomeRefused(t *testing.T) {
	t.Parallel()
	s := start(t)
	got := s.uploadForm(
		field{"file", "a.jpg", jpegOf(t, 10, 10)},
		field{"file", "b.txt", []byte("hello, this is text")},
		field{"file", "c.gif", gifOf(t, 10, 10)})
	answer := got.several(t)
	if got.status != http.StatusMultiStatus || len(answer.Images) != 2 {
		t.Fatalf("answer is %d %s, want 207 and two images", got.status, got.body)
	}
	accepted, refused := answer.Images[0], answer.Images[1]
	if accepted.ImageID == "" || accepted.ImageID != answer.ImageID {
		t.Errorf("the first image is %+v, want the ID %q", accepted, answer.ImageID)
	}
	if refused.Filename != "b.txt" || refused.Code != "not_an_image" || refused.Error == "" || refused.ImageID != "" {
		t.Errorf("the second image is %+v, want b.txt and not_an_image", refused)
	}
	if keys, published := s.keys(), s.broker.published(); len(keys) != 1 || len(published) != 1 {
		t.Errorf("bucket has %q, published %v; want the first image only", keys, published)
	}
}

// heicStart is the start of a HEIC: its format is recognised, and refused before the rest is read.
const heicStart = "\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"

func TestUploadOfAFormatThatIsSwitchedOff(t *testing.T) {
	t.Parallel()
	s := start(t, "FORMATS=jpeg,png")
	for _, test := range []struct {
		name  string
		image []byte
	}{{"HEIC", []byte(heicStart)}, {"GIF", []byte("GIF89a")}} {
		t.Run(test.name, func(t *testing.T) {
			got := s.post("/upload", "image/jpeg", bytes.NewReader(test.image))
			want := test.name + " is switched off in this service, expected JPEG or PNG"
			isRefused := got.status == http.StatusUnsupportedMediaType && got.code(t) == "unsupported"
			if !isRefused || !strings.Contains(got.body, want) {
				t.Errorf("answer is %d %s, want 415 unsupported: %s", got.status, got.body, want)
			}
		})
	}
	if keys := s.keys(); len(keys) != 0 {
		t.Errorf("bucket has %q, want nothing", keys)
	}
	if got := s.uploadForm(field{"file", "a.jpg", jpegOf(t, 10, 10)}); got.status != http.StatusOK {
		t.Errorf("JPEG: answer is %d %s, want 200", got.status, got.body)
	}
	page := s.get("/").body
	for _, want := range []string{`accept="image/jpeg,image/png,.jpg,.jpeg,.png"`, "JPEG and PNG, each up to"} {
		if !strings.Contains(page, want) {
			t.Errorf("want %q in the page %s", want, page)
		}
	}
}

func TestUploadSeveralFirstRefused(t *testing.T) {
	t.Parallel()
	s := start(t)
	got := s.uploadForm(field{"file", "b.txt", []byte("hello")}, field{"file", "a.jpg", jpegOf(t, 10, 10)})
	if got.status != http.StatusUnsupportedMediaType || got.code(t) != "not_an_image" {
		t.Errorf("answer is %d %s, want 415 not_an_image", got.status, got.body)
	}
	if keys := s.keys(); len(keys) != 0 {
		t.Errorf("bucket has %q, want nothing", keys)
	}
}

func TestFilenames(t *testing.T) {
	t.Parallel()
	s := start(t)
	content := gifOf(t, 5, 5)
	for given, want := range map[string]string{
		"Сканы/отчёт №1.gif":        "отчёт №1.gif",
		`C:\photos\cat.gif`:         "cat.gif",
		"../../../etc/passwd":       "passwd",
		"ab\u202egif.exe":           "abgif.exe",
		"thumbnail_x.gif":           "_thumbnail_x.gif",
		"a__XLDIR__":                "a__XLDIR_",
		`quote".gif`:                `quote".gif`,
		"..":                        "image.gif",
		strings.Repeat("n", 2000):   strings.Repeat("n", 200),
		strings.Repeat("ü", 1000):   strings.Repeat("ü", 100),
		"100% sure + & ? # = ;.gif": "100% sure + & ? # = ;.gif",
	} {
		t.Run(given[:min(len(given), 40)], func(t *testing.T) {
			id := s.upload(given, content)
			if got := s.lastPublished().ObjectName; got != id+"/"+want {
				t.Errorf("key is %q, want %q", got, id+"/"+want)
			}
			if got := s.get("/images/" + id); got.status != http.StatusOK || got.body != string(content) {
				t.Errorf("GET /images answers %d with %d bytes, want 200 and the image", got.status, len(got.body))
			}
		})
	}
}

// Nothing is left of an upload that was not accepted.
func TestUploadNotPublished(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.broker.setDown(true)
	got := s.uploadForm(field{"file", "a.jpg", jpegOf(t, 10, 10)})
	if got.status != http.StatusServiceUnavailable || got.code(t) != "unavailable" || got.header.Get("Retry-After") == "" {
		t.Errorf("answer is %d %v %s, want 503 unavailable, and Retry-After", got.status, got.header, got.body)
	}
	if keys := s.keys(); len(keys) != 0 {
		t.Errorf("bucket has %q, want nothing", keys)
	}
}

func TestBackendsDown(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string][]string{
		"Redis": {"REDIS_HOST=127.0.0.1", "REDIS_PORT=1"},
		"MinIO": {"MINIO_ENDPOINT=https://127.0.0.1:1"},
		"Kafka": {"K_SINK=", "KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:1"},
		"topic": {"K_SINK=", "KAFKA_TOPIC=no-such-topic"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, settings...)
			got := s.uploadForm(field{"file", "a.jpg", jpegOf(t, 10, 10)})
			if got.status != http.StatusServiceUnavailable || strings.Contains(got.body, "127.0.0.1") {
				t.Errorf("answer is %d %s, want 503 without an address", got.status, got.body)
			}
			if keys := s.keys(); len(keys) != 0 {
				t.Errorf("bucket has %q, want nothing", keys)
			}
		})
	}
}
