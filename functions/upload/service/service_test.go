package service

import (
	"bytes"
	"context"
	"encoding/json"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"strings"
	"sync"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/minio/minio-go/v7"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/cloudevent"
)

// testServer is the upload function, running, and the servers around it.
type testServer struct {
	t      testing.TB
	url    string
	getenv func(string) string
	broker *broker
	key    string // of the client whose requests these are; "" for none
}

// broker is what the function announces to. (That Kafka takes the same events is tested in bus and in knative/local.)
type broker struct {
	sync.Mutex
	refuses bool
	hangsUp bool
	events  []event.Event
}

func (b *broker) refuse(refuses bool) {
	b.Lock()
	defer b.Unlock()
	b.refuses = refuses
}

// hangUp leaves open whether events are taken.
func (b *broker) hangUp(hangsUp bool) {
	b.Lock()
	defer b.Unlock()
	b.hangsUp = hangsUp
}

func (b *broker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.Lock()
	defer b.Unlock()
	if b.refuses {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if b.hangsUp {
		panic(http.ErrAbortHandler)
	}
	e, err := cloudevent.Receive(w, r, cloudevent.MaxEvent)
	if err != nil {
		panic(err)
	}
	b.events = append(b.events, e)
	w.WriteHeader(http.StatusAccepted)
}

func (b *broker) announced() []event.Event {
	b.Lock()
	defer b.Unlock()
	return b.events
}

func start(t testing.TB, settings ...string) *testServer {
	t.Helper()
	s := &testServer{t: t, broker: &broker{}}
	sink := httptest.NewServer(s.broker)
	t.Cleanup(sink.Close)
	s.getenv = testservers.Start(t, append([]string{"K_SINK=" + sink.URL, testservers.As("image-upload")}, settings...)...)
	s.url = run(t, s.getenv)
	return s
}

// run runs the function until the test ends, and returns its address.
func run(t testing.TB, getenv func(string) string) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, listener, getenv) }()
	t.Cleanup(func() {
		cancel()
		http.DefaultClient.CloseIdleConnections()
		if err := <-ended; err != nil {
			t.Errorf("Run() = %v", err)
		}
	})
	return "http://" + listener.Addr().String()
}

// answered is an answer, read to its end.
type answered struct {
	status int
	header http.Header
	body   string
}

func (a answered) json(t testing.TB) (fields map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), &fields); err != nil {
		t.Fatalf("%d %s is no JSON object: %v", a.status, a.body, err)
	}
	return fields
}

func (s *testServer) do(method, path, contentType string, body io.Reader, header ...string) answered {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	if s.key != "" {
		request.Header.Set("Authorization", "Bearer "+s.key)
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		request.Header.Set(name, value)
	}
	return s.send(request)
}

func (s *testServer) send(request *http.Request) answered {
	s.t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answered{response.StatusCode, response.Header, string(text)}
}

func (s *testServer) get(path string, header ...string) answered {
	s.t.Helper()
	return s.do(http.MethodGet, path, "", nil, header...)
}

// file is one field of a form. A field without a filename is text.
type file struct {
	field, filename string
	content         []byte
}

func (s *testServer) uploadForm(files ...file) answered {
	s.t.Helper()
	body, contentType := formOf(s.t, files...)
	return s.do(http.MethodPost, "/upload", contentType, body)
}

func formOf(t testing.TB, files ...file) (body *bytes.Buffer, contentType string) {
	t.Helper()
	body = &bytes.Buffer{}
	writer := multipart.NewWriter(body)
	for _, f := range files {
		header := textproto.MIMEHeader{}
		disposition := `form-data; name="` + f.field + `"`
		if f.filename != "-" {
			disposition += `; filename="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(f.filename) + `"`
			header.Set("Content-Type", "application/octet-stream")
		}
		header.Set("Content-Disposition", disposition)
		part, err := writer.CreatePart(header)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = part.Write(f.content)
	}
	writer.Close()
	return body, writer.FormDataContentType()
}

// upload uploads one image and returns its id.
func (s *testServer) upload(filename string, content []byte) string {
	s.t.Helper()
	answer := s.uploadForm(file{"file", filename, content})
	if answer.status != http.StatusOK {
		s.t.Fatalf("upload of %s: %d %s", filename, answer.status, answer.body)
	}
	return answer.json(s.t)["image_id"].(string)
}

// stored lists the keys in the service's bucket.
func (s *testServer) stored() (keys []string) {
	s.t.Helper()
	for object := range testservers.MinIO(s.t, s.getenv).ListObjects(s.t.Context(), s.getenv("MINIO_BUCKET"), minio.ListObjectsOptions{Recursive: true}) {
		if object.Err == nil {
			keys = append(keys, object.Key)
		}
	}
	return keys
}

// Small images of each format.
func pixels(width, height int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.Set(x, y, color.NRGBA{uint8(x * 7), uint8(y * 5), uint8(x ^ y), 255})
		}
	}
	return m
}

func jpegOf(t testing.TB, width, height int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, pixels(width, height), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func pngOf(t testing.TB, width, height int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, pixels(width, height)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gifOf(t testing.TB, width, height int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := gif.Encode(&b, pixels(width, height), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
