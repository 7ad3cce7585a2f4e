package service

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
)

// A stored is what an earlier version had in MinIO and Redis after two uploads, one with the Idempotency-Key golden-1,
// an event, a damaged image, and an upload that thumbnail had not processed yet. The program was that of the commit.
type stored struct {
	Commit  string
	Objects []storedObject
	Redis   []struct{ Key, Text string }
}

type storedObject struct {
	Key, ContentType string
	Metadata         map[string]string
	Body             []byte
}

// What an earlier version has stored is read as it was, with and without its statuses in Redis; its idempotency keys
// lead to its images, and what it had not finished is announced again.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	before := readStored(t, "testdata/2026-11-29.json")
	s := start(t, storedOneSecond)
	s.awaitReady()
	s.load(before)
	statuses := map[string]string{}
	for _, entry := range before.Redis {
		if id, isStatus := strings.CutPrefix(entry.Key, "image:status:"); isStatus {
			statuses[id] = entry.Text
		}
	}
	if len(statuses) != 5 {
		t.Fatalf("found %d statuses, want 5", len(statuses))
	}
	for id, want := range statuses {
		s.checkStatus(id, want)
	}
	for id, want := range statuses {
		if err := s.redis().Del(t.Context(), "image:status:"+id).Err(); err != nil {
			t.Fatal(err)
		}
		s.checkStatus(id, want)
	}
	for _, object := range before.Objects {
		id, name, _ := strings.Cut(object.Key, "/")
		path := "/images/" + id
		if strings.HasPrefix(name, "thumbnail_") {
			path = "/thumbnails/" + id
		}
		if object.ContentType == "application/json" { // why there is no thumbnail
			continue
		}
		if got := s.get(path); got.status != http.StatusOK || got.body != string(object.Body) {
			t.Errorf("GET %s is %d with %d bytes, want 200 with those that were stored", path, got.status, len(got.body))
		}
	}
	s.checkRepetition(before)
	waiting := waitingImage(t, statuses)
	await(t, "the image that waited is announced", func() bool {
		s.sweep()
		return s.broker.publishedFor(waiting) > 0
	})
}

func readStored(t *testing.T, name string) (before stored) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &before); err != nil {
		t.Fatal(err)
	}
	return before
}

// load stores what an earlier version has stored.
func (s *testServer) load(before stored) {
	s.t.Helper()
	client := s.minio()
	for _, object := range before.Objects {
		options := minio.PutObjectOptions{ContentType: object.ContentType, UserMetadata: object.Metadata}
		_, err := client.PutObject(s.t.Context(), s.getenv("MINIO_BUCKET"), object.Key,
			bytes.NewReader(object.Body), int64(len(object.Body)), options)
		if err != nil {
			s.t.Fatal(err)
		}
	}
	for _, entry := range before.Redis {
		if err := s.redis().Set(s.t.Context(), entry.Key, entry.Text, time.Hour).Err(); err != nil {
			s.t.Fatal(err)
		}
	}
}

// checkStatus compares the status of an image with that of the earlier version, in JSON.
func (s *testServer) checkStatus(id, want string) {
	s.t.Helper()
	var expected map[string]any
	if err := json.Unmarshal([]byte(want), &expected); err != nil {
		s.t.Fatal(err)
	}
	if got := s.get("/status/" + id).json(s.t); !reflect.DeepEqual(got, expected) {
		s.t.Errorf("the status is %v, want that of the earlier version, %v", got, expected)
	}
}

// checkRepetition uploads again what the earlier version has stored under an idempotency key.
func (s *testServer) checkRepetition(before stored) {
	s.t.Helper()
	photo := before.Objects[slices.IndexFunc(before.Objects, func(o storedObject) bool {
		return strings.HasSuffix(o.Key, "/photo.jpg")
	})]
	want, _, _ := strings.Cut(photo.Key, "/")
	body, contentType := formOf(s.t, field{"file", "photo.jpg", photo.Body})
	if got := s.post("/upload", contentType, body, "Idempotency-Key: golden-1").imageID(s.t); got != want {
		s.t.Errorf("the repeated upload is image %s, want %s", got, want)
	}
}

// waitingImage returns the image that is queued.
func waitingImage(t *testing.T, statuses map[string]string) string {
	t.Helper()
	for id, text := range statuses {
		if strings.Contains(text, `"queued"`) {
			return id
		}
	}
	t.Fatal("no image is queued")
	return ""
}
