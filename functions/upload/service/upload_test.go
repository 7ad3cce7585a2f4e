package service

import (
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/events"
)

func TestUploadRaw(t *testing.T) {
	t.Parallel()
	s := start(t)
	content := pngOf(t, 40, 30)
	for name, test := range map[string]struct {
		path, contentType, disposition string
		body                           io.Reader
		filename                       string
	}{
		"typed":                     {"/upload", "image/png", "", bytes.NewReader(content), "image.png"},
		"typed wrongly":             {"/upload", "image/jpeg", "", bytes.NewReader(content), "image.png"},
		"typed as curl does":        {"/upload", "application/x-www-form-urlencoded", "", bytes.NewReader(content), "image.png"},
		"not typed":                 {"/upload", "", "", bytes.NewReader(content), "image.png"},
		"of unknown length":         {"/upload", "image/png", "", io.MultiReader(bytes.NewReader(content)), "image.png"},
		"named in the query":        {"/upload?filename=" + url.QueryEscape("../Über uns.png"), "image/png", "", bytes.NewReader(content), "Über uns.png"},
		"named by its disposition":  {"/upload", "image/png", `attachment; filename="a b.png"`, bytes.NewReader(content), "a b.png"},
		"named by utf-8 in its own": {"/upload", "image/png", `attachment; filename*=UTF-8''%E2%98%83.png`, bytes.NewReader(content), "☃.png"},
	} {
		answer := s.do(http.MethodPost, test.path, test.contentType, test.body, "Content-Disposition: "+test.disposition)
		if answer.status != http.StatusOK {
			t.Errorf("%s: %d %s", name, answer.status, answer.body)
			continue
		}
		announced := s.broker.announced()
		image, err := events.Decode[events.ImageUploaded](announced[len(announced)-1])
		if err != nil || image.Filename != test.filename || image.ContentType != "image/png" || image.Size != int64(len(content)) {
			t.Errorf("%s: announced %+v, %v", name, image, err)
		}
		if got := s.get("/images/" + image.ImageID); got.body != string(content) {
			t.Errorf("%s: other bytes came back", name)
		}
	}
}

func TestUploadSeveral(t *testing.T) {
	t.Parallel()
	s := start(t)
	answer := s.uploadForm(
		file{"comment", "-", []byte("holiday")},
		file{"file", "a.jpg", jpegOf(t, 10, 10)},
		file{"other", "x.bin", []byte("ignored")},
		file{"file", "b.png", pngOf(t, 10, 10)},
		file{"file", "c.gif", gifOf(t, 10, 10)})
	var got struct {
		Message string
		ImageID string `json:"image_id"`
		Images  []struct {
			Filename string
			ImageID  string `json:"image_id"`
		}
	}
	if err := json.Unmarshal([]byte(answer.body), &got); err != nil {
		t.Fatal(err)
	}
	if answer.status != 200 || got.Message != "Images uploaded successfully" || len(got.Images) != 3 || got.ImageID != got.Images[0].ImageID {
		t.Fatalf("%d %s", answer.status, answer.body)
	}
	for i, want := range []string{"a.jpg", "b.png", "c.gif"} {
		if got.Images[i].Filename != want {
			t.Errorf("image %d is %q, want %q", i, got.Images[i].Filename, want)
		}
		if found := s.get("/status/" + got.Images[i].ImageID); found.status != 200 {
			t.Errorf("status of %s: %d", want, found.status)
		}
	}
	if len(s.broker.announced()) != 3 {
		t.Errorf("announced %d, want 3", len(s.broker.announced()))
	}
}

// What was taken before an image that can not be taken stays, and the answer says which is which.
// A file in another field is none of ours, however large.
func TestUploadWithOtherFiles(t *testing.T) {
	t.Parallel()
	s := start(t)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, field := range []string{"attachment", "file"} {
		part, err := form.CreateFormFile(field, field+".png")
		if err != nil {
			t.Fatal(err)
		}
		part.Write(pngOf(t, 40, 30))
		if field != "file" {
			part.Write(make([]byte, 4<<20))
		}
	}
	form.Close()
	if answer := s.do(http.MethodPost, "/upload", form.FormDataContentType(), bytes.NewReader(body.Bytes())); answer.status != http.StatusOK {
		t.Errorf("%d %s", answer.status, answer.body)
	}
	whole := strings.ReplaceAll(body.String(), `name="file"`, `name="image"`)
	answer := s.do(http.MethodPost, "/upload", form.FormDataContentType(), strings.NewReader(whole))
	if answer.status != http.StatusBadRequest || answer.json(t)["error"] != "No file provided" {
		t.Errorf("without a file: %d %s", answer.status, answer.body)
	}
}

func TestUploadSeveralSomeBad(t *testing.T) {
	t.Parallel()
	s := start(t)
	answer := s.uploadForm(
		file{"file", "a.jpg", jpegOf(t, 10, 10)},
		file{"file", "b.txt", []byte("hello, this is text")},
		file{"file", "c.gif", gifOf(t, 10, 10)})
	var got struct {
		ImageID string `json:"image_id"`
		Images  []struct {
			Filename, Error, Code string
			ImageID               string `json:"image_id"`
		}
	}
	if err := json.Unmarshal([]byte(answer.body), &got); err != nil {
		t.Fatal(err)
	}
	if answer.status != http.StatusMultiStatus || len(got.Images) != 2 || got.Images[0].ImageID == "" || got.ImageID != got.Images[0].ImageID ||
		got.Images[1].Filename != "b.txt" || got.Images[1].Code != "not_an_image" || got.Images[1].Error == "" {
		t.Errorf("%d %s", answer.status, answer.body)
	}
	if len(s.stored()) != 1 || len(s.broker.announced()) != 1 {
		t.Errorf("stored %q, announced %d; want the first only", s.stored(), len(s.broker.announced()))
	}
	if answer := s.uploadForm(file{"file", "b.txt", []byte("hello")}, file{"file", "a.jpg", jpegOf(t, 10, 10)}); answer.status != http.StatusUnsupportedMediaType {
		t.Errorf("the first is bad: %d %s", answer.status, answer.body)
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
		`quote".gif`:                `quote".gif`,
		"..":                        "image.gif",
		strings.Repeat("n", 2000):   strings.Repeat("n", 200),
		strings.Repeat("ü", 1000):   strings.Repeat("ü", 100),
		"100% sure + & ? # = ;.gif": "100% sure + & ? # = ;.gif",
	} {
		id := s.upload(given, content)
		announced := s.broker.announced()
		image, err := events.Decode[events.ImageUploaded](announced[len(announced)-1])
		if err != nil || image.ObjectName != id+"/"+want {
			t.Errorf("%.40q became %q, %v; want %q", given, image.ObjectName, err, want)
		}
		if got := s.get("/images/" + id); got.status != 200 || got.body != string(content) {
			t.Errorf("%.40q: GET answered %d", given, got.status)
		}
	}
}

// Nothing is left of an upload that was not accepted.
func TestUploadNotAnnounced(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.broker.refuses = true
	answer := s.uploadForm(file{"file", "a.jpg", jpegOf(t, 10, 10)})
	if answer.status != http.StatusServiceUnavailable || answer.header.Get("Retry-After") == "" || answer.json(t)["code"] != "unavailable" {
		t.Errorf("%d %v %s", answer.status, answer.header, answer.body)
	}
	if stored := s.stored(); len(stored) != 0 {
		t.Errorf("left behind: %q", stored)
	}
}

func TestBackendsAway(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string][]string{
		"redis": {"REDIS_HOST=127.0.0.1", "REDIS_PORT=1"},
		"minio": {"MINIO_ENDPOINT=https://127.0.0.1:1"},
		"kafka": {"K_SINK=", "KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:1"},
		"topic": {"K_SINK=", "KAFKA_TOPIC=no-such-topic"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, settings...)
			answer := s.uploadForm(file{"file", "a.jpg", jpegOf(t, 10, 10)})
			if answer.status != http.StatusServiceUnavailable || strings.Contains(answer.body, "127.0.0.1") {
				t.Errorf("%d %s", answer.status, answer.body)
			}
			if stored := s.stored(); len(stored) != 0 {
				t.Errorf("left behind: %q", stored)
			}
		})
	}
}
