package deadletter

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/functions/eventing"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/logs"
)

// A dead letter is listed with the reason, and redriven as the event that it was.
func TestRoundTrip(t *testing.T) {
	f := startFunction(t)
	f.keep("a")
	var page listed
	f.ask(http.MethodGet, "/", &page)
	if page.Waiting != 1 || len(page.Letters) != 1 || page.Next != "" {
		t.Fatalf("got page %+v, want one letter", page)
	}
	got := page.Letters[0]
	want := shown{
		Place: got.Place, Since: got.Since, Count: 1, Last: got.Since,
		Type: "image.uploaded", Source: "/other/system", ID: "a",
		Subscriber: "http://thumbnail.image-service.svc.cluster.local", Code: "400", Answer: `{"error":"bad <b>"}`,
		Data: `{"image_id":"<script>"}`, Bytes: 23,
	}
	if got != want || got.Since.IsZero() {
		t.Errorf("got letter %+v, want %+v", got, want)
	}

	if got, want := f.redrive(""), (redriven{Redriven: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	events := f.redrivenEvents()
	if len(events) != 1 {
		t.Fatalf("got redriven events %v, want one", events)
	}
	sent := undelivered(t, "a")
	for _, name := range []string{
		"knativeerrordest", "knativeerrorcode", "knativeerrordata", "knativekafkapartition", "knativekafkaoffset",
	} {
		sent.SetExtension(name, nil)
	}
	if got, want := events[0].String(), sent.String(); got != want {
		t.Errorf("got redriven event\n%s, want\n%s", got, want)
	}
	if got := f.waiting(""); len(got) > 0 {
		t.Errorf("got waiting %v, want none", got)
	}
	if got := f.redrive(""); got != (redriven{}) || len(f.redrivenEvents()) != 1 {
		t.Errorf("second redrive: got %+v, want nothing redriven", got)
	}
}

// An event without data, whose subscriber did not respond, is a dead letter like others.
func TestBareEvent(t *testing.T) {
	f := startFunction(t)
	e := event.New()
	e.SetID("bare")
	e.SetSource("/s")
	e.SetType("t")
	if status := f.deliver(e); status != http.StatusOK {
		t.Fatalf("got status %d, want 200", status)
	}
	f.redrive("")
	if got := f.redrivenEvents(); len(got) != 1 || got[0].String() != e.String() {
		t.Errorf("got redriven events %v, want %v", got, e)
	}
	_, metrics := f.ask(http.MethodGet, "/metrics", nil)
	for _, line := range []string{`dead_letters_kept_total{code="none"} 1`, "dead_letters_redriven_total 1"} {
		if !strings.Contains(metrics, line) {
			t.Errorf("got metrics %s, want %s in them", metrics, line)
		}
	}
}

// Letters redriven out of turn are remembered by the next process as well; each is redriven once.
func TestOutOfTurn(t *testing.T) {
	f := startFunction(t)
	f.keep(ids(1, 40)...)
	for _, id := range []string{"event-007", "event-009", "event-008", "event-040"} {
		if got := f.redrive("id=" + id + "&source=/other/system"); got.Redriven != 1 {
			t.Errorf("redrive %s: got %+v, want one", id, got)
		}
	}
	if got := f.redrive("id=event-007"); got != (redriven{Waiting: 36}) {
		t.Errorf("redrive the same letter: got %+v, want none and 36 waiting", got)
	}
	if got := f.redrive("type=another"); got != (redriven{Waiting: 36}) {
		t.Errorf("redrive another type: got %+v, want none and 36 waiting", got)
	}
	f.url = f.run()
	want := slices.DeleteFunc(ids(1, 39), func(id string) bool { return id >= "event-007" && id <= "event-009" })
	if got := f.waiting(""); !slices.Equal(got, want) {
		t.Errorf("got waiting %v, want %v", got, want)
	}
	if got := f.redrive(""); got != (redriven{Redriven: 36}) {
		t.Errorf("redrive the rest: got %+v, want 36", got)
	}
	if got := f.redrivenIDs(); !slices.Equal(got, ids(1, 40)) {
		t.Errorf("got redriven %v, want each of 40 once", got)
	}
	f.keep("later")
	if got := f.waiting(""); !slices.Equal(got, []string{"later"}) {
		t.Errorf("got waiting %v, want later", got)
	}
}

func TestPages(t *testing.T) {
	f := startFunction(t)
	f.keep(ids(1, 25)...)
	var page listed
	f.ask(http.MethodGet, "/?limit=10&source=/other/system", &page)
	if page.Waiting != 25 || len(page.Letters) != 10 {
		t.Errorf("got %d letters of %d, want 10 of 25", len(page.Letters), page.Waiting)
	}
	if !strings.Contains(page.Next, "limit=10") || !strings.Contains(page.Next, "source=") {
		t.Errorf("got next %q, want the query in it", page.Next)
	}
	for _, query := range []string{"", "limit=7", "limit=25"} {
		t.Run("query "+query, func(t *testing.T) {
			if got := f.waiting(query); !slices.Equal(got, ids(1, 25)) {
				t.Errorf("got %v, want all 25", got)
			}
		})
	}
	if got := f.waiting("id=event-003&limit=1"); !slices.Equal(got, []string{"event-003"}) {
		t.Errorf("got %v, want event-003", got)
	}
}

// A process that crashes between Kafka's acknowledgement and the commit repeats letters and loses none.
func TestCrashBeforeCommit(t *testing.T) {
	f := startFunction(t)
	f.keep("a", "b")
	v, err := f.backlog("KAFKA_DEAD_LETTER_TOPIC").open()
	if err != nil {
		t.Fatal(err)
	}
	defer v.close()
	for l, err := range v.letters(t.Context(), start) {
		if err != nil {
			t.Fatal(err)
		}
		v.markDone(l.at)
	}
	if v.count() != 0 {
		t.Errorf("got %d waiting in the view that has redriven all, want 0", v.count())
	}
	if got := f.waiting(""); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("got waiting %v, want a and b", got)
	}
}

// Records of other programs are listed, do not delay letters, and stay.
func TestForeignRecords(t *testing.T) {
	f := startFunction(t)
	f.write("hello")
	f.keep("a", "b", "c")
	f.write("")
	if got := f.redrive(""); got != (redriven{Redriven: 3, Waiting: 2}) {
		t.Errorf("got %+v, want 3 redriven and 2 waiting", got)
	}
	var page listed
	f.ask(http.MethodGet, "/", &page)
	if len(page.Letters) != 2 || page.Letters[0].Error == "" || page.Letters[1].Error == "" {
		t.Errorf("got %+v, want two letters with an error", page)
	}
}

func TestRefused(t *testing.T) {
	f := startFunction(t)
	for _, test := range []struct {
		method, path string
		status       int
		code         string
	}{
		{http.MethodPut, "/", http.StatusMethodNotAllowed, "method_not_allowed"},
		{http.MethodGet, "/redrive", http.StatusMethodNotAllowed, "method_not_allowed"},
		{http.MethodGet, "/letters", http.StatusNotFound, "not_found"},
		{http.MethodPost, "/redrive?ids=a", http.StatusBadRequest, "bad_query"},
		{http.MethodPost, "/redrive?id=", http.StatusBadRequest, "bad_query"},
		{http.MethodPost, "/redrive?id=a&id=b", http.StatusBadRequest, "bad_query"},
		{http.MethodPost, "/redrive?limit=1", http.StatusBadRequest, "bad_query"},
		{http.MethodPost, "/redrive?raw=yes", http.StatusBadRequest, "bad_query"},
		{http.MethodPost, "/redrive?place=2", http.StatusBadRequest, "bad_query"},
		{http.MethodGet, "/?limit=0", http.StatusBadRequest, "bad_query"},
		{http.MethodGet, "/?limit=501", http.StatusBadRequest, "bad_query"},
		{http.MethodGet, "/?after=x", http.StatusBadRequest, "bad_query"},
		{http.MethodGet, "/?after=1-", http.StatusBadRequest, "bad_query"},
	} {
		t.Run(test.method+" "+test.path, func(t *testing.T) {
			status, body := f.ask(test.method, test.path, nil)
			if status != test.status || !strings.Contains(body, `"code":"`+test.code+`"`) {
				t.Errorf("got %d %s, want %d with code %s", status, body, test.status, test.code)
			}
		})
	}
}

// Without Kafka a dead letter is refused with 503, so that Knative retries.
func TestKafkaUnavailable(t *testing.T) {
	f := startFunction(t, "KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:1", "KAFKA_TOPIC=none", "KAFKA_DEAD_LETTER_TOPIC=none.dead")
	if status := f.deliver(undelivered(t, "a")); status != http.StatusServiceUnavailable {
		t.Errorf("deliver: got status %d, want 503", status)
	}
	for method, path := range map[string]string{http.MethodGet: "/", http.MethodPost: "/redrive"} {
		if status, body := f.ask(method, path, nil); status != http.StatusServiceUnavailable {
			t.Errorf("%s %s: got %d %s, want 503", method, path, status, body)
		}
	}
	if status, _ := f.ask(http.MethodGet, "/ready", nil); status != http.StatusServiceUnavailable {
		t.Errorf("/ready: got status %d, want 503", status)
	}
	if status, _ := f.ask(http.MethodGet, "/health", nil); status != http.StatusOK {
		t.Errorf("/health: got status %d, want 200", status)
	}
}

// A browser gets a page that shows what is in an event as text and never as markup.
func TestPage(t *testing.T) {
	f := startFunction(t)
	f.keep(`"><script>`, "b&c")
	page := func(method, path string) (status int, header http.Header, body string) {
		request, err := http.NewRequestWithContext(t.Context(), method, f.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		var text bytes.Buffer
		if _, err := text.ReadFrom(response.Body); err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, response.Header, text.String()
	}
	status, header, body := page(http.MethodGet, "/?limit=1")
	isHTML := strings.HasPrefix(header.Get("Content-Type"), "text/html")
	if status != http.StatusOK || !isHTML || header.Get("Content-Security-Policy") == "" {
		t.Errorf("got %d %v, want 200 and an HTML page with a Content-Security-Policy", status, header)
	}
	for _, want := range []string{
		"2 events that could not be delivered wait", "Redrive all", "More", "thumbnail.image-service",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("got page %s, want %q in it", body, want)
		}
	}
	if strings.Contains(body, "<script>") || strings.Contains(body, "<b>") {
		t.Errorf("got page %s, want the event's text escaped", body)
	}
	status, header, _ = page(http.MethodPost, "/redrive?id=b%26c&source=/other/system")
	if status != http.StatusSeeOther || header.Get("Location") != "/" {
		t.Errorf("redrive: got %d %v, want 303 to /", status, header)
	}
	if _, _, body := page(http.MethodGet, "/"); !strings.Contains(body, "1 event that could not be delivered waits") {
		t.Errorf("got page %s, want one waiting event", body)
	}
}

// The log has the subscriber's status code as a number, the type of its field in Elasticsearch, or not at all: a text
// would keep the line out of the index.
func TestLoggedStatusCode(t *testing.T) {
	for code, want := range map[string]any{"400": float64(400), "": nil, "timeout": nil} {
		settings := map[string]string{"KAFKA_BOOTSTRAP_SERVERS": "k:9092"}
		s := newService(readSettings(config.NewReader(func(name string) string { return settings[name] })))
		s.measure()
		var output bytes.Buffer
		s.Log = httpserver.NewLogger(&output, "dead-letters", logs.Settings{})
		e := undelivered(t, "a")
		e.SetExtension(eventing.ErrorCode, code)
		s.report(t.Context(), letter{event: e})
		var line map[string]any
		if err := json.Unmarshal(output.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		if got := line["http.response.status_code"]; got != want {
			t.Errorf("code %q: the log has the status code %v, want %v", code, got, want)
		}
	}
}

// The consumer group is a setting: where several installations share a Kafka, or users may use names of theirs only.
func TestGroup(t *testing.T) {
	for value, want := range map[string]string{"": "image-dead-letters", "team-a.letters": "team-a.letters"} {
		settings := map[string]string{"KAFKA_BOOTSTRAP_SERVERS": "k:9092", "KAFKA_DEAD_LETTER_GROUP": value}
		got := newService(readSettings(config.NewReader(func(name string) string { return settings[name] }))).backlog.group
		if got != want {
			t.Errorf("KAFKA_DEAD_LETTER_GROUP=%q: the group is %q, want %q", value, got, want)
		}
	}
}

func TestSettings(t *testing.T) {
	for name, test := range map[string]struct {
		settings map[string]string
		want     []string // in the error
	}{
		"nothing": {nil, []string{"KAFKA_BOOTSTRAP_SERVERS is not set"}},
		"two faults": {
			map[string]string{"KAFKA_BOOTSTRAP_SERVERS": "k:9092", "KAFKA_DEAD_LETTER_TOPIC": "a b", "LOG_LEVEL": "LOUD"},
			[]string{"KAFKA_DEAD_LETTER_TOPIC", "LOG_LEVEL"},
		},
		"same topic": {
			map[string]string{"KAFKA_BOOTSTRAP_SERVERS": "k:9092", "KAFKA_TOPIC": "image-dead-letters"},
			[]string{"expected another topic than KAFKA_TOPIC"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := Run(t.Context(), nil, func(name string) string { return test.settings[name] })
			if err == nil {
				t.Fatalf("Run() = nil, want an error with %q", test.want)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Run() = %v, want %q in it", err, want)
				}
			}
		})
	}
}
