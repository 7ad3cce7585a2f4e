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
	"github.com/twmb/franz-go/pkg/kfake"
	"gitlab.com/yourorg/image-service/events"
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
	r := config.NewReader(getenv)
	settings := ReadSettings(r)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return settings
}

// start gives what reaches Kafka as the upload function does.
func start(t testing.TB) (Settings, func(string) string) {
	t.Helper()
	getenv := testservers.Start(t, testservers.As("image-upload"))
	return settingsOf(t, getenv), getenv
}

// first is the first record of the topic, whatever partition it is in.
func first(t *testing.T, getenv func(string) string) *sarama.ConsumerMessage {
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
	case <-time.After(20 * time.Second):
		t.Fatal("nothing is on the topic")
		return nil
	}
}

// recordsOn counts what is on the topic.
func recordsOn(t *testing.T, settings Settings) (count int64) {
	t.Helper()
	client, err := sarama.NewClient(settings.Brokers, producerConfig(settings.Connection))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	partitions, err := client.Partitions(settings.Topic)
	if err != nil {
		t.Fatal(err)
	}
	for _, partition := range partitions {
		end, err := client.GetOffset(settings.Topic, partition, sarama.OffsetNewest)
		if err != nil {
			t.Fatal(err)
		}
		count += end
	}
	return count
}

// A record is the original system's task to who reads its value as JSON, and the event to who reads its headers.
func TestAnnounceOnKafka(t *testing.T) {
	settings, getenv := start(t)
	publisher := Open(settings)
	defer publisher.Close()
	e := announced(t)
	if err := publisher.Publish(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	record := first(t, getenv)
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
	got, err := binding.ToEvent(t.Context(), kafka_sarama.NewMessage(record.Value, string(headers["content-type"]), headers))
	if err != nil || got.String() != e.String() {
		t.Errorf("event is\n%v, %v; want\n%v", got, err, e)
	}
}

// What can not be announced is said within the time that a caller waits, and never comes later.
func TestAnnounceFails(t *testing.T) {
	t.Parallel()
	working, _ := start(t)
	for name, settings := range map[string]Settings{
		"no kafka": {Brokers: []string{"127.0.0.1:1"}, Topic: "images"},
		"no topic": {Brokers: working.Brokers, Connection: working.Connection, Topic: "no-such-topic"},
	} {
		publisher := Open(settings)
		mustBeCertain(t, name, publisher.Publish(t.Context(), announced(t)))
		publisher.Close()
	}
	publisher := Open(working)
	if err := publisher.Publish(t.Context(), announced(t)); err != nil {
		t.Error(err)
	}
	publisher.Close()
	mustBeCertain(t, "closed", publisher.Publish(t.Context(), announced(t)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	publisher = Open(working)
	mustBeCertain(t, "caller has gone", publisher.Publish(ctx, announced(t)))
	publisher.Close()
	if got := recordsOn(t, working); got != 1 {
		t.Errorf("%d records are on the topic, want 1", got)
	}
}

func mustBeCertain(t *testing.T, name string, err error) {
	t.Helper()
	if err == nil || errors.Is(err, ErrUncertain) {
		t.Errorf("%s: error is %v, want one that is certain", name, err)
	}
}

func TestAnnounceWithoutData(t *testing.T) {
	t.Parallel()
	settings, getenv := start(t)
	publisher := Open(settings)
	defer publisher.Close()
	e := announced(t)
	e.DataEncoded = nil
	if err := publisher.Publish(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if record := first(t, getenv); len(record.Value) != 0 {
		t.Errorf("value is %q", record.Value)
	}
}

// What failed does not stay in the way of what comes after: sarama alone refuses everything for 10 s.
func TestAnnounceAfterFailures(t *testing.T) {
	t.Parallel()
	settings, getenv := start(t)
	settings.Topic += "-later"
	publisher := Open(settings)
	defer publisher.Close()
	for range 3 {
		mustBeCertain(t, "no topic yet", publisher.Publish(t.Context(), announced(t)))
	}
	admin, err := sarama.NewClusterAdmin(testservers.Kafka(t, getenv))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if err := admin.CreateTopic(settings.Topic, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}, false); err != nil {
		t.Fatal(err)
	}
	defer admin.DeleteTopic(settings.Topic)
	if err := publisher.Publish(t.Context(), announced(t)); err != nil {
		t.Error(err)
	}
}

// pausable is a Kafka that can stand still as one in a long garbage collection, or on a host without network, does:
// connections stay open, new ones are made, and nothing is answered.
type pausable struct {
	net.Listener
	Settings
	still sync.RWMutex  // held for writing while it stands still
	asked chan struct{} // has something when there was a request
}

func startPausable(t *testing.T) *pausable {
	t.Helper()
	p := &pausable{asked: make(chan struct{}, 1)}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "images"),
		kfake.ListenFn(func(network, address string) (_ net.Listener, err error) {
			p.Listener, err = net.Listen(network, address)
			return p, err
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	p.Settings = Settings{Brokers: cluster.ListenAddrs(), Topic: "images"}
	return p
}

func (p *pausable) Accept() (net.Conn, error) {
	conn, err := p.Listener.Accept()
	return pausableConn{conn, p}, err
}

type pausableConn struct {
	net.Conn
	*pausable
}

func (c pausableConn) Close() error { return c.Conn.Close() }

func (c pausableConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	select {
	case c.asked <- struct{}{}:
	default:
	}
	c.still.RLock()
	defer c.still.RUnlock()
	return n, err
}

// pause forgets what was asked before.
func (p *pausable) pause() {
	p.still.Lock()
	select {
	case <-p.asked:
	default:
	}
}

func (p *pausable) resume() { p.still.Unlock() }

// publishAndLeave leaves when Kafka has been asked something.
func (p *pausable) publishAndLeave(t *testing.T, publisher *Topic) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-p.asked; cancel() }()
	err := publisher.Publish(ctx, announced(t))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want context canceled", err)
	}
	return err
}

// While Kafka stands still, no more events wait for it than there are places, and Close does not wait for it.
func TestAnnounceToPausedKafka(t *testing.T) {
	t.Parallel()
	kafka := startPausable(t)
	publisher := Open(kafka.Settings)
	if err := publisher.Publish(t.Context(), announced(t)); err != nil {
		t.Fatal(err)
	}
	kafka.pause()
	if err := kafka.publishAndLeave(t, publisher); !errors.Is(err, ErrUncertain) {
		t.Errorf("error of what was sent is %v, want one that wraps ErrUncertain", err)
	}
	var waiting sync.WaitGroup
	for range maxSends - 1 {
		waiting.Go(func() {
			if err := publisher.Publish(t.Context(), announced(t)); err != nil {
				t.Error(err)
			}
		})
	}
	for publisher.sending.Load() < maxSends {
		time.Sleep(time.Millisecond)
	}
	if err := publisher.Publish(t.Context(), announced(t)); !errors.Is(err, errBusy) || errors.Is(err, ErrUncertain) {
		t.Errorf("error of one too many is %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := publisher.closeWithin(ended); err == nil || !strings.Contains(err.Error(), "64 events left behind") {
		t.Errorf("error of Close is %v", err)
	}

	kafka.resume()
	waiting.Wait()
	if err := publisher.Close(); err != nil {
		t.Error(err)
	}
	if got := recordsOn(t, kafka.Settings); got != 1+maxSends {
		t.Errorf("%d records are on the topic, want %d", got, 1+maxSends)
	}
}

// An event that was not yet on its way when its caller left is not sent later.
func TestGivenUpIsNotSent(t *testing.T) {
	t.Parallel()
	kafka := startPausable(t)
	publisher := Open(kafka.Settings)
	if _, err, _ := publisher.connect.Do("", publisher.dial); err != nil {
		t.Fatal(err)
	}
	kafka.pause() // before the producer asks where the topic is
	mustBeCertain(t, "not yet sent", kafka.publishAndLeave(t, publisher))
	kafka.resume()
	if err := publisher.Publish(t.Context(), announced(t)); err != nil {
		t.Error(err)
	}
	if err := publisher.Close(); err != nil {
		t.Error(err)
	}
	if got := recordsOn(t, kafka.Settings); got != 1 {
		t.Errorf("%d records are on the topic, want 1", got)
	}
}

func TestPayload(t *testing.T) {
	value := &payload{Encoder: sarama.StringEncoder("{}")}
	for range 2 { // the second time it is in a batch that follows one that was not sent
		if got, err := value.Encode(); err != nil || string(got) != "{}" {
			t.Errorf("Encode() = %q, %v", got, err)
		}
	}
	if value.withdraw() {
		t.Error("withdraw() says that it was in no batch")
	}
	if _, err := value.Encode(); !errors.Is(err, errWithdrawn) {
		t.Errorf("Encode() of what is withdrawn: %v", err)
	}
}

// Nothing stays behind of attempts to connect to a Kafka that stands still.
func TestNoConnectionIsLeft(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	left := make(chan int)
	go func() {
		var open sync.WaitGroup
		count := 0
		for {
			conn, err := listener.Accept()
			if err != nil {
				break
			}
			count++
			open.Go(func() { _, _ = io.Copy(io.Discard, conn) }) // until the other side closes it
		}
		open.Wait()
		left <- count
	}()
	publisher := Open(Settings{Brokers: []string{listener.Addr().String()}, Topic: "images"})
	mustBeCertain(t, "not connected", publisher.Publish(t.Context(), announced(t)))
	if err := publisher.Close(); err != nil {
		t.Error(err)
	}
	listener.Close()
	select {
	case count := <-left:
		if count == 0 {
			t.Error("nobody connected")
		}
	case <-time.After(20 * time.Second):
		t.Error("connections are left open")
	}
}

func BenchmarkPublish(b *testing.B) {
	settings, _ := start(b)
	publisher := Open(settings)
	defer publisher.Close()
	e := announced(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := publisher.Publish(b.Context(), e); err != nil {
			b.Fatal(err)
		}
	}
}
