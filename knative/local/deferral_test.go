package main

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/IBM/sarama"
	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/upload/idempotency"
)

// referTo posts an image.received that names an object of a bucket, and returns the ID of its image.
func (s *testStack) referTo(bucket, object string) (imageID string) {
	s.t.Helper()
	e, err := events.Encode(events.ImageReceived{Bucket: bucket, ObjectName: object},
		events.Envelope{Source: "/sender/" + s.getenv("MINIO_BUCKET"), ID: uuid.NewString()})
	if err != nil {
		s.t.Fatal(err)
	}
	if code := s.post(e); code != http.StatusAccepted {
		s.t.Fatalf("post: got status %d, want 202", code)
	}
	return idempotency.EventImageID("", e.Source(), e.ID())
}

// missingTask writes a task of the original system whose object does not exist, and returns the ID of its image.
func (s *testStack) missingTask() (imageID string) {
	s.t.Helper()
	id := uuid.NewString()
	task := fmt.Sprintf(
		`{"image_id": %q, "object_name": "%[1]s/old.jpg", "filename": "old.jpg", "timestamp": 1699999999.5}`, id)
	s.produce(&sarama.ProducerMessage{Value: sarama.StringEncoder(task)})
	return id
}

// awaitKnown waits until the service knows an image.
func (s *testStack) awaitKnown(imageID string) {
	s.t.Helper()
	eventually(s.t, "status of "+imageID, func() bool { return s.get("/status/"+imageID).status == http.StatusOK })
}

// awaitQueued waits until the service knows an image, which must be queued.
func (s *testStack) awaitQueued(imageID string) {
	s.t.Helper()
	s.awaitKnown(imageID)
	if got := s.state(imageID); got.Status != "queued" {
		s.t.Errorf("status of %s: got %+v, want queued", imageID, got)
	}
}

// More events that name missing objects than a Trigger has deliveries at a time are all acknowledged, and nobody waits
// for them: not an image that comes after them, and not one whose object appears.
func TestMissingObjects(t *testing.T) {
	t.Parallel()
	incoming := "scans-" + uuid.NewString()
	s := startStack(t, "SOURCE_BUCKETS="+incoming)
	content, client := photo(t, imaging, "branches.jpg"), testservers.MinIO(t, s.getenv)
	if err := client.MakeBucket(t.Context(), incoming, minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = client.RemoveObject(t.Context(), incoming, "late.jpg", minio.RemoveObjectOptions{})
		_ = client.RemoveBucket(t.Context(), incoming)
	})
	late := s.referTo(incoming, "late.jpg")
	var missing []string
	for i := range 60 {
		missing = append(missing, s.referTo(incoming, fmt.Sprintf("none %d.jpg", i)), s.missingTask())
	}
	if got := s.finalState(s.upload("good.jpg", content)); got.Status != "completed" {
		t.Errorf("an upload after them: got %+v, want completed", got)
	}
	for _, id := range missing {
		s.awaitQueued(id)
	}
	s.awaitQueued(late)
	putObject(t, client, incoming, "late.jpg", content)
	if got := s.finalState(late); got.Status != "completed" {
		t.Errorf("the image whose object appeared: got %+v, want completed", got)
	}
	for _, eventType := range []string{events.TypeImageUploaded, events.TypeImageThumbnailed} {
		if got := s.awaitEvents(1, eventType, late); len(got) != 1 {
			t.Errorf("got %d events %s, want 1", len(got), eventType)
		}
	}
	for _, id := range missing {
		if got := s.state(id); got.Status != "queued" {
			t.Errorf("status of %s: got %+v, want queued", id, got)
		}
	}
}

// An image whose object never appears has failed, with one event, for everything that can name an object.
func TestObjectNeverAppears(t *testing.T) {
	t.Parallel()
	s := startStack(t, "OBJECT_WAIT_SECONDS=2")
	s.upload("first.jpg", photo(t, imaging, "branches.jpg")) // creates the bucket
	uploaded := func() string {
		id := uuid.NewString()
		e, err := events.Encode(
			events.ImageUploaded{ImageID: id, ObjectName: id + "/a.jpg", Filename: "a.jpg", Timestamp: 1},
			events.Envelope{Source: events.SourceUpload})
		if err != nil {
			t.Fatal(err)
		}
		s.post(e)
		return id
	}
	for name, send := range map[string]func() string{
		"image.received":              func() string { return s.referTo(s.getenv("MINIO_BUCKET"), "never.jpg") },
		"image.uploaded":              uploaded,
		"task of the original system": s.missingTask,
	} {
		t.Run(name, func(t *testing.T) {
			id := send()
			s.awaitKnown(id)
			got := s.finalState(id)
			if got.Status != "failed" || got.Reason != string(events.ReasonObjectNotFound) {
				t.Errorf("got %+v, want failed with the reason %s", got, events.ReasonObjectNotFound)
			}
			published := s.awaitEvents(1, events.TypeImageFailed, id)
			failed, err := events.Decode[events.ImageFailed](published[0])
			if err != nil || failed.Reason != events.ReasonObjectNotFound || failed.ProcessedAt != got.ProcessedAt {
				t.Errorf("got event %+v, error %v; want that of status %+v", failed, err, got)
			}
			next := s.finalState(s.upload("next.jpg", photo(t, imaging, "branches.jpg")))
			if got := distinct(s.watcher.of(events.TypeImageFailed, id)); next.Status != "completed" || got != 1 {
				t.Errorf("got %d different events, next upload %+v; want one, completed", got, next)
			}
		})
	}
}

// distinct returns the number of different events by source and ID.
func distinct(all []event.Event) int {
	seen := map[[2]string]bool{}
	for _, e := range all {
		seen[[2]string{e.Source(), e.ID()}] = true
	}
	return len(seen)
}
