package main

import (
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
)

// testStack is a running stack with a watcher for all events.
type testStack struct {
	*stack
	t       testing.TB
	url     string
	getenv  func(string) string
	watcher *watcher
}

// startStack starts a stack with servers of its own. settings are NAME=value.
func startStack(tb testing.TB, settings ...string) *testStack {
	tb.Helper()
	return startStackWith(tb, testservers.Start(tb, settings...))
}

// startStackWith starts a stack that may share its servers, and so its consumer groups, with others.
func startStackWith(tb testing.TB, getenv func(string) string) *testStack {
	tb.Helper()
	watcher := &watcher{}
	server := httptest.NewServer(watcher)
	tb.Cleanup(server.Close)
	s, err := start(options{
		listen: "127.0.0.1:0", broker: "127.0.0.1:0", deadLetters: "127.0.0.1:0", getenv: getenv,
		watchers: []string{server.URL},
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(sync.OnceFunc(s.stop))
	return &testStack{stack: s, t: tb, url: "http://" + s.address, getenv: getenv, watcher: watcher}
}

// stopEvents stops the sources, the Triggers and the Broker, and leaves the functions running.
func (s *testStack) stopEvents() { stopStages(s.stages[:3]) }

func stopStages(stages []*stage) {
	for _, stage := range stages {
		stage.stop()
		stage.wait.Wait()
	}
}

// watcher records every event that the Broker gets.
type watcher struct {
	sync.Mutex
	seen []event.Event
}

func (w *watcher) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	e, err := binding.ToEvent(r.Context(), cehttp.NewMessageFromHttpRequest(r))
	if err != nil {
		panic(err)
	}
	w.Lock()
	defer w.Unlock()
	w.seen = append(w.seen, *e)
}

// of returns the events of a type about an image so far.
func (w *watcher) of(eventType, imageID string) (events []event.Event) {
	w.Lock()
	defer w.Unlock()
	for _, e := range w.seen {
		if e.Type() == eventType && e.Subject() == imageID {
			events = append(events, e)
		}
	}
	return events
}

// photo reads a photograph from the test data of a module that this one depends on, so that none is copied.
func photo(tb testing.TB, module, name string) []byte {
	tb.Helper()
	directory, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		tb.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(directory)), "testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return content
}

// heic returns a HEIC of raster's tests.
func heic(tb testing.TB, name string) []byte {
	tb.Helper()
	const testdata = "../../functions/internal/raster/heif/testdata"
	content, err := os.ReadFile(filepath.Join(testdata, name+".heic"))
	if err != nil {
		tb.Fatal(err)
	}
	return content
}

// goPhoto reads a photograph from the test data of Go itself.
func goPhoto(tb testing.TB, name string) []byte {
	tb.Helper()
	directory, err := exec.Command("go", "list", "-f", "{{.Dir}}", "image").Output()
	if err != nil {
		tb.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(directory)), "testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return content
}

// response is a response with its body read.
type response struct {
	status int
	header http.Header
	body   []byte
}

func (s *testStack) do(method, url, contentType string, body io.Reader, header ...string) response {
	s.t.Helper()
	request, err := http.NewRequest(method, url, body)
	if err != nil {
		s.t.Fatal(err)
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		request.Header.Set(name, value)
	}
	got, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Error(err)
		return response{}
	}
	defer got.Body.Close()
	content, err := io.ReadAll(got.Body)
	if err != nil {
		s.t.Error(err)
	}
	return response{got.StatusCode, got.Header, content}
}

func (s *testStack) get(path string) response {
	s.t.Helper()
	return s.do(http.MethodGet, s.url+path, "", nil)
}

// upload sends a form as curl -F does and returns the image's ID.
func (s *testStack) upload(filename string, content []byte) string {
	s.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", filename)
	if err != nil {
		s.t.Fatal(err)
	}
	_, _ = part.Write(content)
	form.Close()
	answer := s.do(http.MethodPost, s.url+"/upload", form.FormDataContentType(), &body)
	var uploaded struct {
		ImageID string `json:"image_id"`
	}
	if err := json.Unmarshal(answer.body, &uploaded); err != nil || answer.status != http.StatusOK {
		s.t.Fatalf("upload %s: got %d %s, want 200", filename, answer.status, answer.body)
	}
	return uploaded.ImageID
}

// state is the response to GET /status.
type state struct {
	Status string
	Reason string
	Result struct {
		Success       bool
		Thumbnail     string
		OriginalSize  [2]int `json:"original_size"`
		ThumbnailSize [2]int `json:"thumbnail_size"`
		Error         string
	}
	ProcessedAt float64 `json:"processed_at"`
}

func (s *testStack) state(imageID string) (got state) {
	s.t.Helper()
	answer := s.get("/status/" + imageID)
	if answer.status != http.StatusOK {
		s.t.Fatalf("status of %s: got %d %s, want 200", imageID, answer.status, answer.body)
	}
	if err := json.Unmarshal(answer.body, &got); err != nil {
		s.t.Fatal(err)
	}
	return got
}

// waitLimit is how long the functions below wait, on a machine that is busy with other tests.
const waitLimit = 3 * time.Minute

// finalState waits for an image's final status. Until then the status must only move forward.
func (s *testStack) finalState(imageID string) state {
	s.t.Helper()
	order := map[string]int{"queued": 1, "processing": 2, "completed": 3, "failed": 3}
	last := "queued"
	for deadline := time.Now().Add(waitLimit); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		got := s.state(imageID)
		if order[got.Status] < order[last] {
			s.t.Errorf("status of %s: got %q after %q", imageID, got.Status, last)
		}
		if last = got.Status; order[last] == 3 {
			return got
		}
	}
	s.t.Fatalf("status of %s: got %q after %v, want a final one", imageID, last, waitLimit)
	return state{}
}

// awaitEvents waits for a number of events of a type about an image.
func (s *testStack) awaitEvents(count int, eventType, imageID string) []event.Event {
	s.t.Helper()
	for deadline := time.Now().Add(waitLimit); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if found := s.watcher.of(eventType, imageID); len(found) >= count {
			return found
		}
	}
	s.t.Fatalf("got %d events %s about %s within %v, want %d",
		len(s.watcher.of(eventType, imageID)), eventType, imageID, waitLimit, count)
	return nil
}

// eventually waits until a condition holds.
func eventually(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(waitLimit); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("%s: not within %v", what, waitLimit)
		}
	}
}

// post sends an event to the Broker, as another system does, and returns the status code.
func (s *testStack) post(e event.Event) int {
	s.t.Helper()
	request, err := http.NewRequest(http.MethodPost, s.broker, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cehttp.WriteRequest(s.t.Context(), binding.ToMessage(&e), request); err != nil {
		s.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Error(err)
		return 0
	}
	response.Body.Close()
	return response.StatusCode
}
