//go:build faults

package faults

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"gitlab.com/yourorg/image-service/events"
)

// repetitions is the number of concurrent deliveries of the same event.
const repetitions = 100

// TestDuplicateEvents delivers the same event a hundred times concurrently, to two pods and through the Broker, and
// again after Redis lost its state. There is one image, one result and one answer.
func TestDuplicateEvents(t *testing.T) {
	s := newSystem(t, withRace)
	transport := &http.Transport{MaxIdleConnsPerHost: repetitions}
	l := &loadGenerator{system: s, samples: samples(t), client: &http.Client{Timeout: requestLimit, Transport: transport}}
	t.Cleanup(l.client.CloseIdleConnections)
	for _, sample := range l.samples[:4] {
		l.sendReceivedRepeatedly(sample)
	}
	if pending := l.drain(drainLimit); len(pending) > 0 {
		t.Errorf("not processed: %v", pending)
	}
	before := time.Now()
	l.faultOver()
	for _, u := range l.acceptedUploads() {
		l.sendUploadedRepeatedly(u)
	}
	name := fmt.Sprintf("the same event %d times at once, and again after Redis lost its state", repetitions)
	l.checkInvariants(fault{name: name, mayRegress: true}, time.Since(before))
}

// sendReceivedRepeatedly sends the same image.received repeatedly, as another system does that retries.
func (l *loadGenerator) sendReceivedRepeatedly(file sample) {
	key, before := uuid.NewString(), len(l.acceptedUploads())
	var first *submission
	var lock sync.Mutex
	l.repeat(func(i int) {
		u := &submission{sample: file, key: key, mode: "event"}
		if i%4 == 0 {
			l.sendReceivedViaBroker(u)
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
			l.violation("one event made two images: %s and %s", first.imageID, u.imageID)
		}
	})
	l.lock.Lock()
	defer l.lock.Unlock()
	l.accepted = append(l.accepted[:before], first)
}

// sendReceivedViaBroker sends an event through the Broker, which does not return the outcome.
func (l *loadGenerator) sendReceivedViaBroker(u *submission) {
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
		l.t.Errorf("the Broker answered %s, want 202", response.Status)
	}
}

// repeat calls a function concurrently, repetitions times.
func (l *loadGenerator) repeat(what func(int)) {
	var wait sync.WaitGroup
	for i := range repetitions {
		wait.Go(func() { what(i) })
	}
	wait.Wait()
}

// renditionsListed is the field of image.thumbnailed that lists renditions, of which none has a list in it.
var renditionsListed = regexp.MustCompile(`"renditions":\[[^]]*\],`)

// sendUploadedRepeatedly delivers image.uploaded of a processed image repeatedly, and deletes its status in between.
func (l *loadGenerator) sendUploadedRepeatedly(u *submission) {
	uploaded := l.uploadedEvent(u)
	answers := map[string]int{}
	var lock sync.Mutex
	for range 2 {
		l.repeat(func(i int) {
			if i%10 == 0 {
				l.redisClient.Del(l.t.Context(), "image:status:"+u.imageID)
			}
			answer, err := l.deliver(l.thumbnail.pods[i%2].address, uploaded)
			lock.Lock()
			defer lock.Unlock()
			if err != nil {
				answer = err.Error()
			}
			if len(l.sets) > 1 {
				answer = renditionsListed.ReplaceAllString(answer, "")
			}
			answers[answer]++
		})
		l.redisClient.FlushAll(l.t.Context())
	}
	if len(answers) != 1 {
		l.violation("one event of %s got %d different answers, want 1: %v", u.imageID, len(answers), answers)
	}
}

// TestEventBeforeObject delivers an event before its object exists: it is acknowledged each time, and processed as soon
// as the object exists.
func TestEventBeforeObject(t *testing.T) {
	s := newSystem(t, withRace)
	l := &loadGenerator{system: s, client: &http.Client{Timeout: requestLimit}}
	t.Cleanup(l.client.CloseIdleConnections)
	u := &submission{sample: samples(t)[0], imageID: uuid.NewString()}
	uploaded := l.uploadedEvent(u)
	l.repeat(func(i int) {
		answer, err := l.deliver(l.thumbnail.pods[i%2].address, uploaded)
		if err != nil || strings.TrimSpace(answer) != "200" {
			t.Errorf("answer without the object: %s, %v, want an empty 200", answer, err)
		}
	})
	s.put(u.imageID+"/"+u.name, u.content)
	l.accepted = []*submission{u}
	l.sendUploadedRepeatedly(u)
	if pending := l.drain(drainLimit); len(pending) > 0 {
		t.Fatalf("not processed: %v", pending)
	}
	all, err := s.inventory()
	if err != nil {
		t.Fatal(err)
	}
	if err := l.checkImage(u, all[u.imageID]); err != nil {
		t.Error(err)
	}
	for _, violation := range l.violations {
		t.Error(violation)
	}
}

// put stores an object, as another system does.
func (s *system) put(key string, content []byte) {
	s.t.Helper()
	body, size := bytes.NewReader(content), int64(len(content))
	if _, err := s.minioClient.PutObject(s.t.Context(), s.bucket, key, body, size, minio.PutObjectOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

// TestDuplicateEventsAtTwoRevisions delivers the same events concurrently to two pods that make different renditions,
// and again after Redis lost its state. An image is completed once, by one of them; the renditions of the other, which
// were stored meanwhile, may be listed as well.
func TestDuplicateEventsAtTwoRevisions(t *testing.T) {
	s := newSystem(t, withRace)
	l := &loadGenerator{system: s, samples: samples(t), client: &http.Client{Timeout: requestLimit}}
	t.Cleanup(l.client.CloseIdleConnections)
	s.sets = append(s.sets, secondSet)
	s.thumbnail.pods[1].set(secondSet.setting())
	s.thumbnail.pods[1].roll()
	for _, sample := range l.samples[:8] {
		u := &submission{sample: sample, imageID: uuid.NewString()}
		s.put(u.imageID+"/"+u.name, u.content)
		l.accepted = append(l.accepted, u)
		l.sendUploadedRepeatedly(u)
	}
	if pending := l.drain(drainLimit); len(pending) > 0 {
		t.Errorf("not processed: %v", pending)
	}
	l.checkImages()
	for _, violation := range l.violations {
		t.Error(violation)
	}
}

// uploadedEvent returns the event that the upload function sends for an image.
func (l *loadGenerator) uploadedEvent(u *submission) event.Event {
	e, err := events.Encode(events.ImageUploaded{
		ImageID: u.imageID, Bucket: l.bucket, ObjectName: u.imageID + "/" + u.name, Filename: u.name,
		Timestamp: 1, Size: int64(len(u.content)),
	}, events.Envelope{Source: events.SourceUpload})
	if err != nil {
		l.t.Fatal(err)
	}
	return e
}

// deliver sends an event to a pod, retries while the answer is 429 or 503, and returns the final answer: its status
// code and the event in it, without the trace.
func (l *loadGenerator) deliver(address string, e event.Event) (string, error) {
	for {
		response, err := post(context.Background(), l.client, "http://"+address+"/", e)
		if err != nil {
			return "", err
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		switch response.StatusCode {
		case http.StatusServiceUnavailable, http.StatusTooManyRequests:
			time.Sleep(100 * time.Millisecond)
		default:
			return fmt.Sprint(response.StatusCode, " ", response.Header.Get("Ce-Id"), " ", string(body)), err
		}
	}
}
