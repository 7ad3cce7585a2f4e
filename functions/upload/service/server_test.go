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
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/minio/minio-go/v7"
	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/cloudevent"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/outbox"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// A testServer is the upload function, running, and the servers around it.
type testServer struct {
	t      testing.TB
	url    string
	getenv func(string) string
	broker *broker
	key    string // the API key that requests are sent with; "" for none

	// The test's own clients, which are opened when they are needed.
	redis  func() redis.UniversalClient
	minio  func() *minio.Client
	images func() *imagestore.Store
}

// A broker is the sink that the function publishes to. (Package publisher tests that Kafka takes the same events.)
type broker struct {
	sync.Mutex
	down        bool
	disconnects bool
	events      []event.Event
}

// setDown makes the broker answer 503.
func (b *broker) setDown(down bool) {
	b.Lock()
	defer b.Unlock()
	b.down = down
}

// setDisconnects makes the broker close connections without an answer, so that it is open whether it took an event.
func (b *broker) setDisconnects(disconnects bool) {
	b.Lock()
	defer b.Unlock()
	b.disconnects = disconnects
}

// ServeHTTP takes an event.
func (b *broker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.Lock()
	defer b.Unlock()
	if b.down {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if b.disconnects {
		panic(http.ErrAbortHandler)
	}
	e, err := cloudevent.Receive(w, r, cloudevent.MaxEvent)
	if err != nil {
		panic(err)
	}
	b.events = append(b.events, e)
	w.WriteHeader(http.StatusAccepted)
}

// published returns the events that the broker has taken.
func (b *broker) published() []event.Event {
	b.Lock()
	defer b.Unlock()
	return b.events
}

// publishedFor returns how many events of an image the broker has taken.
func (b *broker) publishedFor(imageID string) (count int) {
	for _, e := range b.published() {
		if e.Subject() == imageID {
			count++
		}
	}
	return count
}

func start(tb testing.TB, settings ...string) *testServer {
	tb.Helper()
	s := startServers(tb, settings...)
	s.url = run(tb, s.getenv)
	return s
}

// startServers starts what the function needs. Unless the settings name other servers, Redis has the result of the
// store's examination, as it has for all pods but the first: some 300 requests, for which uploads would wait.
func startServers(tb testing.TB, settings ...string) *testServer {
	tb.Helper()
	s := startUnknown(tb, settings...)
	isOther := func(setting string) bool {
		return strings.HasPrefix(setting, "MINIO_ENDPOINT=") || strings.HasPrefix(setting, "REDIS_")
	}
	if !slices.ContainsFunc(settings, isOther) {
		s.knowsStore(s.getenv("MINIO_ENDPOINT"))
	}
	return s
}

// startUnknown starts servers of which nothing is known.
func startUnknown(tb testing.TB, settings ...string) *testServer {
	tb.Helper()
	s := &testServer{t: tb, broker: &broker{}}
	sink := httptest.NewServer(s.broker)
	tb.Cleanup(sink.Close)
	settings = append([]string{"K_SINK=" + sink.URL, testservers.As("image-upload")}, settings...)
	s.getenv = testservers.Start(tb, settings...)
	s.redis = sync.OnceValue(func() redis.UniversalClient { return testservers.Redis(tb, s.getenv) })
	s.minio = sync.OnceValue(func() *minio.Client { return testservers.MinIO(tb, s.getenv) })
	s.images = sync.OnceValue(func() *imagestore.Store {
		store, err := imagestore.Open(imagestore.ReadSettings(config.NewReader(s.getenv)))
		if err != nil {
			tb.Fatal(err)
		}
		return store
	})
	return s
}

// examined is what the function has kept of its examination of a store like those of all tests.
var examined struct {
	sync.Once
	result string
}

// knowsStore has Redis know that the store at an endpoint is fit.
func (s *testServer) knowsStore(endpoint string) {
	s.t.Helper()
	key := func(endpoint string) string { return "image:store:" + connect.MinIOAddress(endpoint) }
	examined.Do(func() {
		first := startUnknown(s.t)
		first.url = run(s.t, first.getenv)
		await(s.t, "the store is examined", func() bool {
			first.awaitReady()
			examined.result, _ = first.redis().Get(s.t.Context(), key(first.getenv("MINIO_ENDPOINT"))).Result()
			return examined.result != ""
		})
	})
	if err := s.redis().Set(s.t.Context(), key(endpoint), examined.result, 0).Err(); err != nil {
		s.t.Fatal(err)
	}
}

// startAnother starts another pod of the same function, with other values for some settings, NAME=value.
func (s *testServer) startAnother(settings ...string) *testServer {
	s.t.Helper()
	return s.another(testservers.With(s.getenv, settings...))
}

func (s *testServer) another(getenv func(string) string) *testServer {
	s.t.Helper()
	other := *s
	other.url = run(s.t, getenv)
	return &other
}

// run runs the function until the test ends, and returns its URL.
func run(tb testing.TB, getenv func(string) string) (url string) {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, listener, getenv) }()
	tb.Cleanup(func() {
		cancel()
		http.DefaultClient.CloseIdleConnections()
		if err := <-ended; err != nil {
			tb.Errorf("Run() = %v", err)
		}
	})
	return "http://" + listener.Addr().String()
}

// A response is an HTTP response that was read to its end.
type response struct {
	status int
	header http.Header
	body   string
}

func (r response) json(tb testing.TB) (fields map[string]any) {
	tb.Helper()
	if err := json.Unmarshal([]byte(r.body), &fields); err != nil {
		tb.Fatalf("%d %s is not a JSON object: %v", r.status, r.body, err)
	}
	return fields
}

// imageID returns the ID in the answer to an upload; "" if the upload was refused.
func (r response) imageID(tb testing.TB) string {
	tb.Helper()
	id, _ := r.json(tb)["image_id"].(string)
	return id
}

// code returns the error code in an answer.
func (r response) code(tb testing.TB) string {
	tb.Helper()
	code, _ := r.json(tb)["code"].(string)
	return code
}

// do sends a request; header has lines such as "Name: value".
func (s *testServer) do(method, path, contentType string, body io.Reader, header ...string) response {
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

func (s *testServer) send(request *http.Request) response {
	s.t.Helper()
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	got := response{answer.StatusCode, answer.Header, string(text)}
	checkDocumented(s.t, request, got)
	return got
}

func (s *testServer) get(path string, header ...string) response {
	s.t.Helper()
	return s.do(http.MethodGet, path, "", nil, header...)
}

func (s *testServer) post(path, contentType string, body io.Reader, header ...string) response {
	s.t.Helper()
	return s.do(http.MethodPost, path, contentType, body, header...)
}

// status returns the state that GET /status answers.
func (s *testServer) status(imageID string) string {
	s.t.Helper()
	state, _ := s.get("/status/" + imageID).json(s.t)["status"].(string)
	return state
}

// A field is one field of a form. A field with the filename "-" is text.
type field struct {
	name, filename string
	content        []byte
}

// uploadForm uploads a form to /upload.
func (s *testServer) uploadForm(fields ...field) response {
	s.t.Helper()
	body, contentType := formOf(s.t, fields...)
	return s.post("/upload", contentType, body)
}

func formOf(tb testing.TB, fields ...field) (body *bytes.Buffer, contentType string) {
	tb.Helper()
	body = &bytes.Buffer{}
	writer := multipart.NewWriter(body)
	for _, f := range fields {
		header := textproto.MIMEHeader{}
		disposition := `form-data; name="` + f.name + `"`
		if f.filename != "-" {
			disposition += `; filename="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(f.filename) + `"`
			header.Set("Content-Type", "application/octet-stream")
		}
		header.Set("Content-Disposition", disposition)
		part, err := writer.CreatePart(header)
		if err != nil {
			tb.Fatal(err)
		}
		_, _ = part.Write(f.content)
	}
	writer.Close()
	return body, writer.FormDataContentType()
}

// upload uploads one image and returns its ID.
func (s *testServer) upload(filename string, content []byte) string {
	s.t.Helper()
	answer := s.uploadForm(field{"file", filename, content})
	if answer.status != http.StatusOK {
		s.t.Fatalf("upload of %s: %d %s", filename, answer.status, answer.body)
	}
	return answer.imageID(s.t)
}

// awaitReady waits until the backends can be used, and the store has been checked.
func (s *testServer) awaitReady() {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		got := s.get("/ready")
		if got.status == http.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatal(got.body)
		}
	}
}

// keys lists the objects in the service's bucket, without those of its check of the store.
func (s *testServer) keys() (keys []string) {
	s.t.Helper()
	options := minio.ListObjectsOptions{Recursive: true}
	for object := range s.minio().ListObjects(s.t.Context(), s.getenv("MINIO_BUCKET"), options) {
		if object.Err == nil && !isOfCheck(object.Key) {
			keys = append(keys, object.Key)
		}
	}
	return keys
}

// isOfCheck reports whether a path has an object by which the function checks the store when it starts.
func isOfCheck(path string) bool { return strings.Contains(path, "storecheck-") }

// put stores an object as another program would.
func (s *testServer) put(bucket, key string, content []byte) {
	s.t.Helper()
	client := s.minio()
	exists, err := client.BucketExists(s.t.Context(), bucket)
	if err != nil {
		s.t.Fatal(err)
	}
	if !exists {
		if err := client.MakeBucket(s.t.Context(), bucket, minio.MakeBucketOptions{}); err != nil {
			if exists, _ := client.BucketExists(s.t.Context(), bucket); !exists { // the function may have made it
				s.t.Fatal(err)
			}
		}
		s.t.Cleanup(func() {
			_ = client.RemoveObject(s.t.Context(), bucket, key, minio.RemoveObjectOptions{})
			_ = client.RemoveBucket(s.t.Context(), bucket)
		})
	}
	size := int64(len(content))
	_, err = client.PutObject(s.t.Context(), bucket, key, bytes.NewReader(content), size, minio.PutObjectOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
}

// storeOriginal stores an original, as if the function had crashed right after.
func (s *testServer) storeOriginal(imageID string, content []byte) {
	s.t.Helper()
	key, attributes := imagestore.OriginalKey(imageID, "a.png"), imagestore.Attributes{ContentType: "image/png"}
	if err := s.images().Put(s.t.Context(), key, content, attributes); err != nil {
		s.t.Fatal(err)
	}
}

func (s *testServer) statuses() *status.Store {
	s.t.Helper()
	return status.New(s.redis(), s.images())
}

// queue puts an image into the outbox.
func (s *testServer) queue(imageID string) {
	s.t.Helper()
	box := outbox.New(s.redis(), s.getenv("MINIO_BUCKET"), func(err error) { s.t.Error(err) })
	if _, err := box.Queue(s.t.Context(), imageID); err != nil {
		s.t.Fatal(err)
	}
}

// tagged is the name of the bucket in keys of Redis that scripts use together.
func (s *testServer) tagged() string {
	s.t.Helper()
	return connect.Tagged(s.redis(), s.getenv("MINIO_BUCKET"))
}

func (s *testServer) outboxKey() string { return "image:outbox:" + s.tagged() }

func (s *testServer) statusKey(imageID string) string {
	return status.NewKeys(s.redis(), s.getenv("MINIO_BUCKET")).Key(imageID)
}

// queued returns the IDs in the outbox.
func (s *testServer) queued() []string {
	s.t.Helper()
	ids, err := s.redis().ZRange(s.t.Context(), s.outboxKey(), 0, -1).Result()
	if err != nil {
		s.t.Fatal(err)
	}
	return ids
}

// awaitEmptyOutbox waits until everything that was published is acknowledged in Redis.
func (s *testServer) awaitEmptyOutbox() {
	s.t.Helper()
	await(s.t, "the outbox is empty", func() bool { return len(s.queued()) == 0 })
}

// await waits up to a minute for a condition.
func await(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("after a minute it does not hold that %s", what)
		}
	}
}

// pixels is the content of the images of all formats.
func pixels(width, height int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.Set(x, y, color.NRGBA{uint8(x * 7), uint8(y * 5), uint8(x ^ y), 255})
		}
	}
	return m
}

func jpegOf(tb testing.TB, width, height int) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, pixels(width, height), nil); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func pngOf(tb testing.TB, width, height int) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, pixels(width, height)); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func gifOf(tb testing.TB, width, height int) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := gif.Encode(&b, pixels(width, height), nil); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}
