package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/cloudevents/sdk-go/protocol/kafka_sarama/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/fakes"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/config"
)

const imageID = "0d9f4f3a-8a43-4a3c-9f1e-2f6f0f6f5a11"

var image = events.ImageUploaded{
	ImageID:    imageID,
	Bucket:     "images",
	ObjectName: imageID + "/Ärger ☃.jpg",
	Filename:   "Ärger ☃.jpg",
	Timestamp:  1699999999.5,
}

func newEvent(tb testing.TB) event.Event {
	tb.Helper()
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	e, err := events.Encode(image, events.Envelope{Source: events.SourceUpload, TraceParent: parent})
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

func settingsOf(tb testing.TB, getenv func(string) string) Settings {
	tb.Helper()
	r := config.NewReader(getenv)
	settings := ReadSettings(r)
	if err := r.Err(); err != nil {
		tb.Fatal(err)
	}
	return settings
}

// start returns the settings of the upload function's topic.
func start(tb testing.TB) (Settings, func(string) string) {
	tb.Helper()
	getenv := testservers.Start(tb, testservers.As("image-upload"))
	return settingsOf(tb, getenv), getenv
}

// firstRecord returns a record of the topic, from any partition.
func firstRecord(t *testing.T, getenv func(string) string) *sarama.ConsumerMessage {
	t.Helper()
	topic := getenv("KAFKA_TOPIC")
	consumer, err := sarama.NewConsumer(testservers.Kafka(t, getenv))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { consumer.Close() })
	partitions, err := consumer.Partitions(topic)
	if err != nil {
		t.Fatal(err)
	}
	records := make(chan *sarama.ConsumerMessage)
	for _, partition := range partitions {
		from, err := consumer.ConsumePartition(topic, partition, sarama.OffsetOldest)
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
	case <-time.After(time.Minute):
		t.Fatal("the topic has no record after a minute")
		return nil
	}
}

// mustHaveRecords compares the number of records on the topic.
func mustHaveRecords(t *testing.T, settings Settings, want int64) {
	t.Helper()
	client, err := settings.NewReader("image-service-tests")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	partitions, err := client.Partitions(settings.Topic)
	if err != nil {
		t.Fatal(err)
	}
	got := int64(0)
	for _, partition := range partitions {
		end, err := client.GetOffset(settings.Topic, partition, sarama.OffsetNewest)
		if err != nil {
			t.Fatal(err)
		}
		got += end
	}
	if got != want {
		t.Errorf("got %d records on the topic, want %d", got, want)
	}
}

// mustBeCertain checks that an event is certain not to arrive.
func mustBeCertain(t *testing.T, err error) {
	t.Helper()
	if err == nil || errors.Is(err, ErrUncertain) {
		t.Errorf("got error %v, want one that does not wrap ErrUncertain", err)
	}
}

// The record's value alone is a task of the original system; with its headers it is the event.
func TestPublish(t *testing.T) {
	settings, getenv := start(t)
	topic := Open(settings)
	defer topic.Close()
	e := newEvent(t)
	if err := topic.Publish(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	record := firstRecord(t, getenv)
	var task struct {
		ImageID    string  `json:"image_id"`
		ObjectName string  `json:"object_name"`
		Filename   string  `json:"filename"`
		Timestamp  float64 `json:"timestamp"`
	}
	if err := json.Unmarshal(record.Value, &task); err != nil || task.ImageID != image.ImageID ||
		task.ObjectName != image.ObjectName || task.Filename != image.Filename || task.Timestamp != image.Timestamp {
		t.Errorf("got value %s, error %v; want the task of %+v", record.Value, err, image)
	}
	if string(record.Key) != imageID {
		t.Errorf("got key %q, want the image ID %s", record.Key, imageID)
	}
	headers := map[string][]byte{}
	for _, header := range record.Headers {
		headers[string(header.Key)] = header.Value
	}
	message := kafka_sarama.NewMessage(record.Value, string(headers["content-type"]), headers)
	got, err := binding.ToEvent(t.Context(), message)
	if err != nil || got.String() != e.String() {
		t.Errorf("got event\n%v, error %v; want\n%v", got, err, e)
	}
}

func TestPublishWithoutData(t *testing.T) {
	t.Parallel()
	settings, getenv := start(t)
	topic := Open(settings)
	defer topic.Close()
	e := newEvent(t)
	e.DataEncoded = nil
	if err := topic.Publish(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if record := firstRecord(t, getenv); len(record.Value) != 0 {
		t.Errorf("got value %q, want none", record.Value)
	}
}

// A failed publication returns while its caller waits, and its event never arrives later.
func TestPublishFails(t *testing.T) {
	t.Parallel()
	working, _ := start(t)
	published := Open(working)
	if err := published.Publish(t.Context(), newEvent(t)); err != nil {
		t.Error(err)
	}
	published.Close()
	missing := working
	missing.Topic = "no-such-topic"
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, test := range map[string]struct {
		topic *Topic
		ctx   context.Context
	}{
		"no Kafka":        {Open(Settings{Brokers: []string{"127.0.0.1:1"}, Topic: "images"}), t.Context()},
		"no topic":        {Open(missing), t.Context()},
		"closed":          {published, t.Context()},
		"caller has left": {Open(working), canceled},
	} {
		t.Run(name, func(t *testing.T) {
			mustBeCertain(t, test.topic.Publish(test.ctx, newEvent(t)))
			test.topic.Close()
		})
	}
	mustHaveRecords(t, working, 1)
}

// A failure does not delay the next publication: sarama alone would refuse everything for 10 s.
func TestPublishAfterFailures(t *testing.T) {
	t.Parallel()
	settings, getenv := start(t)
	settings.Topic += "-later"
	topic := Open(settings)
	defer topic.Close()
	for range 3 {
		mustBeCertain(t, topic.Publish(t.Context(), newEvent(t)))
	}
	client, err := sarama.NewClient(testservers.Kafka(t, getenv))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		t.Fatal(err)
	}
	detail := &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}
	if err := admin.CreateTopic(settings.Topic, detail, false); err != nil {
		t.Fatal(err)
	}
	defer admin.DeleteTopic(settings.Topic)
	if err := fakes.AwaitTopic(client, settings.Topic); err != nil {
		t.Fatal(err)
	}
	if err := topic.Publish(t.Context(), newEvent(t)); err != nil {
		t.Errorf("after the topic was created: got error %v", err)
	}
}

// While Kafka does not respond, at most maxSends events wait for it, and Close does not.
func TestPublishToPausedKafka(t *testing.T) {
	t.Parallel()
	kafka := startPausable(t)
	topic := Open(kafka.Settings)
	if err := topic.Publish(t.Context(), newEvent(t)); err != nil {
		t.Fatal(err)
	}
	kafka.pause()
	if err := kafka.publishAndLeave(t, topic); !errors.Is(err, ErrUncertain) {
		t.Errorf("got error %v for an event that was sent, want one that wraps ErrUncertain", err)
	}
	var waiting sync.WaitGroup
	for range maxSends - 1 {
		waiting.Go(func() {
			if err := topic.Publish(t.Context(), newEvent(t)); err != nil {
				t.Error(err)
			}
		})
	}
	for topic.sending.Load() < maxSends {
		time.Sleep(time.Millisecond)
	}
	if err := topic.Publish(t.Context(), newEvent(t)); !errors.Is(err, errBusy) || errors.Is(err, ErrUncertain) {
		t.Errorf("got error %v for an event too many, want %v", err, errBusy)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := topic.closeWithin(ended); err == nil || !strings.Contains(err.Error(), "64 events left behind") {
		t.Errorf("Close: got error %v, want 64 events left behind", err)
	}

	kafka.resume()
	waiting.Wait()
	if err := topic.Close(); err != nil {
		t.Errorf("Close after the pause: got error %v", err)
	}
	mustHaveRecords(t, kafka.Settings, 1+maxSends)
}

// An event that was not sent before its caller left is not sent later.
func TestAbandonedEventIsNotSent(t *testing.T) {
	t.Parallel()
	kafka := startPausable(t)
	topic := Open(kafka.Settings)
	if _, err, _ := topic.connect.Do("", topic.dial); err != nil {
		t.Fatal(err)
	}
	kafka.pause() // before the producer requests the topic's metadata
	mustBeCertain(t, kafka.publishAndLeave(t, topic))
	kafka.resume()
	if err := topic.Publish(t.Context(), newEvent(t)); err != nil {
		t.Errorf("after the pause: got error %v", err)
	}
	if err := topic.Close(); err != nil {
		t.Errorf("Close: got error %v", err)
	}
	mustHaveRecords(t, kafka.Settings, 1)
}

func TestPayload(t *testing.T) {
	value := &payload{Encoder: sarama.StringEncoder("{}")}
	for range 2 { // the second time for a batch that follows one that was not sent
		if got, err := value.Encode(); err != nil || string(got) != "{}" {
			t.Errorf("Encode() = %q, %v; want {}", got, err)
		}
	}
	if value.withdraw() {
		t.Error("withdraw() = true after the value was encoded, want false")
	}
	if _, err := value.Encode(); !errors.Is(err, errWithdrawn) {
		t.Errorf("Encode() of a withdrawn value: got error %v, want %v", err, errWithdrawn)
	}
}

// Attempts to connect to a Kafka that does not respond leave no connection open.
func TestConnectionsAreClosed(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan int) // number of connections, once all are closed
	go func() {
		var open sync.WaitGroup
		count := 0
		for {
			conn, err := listener.Accept()
			if err != nil {
				break
			}
			count++
			open.Go(func() { _, _ = io.Copy(io.Discard, conn) }) // until the client closes it
		}
		open.Wait()
		closed <- count
	}()
	topic := Open(Settings{Brokers: []string{listener.Addr().String()}, Topic: "images"})
	mustBeCertain(t, topic.Publish(t.Context(), newEvent(t)))
	if err := topic.Close(); err != nil {
		t.Errorf("Close: got error %v", err)
	}
	listener.Close()
	select {
	case count := <-closed:
		if count == 0 {
			t.Error("got no connection, want at least one")
		}
	case <-time.After(time.Minute):
		t.Error("connections are still open after a minute")
	}
}

func BenchmarkPublish(b *testing.B) {
	settings, _ := start(b)
	topic := Open(settings)
	defer topic.Close()
	e := newEvent(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := topic.Publish(b.Context(), e); err != nil {
			b.Fatal(err)
		}
	}
}
