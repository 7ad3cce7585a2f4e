package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/events"
)

// With authentication callers need a key, and nothing else changes: thumbnails are made, and events of other systems,
// which come through the Broker and have no key, are accepted.
func TestAuthentication(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "api-keys")
	key := "isk_" + uuid.NewString()
	line := fmt.Sprintf("ada %x\n", sha256.Sum256([]byte(key)))
	if err := os.WriteFile(file, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startStack(t, "AUTH_API_KEYS_FILE="+file, "RATE_LIMIT=1000/s")
	content := goPhoto(t, "video-001.png")
	for _, want := range []string{"images are in your MinIO\n", "curl -H 'X-Api-Key: KEY' -F file=@photo.jpg " + s.url} {
		if got := s.summary(); !strings.Contains(got, want) {
			t.Errorf("the summary is %s, want %q in it", got, want)
		}
	}

	e := event.New()
	e.SetID(uuid.NewString())
	e.SetSource("/scanner")
	e.SetType(events.TypeImageReceived)
	if err := e.SetData("image/png", content); err != nil {
		t.Fatal(err)
	}
	if status := s.post(e); status != 202 {
		t.Errorf("post to the Broker: got status %d, want 202", status)
	}
	anonymous := s.idOf(events.TypeImageUploaded)
	s.awaitEvents(1, events.TypeImageThumbnailed, anonymous)

	if answer := s.do("POST", s.url+"/upload", "image/png", bytes.NewReader(content)); answer.status != 401 {
		t.Errorf("upload without a key: got %d %s, want 401", answer.status, answer.body)
	}
	header := "Authorization: Bearer " + key
	answer := s.do("POST", s.url+"/upload", "image/png", bytes.NewReader(content), header)
	if answer.status != 200 {
		t.Fatalf("upload with a key: got %d %s, want 200", answer.status, answer.body)
	}
	var uploaded struct {
		ImageID string `json:"image_id"`
	}
	if err := json.Unmarshal(answer.body, &uploaded); err != nil {
		t.Fatal(err)
	}
	id := uploaded.ImageID
	s.awaitEvents(1, events.TypeImageThumbnailed, id)
	if answer := s.do("GET", s.url+"/thumbnails/"+id, "", nil, header); answer.status != 200 {
		t.Errorf("thumbnail with the key: got %d %s, want 200", answer.status, answer.body)
	}
	if answer := s.get("/thumbnails/" + id); answer.status != 401 {
		t.Errorf("thumbnail without a key: got %d, want 401", answer.status)
	}
	if answer := s.do("GET", s.url+"/thumbnails/"+anonymous, "", nil, header); answer.status != 404 {
		t.Errorf("thumbnail of an image without an owner: got %d, want 404", answer.status)
	}
}
