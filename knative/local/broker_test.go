package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/functions/fakes"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/knative"
)

// startTestBroker starts a Broker with the given Triggers on a Kafka. One that is stopped may be followed by another.
func startTestBroker(t *testing.T, getenv func(string) string, triggers ...route) *testStack {
	t.Helper()
	deployed, err := readDeployment(knative.Manifests)
	if err != nil {
		t.Fatal(err)
	}
	servers, err := fakes.Start(getenv)
	if err != nil {
		t.Fatal(err)
	}
	s := &stack{deployment: deployed, servers: servers, log: slog.New(slog.DiscardHandler)}
	o, spec := options{broker: "127.0.0.1:0"}, deployed.brokers[0]
	t.Cleanup(s.stop)
	topic, err := newBrokerTopic("knative-broker-test"+s.suffix(o), getenv, servers.EnsureTopics)
	if err != nil {
		t.Fatal(err)
	}
	s.closers = append(s.closers, topic.close)
	if err := s.startIngress(o, spec, topic); err != nil {
		t.Fatal(err)
	}
	if err := s.startTriggers(o, spec, topic, triggers); err != nil {
		t.Fatal(err)
	}
	return &testStack{stack: s, t: t, getenv: getenv}
}

// triggerFor returns a Trigger for events of a type, or for all.
func triggerFor(name, eventType, subscriber string) route {
	to := route{name: name, subscriber: subscriber, delivery: quick}
	if eventType != "" {
		to.attributes = map[string]string{"type": eventType}
	}
	return to
}

// A reply is delivered to the Triggers that want it, once.
func TestReplies(t *testing.T) {
	t.Parallel()
	reply := newEvent("b")
	first := &subscriber{codes: []int{200}, reply: &reply}
	second, all := &subscriber{codes: []int{202}}, &subscriber{codes: []int{202}}
	s := startTestBroker(t, testservers.Start(t),
		triggerFor("first", "a", first.serve(t)), triggerFor("second", "b", second.serve(t)),
		triggerFor("all", "", all.serve(t)))
	if code := s.post(newEvent("a")); code != http.StatusAccepted {
		t.Errorf("post: got status %d, want 202", code)
	}
	eventually(t, "the reply", func() bool { return len(second.got()) > 0 && len(all.got()) > 1 })
	types := all.got()
	slices.Sort(types)
	got, want := [][]string{first.got(), second.got(), types}, [][]string{{"a"}, {"b"}, {"a", "b"}}
	if !slices.EqualFunc(got, want, slices.Equal[[]string]) {
		t.Errorf("got events %q at the three subscribers, want %q", got, want)
	}
}

// An event is accepted before any subscriber has answered.
func TestAcceptedFirst(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		<-release
		close(done)
	}))
	t.Cleanup(server.Close)
	s := startTestBroker(t, testservers.Start(t), triggerFor("slow", "", server.URL))
	if code := s.post(newEvent("a")); code != http.StatusAccepted {
		t.Errorf("post: got status %d, want 202", code)
	}
	close(release)
	<-done
}

// An event that waits for its next attempt when the Broker stops is delivered by the next Broker, and one that is done
// is not.
func TestBrokerRestart(t *testing.T) {
	t.Parallel()
	getenv := testservers.Start(t)
	down, up := &subscriber{codes: []int{503}}, &subscriber{codes: []int{202}}
	waits, done := triggerFor("waits", "", down.serve(t)), triggerFor("done", "", up.serve(t))
	waits.delivery.BackoffDelay = isoTime(time.Hour)
	first := startTestBroker(t, getenv, waits, done)
	first.post(newEvent("a"))
	eventually(t, "an attempt", func() bool { return len(down.got()) == 1 && first.committed(done) == 1 })
	stopStages(first.stages)

	recovered := &subscriber{codes: []int{202}}
	waits.subscriber = recovered.serve(t)
	second := startTestBroker(t, getenv, waits, done)
	eventually(t, "delivery after the restart", func() bool { return len(recovered.got()) == 1 })
	second.post(newEvent("b"))
	eventually(t, "the next event", func() bool { return len(recovered.got()) == 2 && len(up.got()) >= 2 })
	if got := up.got(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("got events %q at the Trigger that was done, want each once", got)
	}
}

// committed returns how many records the consumer of a Trigger has committed.
func (s *testStack) committed(trigger route) (records int64) {
	s.t.Helper()
	admin, err := sarama.NewClusterAdmin(testservers.Kafka(s.t, s.getenv))
	if err != nil {
		s.t.Fatal(err)
	}
	defer admin.Close()
	offsets, err := admin.ListConsumerGroupOffsets(s.triggerGroup(options{}, s.deployment.brokers[0], trigger), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, partitions := range offsets.Blocks {
		for _, block := range partitions {
			records += max(0, block.Offset)
		}
	}
	return records
}

// An event in structured mode arrives in binary mode, with the attributes that it had and no others.
func TestStructuredEvents(t *testing.T) {
	t.Parallel()
	watcher := &subscriber{codes: []int{202}}
	s := startTestBroker(t, testservers.Start(t), triggerFor("all", "", watcher.serve(t)))
	for i, test := range []struct{ name, attributes, contentType, data string }{
		{"no type", `"data":{"a":1}`, "", `{"a":1}`},
		{"its type", `"datacontenttype":"text/plain","data":"hello"`, "text/plain", "hello"},
		{"base64", `"datacontenttype":"image/png","data_base64":"AAEC"`, "image/png", "\x00\x01\x02"},
		{"another script", `"subject":"фото.jpg","region":"eu"`, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			body := fmt.Sprintf(`{"specversion":"1.0","id":"%d","source":"/me","type":"a",%s}`, i, test.attributes)
			answer := s.do("POST", s.broker, "application/cloudevents+json", strings.NewReader(body))
			if answer.status != http.StatusAccepted {
				t.Fatalf("got %d %s, want 202", answer.status, answer.body)
			}
			var got event.Event
			eventually(t, "delivery", func() bool {
				for _, got = range watcher.events() {
					if got.ID() == fmt.Sprint(i) {
						return true
					}
				}
				return false
			})
			if got.DataContentType() != test.contentType || string(got.Data()) != test.data {
				t.Errorf("got %q with data %q, want %q with %q", got.DataContentType(), got.Data(), test.contentType, test.data)
			}
			if test.name == "another script" && (got.Subject() != "фото.jpg" || got.Extensions()["region"] != "eu") {
				t.Errorf("got subject %q and extensions %v, want them as sent", got.Subject(), got.Extensions())
			}
		})
	}
}

func TestBrokerRefuses(t *testing.T) {
	t.Parallel()
	s := startTestBroker(t, testservers.Start(t))
	structured := func(data string) string {
		return `{"specversion":"1.0","id":"1","source":"/me","type":"a","data":"` + data + `"}`
	}
	for name, test := range map[string]struct {
		method, url, contentType, body string
		status                         int
		want                           string // in the answer; "" for an empty one
	}{
		"GET":        {"GET", s.broker, "", "", 405, "POST"},
		"wrong path": {"POST", strings.TrimSuffix(s.broker, "/images"), "text/plain", "hello", 404, s.broker},
		"root":       {"POST", strings.TrimSuffix(s.broker, "/image-service/images"), "", "", 404, s.broker},
		"no event":   {"POST", s.broker, "text/plain", "hello", 400, "CloudEvent"},
		"truncated":  {"POST", s.broker, "application/cloudevents+json", "{", 400, "CloudEvent"},
		"no id": {
			"POST", s.broker, "application/cloudevents+json", `{"specversion":"1.0","source":"/me","type":"a"}`, 400, "id",
		},
		"largest": {
			"POST", s.broker, "application/cloudevents+json", structured(strings.Repeat("x", 1_048_000)), 202, "",
		},
		"too large for Kafka": {
			"POST", s.broker, "application/cloudevents+json", structured(strings.Repeat("x", maxRecord)), 503, "",
		},
		"too large to read": {
			"POST", s.broker, "application/cloudevents+json", structured(strings.Repeat("x", 2*maxBody)), 503, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			answer := s.do(test.method, test.url, test.contentType, strings.NewReader(test.body))
			if answer.status != test.status || !strings.Contains(string(answer.body), test.want) {
				t.Errorf("got %d %s, want %d with %q", answer.status, answer.body, test.status, test.want)
			}
			if test.want == "" && len(answer.body) > 0 {
				t.Errorf("got body %q, want none", answer.body)
			}
		})
	}
}

// While Kafka does not take events the Broker answers 503, and none is lost that it has accepted.
func TestBrokerWithoutKafka(t *testing.T) {
	t.Parallel()
	log := &output{}
	server := httptest.NewServer(&ingress{
		path: "/ns/name", log: slog.New(slog.NewTextHandler(log, nil)),
		put: func(context.Context, event.Event) error { return fmt.Errorf("kafka is down") },
	})
	t.Cleanup(server.Close)
	s := &testStack{t: t, stack: &stack{broker: server.URL + "/ns/name"}}
	if code := s.post(newEvent("a")); code != http.StatusServiceUnavailable {
		t.Errorf("got status %d, want 503", code)
	}
	if !strings.Contains(log.String(), "event_refused") || !strings.Contains(log.String(), "kafka is down") {
		t.Errorf("got log %s, want a line that says why", log)
	}
}
