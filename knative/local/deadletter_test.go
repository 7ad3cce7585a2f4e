package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/IBM/sarama"
	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
)

// letterList is the response of the dead letter function.
type letterList struct {
	Waiting int
	Letters []struct{ Type, Source, ID, Code, Answer, Data string }
}

func (s *testStack) letters() (listed letterList) {
	s.t.Helper()
	if err := json.Unmarshal(s.do(http.MethodGet, "http://"+s.stack.deadLetters+"/", "", nil).body, &listed); err != nil {
		s.t.Fatal(err)
	}
	return listed
}

// An event that a function refuses becomes a dead letter with the reason and delays nothing. Redriven, it becomes one
// again if it is still refused.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	bad := event.New()
	bad.SetID("bad")
	bad.SetSource("/other/system")
	bad.SetType(events.TypeImageUploaded)
	if err := bad.SetData(event.ApplicationJSON, map[string]string{"image_id": "none"}); err != nil {
		t.Fatal(err)
	}
	if code := s.post(bad); code != http.StatusAccepted {
		t.Fatalf("post: got status %d, want 202", code)
	}
	eventually(t, "dead letter", func() bool { return s.letters().Waiting == 1 })
	got := s.letters()
	if got.Waiting != 1 || got.Letters[0].ID != "bad" || got.Letters[0].Code != "400" || got.Letters[0].Answer == "" {
		t.Fatalf("got dead letters %+v, want one with its reason", got)
	}
	if next := s.finalState(s.upload("next.jpg", photo(t, imaging, "branches.jpg"))); next.Status != "completed" {
		t.Errorf("next upload: got %+v, want completed", next)
	}

	if answer := s.do(http.MethodPost, "http://"+s.stack.deadLetters+"/redrive", "", nil); answer.status != http.StatusOK {
		t.Fatalf("redrive: got %d %s, want 200", answer.status, answer.body)
	}
	eventually(t, "the event again after a redrive", func() bool { return s.letters().Waiting == 1 })
}

// An event that was refused because of a setting is processed once the setting is changed and the event redriven.
func TestRedriveAfterFix(t *testing.T) {
	t.Parallel()
	incoming := "scans-" + uuid.NewString()
	getenv := testservers.Start(t)
	client := testservers.MinIO(t, getenv)
	if err := client.MakeBucket(t.Context(), incoming, minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = client.RemoveObject(context.Background(), incoming, "scan.jpg", minio.RemoveObjectOptions{})
		_ = client.RemoveBucket(context.Background(), incoming)
	})
	content := photo(t, imaging, "branches.jpg")
	putObject(t, client, incoming, "scan.jpg", content)
	received, err := events.Encode(events.ImageReceived{Bucket: incoming, ObjectName: "scan.jpg"},
		events.Envelope{Source: "/scanner/" + incoming, ID: "1"})
	if err != nil {
		t.Fatal(err)
	}

	before := startStackWith(t, getenv)
	before.post(received)
	eventually(t, "dead letter", func() bool { return before.letters().Waiting == 1 })
	if got := before.letters(); got.Waiting != 1 || !strings.Contains(got.Letters[0].Answer, "unknown_bucket") {
		t.Fatalf("got dead letters %+v, want one with its reason", got)
	}
	before.stopEvents()

	after := startStackWith(t, testservers.With(getenv, "SOURCE_BUCKETS="+incoming))
	answer := after.do(http.MethodPost, "http://"+after.stack.deadLetters+"/redrive?id=1", "", nil)
	if answer.status != http.StatusOK {
		t.Fatalf("redrive: got %d %s, want 200", answer.status, answer.body)
	}
	if got := after.finalState(after.idOf(events.TypeImageThumbnailed)); got.Status != "completed" {
		t.Errorf("after the redrive: got %+v, want completed", got)
	}
	if got := after.letters(); got.Waiting != 0 {
		t.Errorf("got dead letters %+v, want none", got)
	}
}

// A delivery says where the record is, as those of Knative's Kafka data plane do.
func TestDeliveryExtensions(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	id := s.upload("a.jpg", photo(t, imaging, "branches.jpg"))
	got := s.awaitEvents(1, events.TypeImageThumbnailed, id)[0].Extensions()
	for _, name := range []string{"knativekafkapartition", "knativekafkaoffset"} {
		if value, _ := got[name].(string); value == "" || strings.Trim(value, "0123456789") != "" {
			t.Errorf("%s is %v, want a number", name, got[name])
		}
	}
}

// A structured event that is not UTF-8 is not an event for Knative: it is kept as it came, with the answer of the
// Broker, and redriven with the same bytes.
func TestBrokenRecord(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	const latin1 = `{"specversion":"1.0","id":"1","source":"/me","type":"image.received","subject":"K` + "\xe4" + `se"}`
	s.produce(&sarama.ProducerMessage{
		Value: sarama.StringEncoder(latin1), Headers: headers("content-type", "application/cloudevents+json"),
	})
	for range 2 {
		eventually(t, "dead letter", func() bool { return s.letters().Waiting == 1 })
		got := s.letters()
		if got.Waiting != 1 || got.Letters[0].Type != "raw" || got.Letters[0].Code != "400" ||
			got.Letters[0].Data != fmt.Sprintf("%+q", latin1) {
			t.Fatalf("got dead letters %+v, want the record and the code 400", got)
		}
		redriven := s.do(http.MethodPost, "http://"+s.stack.deadLetters+"/redrive?raw=true", "", nil)
		if redriven.status != http.StatusOK || !strings.Contains(string(redriven.body), `"redriven":1`) {
			t.Fatalf("redrive: got %d %s, want one redriven", redriven.status, redriven.body)
		}
	}
}
