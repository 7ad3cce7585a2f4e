package bus

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	kafka "github.com/cloudevents/sdk-go/protocol/kafka_sarama/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/setting"
	"gitlab.com/yourorg/image-service/knative/local/standin/standintest"
)

const imageID = "0d9f4f3a-8a43-4a3c-9f1e-2f6f0f6f5a11"

var image = events.ImageUploaded{
	ImageID:    imageID,
	Bucket:     "images",
	ObjectName: imageID + "/Ärger ☃.jpg",
	Filename:   "Ärger ☃.jpg",
	Timestamp:  1699999999.5,
}

func announced(t testing.TB) event.Event {
	t.Helper()
	e, err := events.Encode(image, events.Envelope{Source: events.SourceUpload, TraceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func settingsOf(t testing.TB, getenv func(string) string) Settings {
	t.Helper()
	r := setting.NewReader(getenv)
	settings := ReadSettings(r)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return settings
}

// first is the first record of the topic, whatever partition it is in.
func first(t *testing.T, settings Settings) *sarama.ConsumerMessage {
	t.Helper()
	consumer, err := sarama.NewConsumer(settings.Brokers, sarama.NewConfig())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { consumer.Close() })
	partitions, err := consumer.Partitions(settings.Topic)
	if err != nil {
		t.Fatal(err)
	}
	records := make(chan *sarama.ConsumerMessage)
	for _, partition := range partitions {
		from, err := consumer.ConsumePartition(settings.Topic, partition, sarama.OffsetOldest)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { from.Close() })
		go func() {
			for record := range from.Messages() {
				records <- record
			}
		}()
	}
	select {
	case record := <-records:
		return record
	case <-time.After(20 * time.Second):
		t.Fatal("nothing is on the topic")
		return nil
	}
}

// A record is the original system's task to who reads its value as JSON, and the event to who reads its headers.
func TestAnnounceOnKafka(t *testing.T) {
	settings := settingsOf(t, standintest.Start(t))
	announcer := Open(settings)
	defer announcer.Close()
	e := announced(t)
	if err := announcer.Announce(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	record := first(t, settings)
	var task struct {
		ImageID    string  `json:"image_id"`
		ObjectName string  `json:"object_name"`
		Filename   string  `json:"filename"`
		Timestamp  float64 `json:"timestamp"`
	}
	if err := json.Unmarshal(record.Value, &task); err != nil || task.ImageID != image.ImageID ||
		task.ObjectName != image.ObjectName || task.Filename != image.Filename || task.Timestamp != image.Timestamp {
		t.Errorf("value is %s, %v", record.Value, err)
	}
	if string(record.Key) != imageID {
		t.Errorf("key is %q, want the image id", record.Key)
	}
	headers := map[string][]byte{}
	for _, header := range record.Headers {
		headers[string(header.Key)] = header.Value
	}
	got, err := binding.ToEvent(t.Context(), kafka.NewMessage(record.Value, string(headers["content-type"]), headers))
	if err != nil || got.String() != e.String() {
		t.Errorf("event is\n%v, %v; want\n%v", got, err, e)
	}
}

// What can not be announced is said within the time that a caller waits.
func TestAnnounceFails(t *testing.T) {
	working := settingsOf(t, standintest.Start(t))
	for name, settings := range map[string]Settings{
		"no kafka": {Brokers: []string{"127.0.0.1:1"}, Topic: "images"},
		"no topic": {Brokers: working.Brokers, Topic: "no-such-topic"},
	} {
		announcer := Open(settings)
		if err := announcer.Announce(t.Context(), announced(t)); err == nil {
			t.Errorf("%s: announced", name)
		}
		announcer.Close()
	}
	announcer := Open(working)
	if err := announcer.Announce(t.Context(), announced(t)); err != nil {
		t.Error(err)
	}
	announcer.Close()
	if err := announcer.Announce(t.Context(), announced(t)); err == nil {
		t.Error("announced after Close()")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	announcer = Open(working)
	defer announcer.Close()
	if err := announcer.Announce(ctx, announced(t)); err == nil {
		t.Error("announced for a caller that had gone")
	}
}

func TestAnnounceAtSink(t *testing.T) {
	var got event.Event
	answer := http.StatusAccepted
	sink := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, _ = Receive(w, r, MaxEvent)
		w.WriteHeader(answer)
	}))
	defer sink.Close()
	announcer := Open(settingsOf(t, func(name string) string {
		return map[string]string{"K_SINK": sink.URL, "K_CE_OVERRIDES": `{"extensions":{"region":"eu"}}`}[name]
	}))
	defer announcer.Close()
	e := announced(t)
	want := e.Clone()
	want.SetExtension("region", "eu")
	if err := announcer.Announce(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if got.String() != want.String() {
		t.Errorf("sent\n%v; want\n%v", got, want)
	}
	if e.Extensions()["region"] != nil {
		t.Error("the caller's event was changed")
	}
	for _, answer = range []int{http.StatusBadRequest, http.StatusServiceUnavailable} {
		if err := announcer.Announce(t.Context(), e); err == nil {
			t.Errorf("announced at a sink that answers %d", answer)
		}
	}
}

func TestReadSettings(t *testing.T) {
	for name, test := range map[string]struct {
		settings map[string]string
		faults   []string
	}{
		"nothing":   {nil, []string{"KAFKA_BOOTSTRAP_SERVERS is not set"}},
		"no port":   {map[string]string{"KAFKA_BOOTSTRAP_SERVERS": "a:1, b"}, []string{`KAFKA_BOOTSTRAP_SERVERS has "b"`}},
		"several":   {map[string]string{"KAFKA_BOOTSTRAP_SERVERS": "a:1, b:2"}, nil},
		"a sink":    {map[string]string{"K_SINK": "http://broker/a/b"}, nil},
		"bad sink":  {map[string]string{"K_SINK": "broker", "K_CE_OVERRIDES": "{", "K_CA_CERTS": "x"}, []string{"K_SINK is", "K_CE_OVERRIDES is", "K_CA_CERTS has"}},
		"no scheme": {map[string]string{"K_SINK": "ftp://broker"}, []string{"K_SINK is"}},
	} {
		r := setting.NewReader(func(name string) string { return test.settings[name] })
		ReadSettings(r)
		text := ""
		if err := r.Err(); err != nil {
			text = err.Error()
		}
		if (text == "") != (len(test.faults) == 0) {
			t.Errorf("%s: %q, want %q", name, text, test.faults)
		}
		for _, fault := range test.faults {
			if !strings.Contains(text, fault) {
				t.Errorf("%s: %q, want %q in it", name, text, fault)
			}
		}
	}
}

func BenchmarkAnnounce(b *testing.B) {
	announcer := Open(settingsOf(b, standintest.Start(b)))
	defer announcer.Close()
	e := announced(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := announcer.Announce(b.Context(), e); err != nil {
			b.Fatal(err)
		}
	}
}
