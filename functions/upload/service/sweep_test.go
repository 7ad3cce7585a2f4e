package service

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// storedOneSecond makes a stored image old enough for a scan after a second: MinIO's times cannot be changed.
const storedOneSecond = "SWEEP_STORED_SECONDS=1"

// age makes everything in the outbox, and the last sweep, an hour older.
func (s *testServer) age() {
	s.t.Helper()
	client := s.redis()
	for _, id := range s.queued() {
		older := redis.ZAddArgs{XX: true, Members: []redis.Z{{Score: -3600, Member: id}}} // it may have left meanwhile
		err := client.ZAddArgsIncr(s.t.Context(), s.outboxKey(), older).Err()
		if err != nil && !errors.Is(err, redis.Nil) {
			s.t.Fatal(err)
		}
	}
	if err := client.Del(s.t.Context(), "image:sweep:"+s.getenv("MINIO_BUCKET")).Err(); err != nil {
		s.t.Fatal(err)
	}
}

// sweep asks for a sweep an hour later.
func (s *testServer) sweep() response {
	s.t.Helper()
	s.age()
	return s.requestSweep()
}

// sweepUntilEmpty sweeps until the outbox is empty: Redis may be slow to hear of the last sweep, which also puts back
// what earlier parts of a test have stored.
func (s *testServer) sweepUntilEmpty() {
	s.t.Helper()
	await(s.t, "the outbox is empty", func() bool {
		s.sweep()
		return len(s.queued()) == 0
	})
}

// requestSweep asks for a sweep as the PingSource does.
func (s *testServer) requestSweep() response {
	s.t.Helper()
	return s.post("/", "application/json", strings.NewReader("{}"), "Ce-Specversion: 1.0", "Ce-Type: "+events.TypePing,
		"Ce-Source: /apis/v1/namespaces/image-service/pingsources/image-sweep", "Ce-Id: "+uuid.NewString())
}

// Every form of a request for a sweep. They are answered at / only.
func TestRequestSweep(t *testing.T) {
	t.Parallel()
	s := start(t)
	binary := func(eventType string, data io.Reader) func(path string) response {
		return func(path string) response {
			return s.post(path, "application/json", data,
				"Ce-Specversion: 1.0", "Ce-Type: "+eventType, "Ce-Source: /x", "Ce-Id: 1")
		}
	}
	for name, request := range map[string]func(path string) response{
		"ping":                 binary(events.TypePing, strings.NewReader("{}")),
		"binary":               binary(events.TypeImageSweep, strings.NewReader("{}")),
		"binary, without data": binary(events.TypeImageSweep, nil),
		"structured": func(path string) response {
			return s.post(path, structuredMode, structuredEvent(t, map[string]any{"type": events.TypeImageSweep}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := request("/"); got.status != http.StatusOK || got.body != "" {
				t.Errorf("answer is %d %s, want 200 without a body", got.status, got.body)
			}
			if got := request("/upload"); got.status != http.StatusBadRequest || got.code(t) != "invalid_event" {
				t.Errorf("answer at /upload is %d %s, want 400 invalid_event", got.status, got.body)
			}
		})
	}
}

// An upload that was accepted leaves nothing to a sweep.
func TestSweepAfterUpload(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.upload("a.png", pngOf(t, 8, 8))
	s.awaitEmptyOutbox()
	if got := s.sweep(); got.status != http.StatusOK || got.body != "" {
		t.Errorf("answer is %d %s, want 200 without a body", got.status, got.body)
	}
	if got := s.broker.publishedFor(id); got != 1 {
		t.Errorf("published %d events, want 1", got)
	}
}

// The function crashes after each step of an upload. In each case the image is announced in the end, as the same event,
// and leaves the outbox.
func TestSweepAfterCrash(t *testing.T) {
	t.Parallel()
	s := start(t, storedOneSecond)
	steps := []struct {
		name string
		do   func(id string)
	}{
		{"stored", func(id string) { s.storeOriginal(id, pngOf(t, 8, 8)) }},
		{"queued", s.queue},
		{"published, and not acknowledged", func(id string) {
			s.requestSweep()
			s.sweep()
			await(t, "it is published", func() bool { return s.broker.publishedFor(id) == 1 })
			s.sweepUntilEmpty() // or the acknowledgement would take out what comes next
			s.queue(id)
		}},
	}
	for last := range steps {
		t.Run(steps[last].name, func(t *testing.T) {
			id := uuid.NewString()
			for _, step := range steps[:last+1] {
				step.do(id)
			}
			want := s.broker.publishedFor(id) + 1
			await(t, "it is published again", func() bool {
				if got := s.sweep(); got.status != http.StatusOK {
					t.Fatalf("answer is %d %s, want 200", got.status, got.body)
				}
				return s.broker.publishedFor(id) >= want
			})
			s.sweepUntilEmpty()
			for _, e := range s.broker.published() {
				image, err := events.Decode[events.ImageUploaded](e)
				if err != nil || e.ID() != "image.uploaded/"+image.ImageID || image.Width != 8 || image.ContentType != "image/png" {
					t.Errorf("published %s with %+v, %v; want the image", e.ID(), image, err)
				}
			}
			if got := s.status(id); got != "queued" {
				t.Errorf("status is %q, want queued", got)
			}
		})
	}
}

// What a sweep announces is in the trace of the upload, if that is one that is kept.
func TestSweepKeepsTrace(t *testing.T) {
	t.Parallel()
	s := start(t)
	const traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	for flags, want := range map[string]bool{"01": true, "00": false} {
		t.Run(flags, func(t *testing.T) {
			id := s.post("/upload?filename=a.png", "image/png", bytes.NewReader(pngOf(t, 8, 8)),
				"Traceparent: 00-"+traceID+"-00f067aa0ba902b7-"+flags).imageID(t)
			s.awaitEmptyOutbox()
			s.queue(id)
			s.sweepUntilEmpty()
			var traces []string
			for _, e := range s.broker.published() {
				if e.Subject() == id {
					parent, _ := e.Extensions()[events.TraceParent].(string)
					traces = append(traces, strings.Split(parent+"--", "-")[1])
				}
			}
			if len(traces) < 2 || traces[0] != traceID || (traces[1] == traceID) != want {
				t.Errorf("published in the traces %q, want that of the upload, and by the sweep: %t", traces, want)
			}
		})
	}
}

// Images that have a result, or were rolled back, leave the outbox without an event.
func TestSweepOfSettledImages(t *testing.T) {
	t.Parallel()
	s := start(t)
	gone, done, refused := uuid.NewString(), uuid.NewString(), uuid.NewString()
	for _, id := range []string{done, refused} {
		s.storeOriginal(id, pngOf(t, 8, 8))
	}
	s.complete(done)
	key := imagestore.OriginalKey(refused, "a.png")
	if _, err := s.statuses().Record(t.Context(), key, status.Status{
		ImageID: refused, State: status.Failed, Reason: "damaged", Result: &status.Result{Error: "x"}, ProcessedAt: 1,
	}, nil); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{gone, done, refused} {
		s.queue(id)
	}
	if got := s.sweep(); got.status != http.StatusOK {
		t.Fatalf("answer is %d %s, want 200", got.status, got.body)
	}
	s.awaitEmptyOutbox()
	if got := s.broker.published(); len(got) != 0 {
		t.Errorf("published %v, want nothing", got)
	}
}

// More images than a batch, and two pods that are asked for a sweep 50 times each at once: each image is announced
// once.
func TestSweepAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	pods := []*testServer{s, s.startAnother()}
	const batch = 64
	var ids []string
	for range batch + 10 {
		id := uuid.NewString()
		s.storeOriginal(id, pngOf(t, 4, 4))
		s.queue(id)
		ids = append(ids, id)
	}
	s.age()
	var requests sync.WaitGroup
	for i := range 100 {
		requests.Go(func() {
			if got := pods[i%2].requestSweep(); got.status != http.StatusOK {
				t.Errorf("answer is %d %s, want 200", got.status, got.body)
			}
		})
	}
	requests.Wait()
	s.awaitEmptyOutbox()
	for _, id := range ids {
		if got := s.broker.publishedFor(id); got != 1 {
			t.Errorf("published %d events of %s, want 1", got, id)
		}
	}
}

// Redis comes back empty while images wait: the scan of the bucket finds them.
func TestSweepAfterRedisForgot(t *testing.T) {
	t.Parallel()
	s := start(t, storedOneSecond)
	id := s.upload("a.png", pngOf(t, 8, 8))
	statusKey := s.statusKey(id)
	triesKey := strings.Replace(statusKey, "status", "lost", 1)
	for _, step := range []struct {
		name  string
		begin func()
		want  int // events in all
	}{
		{"known to Redis, and announced lately", func() {
			s.redis().Expire(t.Context(), statusKey, 2*time.Hour) // however long the test takes
			time.Sleep(1100 * time.Millisecond)                   // until it is old enough for a scan
		}, 1},
		{"forgotten", func() { s.redis().Del(t.Context(), statusKey) }, 2},
		{"forgotten, and requeued often lately", func() {
			s.redis().Del(t.Context(), statusKey)
			s.redis().Set(t.Context(), triesKey, 10, 7*24*time.Hour)
		}, 2},
	} {
		t.Run(step.name, func(t *testing.T) {
			s.awaitEmptyOutbox()
			step.begin()
			s.sweep() // requeues it
			if len(s.queued()) > 0 {
				s.sweep() // announces it
			}
			if got := s.broker.publishedFor(id); got != step.want {
				t.Errorf("published %d events, want %d", got, step.want)
			}
		})
	}
}

// The original system accepted filenames that no event may have. Such an image fails, and does not stop the others.
func TestSweepOfBadFilename(t *testing.T) {
	t.Parallel()
	s := start(t)
	bad, good := uuid.NewString(), uuid.NewString()
	s.put(s.getenv("MINIO_BUCKET"), bad+"/a\tb.png", pngOf(t, 8, 8))
	s.storeOriginal(good, pngOf(t, 8, 8))
	for _, id := range []string{bad, good} {
		s.queue(id)
	}
	if got := s.sweep(); got.status != http.StatusOK {
		t.Errorf("answer is %d %s, want 200", got.status, got.body)
	}
	s.awaitEmptyOutbox()
	if got := s.broker.publishedFor(good); got != 1 {
		t.Errorf("published %d events of the good image, want 1", got)
	}
	if got := s.get("/status/" + bad).json(t); got["status"] != "failed" || got["reason"] != "unsupported" {
		t.Errorf("status of the bad one is %v, want failed and unsupported", got)
	}
}

// An object that is not an image was stored by another program. It is announced all the same: the thumbnail function
// notes what is wrong with it. Thumbnails, and objects that belong to no image, are not.
func TestSweepOfOtherObjects(t *testing.T) {
	t.Parallel()
	s := start(t, storedOneSecond)
	bucket, settled, other := s.getenv("MINIO_BUCKET"), uuid.NewString(), uuid.NewString()
	for _, key := range []string{
		settled + "/thumbnail_ä.png", settled + "/thumbnail_thumbnail_ä.png", other + "/notes.txt", "elsewhere/notes.txt",
	} {
		s.put(bucket, key, []byte("junk"))
	}
	await(t, "it is announced", func() bool { s.sweep(); return s.broker.publishedFor(other) == 1 })
	image := s.lastPublished()
	if image.ObjectName != other+"/notes.txt" || image.Filename != "notes.txt" || image.ContentType != "" {
		t.Errorf("published %+v, want notes.txt without a content type", image)
	}
	if got := len(s.broker.published()); got != 1 {
		t.Errorf("published %d events, want 1", got)
	}
}

// A sweep that fails says so, and the next one does its work.
func TestSweepFails(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := uuid.NewString()
	s.storeOriginal(id, pngOf(t, 8, 8))
	s.queue(id)
	s.broker.setDown(true)
	if got := s.sweep(); got.status != http.StatusServiceUnavailable {
		t.Errorf("while the broker is down: %d %s, want 503", got.status, got.body)
	}
	if got := s.queued(); !slices.Equal(got, []string{id}) {
		t.Errorf("outbox has %q, want %s", got, id)
	}
	s.broker.setDown(false)
	if got := s.sweep(); got.status != http.StatusOK || s.broker.publishedFor(id) != 1 {
		t.Errorf("afterwards: %d %s, published %d; want 200, 1", got.status, got.body, s.broker.publishedFor(id))
	}
	metrics := s.get("/metrics").body
	for _, want := range []string{
		`images_swept_total{outcome="announced"} 1`, `images_swept_total{outcome="error"} 1`,
		`images_swept_total{outcome="found"} 0`, `incomplete_uploads_aborted_total 0`, `image_outbox_size `,
		`image_outbox_age_seconds `, `image_uploads_total 0`,
	} {
		t.Run(want, func(t *testing.T) {
			if !strings.Contains(metrics, "\n"+want) {
				t.Error("the metrics do not have it")
			}
		})
	}
	if strings.Contains(metrics, `image_uploads_refused_total{`) {
		t.Error("the metrics count the sweep as a refused upload")
	}
	down := start(t, "REDIS_HOST=127.0.0.1", "REDIS_PORT=1")
	if got := down.requestSweep(); got.status != http.StatusServiceUnavailable {
		t.Errorf("while Redis is down: %d %s, want 503", got.status, got.body)
	}
}

// A brokenMinIO is a proxy to MinIO that breaks connections on which an image is put, before or after MinIO has stored
// it, so many times.
type brokenMinIO struct {
	proxy http.Handler
	after bool
	times int32
	puts  atomic.Int32
}

// ServeHTTP forwards a request, or breaks its connection.
func (b *brokenMinIO) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPut || isOfCheck(r.URL.Path) || b.puts.Add(1) > b.times {
		b.proxy.ServeHTTP(w, r)
		return
	}
	if b.after {
		b.proxy.ServeHTTP(httptest.NewRecorder(), r)
	}
	_, _ = io.Copy(io.Discard, r.Body)
	panic(http.ErrAbortHandler)
}

// behind starts another pod that reaches MinIO through a handler, which wrap returns.
func (s *testServer) behind(wrap func(minio http.Handler) http.Handler) *testServer {
	s.t.Helper()
	s.awaitReady() // makes the bucket
	getenv := testservers.WithMinIO(s.t, s.getenv, wrap)
	s.knowsStore(getenv("MINIO_ENDPOINT"))
	return s.another(getenv)
}

// However often the connection to MinIO breaks, and whether or not MinIO has stored the object, the image is accepted
// or nothing is left of it.
func TestMinIOBreaks(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		after bool
		times int32
		want  int
	}{
		"once, before it is stored":   {false, 1, http.StatusOK},
		"once, after it is stored":    {true, 1, http.StatusOK},
		"always, before it is stored": {false, 1000, http.StatusServiceUnavailable},
		"always, after it is stored":  {true, 1000, http.StatusServiceUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			proxy := &brokenMinIO{after: test.after, times: test.times}
			pod := s.behind(func(minio http.Handler) http.Handler {
				proxy.proxy = minio
				return proxy
			})
			got := pod.post("/upload", "image/png", bytes.NewReader(pngOf(t, 8, 8)))
			if got.status != test.want || proxy.puts.Load() == 0 {
				t.Errorf("answer is %d %s after %d puts, want %d", got.status, got.body, proxy.puts.Load(), test.want)
			}
			want := 0
			if got.status == http.StatusOK {
				want = 1
			}
			if keys, published := s.keys(), s.broker.published(); len(keys) != want || len(published) != want {
				t.Errorf("bucket has %q, published %v; want %d", keys, published, want)
			}
			s.awaitEmptyOutbox()
		})
	}
}

// A muteRedis is a proxy to Redis whose answers get lost for a while.
type muteRedis struct {
	address string
	mute    atomic.Bool
}

func (m *muteRedis) serve(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer client.Close()
			server, err := net.Dial("tcp", m.address)
			if err != nil {
				return
			}
			defer server.Close()
			go func() { _, _ = io.Copy(server, client) }()
			_, _ = io.Copy(m.unlessMute(client), server)
		}()
	}
}

func (m *muteRedis) unlessMute(w io.Writer) io.Writer {
	return writerFunc(func(p []byte) (int, error) {
		if m.mute.Load() {
			return len(p), nil
		}
		return w.Write(p)
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// Redis has queued an image, and its answer was lost: the image is not accepted and rolled back, and a sweep removes
// what Redis still has of it.
func TestRedisAnswerLost(t *testing.T) {
	t.Parallel()
	s := start(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	proxy := &muteRedis{address: net.JoinHostPort(s.getenv("REDIS_HOST"), s.getenv("REDIS_PORT"))}
	go proxy.serve(listener)
	port := fmt.Sprint(listener.Addr().(*net.TCPAddr).Port)
	behind := s.startAnother("REDIS_HOST=127.0.0.1", "REDIS_PORT="+port)
	first := behind.upload("first.png", pngOf(t, 8, 8)) // sends the script
	s.awaitEmptyOutbox()

	await(t, "Redis has queued an image", func() bool { // not if its work of each second has the connection
		proxy.mute.Store(false)
		behind.get("/status/" + first) // connects
		proxy.mute.Store(true)
		got := behind.post("/upload", "image/png", bytes.NewReader(pngOf(t, 8, 8)))
		if got.status != http.StatusServiceUnavailable {
			t.Errorf("answer is %d %s, want 503", got.status, got.body)
		}
		return len(s.queued()) > 0
	})
	if got := s.keys(); len(got) != 1 {
		t.Errorf("bucket has %q, want the first image", got)
	}
	s.sweep()
	s.awaitEmptyOutbox()
	if got := len(s.broker.published()); got != 1 {
		t.Errorf("published %d events, want that of the first image", got)
	}
	proxy.mute.Store(false)
}

// An image whose event the broker may have taken stays, and is announced until the broker says that it has.
func TestPublicationIsUncertain(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.broker.setDisconnects(true)
	got := s.post("/upload", "image/png", bytes.NewReader(pngOf(t, 8, 8)))
	if got.status != http.StatusServiceUnavailable {
		t.Errorf("answer is %d %s, want 503", got.status, got.body)
	}
	queued := s.queued()
	if keys := s.keys(); len(queued) != 1 || len(keys) != 1 {
		t.Fatalf("bucket has %q, outbox %q; want one image in both", keys, queued)
	}
	s.sweep()
	if got := s.queued(); !slices.Equal(got, queued) {
		t.Errorf("after a sweep the outbox has %q, want %q", got, queued)
	}
	s.broker.setDisconnects(false)
	s.sweep()
	if got := s.broker.publishedFor(queued[0]); got != 1 {
		t.Errorf("published %d events, want 1", got)
	}
	s.awaitEmptyOutbox()
}
