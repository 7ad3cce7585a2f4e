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
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/kafka"
)

// service is the dead letter function, running, with all around it.
type service struct {
	t      testing.TB
	url    string
	getenv func(string) string
}

func begin(t *testing.T, settings ...string) *service {
	t.Helper()
	t.Parallel()
	s := &service{t: t, getenv: testservers.Start(t, append(settings, testservers.As("image-dead-letters"))...)}
	s.url = s.run()
	return s
}

// run runs the function, one more if one runs already, and returns its address.
func (s *service) run() (url string) {
	s.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, listener, s.getenv) }()
	s.t.Cleanup(func() {
		cancel()
		http.DefaultClient.CloseIdleConnections()
		if err := <-ended; err != nil {
			s.t.Errorf("Run() = %v", err)
		}
	})
	return "http://" + listener.Addr().String()
}

// undelivered is an event as Knative gives it to a dead letter sink.
func undelivered(t testing.TB, id string) event.Event {
	t.Helper()
	e := event.New()
	e.SetID(id)
	e.SetSource("/other/system")
	e.SetType("image.uploaded")
	e.SetExtension("partitionkey", "key-"+id)
	e.SetExtension("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	e.SetExtension(errorDestination, "http://thumbnail.image-service.svc.cluster.local")
	e.SetExtension(errorCode, "400")
	e.SetExtension(errorData, base64.StdEncoding.EncodeToString([]byte(`{"error":"bad <b>"}`)))
	e.SetDataContentType(event.ApplicationJSON)
	e.DataEncoded = []byte(`{"image_id":"<script>"}`)
	return e
}

func (s *service) deliver(e event.Event) (status int) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cehttp.WriteRequest(s.t.Context(), binding.ToMessage(&e), request); err != nil {
		s.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	if body, _ := io.ReadAll(response.Body); response.StatusCode == http.StatusOK && len(body) > 0 {
		s.t.Errorf("answered %s, which Knative takes for a reply that is no event", body)
	}
	return response.StatusCode
}

// keep delivers events, which have to be kept.
func (s *service) keep(ids ...string) {
	s.t.Helper()
	for _, id := range ids {
		if status := s.deliver(undelivered(s.t, id)); status != http.StatusOK {
			s.t.Fatalf("dead letter %s: %d", id, status)
		}
	}
}

// ask sends a request and reads the JSON of its answer into answer, if there is one to read.
func (s *service) ask(method, path string, answer any) (status int, body string) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if answer != nil {
		if err := json.Unmarshal(text, answer); err != nil || response.StatusCode != http.StatusOK {
			s.t.Fatalf("%s %s: %d %s, %v", method, path, response.StatusCode, text, err)
		}
	}
	return response.StatusCode, string(text)
}

// waiting are the ids of the events that wait, sorted, page by page.
func (s *service) waiting(query string) (ids []string) {
	s.t.Helper()
	for next := "/?" + query; next != ""; {
		var page listed
		s.ask(http.MethodGet, next, &page)
		for _, l := range page.Letters {
			ids = append(ids, l.ID)
		}
		next = page.Next
	}
	slices.Sort(ids)
	return ids
}

func (s *service) redrive(query string) (answer redriven) {
	s.t.Helper()
	s.ask(http.MethodPost, "/redrive?"+query, &answer)
	return answer
}

// put are the events that were put back, sorted by id.
func (s *service) put() (events []event.Event) {
	s.t.Helper()
	v, err := s.backlog("KAFKA_TOPIC").open()
	if err != nil {
		s.t.Fatal(err)
	}
	defer v.close()
	for l, err := range v.letters(s.t.Context(), start) {
		if err != nil || l.fault != nil {
			s.t.Fatal(err, l.fault)
		}
		events = append(events, l.event)
	}
	slices.SortFunc(events, func(a, b event.Event) int { return strings.Compare(a.ID(), b.ID()) })
	return events
}

func (s *service) putIDs() (ids []string) {
	s.t.Helper()
	for _, e := range s.put() {
		ids = append(ids, e.ID())
	}
	return ids
}

// backlog is the test's own look at the topic that a setting names.
func (s *service) backlog(topic string) backlog {
	s.t.Helper()
	own, err := connect.From(testservers.Own(s.getenv), connect.ReadKafka)
	if err != nil {
		s.t.Fatal(err)
	}
	return backlog{kafka.Settings{Brokers: strings.Split(s.getenv("KAFKA_BOOTSTRAP_SERVERS"), ","), Connection: own, Topic: s.getenv(topic)}}
}

// write writes a record to the dead letter topic, as somebody else may.
func (s *service) write(text string) {
	s.t.Helper()
	producer, err := sarama.NewSyncProducer(testservers.Kafka(s.t, s.getenv))
	if err != nil {
		s.t.Fatal(err)
	}
	defer producer.Close()
	record := &sarama.ProducerMessage{Topic: s.getenv("KAFKA_DEAD_LETTER_TOPIC"), Value: sarama.StringEncoder(text)}
	if _, _, err := producer.SendMessage(record); err != nil {
		s.t.Fatal(err)
	}
}

func ids(from, to int) (ids []string) {
	for i := from; i <= to; i++ {
		ids = append(ids, fmt.Sprintf("event-%03d", i))
	}
	return ids
}
