package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/events"
)

// With authentication callers need a key, and nothing else changes: thumbnails are made, and what other systems bring by the
// Broker, which has no key, is taken.
func TestAuthentication(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "api-keys")
	key := "isk_" + uuid.NewString()
	line := fmt.Sprintf("ada %x\n", sha256.Sum256([]byte(key)))
	if err := os.WriteFile(file, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	s := begin(t, "AUTH_API_KEYS_FILE="+file, "RATE_LIMIT=1000/s")
	photo := goPhotograph(t, "video-001.png")

	e := event.New()
	e.SetID(uuid.NewString())
	e.SetSource("/scanner")
	e.SetType(events.TypeImageReceived)
	if err := e.SetData("image/png", photo); err != nil {
		t.Fatal(err)
	}
	if status := s.post(e); status != 202 {
		t.Errorf("the Broker answered %d", status)
	}
	theirs := s.idOf(events.TypeImageUploaded)
	s.await(1, events.TypeImageThumbnailed, theirs)

	if answer := s.do("POST", s.url+"/upload", "image/png", bytes.NewReader(photo)); answer.status != 401 {
		t.Errorf("without a key: %d %s", answer.status, answer.body)
	}
	header := "Authorization: Bearer " + key
	answer := s.do("POST", s.url+"/upload", "image/png", bytes.NewReader(photo), header)
	if answer.status != 200 {
		t.Fatalf("with a key: %d %s", answer.status, answer.body)
	}
	var uploaded struct {
		ImageID string `json:"image_id"`
	}
	if err := json.Unmarshal(answer.body, &uploaded); err != nil {
		t.Fatal(err)
	}
	id := uploaded.ImageID
	s.await(1, events.TypeImageThumbnailed, id)
	if answer := s.do("GET", s.url+"/thumbnails/"+id, "", nil, header); answer.status != 200 {
		t.Errorf("its thumbnail: %d %s", answer.status, answer.body)
	}
	if answer := s.get("/thumbnails/" + id); answer.status != 401 {
		t.Errorf("its thumbnail without a key: %d", answer.status)
	}
	if answer := s.do("GET", s.url+"/thumbnails/"+theirs, "", nil, header); answer.status != 404 {
		t.Errorf("the thumbnail of what is nobody's: %d", answer.status)
	}
}
