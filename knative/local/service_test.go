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
	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
)

// running is the whole of it, running, watched from outside.
type running struct {
	*world
	t       testing.TB
	url     string
	getenv  func(string) string
	watcher *watcher
}

func begin(t testing.TB, settings ...string) *running {
	t.Helper()
	return beginWith(t, testservers.Start(t, settings...), "test-"+uuid.NewString())
}

func beginWith(t testing.TB, getenv func(string) string, group string) *running {
	t.Helper()
	watcher := &watcher{}
	server := httptest.NewServer(watcher)
	t.Cleanup(server.Close)
	w, err := start(options{
		listen: "127.0.0.1:0", broker: "127.0.0.1:0", deadLetters: "127.0.0.1:0", getenv: getenv, group: group,
		watchers: []string{server.URL},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sync.OnceFunc(w.stop))
	return &running{world: w, t: t, url: "http://" + w.address, getenv: getenv, watcher: watcher}
}

// watcher has a Trigger for every event.
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

// of returns the events of a type about an image.
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

// photograph reads one from the test data of a module that this one depends on: nothing is copied.
func photograph(t testing.TB, module, name string) []byte {
	t.Helper()
	directory, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(directory)), "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// goPhotograph reads one from the test data of Go itself.
func goPhotograph(t testing.TB, name string) []byte {
	t.Helper()
	directory, err := exec.Command("go", "list", "-f", "{{.Dir}}", "image").Output()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(directory)), "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// answered is an answer, read to its end.
type answered struct {
	status int
	header http.Header
	body   []byte
}

func (s *running) do(method, url, contentType string, body io.Reader, header ...string) answered {
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
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Error(err)
		return answered{}
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Error(err)
	}
	return answered{response.StatusCode, response.Header, content}
}

func (s *running) get(path string) answered {
	s.t.Helper()
	return s.do(http.MethodGet, s.url+path, "", nil)
}

// upload sends a form as curl -F does, and returns the id of the image.
func (s *running) upload(filename string, content []byte) string {
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
		s.t.Fatalf("upload of %s: %d %s", filename, answer.status, answer.body)
	}
	return uploaded.ImageID
}

// state is the answer to GET /status.
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

func (s *running) state(imageID string) (got state) {
	s.t.Helper()
	answer := s.get("/status/" + imageID)
	if answer.status != http.StatusOK {
		s.t.Fatalf("status of %s: %d %s", imageID, answer.status, answer.body)
	}
	if err := json.Unmarshal(answer.body, &got); err != nil {
		s.t.Fatal(err)
	}
	return got
}

// settled waits until an image's status is final. On the way it only goes forward.
func (s *running) settled(imageID string) state {
	s.t.Helper()
	order := map[string]int{"queued": 1, "processing": 2, "completed": 3, "failed": 3}
	last := "queued"
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		got := s.state(imageID)
		if order[got.Status] < order[last] {
			s.t.Errorf("status of %s was %q, and then %q", imageID, last, got.Status)
		}
		if last = got.Status; order[last] == 3 {
			return got
		}
	}
	s.t.Fatalf("%s is still %q after a minute", imageID, last)
	return state{}
}

// await waits until there are events of a type about an image.
func (s *running) await(count int, eventType, imageID string) []event.Event {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if found := s.watcher.of(eventType, imageID); len(found) >= count {
			return found
		}
	}
	s.t.Fatalf("%d events %s about %s within a minute, want %d", len(s.watcher.of(eventType, imageID)), eventType, imageID, count)
	return nil
}

// post sends an event to the Broker, as another system does.
func (s *running) post(e event.Event) int {
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
