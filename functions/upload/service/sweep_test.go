package service

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
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
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// soon makes what is stored a second old enough for a walk: MinIO's times can not be changed.
const soon = "SWEEP_STORED_SECONDS=1"

// redis is a client of the test's own.
func (s *testServer) redis() *redis.Client {
	s.t.Helper()
	return testservers.Redis(s.t, s.getenv)
}

func (s *testServer) outboxKey() string { return "image:outbox:" + s.getenv("MINIO_BUCKET") }

func (s *testServer) inOutbox() []string {
	s.t.Helper()
	ids, err := s.redis().ZRange(s.t.Context(), s.outboxKey(), 0, -1).Result()
	if err != nil {
		s.t.Fatal(err)
	}
	return ids
}

// aged makes all in the outbox an hour older, and the last sweep as well.
func (s *testServer) aged() {
	s.t.Helper()
	client := s.redis()
	for _, id := range s.inOutbox() {
		older := redis.ZAddArgs{XX: true, Members: []redis.Z{{Score: -3600, Member: id}}} // it may have left meanwhile
		if err := client.ZAddArgsIncr(s.t.Context(), s.outboxKey(), older).Err(); err != nil && !errors.Is(err, redis.Nil) {
			s.t.Fatal(err)
		}
	}
	if err := client.Del(s.t.Context(), "image:sweep:"+s.getenv("MINIO_BUCKET")).Err(); err != nil {
		s.t.Fatal(err)
	}
}

// sweep delivers a sweep an hour later.
func (s *testServer) sweep() answered {
	s.t.Helper()
	s.aged()
	return s.ask()
}

// ask delivers a sweep as the PingSource does.
func (s *testServer) ask() answered {
	s.t.Helper()
	return s.do(http.MethodPost, "/", "application/json", strings.NewReader("{}"), "Ce-Specversion: 1.0", "Ce-Type: "+events.TypePing,
		"Ce-Source: /apis/v1/namespaces/image-service/pingsources/image-sweep", "Ce-Id: "+uuid.NewString())
}

// count is how often an image was announced.
func (s *testServer) count(imageID string) (count int) {
	for _, e := range s.broker.announced() {
		if e.Subject() == imageID {
			count++
		}
	}
	return count
}

// await waits until something is so.
func await(t testing.TB, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after a minute it is not so that %s", what)
		}
	}
}

func (s *testServer) storeOf() *imagestore.Store {
	s.t.Helper()
	store, err := imagestore.Open(imagestore.ReadSettings(config.NewReader(s.getenv)))
	if err != nil {
		s.t.Fatal(err)
	}
	return store
}

// store stores an original, and no more: as if the function had ended right after.
func (s *testServer) store(id string, content []byte) {
	s.t.Helper()
	if err := s.storeOf().Put(s.t.Context(), imagestore.OriginalKey(id, "a.png"), content, imagestore.Attributes{ContentType: "image/png"}); err != nil {
		s.t.Fatal(err)
	}
}

// Every form in which a sweep may be asked for, and where.
func TestSweepIsAskedFor(t *testing.T) {
	t.Parallel()
	s := start(t)
	attributes := func(eventType string) []string {
		return []string{"Ce-Specversion: 1.0", "Ce-Type: " + eventType, "Ce-Source: /x", "Ce-Id: 1"}
	}
	for name, ask := range map[string]func(path string) answered{
		"ping": func(path string) answered {
			return s.do(http.MethodPost, path, "application/json", strings.NewReader("{}"), attributes(events.TypePing)...)
		},
		"binary": func(path string) answered {
			return s.do(http.MethodPost, path, "application/json", strings.NewReader("{}"), attributes(events.TypeImageSweep)...)
		},
		"binary, without data": func(path string) answered {
			return s.do(http.MethodPost, path, "", nil, attributes(events.TypeImageSweep)...)
		},
		"structured": func(path string) answered {
			return s.do(http.MethodPost, path, structuredMode, structuredEvent(t, map[string]any{"type": events.TypeImageSweep}))
		},
	} {
		if answer := ask("/"); answer.status != http.StatusOK || answer.body != "" {
			t.Errorf("%s: %d %s", name, answer.status, answer.body)
		}
		if answer := ask("/upload"); answer.status != http.StatusBadRequest || answer.json(t)["code"] != "invalid_event" {
			t.Errorf("%s to /upload: %d %s", name, answer.status, answer.body)
		}
	}
}

// A plain upload leaves nothing to sweep.
func TestNothingToSweep(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.upload("a.png", pngOf(t, 8, 8))
	await(t, "the outbox is empty", func() bool { return len(s.inOutbox()) == 0 })
	if answer := s.sweep(); answer.status != http.StatusOK || answer.body != "" {
		t.Errorf("%d %s", answer.status, answer.body)
	}
	if got := s.count(id); got != 1 {
		t.Errorf("announced %d times, want 1", got)
	}
}

// The function ends after each of the steps of an upload. Whatever the step, the image is announced in the end, as the same
// event, and nothing is left in the outbox.
func TestEndedInTheMiddle(t *testing.T) {
	t.Parallel()
	s := start(t, soon)
	queue := func(id string) {
		if _, err := outboxOf(t, s).Queue(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	steps := []func(id string){
		func(id string) { s.store(id, pngOf(t, 8, 8)) },
		queue,
		func(id string) { // announced, and not taken out of the outbox
			s.ask()
			s.sweep()
			await(t, "it is announced", func() bool { return s.count(id) == 1 })
			await(t, "the outbox is empty", func() bool { return len(s.inOutbox()) == 0 }) // or it would take out what comes next
			queue(id)
		},
	}
	for last := range steps {
		id := uuid.NewString()
		for _, step := range steps[:last+1] {
			step(id)
		}
		want := s.count(id) + 1
		await(t, "it is announced again", func() bool {
			if answer := s.sweep(); answer.status != http.StatusOK {
				t.Fatalf("%d %s", answer.status, answer.body)
			}
			return s.count(id) >= want
		})
		await(t, "the outbox is empty", func() bool { // which may take another sweep, if Redis was slow to hear of the last one
			s.sweep()
			return len(s.inOutbox()) == 0
		})
		for _, e := range s.broker.announced() {
			image, err := events.Decode[events.ImageUploaded](e)
			if err != nil || e.ID() != "image.uploaded/"+image.ImageID || image.Width != 8 || image.ContentType != "image/png" {
				t.Errorf("announced %+v, %v", image, err)
			}
		}
		if got := s.get("/status/" + id); !strings.Contains(got.body, `"queued"`) {
			t.Errorf("status is %d %s", got.status, got.body)
		}
	}
}

// What is done, or was taken back, leaves the outbox without a word.
func TestSweepOfWhatIsSettled(t *testing.T) {
	t.Parallel()
	s := start(t)
	board := boardOf(t, s)
	gone, done, refused := uuid.NewString(), uuid.NewString(), uuid.NewString()
	for _, id := range []string{done, refused} {
		s.store(id, pngOf(t, 8, 8))
		final := status.Status{ImageID: id, State: status.Failed, Reason: "damaged", Result: &status.Result{Error: "x"}, ProcessedAt: 1}
		content, contentType := []byte(nil), ""
		if id == done {
			final.State, final.Result = status.Completed, &status.Result{Success: true, OriginalSize: &status.Size{8, 8}, ThumbnailSize: &status.Size{8, 8}}
			content, contentType = pngOf(t, 8, 8), "image/png"
		}
		if _, err := board.Record(t.Context(), imagestore.OriginalKey(id, "a.png"), final, content, contentType); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{gone, done, refused} {
		if _, err := outboxOf(t, s).Queue(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if answer := s.sweep(); answer.status != http.StatusOK {
		t.Fatalf("%d %s", answer.status, answer.body)
	}
	await(t, "the outbox is empty", func() bool { return len(s.inOutbox()) == 0 })
	if got := s.broker.announced(); len(got) != 0 {
		t.Errorf("announced %v", got)
	}
}

// More than a batch, swept by two pods, each asked 50 times at once: each image is announced once.
func TestSweepAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	other := s.beside()
	var ids []string
	for range 64 + 10 {
		id := uuid.NewString()
		s.store(id, pngOf(t, 4, 4))
		if _, err := outboxOf(t, s).Queue(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	s.aged()
	var asked sync.WaitGroup
	for i := range 100 {
		asked.Go(func() {
			if answer := []*testServer{s, other}[i%2].ask(); answer.status != http.StatusOK {
				t.Errorf("%d %s", answer.status, answer.body)
			}
		})
	}
	asked.Wait()
	await(t, "the outbox is empty", func() bool { return len(s.inOutbox()) == 0 })
	for _, id := range ids {
		if got := s.count(id); got != 1 {
			t.Errorf("%s was announced %d times, want 1", id, got)
		}
	}
}

// beside is another pod of the same function.
func (s *testServer) beside() *testServer {
	s.t.Helper()
	other := *s
	other.url = run(s.t, s.getenv)
	return &other
}

// Redis comes back empty while images wait: the bucket knows them.
func TestRedisForgets(t *testing.T) {
	t.Parallel()
	s := start(t, soon)
	id := s.upload("a.png", pngOf(t, 8, 8))
	told, found := "image:status:"+id, "image:lost:"+id
	for _, test := range []struct {
		what  string
		begin func()
		want  int // announced
	}{
		{"known to Redis, and told of lately", func() {
			s.redis().Expire(t.Context(), told, 2*time.Hour) // however long this takes
			time.Sleep(1100 * time.Millisecond)              // until it is old enough for a walk
		}, 1},
		{"forgotten", func() { s.redis().Del(t.Context(), told) }, 2},
		{"forgotten, and found often lately", func() {
			s.redis().Del(t.Context(), told)
			s.redis().Set(t.Context(), found, 10, 7*24*time.Hour)
		}, 2},
	} {
		await(t, "the outbox is empty", func() bool { return len(s.inOutbox()) == 0 })
		test.begin()
		s.sweep() // finds it
		if len(s.inOutbox()) > 0 {
			s.sweep() // announces it
		}
		if got := s.count(id); got != test.want {
			t.Errorf("%s: announced %d times, want %d", test.what, got, test.want)
		}
	}
}

// A name that the original system took and no event may have is no reason to try for ever, or to leave others.
func TestSweepOfABadName(t *testing.T) {
	t.Parallel()
	s := start(t)
	bad, good := uuid.NewString(), uuid.NewString()
	if err := s.storeOf().Put(t.Context(), bad+"/a\tb.png", pngOf(t, 8, 8), imagestore.Attributes{ContentType: "image/png"}); err != nil {
		t.Fatal(err)
	}
	s.store(good, pngOf(t, 8, 8))
	for _, id := range []string{bad, good} {
		if _, err := outboxOf(t, s).Queue(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if answer := s.sweep(); answer.status != http.StatusOK {
		t.Errorf("%d %s", answer.status, answer.body)
	}
	await(t, "the outbox is empty", func() bool { return len(s.inOutbox()) == 0 })
	if s.count(good) != 1 {
		t.Errorf("the good one was announced %d times", s.count(good))
	}
	if got := s.get("/status/" + bad).json(t); got["status"] != "failed" || got["reason"] != "unsupported" {
		t.Errorf("status of the other: %v", got)
	}
}

// What is no image was put there by somebody else. It is announced all the same, and the thumbnail function says no.
func TestSweepOfWhatIsNoImage(t *testing.T) {
	t.Parallel()
	s := start(t, soon)
	id := uuid.NewString()
	s.put(s.getenv("MINIO_BUCKET"), id+"/thumbnail_ä.png", []byte("junk"))
	s.put(s.getenv("MINIO_BUCKET"), id+"/thumbnail_thumbnail_ä.png", []byte("junk"))
	other := uuid.NewString()
	s.put(s.getenv("MINIO_BUCKET"), other+"/notes.txt", []byte("junk"))
	s.put(s.getenv("MINIO_BUCKET"), "elsewhere/notes.txt", []byte("junk"))
	await(t, "it is announced", func() bool { s.sweep(); return s.count(other) == 1 })
	image, err := events.Decode[events.ImageUploaded](s.broker.announced()[0])
	if err != nil || image.ObjectName != other+"/notes.txt" || image.Filename != "notes.txt" || image.ContentType != "" {
		t.Errorf("announced %+v, %v", image, err)
	}
	if got := len(s.broker.announced()); got != 1 {
		t.Errorf("announced %d, want the one that waits", got)
	}
}

// A sweep that can not do its work says so, and the next one that can does it.
func TestSweepFails(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := uuid.NewString()
	s.store(id, pngOf(t, 8, 8))
	if _, err := outboxOf(t, s).Queue(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	s.broker.refuse(true)
	if answer := s.sweep(); answer.status != http.StatusServiceUnavailable {
		t.Errorf("with the broker away: %d %s", answer.status, answer.body)
	}
	if got := s.inOutbox(); !slices.Equal(got, []string{id}) {
		t.Errorf("outbox has %q, want %s", got, id)
	}
	s.broker.refuse(false)
	if answer := s.sweep(); answer.status != http.StatusOK || s.count(id) != 1 {
		t.Errorf("%d %s, announced %d times", answer.status, answer.body, s.count(id))
	}
	metrics := s.get("/metrics").body
	for _, want := range []string{
		`images_swept_total{outcome="announced"} 1`, `images_swept_total{outcome="error"} 1`, `images_swept_total{outcome="found"} 0`,
		`incomplete_uploads_aborted_total 0`, `image_outbox_size `, `image_outbox_age_seconds `, `image_uploads_total 0`,
	} {
		if !strings.Contains(metrics, "\n"+want) {
			t.Errorf("metrics have no %s", want)
		}
	}
	away := start(t, "REDIS_HOST=127.0.0.1", "REDIS_PORT=1")
	if answer := away.ask(); answer.status != http.StatusServiceUnavailable {
		t.Errorf("with redis away: %d %s", answer.status, answer.body)
	}
}

// cut is a way to MinIO that breaks when something is put, before or after MinIO has done it, so many times.
type cut struct {
	proxy  *httputil.ReverseProxy
	after  bool
	times  int32
	broken atomic.Int32
}

func (c *cut) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPut || c.broken.Add(1) > c.times {
		c.proxy.ServeHTTP(w, r)
		return
	}
	if c.after {
		c.proxy.ServeHTTP(httptest.NewRecorder(), r)
	}
	_, _ = io.Copy(io.Discard, r.Body)
	panic(http.ErrAbortHandler)
}

// through is the function with another way to MinIO.
func (s *testServer) through(way *cut) *testServer {
	s.t.Helper()
	if answer := s.get("/ready"); answer.status != http.StatusOK { // makes the bucket
		s.t.Fatal(answer.body)
	}
	minio, transport := testservers.MinIOTransport(s.t, s.getenv)
	way.proxy = &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(minio); r.Out.Host = r.In.Host },
		Transport: transport,
	}
	server := httptest.NewServer(way)
	s.t.Cleanup(server.Close)
	other := *s
	other.url = run(s.t, func(name string) string {
		switch name {
		case "MINIO_ENDPOINT":
			return server.URL
		case "MINIO_CA_FILE":
			return ""
		}
		return s.getenv(name)
	})
	return &other
}

// However often the way to MinIO breaks, and whether MinIO had done what it was asked, the image is either accepted, or
// nothing is left of it.
func TestStoreFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		after bool
		times int32
		want  int
	}{
		"once, before it is done":   {false, 1, http.StatusOK},
		"once, after it is done":    {true, 1, http.StatusOK},
		"always, before it is done": {false, 1000, http.StatusServiceUnavailable},
		"always, after it is done":  {true, 1000, http.StatusServiceUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			way := &cut{after: test.after, times: test.times}
			answer := s.through(way).do(http.MethodPost, "/upload", "image/png", bytes.NewReader(pngOf(t, 8, 8)))
			if answer.status != test.want || way.broken.Load() == 0 {
				t.Errorf("%d %s after %d puts, want %d", answer.status, answer.body, way.broken.Load(), test.want)
			}
			want := 0
			if answer.status == http.StatusOK {
				want = 1
			}
			if stored, announced := s.stored(), s.broker.announced(); len(stored) != want || len(announced) != want {
				t.Errorf("stored %q, announced %v; want %d", stored, announced, want)
			}
			await(t, "the outbox is empty", func() bool { return len(s.inOutbox()) == 0 })
		})
	}
}

// mute is a way to Redis on which nothing comes back for a while.
type mute struct {
	to     string
	silent atomic.Bool
}

func (m *mute) serve(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer client.Close()
			server, err := net.Dial("tcp", m.to)
			if err != nil {
				return
			}
			defer server.Close()
			go func() { _, _ = io.Copy(server, client) }()
			_, _ = io.Copy(m.unlessSilent(client), server)
		}()
	}
}

func (m *mute) unlessSilent(w io.Writer) io.Writer {
	return writerFunc(func(p []byte) (int, error) {
		if m.silent.Load() {
			return len(p), nil
		}
		return w.Write(p)
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// Redis has done what it was asked, and nobody was told: the image is not accepted and taken back, and what is left in
// Redis of it leads to nothing.
func TestQueuedAndNotTold(t *testing.T) {
	t.Parallel()
	s := start(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	way := &mute{to: net.JoinHostPort(s.getenv("REDIS_HOST"), s.getenv("REDIS_PORT"))}
	go way.serve(listener)
	host, port, _ := net.SplitHostPort(listener.Addr().String())
	other := *s
	other.url = run(t, func(name string) string {
		switch name {
		case "REDIS_HOST":
			return host
		case "REDIS_PORT":
			return port
		}
		return s.getenv(name)
	})
	other.upload("first.png", pngOf(t, 8, 8)) // connects, and sends the script
	await(t, "the outbox is empty", func() bool { return len(s.inOutbox()) == 0 })
	way.silent.Store(true)
	await(t, "Redis has done what it was asked", func() bool { // and not while the one connection that is good is in use
		answer := other.do(http.MethodPost, "/upload", "image/png", bytes.NewReader(pngOf(t, 8, 8)))
		if answer.status != http.StatusServiceUnavailable {
			t.Errorf("%d %s, want 503", answer.status, answer.body)
		}
		return len(s.inOutbox()) > 0
	})
	if stored := s.stored(); len(stored) != 1 {
		t.Errorf("stored %q, want the first image", stored)
	}
	s.sweep()
	await(t, "the outbox is empty", func() bool { return len(s.inOutbox()) == 0 })
	if got := len(s.broker.announced()); got != 1 {
		t.Errorf("announced %d, want the first", got)
	}
	way.silent.Store(false)
}

// What the broker may have taken stays, and is announced until the broker says so.
func TestAnnouncementIsUncertain(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.broker.hangUp(true)
	if answer := s.do(http.MethodPost, "/upload", "image/png", bytes.NewReader(pngOf(t, 8, 8))); answer.status != http.StatusServiceUnavailable {
		t.Errorf("%d %s, want 503", answer.status, answer.body)
	}
	queued := s.inOutbox()
	if len(queued) != 1 || len(s.stored()) != 1 {
		t.Fatalf("stored %q, in the outbox %q; want one", s.stored(), queued)
	}
	s.sweep()
	if got := s.inOutbox(); !slices.Equal(got, queued) {
		t.Errorf("in the outbox %q, want %q", got, queued)
	}
	s.broker.hangUp(false)
	s.sweep()
	if s.count(queued[0]) != 1 {
		t.Errorf("announced %d times, want 1", s.count(queued[0]))
	}
	await(t, "the outbox is empty", func() bool { return len(s.inOutbox()) == 0 })
}
