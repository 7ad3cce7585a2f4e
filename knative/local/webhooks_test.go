package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
)

// hook is an endpoint that answers with statuses, the last of them from then on.
type hook struct {
	*httptest.Server

	lock     sync.Mutex
	statuses []int
	ids      []string // of all requests
	accepted []string // of those that were answered with 200
	invalid  []error
	secret   string
}

func startHook(t *testing.T, statuses ...int) *hook {
	t.Helper()
	h := &hook{statuses: statuses}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h.lock.Lock()
	defer h.lock.Unlock()
	verifier, err := standardwebhooks.NewWebhook(h.secret)
	if err == nil {
		err = verifier.Verify(body, r.Header)
	}
	var got struct {
		Data struct {
			ImageID string `json:"image_id"`
		}
	}
	if err == nil {
		err = json.Unmarshal(body, &got)
	}
	if err != nil {
		h.invalid = append(h.invalid, err)
	}
	status := h.statuses[0]
	if len(h.statuses) > 1 {
		h.statuses = h.statuses[1:]
	}
	h.ids = append(h.ids, r.Header.Get("Webhook-Id"))
	if status == http.StatusOK {
		h.accepted = append(h.accepted, r.Header.Get("Webhook-Id"))
	}
	w.WriteHeader(status)
}

// posts returns how many requests and how many successes there were for an event.
func (h *hook) posts(id string) (all, accepted int) {
	h.lock.Lock()
	defer h.lock.Unlock()
	count := func(ids []string) (n int) {
		for _, one := range ids {
			if one == id {
				n++
			}
		}
		return n
	}
	return count(h.ids), count(h.accepted)
}

// Results are posted to each webhook, signed with the secret that is printed. One that fails gets them again, and one
// that wants no more makes dead letters, without the other noticing.
func TestWebhooks(t *testing.T) {
	t.Parallel()
	flaky, leaving := startHook(t, 503, 503, 200), startHook(t, 410)
	o, err := readOptions([]string{
		"--listen=127.0.0.1:0", "--webhook", flaky.URL + "/a?b=c,d", "--webhook", leaving.URL,
	}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	o.getenv = testservers.Start(t)
	running, err := start(o)
	if err != nil {
		t.Fatal(err)
	}
	stop := sync.OnceFunc(running.stop)
	t.Cleanup(stop)
	s := &testStack{stack: running, t: t, url: "http://" + running.address, getenv: o.getenv}
	summary := s.summary()
	for i, h := range []*hook{flaky, leaving} {
		secret := running.webhooks[i].Secrets[0]
		if !strings.Contains(summary, "Webhook") || !strings.Contains(summary, h.URL) || !strings.Contains(summary, secret) {
			t.Errorf("the summary is %s, want %s and its secret", summary, h.URL)
		}
		h.lock.Lock()
		h.secret = secret
		h.lock.Unlock()
	}

	id := s.upload("a.png", photo(t, imaging, "flowers_small.png"))
	thumbnailed := events.TypeImageThumbnailed + "/" + id
	eventually(t, "a delivery after two failures", func() bool {
		_, accepted := flaky.posts(thumbnailed)
		return accepted > 0
	})
	if all, accepted := flaky.posts(thumbnailed); all != accepted+2 {
		t.Errorf("the webhook got %d requests and accepted %d, want two more", all, accepted)
	}
	eventually(t, "a dead letter", func() bool { return s.letters().Waiting > 0 })
	letter := s.letters().Letters[0]
	if letter.ID != thumbnailed || letter.Code != "410" || !strings.Contains(letter.Answer, "webhook_gone") {
		t.Errorf("the dead letter is %+v, want %s with 410", letter, thumbnailed)
	}

	// Put back, the event is delivered to both again, under the same ID.
	_, accepted := flaky.posts(thumbnailed)
	refused, _ := leaving.posts(thumbnailed)
	if answer := s.do(http.MethodPost, "http://"+running.deadLetters+"/redrive", "", nil); answer.status != 200 {
		t.Fatalf("redrive: got %d %s, want 200", answer.status, answer.body)
	}
	eventually(t, "both again", func() bool {
		_, acceptedNow := flaky.posts(thumbnailed)
		refusedNow, _ := leaving.posts(thumbnailed)
		return acceptedNow > accepted && refusedNow > refused
	})
	for _, h := range []*hook{flaky, leaving} {
		h.lock.Lock()
		if len(h.invalid) > 0 {
			t.Errorf("the receiver could not verify: %v", h.invalid)
		}
		h.lock.Unlock()
	}
	stop()
	if _, err := os.Stat(running.endpoints); !os.IsNotExist(err) {
		t.Errorf("the file of endpoints is still there: %v", err)
	}
}

// A URL that cannot be posted to is a fault of the start.
func TestBadWebhook(t *testing.T) {
	t.Parallel()
	o, err := readOptions([]string{"--listen=127.0.0.1:0", "--webhook", "http://10.0.0.1/"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	o.getenv = testservers.Start(t)
	if s, err := start(o); err == nil || !strings.Contains(err.Error(), "10.0.0.1 is private") {
		if err == nil {
			s.stop()
		}
		t.Errorf("start() = %v, want the fault of the URL", err)
	}
}

// A Trigger's filters select events as Knative's do.
func TestTriggerFilters(t *testing.T) {
	t.Parallel()
	of := func(eventType, subject string) event.Event {
		e := event.New()
		e.SetType(eventType)
		e.SetSubject(subject)
		return e
	}
	either := filter{Any: []filter{{Exact: map[string]string{"type": "a"}}, {Exact: map[string]string{"type": "b"}}}}
	both := filter{Exact: map[string]string{"type": "a", "subject": "x"}}
	for name, test := range map[string]struct {
		filters []filter
		e       event.Event
		want    bool
	}{
		"none":               {nil, of("c", ""), true},
		"one of two":         {[]filter{either}, of("b", ""), true},
		"neither":            {[]filter{either}, of("c", ""), false},
		"both attributes":    {[]filter{both}, of("a", "x"), true},
		"one attribute":      {[]filter{both}, of("a", "y"), false},
		"both filters":       {[]filter{either, both}, of("a", "x"), true},
		"one of the filters": {[]filter{either, both}, of("b", "x"), false},
	} {
		if got := (route{filters: test.filters}).wants(test.e); got != test.want {
			t.Errorf("%s: wants() = %t, want %t", name, got, test.want)
		}
	}
	t.Run("a filter beside filters is ignored", func(t *testing.T) {
		trigger := route{filters: []filter{either}, attributes: map[string]string{"type": "c"}}
		if !trigger.wants(of("a", "")) || trigger.wants(of("c", "")) {
			t.Error("wants() goes by the filter, want by the filters alone")
		}
	})
}
