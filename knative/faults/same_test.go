//go:build faults

package faults

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"gitlab.com/yourorg/image-service/events"
)

// How often the same event is delivered.
const times = 100

// The same event, a hundred times, in parallel, to two pods and by the Broker, among others, and again when Redis has
// forgotten: one image, one result, one answer.
func TestSameEvent(t *testing.T) {
	s := newSite(t, programs)
	l := &load{site: s, samples: samples(t), client: &http.Client{Timeout: hang, Transport: &http.Transport{MaxIdleConnsPerHost: times}}}
	t.Cleanup(l.client.CloseIdleConnections)
	for _, sample := range l.samples[:4] {
		l.receiveOften(sample)
	}
	if waiting := l.settle(settleLimit); len(waiting) > 0 {
		t.Errorf("not done: %v", waiting)
	}
	before := time.Now()
	l.mend()
	for _, u := range l.all() {
		l.renderOften(u)
	}
	l.conclude(fault{name: fmt.Sprintf("the same event %d times at once, and as often when Redis has forgotten", times), forgets: true}, time.Since(before))
}

// receiveOften has another system deliver its event again and again.
func (l *load) receiveOften(what sample) {
	key, before := uuid.NewString(), len(l.all())
	var first *sent
	var lock sync.Mutex
	l.often(func(i int) {
		u := &sent{sample: what, key: key, mode: "event"}
		if i%4 == 0 {
			l.receiveByBroker(u)
			return
		}
		for !l.tryAt("http://"+l.upload.pods[i%2].address+"/upload", u) {
			time.Sleep(100 * time.Millisecond)
		}
		lock.Lock()
		defer lock.Unlock()
		if first == nil {
			first = u
		}
		if u.imageID != first.imageID {
			l.complain("one event made %s and %s", first.imageID, u.imageID)
		}
	})
	l.lock.Lock()
	defer l.lock.Unlock()
	l.accepted = append(l.accepted[:before], first)
}

// receiveByBroker delivers an event as other systems do. How it went, the Broker does not tell.
func (l *load) receiveByBroker(u *sent) {
	e := event.New()
	e.SetID(u.key)
	e.SetSource("/faults")
	e.SetSubject(u.name)
	e.SetType(events.TypeImageReceived)
	if err := e.SetData("application/octet-stream", u.content); err != nil {
		l.t.Error(err)
	}
	response, err := post(l.t.Context(), l.client, l.broker, e)
	if err != nil {
		l.t.Error(err)
		return
	}
	response.Body.Close()
	if response.StatusCode != http.StatusAccepted {
		l.t.Errorf("the Broker answered %s", response.Status)
	}
}

// often does something a hundred times at once.
func (l *load) often(what func(int)) {
	var wait sync.WaitGroup
	for i := range times {
		wait.Go(func() { what(i) })
	}
	wait.Wait()
}

// renderOften delivers image.uploaded of an image that is done, and forgets its status in between.
func (l *load) renderOften(u *sent) {
	announced := l.announcement(u)
	answers := map[string]int{}
	var lock sync.Mutex
	for range 2 {
		l.often(func(i int) {
			if i%10 == 0 {
				l.redisClient.Del(l.t.Context(), "image:status:"+u.imageID)
			}
			answer, err := l.deliver(l.thumbnail.pods[i%2].address, announced)
			lock.Lock()
			defer lock.Unlock()
			if err != nil {
				answer = err.Error()
			}
			answers[answer]++
		})
		l.redisClient.FlushAll(l.t.Context())
	}
	if len(answers) != 1 {
		l.complain("one event about %s had %d answers: %v", u.imageID, len(answers), answers)
	}
}

// An event that comes before its object is sent back, however often, and is done as soon as the object is there.
func TestEventBeforeItsObject(t *testing.T) {
	s := newSite(t, programs)
	l := &load{site: s, client: &http.Client{Timeout: hang}}
	t.Cleanup(l.client.CloseIdleConnections)
	u := &sent{sample: samples(t)[0], imageID: uuid.NewString()}
	announced := l.announcement(u)
	l.often(func(i int) {
		if answer, err := l.deliver(l.thumbnail.pods[i%2].address, announced); err != nil || answer[:3] != "404" {
			t.Errorf("without its object: %s, %v", answer, err)
		}
	})
	if _, err := s.minioClient.PutObject(t.Context(), s.bucket, u.imageID+"/"+u.name, bytes.NewReader(u.content), int64(len(u.content)), minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	l.accepted = []*sent{u}
	l.renderOften(u)
	if waiting := l.settle(settleLimit); len(waiting) > 0 {
		t.Fatalf("not done: %v", waiting)
	}
	inventory, err := s.inventory()
	if err != nil {
		t.Fatal(err)
	}
	if err := l.verify(u, inventory); err != nil {
		t.Error(err)
	}
	for _, wrong := range l.wrong {
		t.Error(wrong)
	}
}

// announcement is what the upload function says of an image.
func (l *load) announcement(u *sent) event.Event {
	e, err := events.Encode(events.ImageUploaded{
		ImageID: u.imageID, Bucket: l.bucket, ObjectName: u.imageID + "/" + u.name, Filename: u.name, Timestamp: 1, Size: int64(len(u.content)),
	}, events.Envelope{Source: events.SourceUpload})
	if err != nil {
		l.t.Fatal(err)
	}
	return e
}

// deliver sends an event to a pod, again while it is told to, and returns the answer: its status, and the event in it, but
// for the trace.
func (l *load) deliver(address string, e event.Event) (string, error) {
	for {
		response, err := post(context.Background(), l.client, "http://"+address+"/", e)
		if err != nil {
			return "", err
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != http.StatusServiceUnavailable && response.StatusCode != http.StatusTooManyRequests {
			return fmt.Sprint(response.StatusCode, " ", response.Header.Get("Ce-Id"), " ", string(body)), err
		}
		time.Sleep(100 * time.Millisecond)
	}
}
