package publisher

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
	kafka "github.com/cloudevents/sdk-go/protocol/kafka_sarama/v2"
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
	config := producerConfig()
	settings.Reach.Configure(config)
	client, err := sarama.NewClient(settings.Brokers, config)
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
	announcer := Open(settings)
	defer announcer.Close()
	e := announced(t)
	if err := announcer.Announce(t.Context(), e); err != nil {
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
	got, err := binding.ToEvent(t.Context(), kafka.NewMessage(record.Value, string(headers["content-type"]), headers))
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
		"no topic": {Brokers: working.Brokers, Reach: working.Reach, Topic: "no-such-topic"},
	} {
		announcer := Open(settings)
		mustBeCertain(t, name, announcer.Announce(t.Context(), announced(t)))
		announcer.Close()
	}
	announcer := Open(working)
	if err := announcer.Announce(t.Context(), announced(t)); err != nil {
		t.Error(err)
	}
	announcer.Close()
	mustBeCertain(t, "closed", announcer.Announce(t.Context(), announced(t)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	announcer = Open(working)
	mustBeCertain(t, "caller has gone", announcer.Announce(ctx, announced(t)))
	announcer.Close()
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
	announcer := Open(settings)
	defer announcer.Close()
	e := announced(t)
	e.DataEncoded = nil
	if err := announcer.Announce(t.Context(), e); err != nil {
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
	announcer := Open(settings)
	defer announcer.Close()
	for range 3 {
		mustBeCertain(t, "no topic yet", announcer.Announce(t.Context(), announced(t)))
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
	if err := announcer.Announce(t.Context(), announced(t)); err != nil {
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

// announceAndLeave leaves when Kafka has been asked something.
func (p *pausable) announceAndLeave(t *testing.T, announcer Announcer) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-p.asked; cancel() }()
	err := announcer.Announce(ctx, announced(t))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want context canceled", err)
	}
	return err
}

// While Kafka stands still, no more events wait for it than there are places, and Close does not wait for it.
func TestAnnounceToPausedKafka(t *testing.T) {
	t.Parallel()
	kafka := startPausable(t)
	announcer := newTopic(kafka.Settings)
	if err := announcer.Announce(t.Context(), announced(t)); err != nil {
		t.Fatal(err)
	}
	kafka.pause()
	if err := kafka.announceAndLeave(t, announcer); !errors.Is(err, ErrUncertain) {
		t.Errorf("error of what was sent is %v, want one that wraps ErrUncertain", err)
	}
	var waiting sync.WaitGroup
	for range maxSends - 1 {
		waiting.Go(func() {
			if err := announcer.Announce(t.Context(), announced(t)); err != nil {
				t.Error(err)
			}
		})
	}
	for announcer.sending.Load() < maxSends {
		time.Sleep(time.Millisecond)
	}
	if err := announcer.Announce(t.Context(), announced(t)); !errors.Is(err, errBusy) || errors.Is(err, ErrUncertain) {
		t.Errorf("error of one too many is %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := announcer.closeWithin(ended); err == nil || !strings.Contains(err.Error(), "64 events left behind") {
		t.Errorf("error of Close is %v", err)
	}

	kafka.resume()
	waiting.Wait()
	if err := announcer.Close(); err != nil {
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
	announcer := newTopic(kafka.Settings)
	if _, err, _ := announcer.connect.Do("", announcer.dial); err != nil {
		t.Fatal(err)
	}
	kafka.pause() // before the producer asks where the topic is
	mustBeCertain(t, "not yet sent", kafka.announceAndLeave(t, announcer))
	kafka.resume()
	if err := announcer.Announce(t.Context(), announced(t)); err != nil {
		t.Error(err)
	}
	if err := announcer.Close(); err != nil {
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
	announcer := Open(Settings{Brokers: []string{listener.Addr().String()}, Topic: "images"})
	mustBeCertain(t, "not connected", announcer.Announce(t.Context(), announced(t)))
	if err := announcer.Close(); err != nil {
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

func TestReadSettings(t *testing.T) {
	const long = "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
	for name, test := range map[string]struct {
		settings map[string]string
		faults   []string
	}{
		"nothing":     {nil, []string{"KAFKA_BOOTSTRAP_SERVERS is not set"}},
		"no port":     {map[string]string{"KAFKA_BOOTSTRAP_SERVERS": "a:1, b"}, []string{`KAFKA_BOOTSTRAP_SERVERS has "b"`}},
		"empty port":  {map[string]string{"KAFKA_BOOTSTRAP_SERVERS": "a:"}, []string{`KAFKA_BOOTSTRAP_SERVERS has "a:"`}},
		"no host":     {map[string]string{"KAFKA_BOOTSTRAP_SERVERS": ":9092"}, []string{`KAFKA_BOOTSTRAP_SERVERS has ":9092"`}},
		"port 0":      {map[string]string{"KAFKA_BOOTSTRAP_SERVERS": "a:0"}, []string{`KAFKA_BOOTSTRAP_SERVERS has "a:0"`}},
		"large port":  {map[string]string{"KAFKA_BOOTSTRAP_SERVERS": "a:65536"}, []string{`KAFKA_BOOTSTRAP_SERVERS has "a:65536"`}},
		"a URL":       {map[string]string{"KAFKA_BOOTSTRAP_SERVERS": "kafka://a:1"}, []string{`KAFKA_BOOTSTRAP_SERVERS has "kafka://a:1"`}},
		"a login":     {map[string]string{"KAFKA_BOOTSTRAP_SERVERS": "secret@b:1"}, []string{`KAFKA_BOOTSTRAP_SERVERS has "...@b:1"`}},
		"several":     {map[string]string{"KAFKA_BOOTSTRAP_SERVERS": "a:1, b:65535, [::1]:9092"}, nil},
		"topic":       {map[string]string{"KAFKA_BOOTSTRAP_SERVERS": "a:1", "KAFKA_TOPIC": "A.b_c-1"}, nil},
		"topic chars": {map[string]string{"KAFKA_BOOTSTRAP_SERVERS": "a:1", "KAFKA_TOPIC": "a b"}, []string{`KAFKA_TOPIC is "a b"`}},
		"topic lines": {map[string]string{"KAFKA_BOOTSTRAP_SERVERS": "a:1", "KAFKA_TOPIC": "a\n"}, []string{`KAFKA_TOPIC is "a\n"`}},
		"topic .":     {map[string]string{"KAFKA_BOOTSTRAP_SERVERS": "a:1", "KAFKA_TOPIC": "."}, []string{`KAFKA_TOPIC is "."`}},
		"topic ..":    {map[string]string{"KAFKA_BOOTSTRAP_SERVERS": "a:1", "KAFKA_TOPIC": ".."}, []string{`KAFKA_TOPIC is ".."`}},
		"topic 249":   {map[string]string{"KAFKA_BOOTSTRAP_SERVERS": "a:1", "KAFKA_TOPIC": (long + long + long)[:249]}, nil},
		"topic 250":   {map[string]string{"KAFKA_BOOTSTRAP_SERVERS": "a:1", "KAFKA_TOPIC": (long + long + long)[:250]}, []string{"KAFKA_TOPIC is"}},
		"a sink":      {map[string]string{"K_SINK": "http://broker/a/b"}, nil},
		"sink user":   {map[string]string{"K_SINK": "https://name:secret@broker:8443/a"}, nil},
		"bad sink":    {map[string]string{"K_SINK": "broker", "K_CE_OVERRIDES": "{", "K_CA_CERTS": "x"}, []string{"K_SINK is", "K_CE_OVERRIDES is", "K_CA_CERTS has"}},
		"no scheme":   {map[string]string{"K_SINK": "ftp://broker"}, []string{"K_SINK is"}},
		"sink secret": {map[string]string{"K_SINK": "ftp://name:secret@broker"}, []string{`K_SINK is "...@broker"`}},
		"sink opaque": {map[string]string{"K_SINK": "name:secret@broker"}, []string{`K_SINK is "...@broker"`}},
		"sink port":   {map[string]string{"K_SINK": "http://broker:99999"}, []string{"K_SINK is"}},
	} {
		r := config.NewReader(func(name string) string { return test.settings[name] })
		ReadSettings(r)
		text := ""
		if err := r.Err(); err != nil {
			text = err.Error()
		}
		if (text == "") != (len(test.faults) == 0) {
			t.Errorf("%s: %q, want %q", name, text, test.faults)
		}
		if strings.Contains(text, "secret") {
			t.Errorf("%s: %q tells a secret", name, text)
		}
		for _, fault := range test.faults {
			if !strings.Contains(text, fault) {
				t.Errorf("%s: %q, want %q in it", name, text, fault)
			}
		}
	}
}

func BenchmarkAnnounce(b *testing.B) {
	settings, _ := start(b)
	announcer := Open(settings)
	defer announcer.Close()
	e := announced(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := announcer.Announce(b.Context(), e); err != nil {
			b.Fatal(err)
		}
	}
}
