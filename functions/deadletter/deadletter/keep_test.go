package deadletter

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"
)

// A dead letter is listed with why it is one, and goes back as the event that it was.
func TestThereAndBack(t *testing.T) {
	s := begin(t)
	s.keep("a")
	var page listed
	s.ask(http.MethodGet, "/", &page)
	if page.Waiting != 1 || len(page.Letters) != 1 || page.Next != "" {
		t.Fatalf("listed %+v", page)
	}
	got := page.Letters[0]
	want := shown{
		Place: got.Place, Since: got.Since, Type: "image.uploaded", Source: "/other/system", ID: "a",
		Subscriber: "http://thumbnail.image-service.svc.cluster.local", Code: "400", Answer: `{"error":"bad <b>"}`,
		Data: `{"image_id":"<script>"}`, Bytes: 23,
	}
	if got != want || got.Since.IsZero() {
		t.Errorf("listed %+v, want %+v", got, want)
	}

	if got := s.redrive(""); got != (redriven{Redriven: 1}) {
		t.Errorf("redriven %+v", got)
	}
	put := s.put()
	if len(put) != 1 {
		t.Fatalf("put back %v", put)
	}
	sent := undelivered(t, "a")
	for _, name := range []string{errorDestination, errorCode, errorData} {
		sent.SetExtension(name, nil)
	}
	if put[0].String() != sent.String() {
		t.Errorf("put back\n%v, want\n%v", put[0], sent)
	}
	if ids := s.waiting(""); len(ids) > 0 {
		t.Errorf("%v still wait", ids)
	}
	if got := s.redrive(""); got != (redriven{}) || len(s.put()) != 1 {
		t.Errorf("redriven again: %+v", got)
	}
}

// Events without data, and those whose subscriber did not answer at all, are dead letters like others.
func TestLittleIsKnown(t *testing.T) {
	s := begin(t)
	e := event.New()
	e.SetID("bare")
	e.SetSource("/s")
	e.SetType("t")
	if status := s.deliver(e); status != http.StatusOK {
		t.Fatalf("answered %d", status)
	}
	s.redrive("")
	if put := s.put(); len(put) != 1 || put[0].String() != e.String() {
		t.Errorf("put back %v", put)
	}
	_, metrics := s.ask(http.MethodGet, "/metrics", nil)
	for _, line := range []string{`dead_letters_kept_total{code="none"} 1`, "dead_letters_redriven_total 1"} {
		if !strings.Contains(metrics, line) {
			t.Errorf("no metric %s", line)
		}
	}
}

// What is put back out of turn is remembered as well, also by the next process; all of it goes back once.
func TestOutOfTurn(t *testing.T) {
	s := begin(t)
	s.keep(ids(1, 40)...)
	for _, id := range []string{"event-007", "event-009", "event-008", "event-040"} {
		if got := s.redrive("id=" + id + "&source=/other/system"); got.Redriven != 1 {
			t.Errorf("redriven %s: %+v", id, got)
		}
	}
	if got := s.redrive("id=event-007"); got != (redriven{Waiting: 36}) {
		t.Errorf("the same once more: %+v", got)
	}
	if got := s.redrive("type=another"); got != (redriven{Waiting: 36}) {
		t.Errorf("of another type: %+v", got)
	}
	s.url = s.run()
	want := slices.DeleteFunc(ids(1, 39), func(id string) bool { return id >= "event-007" && id <= "event-009" })
	if got := s.waiting(""); !slices.Equal(got, want) {
		t.Errorf("%v wait, want %v", got, want)
	}
	if got := s.redrive(""); got != (redriven{Redriven: 36}) {
		t.Errorf("redriven the rest: %+v", got)
	}
	if got := s.putIDs(); !slices.Equal(got, ids(1, 40)) {
		t.Errorf("put back %v", got)
	}
	s.keep("later")
	if got := s.waiting(""); !slices.Equal(got, []string{"later"}) {
		t.Errorf("%v wait", got)
	}
}

func TestPages(t *testing.T) {
	s := begin(t)
	s.keep(ids(1, 25)...)
	var page listed
	s.ask(http.MethodGet, "/?limit=10&source=/other/system", &page)
	if page.Waiting != 25 || len(page.Letters) != 10 || !strings.Contains(page.Next, "limit=10") || !strings.Contains(page.Next, "source=") {
		t.Errorf("first page has %d of %d, next %s", len(page.Letters), page.Waiting, page.Next)
	}
	for _, query := range []string{"", "limit=7", "limit=25"} {
		if got := s.waiting(query); !slices.Equal(got, ids(1, 25)) {
			t.Errorf("%q: %v", query, got)
		}
	}
	if got := s.waiting("id=event-003&limit=1"); !slices.Equal(got, []string{"event-003"}) {
		t.Errorf("found %v", got)
	}
}

// Nothing that is not committed is forgotten: who dies between Kafka's acknowledgement and the commit repeats.
func TestCrashRepeats(t *testing.T) {
	s := begin(t)
	s.keep("a", "b")
	v, err := s.backlog("KAFKA_DEAD_LETTER_TOPIC").open()
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
		t.Errorf("%d wait in the view that has put all back", v.count())
	}
	if got := s.waiting(""); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("%v wait", got)
	}
}

// What somebody else wrote to the topic is shown, holds nothing up, and stays.
func TestUnreadable(t *testing.T) {
	s := begin(t)
	s.write("hello")
	s.keep("a", "b", "c")
	s.write("")
	if got := s.redrive(""); got != (redriven{Redriven: 3, Waiting: 2}) {
		t.Errorf("redriven %+v", got)
	}
	var page listed
	s.ask(http.MethodGet, "/", &page)
	if len(page.Letters) != 2 || page.Letters[0].Error == "" || page.Letters[1].Error == "" {
		t.Errorf("listed %+v", page)
	}
}

func TestRefused(t *testing.T) {
	s := begin(t)
	for _, test := range []struct {
		method, path string
		status       int
		code         string
	}{
		{http.MethodPost, "/", http.StatusBadRequest, "invalid_event"},
		{http.MethodPut, "/", http.StatusMethodNotAllowed, "method_not_allowed"},
		{http.MethodGet, "/redrive", http.StatusMethodNotAllowed, "method_not_allowed"},
		{http.MethodGet, "/letters", http.StatusNotFound, "not_found"},
		{http.MethodPost, "/redrive?ids=a", http.StatusBadRequest, "bad_query"},
		{http.MethodPost, "/redrive?id=", http.StatusBadRequest, "bad_query"},
		{http.MethodPost, "/redrive?id=a&id=b", http.StatusBadRequest, "bad_query"},
		{http.MethodPost, "/redrive?limit=1", http.StatusBadRequest, "bad_query"},
		{http.MethodGet, "/?limit=0", http.StatusBadRequest, "bad_query"},
		{http.MethodGet, "/?limit=501", http.StatusBadRequest, "bad_query"},
		{http.MethodGet, "/?after=x", http.StatusBadRequest, "bad_query"},
		{http.MethodGet, "/?after=1-", http.StatusBadRequest, "bad_query"},
	} {
		status, body := s.ask(test.method, test.path, nil)
		if status != test.status || !strings.Contains(body, `"code":"`+test.code+`"`) {
			t.Errorf("%s %s: %d %s", test.method, test.path, status, body)
		}
	}
	large := undelivered(t, "large")
	large.SetDataContentType("application/octet-stream")
	large.DataEncoded = bytes.Repeat([]byte{'x'}, maxData+1)
	if status := s.deliver(large); status != http.StatusRequestEntityTooLarge {
		t.Errorf("too large: %d", status)
	}
	large.DataEncoded = large.DataEncoded[:maxData]
	if status := s.deliver(large); status != http.StatusOK {
		t.Errorf("as large as may be: %d", status)
	}
	if got := s.redrive(""); got.Redriven != 1 {
		t.Errorf("redriven %+v", got)
	}
}

// Without Kafka nothing is taken, so that Knative comes again; when it is there, all goes on.
func TestKafkaIsAway(t *testing.T) {
	s := begin(t, "KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:1", "KAFKA_TOPIC=none", "KAFKA_DEAD_LETTER_TOPIC=none.dead")
	if status := s.deliver(undelivered(t, "a")); status != http.StatusServiceUnavailable {
		t.Errorf("a dead letter: %d", status)
	}
	for method, path := range map[string]string{http.MethodGet: "/", http.MethodPost: "/redrive"} {
		if status, body := s.ask(method, path, nil); status != http.StatusServiceUnavailable {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, _ := s.ask(http.MethodGet, "/ready", nil); status != http.StatusServiceUnavailable {
		t.Errorf("ready: %d", status)
	}
	if status, _ := s.ask(http.MethodGet, "/health", nil); status != http.StatusOK {
		t.Errorf("health: %d", status)
	}
}

// A browser gets a page, in which nothing of an event is more than text.
func TestPage(t *testing.T) {
	s := begin(t)
	s.keep(`"><script>`, "b&c")
	page := func(method, path string) (status int, header http.Header, body string) {
		request, err := http.NewRequestWithContext(t.Context(), method, s.url+path, nil)
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
	if status != http.StatusOK || !strings.HasPrefix(header.Get("Content-Type"), "text/html") || header.Get("Content-Security-Policy") == "" {
		t.Errorf("%d %v", status, header)
	}
	for _, want := range []string{"2 events wait", "Put all back", "More", "thumbnail.image-service"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in %s", want, body)
		}
	}
	if strings.Contains(body, "<script>") || strings.Contains(body, "<b>") {
		t.Errorf("an event's text is markup in %s", body)
	}
	if status, header, _ := page(http.MethodPost, "/redrive?id=b%26c&source=/other/system"); status != http.StatusSeeOther || header.Get("Location") != "/" {
		t.Errorf("after putting back: %d %v", status, header)
	}
	if _, _, body := page(http.MethodGet, "/"); !strings.Contains(body, "1 event waits") {
		t.Errorf("afterwards %s", body)
	}
}

func TestSettings(t *testing.T) {
	for _, test := range []struct {
		settings map[string]string
		faults   []string
	}{
		{nil, []string{"KAFKA_BOOTSTRAP_SERVERS is not set"}},
		{map[string]string{"KAFKA_BOOTSTRAP_SERVERS": "k:9092", "KAFKA_DEAD_LETTER_TOPIC": "a b", "LOG_LEVEL": "LOUD"},
			[]string{"KAFKA_DEAD_LETTER_TOPIC", "LOG_LEVEL"}},
		{map[string]string{"KAFKA_BOOTSTRAP_SERVERS": "k:9092", "KAFKA_TOPIC": "image-dead-letters"}, []string{"expected another topic than KAFKA_TOPIC"}},
	} {
		err := Run(context.Background(), nil, func(name string) string { return test.settings[name] })
		if err == nil {
			t.Errorf("%v runs", test.settings)
			continue
		}
		for _, fault := range test.faults {
			if !strings.Contains(err.Error(), fault) {
				t.Errorf("%v: %v, want %q in it", test.settings, err, fault)
			}
		}
	}
}
