package thumbnailer

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/cloudevent"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// A service is a running thumbnail function with its servers.
type service struct {
	t        testing.TB
	url      string
	getenv   func(string) string
	store    *imagestore.Store
	statuses *status.Store
}

func start(tb testing.TB, settings ...string) *service {
	tb.Helper()
	return startWith(tb, testservers.StartStores(tb, settings...))
}

func startWith(tb testing.TB, getenv func(string) string) *service {
	tb.Helper()
	s := &service{t: tb, getenv: getenv}
	r := config.NewReader(s.getenv)
	var err error
	if s.store, err = imagestore.Open(imagestore.ReadSettings(r)); err != nil {
		tb.Fatal(err)
	}
	client := connect.OpenRedis(connect.ReadRedis(r))
	tb.Cleanup(func() { client.Close() })
	s.statuses = status.New(client, s.store)
	s.url = s.run(s.getenv)
	return s
}

// run runs the function, or another process of it, and returns its URL.
func (s *service) run(getenv func(string) string) (url string) {
	s.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, listener, getenv) }()
	s.t.Cleanup(func() {
		cancel()
		http.DefaultClient.CloseIdleConnections()
		if err := <-ended; err != nil {
			s.t.Errorf("Run() = %v, want nil", err)
		}
	})
	return "http://" + listener.Addr().String()
}

// uploaded stores an image as the upload function does, and returns its event.
func (s *service) uploaded(filename string, content []byte) event.Event {
	s.t.Helper()
	id := uuid.NewString()
	key := imagestore.OriginalKey(id, filename)
	if err := s.store.Put(s.t.Context(), key, content, imagestore.Attributes{ContentType: "image/jpeg"}); err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.statuses.Advance(s.t.Context(), status.Status{ImageID: id, State: status.Queued}); err != nil {
		s.t.Fatal(err)
	}
	return s.eventOf(events.ImageUploaded{
		ImageID: id, ObjectName: key, Filename: filename, Timestamp: status.Seconds(time.Now()), Bucket: s.store.Bucket(),
	})
}

func (s *service) eventOf(image events.ImageUploaded) event.Event {
	s.t.Helper()
	e, err := events.Encode(image, events.Envelope{
		Source: events.SourceUpload, TraceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return e
}

// A response is that to a delivery.
type response struct {
	status int
	header http.Header
	body   string
}

func (s *service) deliver(e event.Event) response {
	s.t.Helper()
	return s.deliverTo(s.url, e)
}

func (s *service) deliverTo(url string, e event.Event) response {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, url, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cehttp.WriteRequest(s.t.Context(), binding.ToMessage(&e), request); err != nil {
		s.t.Fatal(err)
	}
	return s.send(request)
}

func (s *service) send(request *http.Request) response {
	s.t.Helper()
	got, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Error(err)
		return response{}
	}
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	if err != nil {
		s.t.Error(err)
	}
	return response{got.StatusCode, got.Header, string(body)}
}

// reply returns the event in a response.
func (r response) reply(tb testing.TB) event.Event {
	tb.Helper()
	if r.status != http.StatusOK {
		tb.Fatalf("got %d %s, want 200", r.status, r.body)
	}
	e, err := cloudevent.Parse(r.header, []byte(r.body))
	if err != nil {
		tb.Fatalf("got %s, want an event: %v", r.body, err)
	}
	return e
}

// object returns the object under a key.
func (s *service) object(key string) ([]byte, minio.ObjectInfo) {
	s.t.Helper()
	client := testservers.MinIO(s.t, s.getenv)
	object, err := client.GetObject(s.t.Context(), s.store.Bucket(), key, minio.GetObjectOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	defer object.Close()
	content, err := io.ReadAll(object)
	if err != nil {
		s.t.Fatalf("read %s: %v", key, err)
	}
	info, err := object.Stat()
	if err != nil {
		s.t.Fatal(err)
	}
	return content, info
}

func jpegOf(tb testing.TB, width, height int) []byte {
	tb.Helper()
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.SetRGBA(x, y, color.RGBA{uint8(x), uint8(y), 128, 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}
