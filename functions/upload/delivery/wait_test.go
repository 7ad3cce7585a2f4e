package delivery

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"gitlab.com/yourorg/image-service/functions/upload/idempotency"
	"gitlab.com/yourorg/image-service/functions/upload/ownership"
	"golang.org/x/sync/semaphore"
)

// put makes an image known in a state.
func (d *Delivery) put(t *testing.T, imageID string, state status.State) {
	t.Helper()
	s := status.Status{ImageID: imageID, State: state}
	if state.Final() {
		s.Result = &status.Result{Success: true}
	}
	if _, err := d.Statuses.Advance(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

// awaitWaiting waits until the one request that may wait does.
func (d *Delivery) awaitWaiting(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); d.waiting.TryAcquire(1); time.Sleep(time.Millisecond) {
		d.waiting.Release(1)
		if time.Now().After(deadline) {
			t.Fatal("no request waits after a minute")
		}
	}
}

type handler = func(http.ResponseWriter, *http.Request) error

// ask answers a request in the background.
func ask(t *testing.T, handle handler, r *http.Request) (answer func() (*httptest.ResponseRecorder, error)) {
	t.Helper()
	w, done := httptest.NewRecorder(), make(chan error, 1)
	go func() { done <- handle(w, r.WithContext(t.Context())) }()
	return func() (*httptest.ResponseRecorder, error) {
		select {
		case err := <-done:
			return w, err
		case <-time.After(time.Minute):
			t.Fatal("no answer after a minute")
			return nil, nil
		}
	}
}

func requestFor(id, query string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/?"+query, nil)
	r.SetPathValue("id", id)
	return r
}

func TestWaitForResult(t *testing.T) {
	t.Parallel()
	d, _ := open(t, ownership.Policy{})
	for _, header := range []string{"", "respond-async, Wait = 60; x=y"} {
		id := uuid.NewString()
		d.put(t, id, status.Queued)
		r := requestFor(id, "wait=60")
		if header != "" {
			r = requestFor(id, "")
			r.Header.Set("Prefer", header)
		}
		answer := ask(t, d.Status, r)
		d.awaitWaiting(t)
		d.put(t, id, status.Processing)
		d.put(t, id, status.Completed)
		w, err := answer()
		if err != nil || !strings.Contains(w.Body.String(), `"completed"`) {
			t.Errorf("with %q: %v, answered %s; want completed", header, err, w.Body)
		}
		if got := w.Header().Get("Preference-Applied"); (got == "wait=60") != (header != "") {
			t.Errorf("with %q: Preference-Applied is %q", header, got)
		}
	}
}

// When a wait ends without a result, the answer is the status that there is.
func TestWaitEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*testing.T, *Delivery) string{
		"its time is over": func(*testing.T, *Delivery) string { return "wait=1" },
		"another waits": func(t *testing.T, d *Delivery) string {
			t.Helper()
			if !d.waiting.TryAcquire(1) {
				t.Fatal("somebody waits already")
			}
			return "wait=60"
		},
		"the process ends": func(_ *testing.T, d *Delivery) string {
			d.Watcher.Close()
			return "wait=60"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, _ := open(t, ownership.Policy{})
			id := uuid.NewString()
			d.put(t, id, status.Processing)
			w, err := ask(t, d.Status, requestFor(id, end(t, d)))()
			if err != nil || !strings.Contains(w.Body.String(), `"processing"`) {
				t.Errorf("Status() = %v, answered %s; want processing", err, w.Body)
			}
		})
	}
}

// A client that leaves is noticed, also if it has sent what a GET does not need.
func TestWaiterWithContentLeaves(t *testing.T) {
	t.Parallel()
	for path, handle := range map[string]func(*Delivery) handler{
		"/?wait=60":               func(d *Delivery) handler { return d.Status },
		"/?source=a&id=1&wait=60": func(d *Delivery) handler { return d.EventStatus },
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			d, _ := open(t, ownership.Policy{})
			id := uuid.NewString()
			d.put(t, id, status.Queued)
			ended := make(chan error, 1)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.SetPathValue("id", id)
				ended <- handle(d)(w, r)
			}))
			defer server.Close()
			client, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			if _, err := io.WriteString(client, "GET "+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"); err != nil {
				t.Fatal(err)
			}
			d.awaitWaiting(t)
			client.Close()
			select {
			case err := <-ended:
				if !errors.Is(err, context.Canceled) {
					t.Errorf("got %v, want that the client has gone", err)
				}
			case <-time.After(30 * time.Second):
				t.Error("a client that has gone still waits")
			}
		})
	}
}

// A client that leaves does not wait on.
func TestWaiterLeaves(t *testing.T) {
	t.Parallel()
	d, _ := open(t, ownership.Policy{})
	id := uuid.NewString()
	d.put(t, id, status.Queued)
	ctx, leave := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- d.Status(httptest.NewRecorder(), requestFor(id, "wait=60").WithContext(ctx))
	}()
	d.awaitWaiting(t)
	leave()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Status() = %v, want canceled", err)
	}
}

// A wait for the image of an event lasts through the time before the event arrives.
func TestWaitForEvent(t *testing.T) {
	t.Parallel()
	d, _ := open(t, ownership.Policy{})
	answer := ask(t, d.EventStatus, requestFor("", "source=/camera&id=7&wait=60"))
	d.awaitWaiting(t)
	d.put(t, idempotency.EventImageID("", "/camera", "7"), status.Completed)
	if w, err := answer(); err != nil || !strings.Contains(w.Body.String(), `"completed"`) {
		t.Errorf("EventStatus() = %v, answered %s; want completed", err, w.Body)
	}
	_, err := ask(t, d.EventStatus, requestFor("", "source=/camera&id=8&wait=1"))()
	if !errors.Is(err, errNoEventStatus) {
		t.Errorf("EventStatus() of an event that does not arrive = %v, want 404", err)
	}
}

// Nobody waits for an image that does not exist: its ID comes from an upload, after which it does.
func TestNoWaitWithoutImage(t *testing.T) {
	t.Parallel()
	d, _ := open(t, ownership.Policy{})
	if _, err := ask(t, d.Status, requestFor(uuid.NewString(), "wait=60"))(); !errors.Is(err, errNoStatus) {
		t.Errorf("Status() = %v, want 404", err)
	}
}

func TestBadQueries(t *testing.T) {
	t.Parallel()
	d, _ := open(t, ownership.Policy{})
	id := uuid.NewString()
	d.put(t, id, status.Completed)
	ids := make([]string, maxStreamed+1)
	for i := range ids {
		ids[i] = uuid.NewString()
	}
	for name, test := range map[string]struct {
		handle    handler
		id, query string
	}{
		"width of a thumbnail":  {d.Thumbnail, id, "width=100"},
		"format of an image":    {d.Original, id, "format=webp"},
		"unknown, of a status":  {d.Status, id, "wiat=3"},
		"unknown, of an event":  {d.EventStatus, "", "source=/a&id=1&x=1"},
		"no number":             {d.Status, id, "wait=long"},
		"no value":              {d.Status, id, "wait="},
		"negative":              {d.Status, id, "wait=-1"},
		"too long":              {d.Status, id, "wait=61"},
		"twice":                 {d.Status, id, "wait=1&wait=2"},
		"bad wait for an event": {d.EventStatus, "", "source=/a&id=1&wait=x"},
		"stream of no image":    {d.Events, "", "ids=,"},
		"stream of too many":    {d.Events, "", "ids=" + strings.Join(ids, ",")},
		"parameter of a stream": {d.Events, id, "ids=" + id},
		"unknown, of streams":   {d.Events, "", "id=" + id},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ask(t, test.handle, requestFor(test.id, test.query))()
			var refused *apierror.Error
			if !errors.As(err, &refused) || refused.Code != apierror.CodeBadQuery {
				t.Errorf("got %v, want bad_query", err)
			}
		})
	}
}

func TestWaitPreferred(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]int{
		"wait=10": 10, `wait="10"`: 10, "WAIT=10": 10, "return=minimal, wait=5;a=b, wait=7": 5, "wait=900": maxWait,
		"": -1, "wait": -1, "wait=": -1, "wait=-1": -1, "wait=soon": -1, "waiting=3": -1, "respond-async": -1,
	} {
		seconds, preferred := waitPreferred(http.Header{"Prefer": {header}})
		if !preferred {
			seconds = -1
		}
		if seconds != want {
			t.Errorf("waitPreferred(%q) = %d, want %d", header, seconds, want)
		}
	}
}

// A sent event is one server-sent event of a stream.
type sent struct{ name, id, data string }

// stream opens a stream, and returns a function that returns its next event; the zero one at the end.
func (d *Delivery) stream(t *testing.T, id, query, lastID string) (answer *http.Response, next func() sent) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.SetPathValue("id", id)
		if err := d.Events(w, r); err != nil {
			apierror.From(err).Write(w, r)
		}
	}))
	t.Cleanup(server.Close)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Last-Event-ID", lastID)
	answer, err = http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	lines := bufio.NewScanner(answer.Body)
	return answer, func() (e sent) {
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch {
			case name == "event":
				e.name = value
			case name == "id":
				e.id = value
			case name == "data":
				e.data = value
			case name == "" && e.name != "":
				return e
			}
		}
		return sent{}
	}
}

func (e sent) check(t *testing.T, imageID string, state status.State, id string) {
	t.Helper()
	var got status.Status
	if err := json.Unmarshal([]byte(e.data), &got); err != nil && e.data != "" {
		t.Fatal(err)
	}
	digits, _, _ := strings.Cut(e.id, "-")
	if e.name != "status" || digits != id || got.ImageID != imageID || got.State != state {
		t.Errorf("got %+v; want the status %s of %s, with the ID %s", e, state, imageID, id)
	}
}

func TestStream(t *testing.T) {
	t.Parallel()
	d, _ := open(t, ownership.Policy{})
	d.waiting = semaphore.NewWeighted(2)
	ids := []string{uuid.NewString(), uuid.NewString()}
	slices.Sort(ids)
	d.put(t, ids[0], status.Queued)
	d.put(t, ids[1], status.Completed)
	query := "ids=" + strings.ToUpper(ids[0]) + "," + ids[1] + "," + ids[0]
	answer, next := d.stream(t, "", query, "")
	if got := answer.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("Content-Type is %q", got)
	}
	next().check(t, ids[0], status.Queued, "10")
	second := next()
	second.check(t, ids[1], status.Completed, "13")
	d.put(t, ids[0], status.Processing)
	next().check(t, ids[0], status.Processing, "23")

	// Another client has missed the change, and is told of nothing else.
	_, again := d.stream(t, "", query, second.id)
	again().check(t, ids[0], status.Processing, "23")
	d.put(t, ids[0], status.Completed)
	var last sent
	for name, next := range map[string]func() sent{"first": next, "second": again} {
		last = next()
		last.check(t, ids[0], status.Completed, "33")
		if got := next(); got.name != "end" {
			t.Errorf("%s stream: got %+v, want the end", name, got)
		}
		if got := next(); got != (sent{}) {
			t.Errorf("%s stream goes on with %+v", name, got)
		}
	}
	if answer, _ := d.stream(t, "", query, last.id); answer.StatusCode != http.StatusNoContent {
		t.Errorf("after the end: %s, want 204, so that a browser does not connect again", answer.Status)
	}
}

// IDs without an image, which may be any text, do not keep a client from following the others.
func TestStreamOfUnknown(t *testing.T) {
	t.Parallel()
	d, _ := open(t, ownership.Policy{})
	id, forged := uuid.NewString(), "x\n\nevent: end"
	d.put(t, id, status.Queued)
	_, next := d.stream(t, "", "ids="+url.QueryEscape(forged+","+id), "")
	if got, want := next(), (sent{name: "unknown", data: `{"image_id":"x\n\nevent: end"}`}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	next().check(t, id, status.Queued, "01")
	d.put(t, id, status.Completed)
	next().check(t, id, status.Completed, "03")
	if got := next(); got.name != "end" {
		t.Errorf("got %+v, want the end", got)
	}
}

// What a client knows of an image is not taken for what it knows of another, which has its place now: because an image
// is gone and another has come, or because the client follows others.
func TestStreamGoesOnByImage(t *testing.T) {
	t.Parallel()
	d, _ := open(t, ownership.Policy{})
	d.waiting = semaphore.NewWeighted(3)
	gone, id, late := uuid.NewString(), uuid.NewString(), uuid.NewString()
	d.put(t, gone, status.Processing)
	d.put(t, id, status.Queued)
	query := "ids=" + gone + "," + id + "," + late
	_, next := d.stream(t, "", query, "")
	if got := next(); got.name != "unknown" {
		t.Errorf("got %+v, want an unknown image", got)
	}
	next().check(t, gone, status.Processing, "200")
	last := next()
	last.check(t, id, status.Queued, "210")

	if err := d.Statuses.Forget(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	d.put(t, id, status.Processing)
	d.put(t, late, status.Queued)
	_, next = d.stream(t, "", query, last.id)
	if got := next(); got.name != "unknown" {
		t.Errorf("got %+v, want an unknown image", got)
	}
	next().check(t, id, status.Processing, "020")
	last = next()
	last.check(t, late, status.Queued, "021")

	_, next = d.stream(t, "", "ids="+late+","+id+","+uuid.NewString(), last.id)
	next()
	next().check(t, late, status.Queued, "100")
	next().check(t, id, status.Processing, "120")
}

func TestStreamRefused(t *testing.T) {
	t.Parallel()
	d, _ := open(t, ownership.Policy{})
	id := uuid.NewString()
	d.put(t, id, status.Queued)
	if answer, _ := d.stream(t, uuid.NewString(), "", ""); answer.StatusCode != http.StatusNotFound {
		t.Errorf("without an image: %s, want 404", answer.Status)
	}
	_, next := d.stream(t, id, "", "x")
	next().check(t, id, status.Queued, "1")
	answer, _ := d.stream(t, id, "", "")
	if text, err := io.ReadAll(answer.Body); answer.StatusCode != http.StatusServiceUnavailable || err != nil {
		t.Errorf("beside another: %s %s, want 503", answer.Status, text)
	}
	d.Watcher.Close()
	if got := next(); got != (sent{}) {
		t.Errorf("when the process ends, a stream goes on with %+v", got)
	}
}

// With authentication, a stream is of the client's own images.
func TestStreamOfOthers(t *testing.T) {
	t.Parallel()
	d, _ := open(t, ownership.Policy{Enforced: true})
	id := ownership.NewID("somebody")
	d.put(t, id, status.Queued)
	if answer, _ := d.stream(t, "", "ids="+id, ""); answer.StatusCode != http.StatusNotFound {
		t.Errorf("got %s, want 404", answer.Status)
	}
}

// A result that is only in the image store, because Redis was down, ends a wait.
func TestWaitFindsStoredResult(t *testing.T) {
	t.Parallel()
	d, _ := open(t, ownership.Policy{})
	id := uuid.NewString()
	d.put(t, id, status.Queued)
	answer := ask(t, d.Status, requestFor(id, "wait=60"))
	d.awaitWaiting(t)
	note := status.Status{
		ImageID: id, State: status.Failed, Reason: string(events.ReasonDamaged), Result: &status.Result{Error: "x"},
	}
	if _, err := d.Statuses.Record(t.Context(), id+"/a.png", note, nil); err != nil {
		t.Fatal(err)
	}
	if w, err := answer(); err != nil || !strings.Contains(w.Body.String(), `"failed"`) {
		t.Errorf("Status() = %v, answered %s; want failed", err, w.Body)
	}
}

// A wait asks the image store for nothing, as long as it is short, and never answers less than that knows.
func TestWaitAsksTheStoreLast(t *testing.T) {
	t.Parallel()
	getenv, counts := testservers.Count(t, testservers.StartStores(t))
	d, _ := openWith(t, getenv, ownership.Policy{})
	id := uuid.NewString()
	d.put(t, id, status.Queued)
	if err := d.Images.Put(t.Context(), id+"/a.png", []byte("x"), imagestore.Attributes{}); err != nil {
		t.Fatal(err)
	}
	counts.Take()
	began := time.Now()
	answer := ask(t, d.Status, requestFor(id, "wait=60"))
	d.awaitWaiting(t)
	d.put(t, id, status.Processing)
	d.put(t, id, status.Completed)
	if w, err := answer(); err != nil || !strings.Contains(w.Body.String(), `"completed"`) {
		t.Errorf("Status() = %v, answered %s; want completed", err, w.Body)
	}
	const short = 2 * time.Second // a busy machine may take longer
	if requests, _ := counts.Take(); len(requests) > 0 && time.Since(began) < short {
		t.Errorf("sent %v to the image store, want nothing", requests)
	}

	unknown := status.Status{
		ImageID: uuid.NewString(), State: status.Failed, Reason: string(events.ReasonDamaged),
		Result: &status.Result{Error: "x"},
	}
	d.put(t, unknown.ImageID, status.Processing)
	if _, err := d.Statuses.Record(t.Context(), unknown.ImageID+"/a.png", unknown, nil); err != nil {
		t.Fatal(err)
	}
	w, err := ask(t, d.Status, requestFor(unknown.ImageID, "wait=1"))()
	if err != nil || !strings.Contains(w.Body.String(), `"failed"`) {
		t.Errorf("Status() of a result that Redis was not told of = %v, answered %s; want failed", err, w.Body)
	}
}
