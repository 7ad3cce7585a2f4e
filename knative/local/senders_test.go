package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/IBM/sarama"
	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
)

// sender is a path on which an image.received event reaches the service.
type sender func(id, data string)

// senders are all paths: to the function, to the Broker, and by the topic, in structured and in binary mode.
// None of them names a content type.
func (s *testStack) senders(source string) map[string]sender {
	structured := func(id, data string) string {
		encoded, _ := json.Marshal(id)
		return fmt.Sprintf(`{"specversion":"1.0","type":"image.received","source":%q,"id":%s%s}`, source, encoded, data)
	}
	overHTTP := func(to, contentType, body string, header ...string) {
		s.t.Helper()
		if got := s.do(http.MethodPost, to, contentType, strings.NewReader(body), header...); got.status/100 != 2 {
			s.t.Errorf("send to %s: got %d %s, want 2xx", to, got.status, got.body)
		}
	}
	binary := func(id string) []string {
		return []string{"Ce-Specversion: 1.0", "Ce-Type: image.received", "Ce-Source: " + source, "Ce-Id: " + id}
	}
	all := map[string]sender{
		"topic, structured": func(id, data string) {
			s.produce(&sarama.ProducerMessage{
				Value:   sarama.StringEncoder(structured(id, `,"data":`+data)),
				Headers: headers("content-type", "application/cloudevents+json"),
			})
		},
		"topic, binary": func(id, data string) {
			s.produce(&sarama.ProducerMessage{
				Value:   sarama.StringEncoder(data),
				Headers: headers("ce_specversion", "1.0", "ce_type", "image.received", "ce_source", source, "ce_id", id),
			})
		},
	}
	for name, to := range map[string]string{"function": s.url + "/", "Broker": s.broker} {
		all[name+", structured"] = func(id, data string) {
			overHTTP(to, event.ApplicationCloudEventsJSON, structured(id, `,"data":`+data))
		}
		all[name+", binary"] = func(id, data string) { overHTTP(to, "", data, binary(id)...) }
		all[name+", binary, encoded"] = func(id, data string) { overHTTP(to, "", data, binary(url.PathEscape(id))...) }
	}
	return all
}

// awaitEvent waits until the image of an event has its final status.
func (s *testStack) awaitEvent(source, id string) (imageID string, cause events.Cause) {
	s.t.Helper()
	var got struct {
		ImageID string `json:"image_id"`
		Status  string
		Cause   events.Cause
	}
	query := url.Values{"source": {source}, "id": {id}}
	eventually(s.t, "the thumbnail of event "+id, func() bool {
		answer := s.get("/status?" + query.Encode())
		return answer.status == http.StatusOK && json.Unmarshal(answer.body, &got) == nil && got.Status == "completed"
	})
	return got.ImageID, got.Cause
}

// JSON without a content type is a reference on every path. The result names its cause, and the event finds its image.
func TestSenders(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	content := photo(t, imaging, "branches.jpg")
	data := s.putIncoming("mein Käse.jpg", content)
	const source = "/my%20scanner"
	for name, send := range s.senders(source) {
		t.Run(name, func(t *testing.T) {
			want := events.Cause{Source: source, ID: "scan ü " + uuid.NewString()}
			send(want.ID, data)
			imageID, cause := s.awaitEvent(want.Source, want.ID)
			if cause != want {
				t.Errorf("got the cause %+v, want %+v", cause, want)
			}
			e := events.DecodeHTTP(s.awaitEvents(1, events.TypeImageThumbnailed, imageID)[0])
			made, err := events.Decode[events.ImageThumbnailed](e)
			if err != nil || made.Cause != want {
				t.Errorf("got the event %+v, error %v; want the cause %+v", made, err, want)
			}
			extensions := e.Extensions()
			if extensions[events.CausationSource] != want.Source || extensions[events.CausationID] != want.ID {
				t.Errorf("got extensions %v, want those of %+v", extensions, want)
			}
			if got := s.get("/images/" + imageID); !bytes.Equal(got.body, content) {
				t.Errorf("got an original of %d bytes, want the %d of the object", len(got.body), len(content))
			}
		})
	}
	if got := s.letters(); got.Waiting != 0 {
		t.Errorf("got dead letters %+v, want none", got)
	}
}

// An event that is sent on every path makes one image.
func TestSendersAgree(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	data := s.putIncoming("a.jpg", photo(t, imaging, "branches.jpg"))
	const source = "/scanner"
	for _, id := range []string{"plain", "a b", "a%20b%", "ü ☃"} {
		t.Run(id, func(t *testing.T) {
			before, senders := s.countOriginals(), s.senders(source)
			id += uuid.NewString()
			for _, send := range senders {
				send(id, data)
			}
			for name, send := range senders { // what is sent later is handled later
				last := name + uuid.NewString()
				send(last, data)
				s.awaitEvent(source, last)
			}
			s.awaitEvent(source, id)
			if got, want := s.countOriginals(), before+1+len(senders); got != want {
				t.Errorf("got %d originals, want %d: one of the event, and one of each that followed it", got, want)
			}
		})
	}
}

// putIncoming stores an object outside of the images, and returns the data of an event that refers to it.
func (s *testStack) putIncoming(name string, content []byte) (data string) {
	s.t.Helper()
	bucket, key, client := s.getenv("MINIO_BUCKET"), "incoming/"+name, testservers.MinIO(s.t, s.getenv)
	eventually(s.t, "the bucket", func() bool {
		s.get("/ready") // upload makes it when it looks for it
		exists, err := client.BucketExists(s.t.Context(), bucket)
		return exists && err == nil
	})
	putObject(s.t, client, bucket, key, content)
	return fmt.Sprintf(`{"bucket":%q,"object_name":%q}`, bucket, key)
}

// countOriginals returns how many images the bucket has.
func (s *testStack) countOriginals() (count int) {
	s.t.Helper()
	client, options := testservers.MinIO(s.t, s.getenv), minio.ListObjectsOptions{Recursive: true}
	for object := range client.ListObjects(s.t.Context(), s.getenv("MINIO_BUCKET"), options) {
		if object.Err != nil {
			s.t.Fatal(object.Err)
		}
		folder, _, _ := strings.Cut(object.Key, "/")
		if events.IsImageID(folder) && !strings.Contains(object.Key, "/thumbnail_") {
			count++
		}
	}
	return count
}

// An event that was misread leaves no result behind: it becomes a dead letter, and works once it is corrected.
func TestSendersCorrected(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	data := s.putIncoming("a.jpg", photo(t, imaging, "branches.jpg"))
	const source = "/scanner"
	id := uuid.NewString()
	header := []string{"Ce-Specversion: 1.0", "Ce-Type: image.received", "Ce-Source: " + source, "Ce-Id: " + id}
	for _, contentType := range []string{"text/plain", "image/jpeg"} {
		waiting := s.letters().Waiting
		s.do(http.MethodPost, s.broker, contentType, strings.NewReader(data), header...)
		eventually(t, "a dead letter of "+contentType, func() bool { return s.letters().Waiting == waiting+1 })
	}
	if got := s.get("/status?source=" + source + "&id=" + id); got.status != http.StatusNotFound {
		t.Errorf("status of the event: got %d %s, want 404", got.status, got.body)
	}
	s.do(http.MethodPost, s.broker, "application/json", strings.NewReader(data), header...)
	s.awaitEvent(source, id)
}
