package main

import (
	"context"
	"encoding/base64"
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
	codes  []int
	reply  *event.Event // with each 200
	body   string       // with each other code
	header http.Header
	seen   []event.Event
}

func (s *subscriber) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e, err := binding.ToEvent(r.Context(), cehttp.NewMessageFromHttpRequest(r))
	if err != nil {
		panic(err)
	}
	s.Lock()
	defer s.Unlock()
	s.seen = append(s.seen, *e)
	code := s.codes[0]
	if len(s.codes) > 1 {
		s.codes = s.codes[1:]
	}
	for name, values := range s.header {
		w.Header()[name] = values
	}
	if code == http.StatusOK && s.reply != nil {
		_ = cehttp.WriteResponseWriter(r.Context(), binding.ToMessage(s.reply), code, w)
		return
	}
	w.WriteHeader(code)
	_, _ = io.WriteString(w, s.body)
}

// events returns the events so far.
func (s *subscriber) events() []event.Event {
	s.Lock()
	defer s.Unlock()
	return slices.Clone(s.seen)
}

// got returns the types of the events so far.
func (s *subscriber) got() (types []string) {
	for _, e := range s.events() {
		types = append(types, e.Type())
	}
	return types
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
	Retry: 3, BackoffPolicy: "exponential", BackoffDelay: isoTime(time.Microsecond), Timeout: isoTime(30 * time.Second),
}

// newDispatcher returns a dispatcher of a Trigger that wants everything, and its log.
func newDispatcher(subscriber, deadLetters string) (*dispatcher, *output) {
	log := &output{}
	to := route{name: "only", subscriber: subscriber, deadLetters: deadLetters, delivery: quick}
	return &dispatcher{route: to, client: newClient(), log: slog.New(slog.NewTextHandler(log, nil))}, log
}

// Which answers are retried, and how often; Retry-After changes nothing.
func TestRetries(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		codes   []int
		tries   int
		letters int
	}{
		"accepted":            {[]int{202}, 1, 0},
		"empty 200":           {[]int{200}, 1, 0},
		"down, then up":       {[]int{503, 500, 200}, 3, 0},
		"busy, then not":      {[]int{429, 200}, 2, 0},
		"missing, then found": {[]int{404, 200}, 2, 0},
		"conflict, then not":  {[]int{409, 200}, 2, 0},
		"too slow, then not":  {[]int{408, 200}, 2, 0},
		"down for good":       {[]int{503}, 4, 1},
		"refused":             {[]int{400}, 1, 1},
		"too large":           {[]int{413}, 1, 1},
		"unprocessable":       {[]int{422}, 1, 1},
		"moved":               {[]int{307}, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			header := http.Header{"Retry-After": {"86400"}, "Location": {"/elsewhere"}}
			s, sink := &subscriber{codes: test.codes, header: header}, &subscriber{codes: []int{202}}
			d, log := newDispatcher(s.serve(t), sink.serve(t))
			if err := d.dispatch(t.Context(), newEvent("a")); err != nil {
				t.Errorf("dispatch: got error %v", err)
			}
			if tries, letters := len(s.got()), len(sink.got()); tries != test.tries || letters != test.letters {
				t.Errorf("got %d tries and %d dead letters, want %d and %d", tries, letters, test.tries, test.letters)
			}
			retried := strings.Count(log.String(), "event_retried")
			lettered := strings.Count(log.String(), "event_dead_lettered")
			if retried != test.tries-1 || lettered != test.letters || strings.Count(log.String(), "\n") != retried+lettered {
				t.Errorf("got log %s, want a line for each retry and for the dead letter", log)
			}
		})
	}
}

// A subscriber that does not respond, or not in time, is tried again like one that answers 503.
func TestRetriesWithoutAnswer(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(nil)
	closed.Close()
	for name, handler := range map[string]http.HandlerFunc{
		"refused": nil,
		"dropped": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"timeout": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // the server notices a client that leaves only after the body
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, sink := closed.URL, &subscriber{codes: []int{202}}
			if handler != nil {
				server := httptest.NewServer(handler)
				t.Cleanup(server.Close)
				address = server.URL
			}
			d, log := newDispatcher(address, sink.serve(t))
			if name == "timeout" {
				d.delivery.Timeout = isoTime(10 * time.Millisecond)
				d.deadLetters = ""
			}
			if err := d.dispatch(t.Context(), newEvent("a")); err != nil {
				t.Errorf("dispatch: got error %v", err)
			}
			if got := strings.Count(log.String(), "event_retried"); got != quick.Retry {
				t.Errorf("got %d retries in log %s, want %d", got, log, quick.Retry)
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
		{"exponential", 1, time.Second},
		{"exponential", 2, 2 * time.Second},
		{"exponential", 3, 4 * time.Second},
		{"exponential", 10, 512 * time.Second},
		{"", 1, time.Second},
		{"linear", 1, 500 * time.Millisecond},
		{"linear", 3, 1500 * time.Millisecond},
	} {
		t.Run(fmt.Sprintf("%q retry %d", test.policy, test.retry), func(t *testing.T) {
			d := delivery{BackoffDelay: isoTime(500 * time.Millisecond), BackoffPolicy: test.policy}
			if got := d.pause(test.retry); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
	if got := (delivery{BackoffDelay: isoTime(time.Hour)}).pause(1000); got <= 0 {
		t.Errorf("got pause %v before retry 1000, want a positive one", got)
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

// Which answers are replies, which are empty, and which are failures that no retry can mend.
func TestAnswers(t *testing.T) {
	t.Parallel()
	const structured = `{"specversion":"1.0","id":"2","source":"/me","type":"b"}`
	for name, test := range map[string]struct {
		contentType, body string
		header            []string
		replies, letters  int
	}{
		"empty, without a length": {"", "", nil, 0, 0},
		"empty, with a type":      {"application/json", "", nil, 0, 0},
		"binary event": {
			"", "", []string{"Ce-Specversion", "1.0", "Ce-Id", "2", "Ce-Source", "/me", "Ce-Type", "b"}, 1, 0,
		},
		"structured event":    {"application/cloudevents+json", structured, nil, 1, 0},
		"text":                {"text/plain", "ok", nil, 0, 1},
		"JSON":                {"application/json", "{}", nil, 0, 1},
		"damaged event":       {"application/cloudevents+json", "{", nil, 0, 1},
		"event without an id": {"", "", []string{"Ce-Specversion", "1.0", "Ce-Source", "/me", "Ce-Type", "b"}, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tries, replies := 0, 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				tries++
				if test.contentType != "" {
					w.Header().Set("Content-Type", test.contentType)
				}
				for pair := range slices.Chunk(test.header, 2) {
					w.Header().Set(pair[0], pair[1])
				}
				w.WriteHeader(http.StatusOK)
				_ = http.NewResponseController(w).Flush() // so that the answer has no Content-Length
				_, _ = io.WriteString(w, test.body)
			}))
			t.Cleanup(server.Close)
			sink := &subscriber{codes: []int{202}}
			d, _ := newDispatcher(server.URL, sink.serve(t))
			d.reply = func(_ context.Context, e event.Event) error {
				if replies++; e.ID() != "2" || e.Type() != "b" {
					t.Errorf("got reply %v, want event 2", e)
				}
				return nil
			}
			if err := d.dispatch(t.Context(), newEvent("a")); err != nil {
				t.Errorf("dispatch: got error %v", err)
			}
			if letters := len(sink.got()); tries != 1 || replies != test.replies || letters != test.letters {
				t.Errorf("got %d tries, %d replies and %d dead letters, want 1, %d and %d",
					tries, replies, letters, test.replies, test.letters)
			}
		})
	}
}

// The extensions of a dead letter: always the subscriber, and its answer as far as there was one.
func TestDeadLetterExtensions(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(nil)
	closed.Close()
	long := strings.Repeat("x", 5000)
	for name, test := range map[string]struct {
		subscriber *subscriber
		want       map[string]any // but for knativeerrordest
	}{
		"no answer":   {nil, map[string]any{}},
		"empty body":  {&subscriber{codes: []int{400}}, map[string]any{"knativeerrorcode": "400"}},
		"with a body": {&subscriber{codes: []int{422}, body: "bad\n"}, letterData("422", "bad\n")},
		"long body":   {&subscriber{codes: []int{503}, body: long}, letterData("503", long[:1024])},
		"not an event": {
			&subscriber{codes: []int{200}, body: "ok"}, letterData("200", "ok"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, sink := closed.URL, &subscriber{codes: []int{202}}
			if test.subscriber != nil {
				address = test.subscriber.serve(t)
			}
			d, _ := newDispatcher(address, sink.serve(t))
			if err := d.dispatch(t.Context(), newEvent("a")); err != nil {
				t.Errorf("dispatch: got error %v", err)
			}
			letters := sink.events()
			if len(letters) != 1 {
				t.Fatalf("got %d dead letters, want 1", len(letters))
			}
			test.want["knativeerrordest"] = address
			if got := letters[0].Extensions(); fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("got extensions %v, want %v", got, test.want)
			}
		})
	}
}

func letterData(code, data string) map[string]any {
	return map[string]any{
		"knativeerrorcode": code, "knativeerrordata": base64.StdEncoding.EncodeToString([]byte(data)),
	}
}

// An event that the dead letter sink does not accept either is lost, as in production, and one line says so.
func TestLost(t *testing.T) {
	t.Parallel()
	for name, sink := range map[string]*subscriber{
		"no sink": nil,
		"refuses": {codes: []int{413}, body: "too large for me"},
		"is down": {codes: []int{503}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var deadLetters string
			want := "no dead letter sink"
			if sink != nil {
				deadLetters, want = sink.serve(t), fmt.Sprint(sink.codes[0])
			}
			d, log := newDispatcher((&subscriber{codes: []int{400}, body: "not for me"}).serve(t), deadLetters)
			if err := d.dispatch(t.Context(), newEvent("a")); err != nil {
				t.Errorf("dispatch: got error %v, want none: the event is done", err)
			}
			if strings.Count(log.String(), "level=ERROR") != 1 {
				t.Errorf("got log %s, want one error", log)
			}
			for _, text := range []string{
				"event_lost", "cloudevent.type=a", "cloudevent.id=1", "400 Bad Request: not for me", want,
			} {
				if !strings.Contains(log.String(), text) {
					t.Errorf("got log %s, want %q in it", log, text)
				}
			}
		})
	}
}

// A line about a retry says what failed, why, and what comes next.
func TestRetryLine(t *testing.T) {
	t.Parallel()
	s := &subscriber{codes: []int{503, 202}, body: "redis is down"}
	d, log := newDispatcher(s.serve(t), "")
	if err := d.dispatch(t.Context(), newEvent("image.uploaded")); err != nil {
		t.Errorf("dispatch: got error %v", err)
	}
	for _, want := range []string{
		"level=WARN", "event_retried", "consumer=only",
		"cloudevent.type=image.uploaded", "cloudevent.id=1", "cloudevent.source=/me",
		"subscriber=" + d.subscriber, "503 Service Unavailable: redis is down", `attempt="1 of 4"`, "next=",
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("got log %s, want %s in it", log, want)
		}
	}
}

// A reply that Kafka does not take makes its event a dead letter: the subscriber is done and is not asked again.
func TestReplyNotPublished(t *testing.T) {
	t.Parallel()
	reply := newEvent("b")
	s, sink := &subscriber{codes: []int{200}, reply: &reply}, &subscriber{codes: []int{202}}
	d, _ := newDispatcher(s.serve(t), sink.serve(t))
	d.reply = func(context.Context, event.Event) error { return io.ErrUnexpectedEOF }
	if err := d.dispatch(t.Context(), newEvent("a")); err != nil {
		t.Errorf("dispatch: got error %v", err)
	}
	if tries, letters := len(s.got()), len(sink.got()); tries != 1 || letters != 1 {
		t.Errorf("got %d tries and %d dead letters, want one each", tries, letters)
	}
}

// An event whose delivery is interrupted is not done, so that its offset is not committed.
func TestDispatchEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		cancel()
	}))
	t.Cleanup(server.Close)
	d, log := newDispatcher(server.URL, "")
	d.delivery.BackoffDelay = isoTime(time.Hour)
	if err := d.dispatch(ctx, newEvent("a")); err == nil || strings.Contains(log.String(), "event_lost") {
		t.Errorf("got error %v and log %s, want an error and no loss", err, log)
	}
}
