//go:build faults

package faults

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/upload/idempotency"
)

// The references to objects that do not exist are more than a Trigger has deliveries at a time.
const missingObjects, lateObjects = 60, 10

// TestMissingObjects sends references to objects that do not exist, under load, kills all functions repeatedly and has
// Redis lose everything meanwhile. Nobody waits for them: an image whose object appears is completed, each of the
// others fails with one event.
func TestMissingObjects(t *testing.T) {
	s := newSystem(t, withRace, "OBJECT_WAIT_SECONDS=40")
	files := samples(t)
	l := s.startLoad(files)
	if err := l.awaitAccepted(20); err != nil {
		t.Fatal(err)
	}
	var late, missing []*submission
	for i := range missingObjects {
		missing = append(missing, l.refer(fmt.Sprintf("inbox/none/%d.jpg", i), sample{name: fmt.Sprintf("%d.jpg", i)}))
	}
	for i := range lateObjects {
		late = append(late, l.refer(lateKey(i, files[0]), files[0]))
	}
	for _, u := range append(missing, late...) {
		l.awaitKnown(u)
	}
	if err := l.awaitAccepted(20); err != nil {
		t.Errorf("while they wait: %v", err)
	}
	pods := append(l.upload.pods, l.thumbnail.pods...)
	if err := l.killRepeatedly(pods...); err != nil {
		t.Fatal(err)
	}
	if err := l.redisClient.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	for i, u := range late {
		s.put(lateKey(i, files[0]), u.content)
	}
	if err := l.killRepeatedly(pods...); err != nil {
		t.Fatal(err)
	}
	l.faultOver()
	before := time.Now()
	if err := l.awaitAccepted(20); err != nil {
		t.Errorf("after the fault: %v", err)
	}
	l.stopLoad()
	l.accepted = append(l.accepted, late...)
	for _, image := range l.drain(drainLimit) {
		t.Errorf("not processed after %v: %s", drainLimit, image)
	}
	name := fmt.Sprintf("%d references to missing objects, all functions killed repeatedly, redis emptied", missingObjects)
	l.checkInvariants(fault{name: name, mayRegress: true, mayCutOff: true}, time.Since(before))
	for _, u := range missing {
		l.awaitNotFound(u)
	}
}

func lateKey(i int, file sample) string { return fmt.Sprintf("inbox/%d/%s", i, file.name) }

// refer sends an image.received that names an object of the bucket through the Broker.
func (l *loadGenerator) refer(key string, file sample) *submission {
	l.t.Helper()
	e, err := events.Encode(events.ImageReceived{Bucket: l.bucket, ObjectName: key},
		events.Envelope{Source: "/faults", ID: uuid.NewString()})
	if err != nil {
		l.t.Fatal(err)
	}
	answer, err := post(l.t.Context(), l.client, l.broker, e)
	if err != nil {
		l.t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusAccepted {
		l.t.Fatalf("the Broker answered %s, want 202", answer.Status)
	}
	return &submission{sample: file, imageID: idempotency.EventImageID("", e.Source(), e.ID()), mode: "event"}
}

// statusOf returns the state of an image, and the reason why it has failed; "" if there is no answer, or no image.
func (l *loadGenerator) statusOf(u *submission) (state, reason string) {
	response, err := l.client.Get(l.address() + "/status/" + u.imageID)
	if err != nil {
		return "", ""
	}
	defer response.Body.Close()
	var answer struct{ Status, Reason string }
	if response.StatusCode != http.StatusOK || json.NewDecoder(response.Body).Decode(&answer) != nil {
		return "", ""
	}
	return answer.Status, answer.Reason
}

// awaitKnown waits until the service has an image, which must be queued.
func (l *loadGenerator) awaitKnown(u *submission) {
	l.t.Helper()
	err := retry(30*time.Second, func() error {
		if state, _ := l.statusOf(u); state != "queued" {
			return fmt.Errorf("status of %s is %q, want queued", u.imageID, state)
		}
		return nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
}

// awaitNotFound waits until an image has failed for want of its object, and its event was published.
func (l *loadGenerator) awaitNotFound(u *submission) {
	l.t.Helper()
	err := retry(drainLimit, func() error {
		state, reason := l.statusOf(u)
		l.watcher.Lock()
		announced := l.watcher.events[u.imageID] != ""
		l.watcher.Unlock()
		if state != "failed" || reason != string(events.ReasonObjectNotFound) || !announced {
			return fmt.Errorf("status of %s is %q %q, announced: %t; want failed, %s, true",
				u.imageID, state, reason, announced, events.ReasonObjectNotFound)
		}
		return nil
	})
	if err != nil {
		l.t.Error(err)
	}
}
