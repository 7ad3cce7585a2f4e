package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
)

// letters is what the dead letter function lists.
type letters struct {
	Waiting int
	Letters []struct{ Type, Source, ID, Code, Answer, Data string }
}

func (s *running) deadLetters() (listed letters) {
	s.t.Helper()
	if err := json.Unmarshal(s.do(http.MethodGet, "http://"+s.world.deadLetters+"/", "", nil).body, &listed); err != nil {
		s.t.Fatal(err)
	}
	return listed
}

// An event that nobody can work with becomes a dead letter, with why, and holds nothing up. Put back, it becomes one again
// if it is still no good, or is worked on if what was wrong with it is mended.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	s := begin(t)
	bad := event.New()
	bad.SetID("bad")
	bad.SetSource("/other/system")
	bad.SetType(events.TypeImageUploaded)
	if err := bad.SetData(event.ApplicationJSON, map[string]string{"image_id": "none"}); err != nil {
		t.Fatal(err)
	}
	if code := s.post(bad); code != http.StatusAccepted {
		t.Fatalf("posted: %d", code)
	}
	got := s.deadLetters()
	if got.Waiting != 1 || got.Letters[0].ID != "bad" || got.Letters[0].Code != "400" || got.Letters[0].Answer == "" {
		t.Fatalf("waits %+v", got)
	}
	if next := s.settled(s.upload("next.jpg", photograph(t, imaging, "branches.jpg"))); next.Status != "completed" {
		t.Errorf("the next upload: %+v", next)
	}

	if answer := s.do(http.MethodPost, "http://"+s.world.deadLetters+"/redrive", "", nil); answer.status != http.StatusOK {
		t.Fatalf("redriven: %d %s", answer.status, answer.body)
	}
	for deadline := time.Now().Add(time.Minute); s.deadLetters().Waiting != 1; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("put back and no good, it is not here again: %+v", s.deadLetters())
		}
	}
}

// An event that was refused because of a setting is worked on when that is mended and the event is put back.
func TestDeadLetterIsMended(t *testing.T) {
	t.Parallel()
	incoming := "scans-" + uuid.NewString()
	getenv, group := testservers.Start(t), "test-"+uuid.NewString()
	client := testservers.MinIO(t, getenv)
	if err := client.MakeBucket(t.Context(), incoming, minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = client.RemoveObject(context.Background(), incoming, "scan.jpg", minio.RemoveObjectOptions{})
		_ = client.RemoveBucket(context.Background(), incoming)
	})
	content := photograph(t, imaging, "branches.jpg")
	if _, err := client.PutObject(t.Context(), incoming, "scan.jpg", bytes.NewReader(content), int64(len(content)), minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	received, err := events.Encode(events.ImageReceived{Bucket: incoming, ObjectName: "scan.jpg"},
		events.Envelope{Source: "/scanner/" + incoming, ID: "1"})
	if err != nil {
		t.Fatal(err)
	}

	before := beginWith(t, getenv, group)
	before.post(received)
	if got := before.deadLetters(); got.Waiting != 1 || !strings.Contains(got.Letters[0].Answer, "unknown_bucket") {
		t.Fatalf("waits %+v", got)
	}
	sources := before.stages[0]
	sources.stop()
	sources.wait.Wait()

	after := beginWith(t, func(name string) string {
		if name == "SOURCE_BUCKETS" {
			return incoming
		}
		return getenv(name)
	}, group)
	after.do(http.MethodPost, "http://"+after.world.deadLetters+"/redrive?id=1", "", nil)
	if got := after.settled(after.idOf(events.TypeImageThumbnailed)); got.Status != "completed" {
		t.Errorf("put back: %+v", got)
	}
	if got := after.deadLetters(); got.Waiting != 0 {
		t.Errorf("waits %+v", got)
	}
}
