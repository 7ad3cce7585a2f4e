package deadletter

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/IBM/sarama"
	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/eventing"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/kafka"
)

// function is a running dead letter function with its Kafka.
type function struct {
	t      testing.TB
	url    string
	getenv func(string) string
}

// startFunction makes the test parallel. settings are NAME=value.
func startFunction(t *testing.T, settings ...string) *function {
	t.Helper()
	t.Parallel()
	f := &function{t: t, getenv: testservers.Start(t, append(settings, testservers.As("image-dead-letters"))...)}
	f.url = f.run()
	return f
}

// run starts the function, or another instance of it, and returns its URL.
func (f *function) run() (url string) {
	f.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, listener, f.getenv) }()
	f.t.Cleanup(func() {
		cancel()
		http.DefaultClient.CloseIdleConnections()
		if err := <-ended; err != nil {
			f.t.Errorf("Run() = %v", err)
		}
	})
	return "http://" + listener.Addr().String()
}

// undelivered returns an event as Knative sends it to a dead letter sink.
func undelivered(tb testing.TB, id string) event.Event {
	tb.Helper()
	e := event.New()
	e.SetID(id)
	e.SetSource("/other/system")
	e.SetType("image.uploaded")
	e.SetExtension("partitionkey", "key-"+id)
	e.SetExtension("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	e.SetExtension(eventing.ErrorDestination, "http://thumbnail.image-service.svc.cluster.local")
	e.SetExtension(eventing.ErrorCode, "400")
	e.SetExtension(eventing.ErrorData, base64.StdEncoding.EncodeToString([]byte(`{"error":"bad <b>"}`)))
	e.SetExtension(eventing.KafkaPartition, "3")
	e.SetExtension(eventing.KafkaOffset, "4711")
	e.SetDataContentType(event.ApplicationJSON)
	e.DataEncoded = []byte(`{"image_id":"<script>"}`)
	return e
}

func (f *function) deliver(e event.Event) (status int) {
	f.t.Helper()
	request, err := http.NewRequestWithContext(f.t.Context(), http.MethodPost, f.url, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	if err := cehttp.WriteRequest(f.t.Context(), binding.ToMessage(&e), request); err != nil {
		f.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		f.t.Fatal(err)
	}
	defer response.Body.Close()
	if body, _ := io.ReadAll(response.Body); response.StatusCode == http.StatusOK && len(body) > 0 {
		f.t.Errorf("got response %s, which Knative reads as a reply that is not an event", body)
	}
	return response.StatusCode
}

// keep delivers events and fails the test if one is not kept.
func (f *function) keep(ids ...string) {
	f.t.Helper()
	for _, id := range ids {
		if status := f.deliver(undelivered(f.t, id)); status != http.StatusOK {
			f.t.Fatalf("deliver %s: got status %d, want 200", id, status)
		}
	}
}

// ask sends a request. If answer is not nil, the response must be 200 and its JSON is decoded into answer.
func (f *function) ask(method, path string, answer any) (status int, body string) {
	f.t.Helper()
	request, err := http.NewRequestWithContext(f.t.Context(), method, f.url+path, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		f.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	if answer != nil {
		if err := json.Unmarshal(text, answer); err != nil || response.StatusCode != http.StatusOK {
			f.t.Fatalf("%s %s: %d %s, %v", method, path, response.StatusCode, text, err)
		}
	}
	return response.StatusCode, string(text)
}

// waiting returns the sorted IDs of the waiting events, read page by page.
func (f *function) waiting(query string) (ids []string) {
	f.t.Helper()
	for next := "/?" + query; next != ""; {
		var page listed
		f.ask(http.MethodGet, next, &page)
		for _, l := range page.Letters {
			ids = append(ids, l.ID)
		}
		next = page.Next
	}
	slices.Sort(ids)
	return ids
}

func (f *function) redrive(query string) (answer redriven) {
	f.t.Helper()
	f.ask(http.MethodPost, "/redrive?"+query, &answer)
	return answer
}

// redrivenEvents returns the events on the target topic, sorted by ID.
func (f *function) redrivenEvents() (events []event.Event) {
	f.t.Helper()
	v, err := f.backlog("KAFKA_TOPIC").open()
	if err != nil {
		f.t.Fatal(err)
	}
	defer v.close()
	for l, err := range v.letters(f.t.Context(), start) {
		if err != nil || l.fault != nil {
			f.t.Fatal(err, l.fault)
		}
		events = append(events, l.event)
	}
	slices.SortFunc(events, func(a, b event.Event) int { return strings.Compare(a.ID(), b.ID()) })
	return events
}

func (f *function) redrivenIDs() (ids []string) {
	f.t.Helper()
	for _, e := range f.redrivenEvents() {
		ids = append(ids, e.ID())
	}
	return ids
}

// backlog reads the topic that a setting names, with the test's own login.
func (f *function) backlog(topic string) backlog {
	f.t.Helper()
	own, err := connect.From(testservers.Own(f.getenv), connect.ReadKafka)
	if err != nil {
		f.t.Fatal(err)
	}
	brokers := strings.Split(f.getenv("KAFKA_BOOTSTRAP_SERVERS"), ",")
	letters := kafka.Settings{Brokers: brokers, Connection: own, Topic: f.getenv(topic)}
	return backlog{letters, groupSetting.Default}
}

// write writes a record to the dead letter topic, as another program may.
func (f *function) write(text string) {
	f.t.Helper()
	producer, err := sarama.NewSyncProducer(testservers.Kafka(f.t, f.getenv))
	if err != nil {
		f.t.Fatal(err)
	}
	defer producer.Close()
	record := &sarama.ProducerMessage{Topic: f.getenv("KAFKA_DEAD_LETTER_TOPIC"), Value: sarama.StringEncoder(text)}
	if _, _, err := producer.SendMessage(record); err != nil {
		f.t.Fatal(err)
	}
}

func ids(from, to int) (ids []string) {
	for i := from; i <= to; i++ {
		ids = append(ids, fmt.Sprintf("event-%03d", i))
	}
	return ids
}
