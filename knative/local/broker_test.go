package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
)

// subscriber responds to deliveries with the given codes in order, and repeats the last one.
type subscriber struct {
	sync.Mutex
	codes []int
	reply *event.Event
	times []time.Time
	types []string
}

func (s *subscriber) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e, err := binding.ToEvent(r.Context(), cehttp.NewMessageFromHttpRequest(r))
	if err != nil {
		panic(err)
	}
	s.Lock()
	defer s.Unlock()
	s.times, s.types = append(s.times, time.Now()), append(s.types, e.Type())
	code := s.codes[0]
	if len(s.codes) > 1 {
		s.codes = s.codes[1:]
	}
	if code == http.StatusOK && s.reply != nil {
		_ = cehttp.WriteResponseWriter(r.Context(), binding.ToMessage(s.reply), code, w)
		return
	}
	w.WriteHeader(code)
}

// got returns the types of the events so far.
func (s *subscriber) got() []string {
	s.Lock()
	defer s.Unlock()
	return slices.Clone(s.types)
}

func (s *subscriber) serve(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server.URL
}

func newEvent(eventType string) event.Event {
	e := event.New()
	e.SetID("1")
	e.SetSource("/me")
	e.SetType(eventType)
	return e
}

// quick retries like a Trigger, almost without pauses.
var quick = delivery{
	Retry: 3, BackoffPolicy: "exponential", BackoffDelay: isoTime(time.Millisecond), Timeout: isoTime(10 * time.Second),
}

func newBroker(log io.Writer, triggers ...route) *localBroker {
	logger := slog.New(slog.NewTextHandler(log, nil))
	return &localBroker{name: "test", client: &http.Client{}, log: logger, triggers: triggers}
}

// Which responses are retried, and how often.
func TestRetries(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		codes   []int
		tries   int
		givenUp bool
	}{
		"accepted":             {[]int{202}, 1, false},
		"empty 200":            {[]int{200}, 1, false},
		"down, then up":        {[]int{503, 500, 200}, 3, false},
		"busy, then not":       {[]int{429, 200}, 2, false},
		"missing, then found":  {[]int{404, 200}, 2, false},
		"conflict, then not":   {[]int{409, 200}, 2, false},
		"too slow, then not":   {[]int{408, 200}, 2, false},
		"down for good":        {[]int{503}, 4, true},
		"refused":              {[]int{400}, 1, true},
		"too large":            {[]int{413}, 1, true},
		"moved (no redirects)": {[]int{300}, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := &subscriber{codes: test.codes}
			var log bytes.Buffer
			broker := newBroker(&log, route{name: "only", subscriber: s.serve(t), delivery: quick})
			if err := broker.route(t.Context(), newEvent("a")); err != nil {
				t.Errorf("route: got error %v", err)
			}
			if len(s.times) != test.tries || strings.Contains(log.String(), "event_given_up") != test.givenUp {
				t.Errorf("got %d tries and log %q, want %d tries, given up %t", len(s.times), &log, test.tries, test.givenUp)
			}
		})
	}
}

func TestPauses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		policy string
		retry  int
		want   time.Duration
	}{
		{"exponential", 1, 500 * time.Millisecond},
		{"exponential", 2, time.Second},
		{"exponential", 3, 2 * time.Second},
		{"exponential", 10, 256 * time.Second},
		{"linear", 3, 1500 * time.Millisecond},
	} {
		t.Run(fmt.Sprint(test.policy, " retry ", test.retry), func(t *testing.T) {
			d := delivery{BackoffDelay: isoTime(500 * time.Millisecond), BackoffPolicy: test.policy}
			if got := d.pause(test.retry); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	e := newEvent("image.uploaded")
	e.SetExtension("region", "eu")
	for name, test := range map[string]struct {
		attributes map[string]string
		want       bool
	}{
		"no filter":         {nil, true},
		"its type":          {map[string]string{"type": "image.uploaded"}, true},
		"any type":          {map[string]string{"type": ""}, true},
		"another type":      {map[string]string{"type": "image.failed"}, false},
		"type and source":   {map[string]string{"type": "image.uploaded", "source": "/me"}, true},
		"another source":    {map[string]string{"type": "image.uploaded", "source": "/you"}, false},
		"its extension":     {map[string]string{"region": "eu"}, true},
		"any value":         {map[string]string{"region": ""}, true},
		"missing extension": {map[string]string{"zone": ""}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := (route{attributes: test.attributes}).wants(e); got != test.want {
				t.Errorf("got %t, want %t", got, test.want)
			}
		})
	}
}

// A reply is delivered to the Triggers that want it, once.
func TestReplies(t *testing.T) {
	t.Parallel()
	reply := newEvent("b")
	first := &subscriber{codes: []int{200}, reply: &reply}
	second, all := &subscriber{codes: []int{202}}, &subscriber{codes: []int{202}}
	broker := newBroker(io.Discard,
		route{attributes: map[string]string{"type": "a"}, subscriber: first.serve(t), delivery: quick},
		route{attributes: map[string]string{"type": "b"}, subscriber: second.serve(t), delivery: quick},
		route{subscriber: all.serve(t), delivery: quick})
	server := httptest.NewServer(broker)
	defer server.Close()
	event := strings.NewReader(`{"specversion":"1.0","id":"1","source":"/me","type":"a"}`)
	request, err := http.NewRequest(http.MethodPost, server.URL, event)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/cloudevents+json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	slices.Sort(all.types)
	if response.StatusCode != http.StatusAccepted {
		t.Errorf("got %s, want 202", response.Status)
	}
	got, want := [][]string{first.types, second.types, all.types}, [][]string{{"a"}, {"b"}, {"a", "b"}}
	if !slices.EqualFunc(got, want, slices.Equal[[]string]) {
		t.Errorf("got events %q at the three subscribers, want %q", got, want)
	}
}

func TestBrokerRefuses(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(newBroker(io.Discard))
	defer server.Close()
	tooLarge := `{"specversion":"1.0","id":"1","source":"/me","type":"a","data":"` + strings.Repeat("x", maxEvent) + `"}`
	for name, test := range map[string]struct {
		method, contentType, body string
		status                    int
	}{
		"GET":       {"GET", "", "", 405},
		"no event":  {"POST", "text/plain", "hello", 400},
		"truncated": {"POST", "application/cloudevents+json", "{", 400},
		"no id":     {"POST", "application/cloudevents+json", `{"specversion":"1.0","source":"/me","type":"a"}`, 400},
		"too large": {"POST", "application/cloudevents+json", tooLarge, 400},
	} {
		t.Run(name, func(t *testing.T) {
			request, err := http.NewRequest(test.method, server.URL, strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Content-Type", test.contentType)
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			if response.Body.Close(); response.StatusCode != test.status {
				t.Errorf("got %s, want %d", response.Status, test.status)
			}
		})
	}
}

// An event that is not delivered before the Broker stops is not acknowledged, so that its sender sends it again.
func TestBrokerEnds(t *testing.T) {
	t.Parallel()
	s := &subscriber{codes: []int{503}}
	patient := delivery{Retry: 10, BackoffPolicy: "linear", BackoffDelay: isoTime(time.Hour)}
	broker := newBroker(io.Discard, route{subscriber: s.serve(t), delivery: patient})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := broker.route(ctx, newEvent("a")); err == nil {
		t.Error("route() = nil, want an error")
	}
}
