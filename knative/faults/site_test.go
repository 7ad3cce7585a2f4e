//go:build faults

package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"gitlab.com/yourorg/image-service/events"
)

// A site is the service as it is deployed: pods, the ways to them, a bucket, a topic, and the backends.
type site struct {
	*backends
	t         *testing.T
	random    *rand.Rand
	directory string
	bucket    string
	topic     string

	upload, thumbnail *service
	dispatcher        *pod // KafkaSource, Broker, Triggers and dead letters
	broker            string
	heard             *watcher
}

// A service is the pods of a function, and the one address that others know.
type service struct {
	link *link
	pods []*pod
}

// without keeps new connections from a pod, which is nil to keep them from none.
func (s *service) without(absent *pod) {
	var targets []string
	for _, p := range s.pods {
		if p != absent {
			targets = append(targets, p.address)
		}
	}
	s.link.route(targets...)
}

// newSite starts everything and returns when it takes requests. build makes the binaries, once.
func newSite(t *testing.T, build func() (string, error), settings ...string) *site {
	t.Helper()
	programs, err := build()
	if err != nil {
		t.Fatal(err)
	}
	local, err := dispatcher()
	if err != nil {
		t.Fatal(err)
	}
	s := &site{backends: borrow(t), t: t, random: newRand(t), heard: &watcher{events: map[string]string{}}}
	s.directory = filepath.Join(work, strings.NewReplacer("/", "-").Replace(t.Name()))
	s.bucket = "faults-" + uuid.NewString()
	s.topic = s.bucket
	for _, prepare := range []func() error{
		func() error { return os.MkdirAll(s.directory, 0o700) },
		s.makeBucket,
		func() error { return s.makeTopics(s.topic, s.topic+".dead") },
		func() error { return s.startFunctions(programs, settings) },
		func() error { return s.startDispatcher(local) },
	} {
		if err := prepare(); err != nil {
			t.Fatal(err)
		}
	}
	s.sweepOften()
	return s
}

// makeBucket makes a bucket that keeps versions, so that what was ever replaced or removed is seen.
func (s *site) makeBucket() error {
	return persist(20*time.Second, func() error {
		if err := s.minioClient.MakeBucket(s.t.Context(), s.bucket, minio.MakeBucketOptions{}); err != nil && minio.ToErrorResponse(err).Code != "BucketAlreadyOwnedByYou" {
			return err
		}
		return s.minioClient.EnableVersioning(s.t.Context(), s.bucket)
	})
}

// environment is what a pod is told; sweeps look for what is overdue after seconds and not after minutes.
func (s *site) environment() []string {
	host, port, _ := net.SplitHostPort(s.redis.link.address())
	return []string{
		"REDIS_HOST=" + host, "REDIS_PORT=" + port, "REDIS_PASSWORD=" + s.password,
		"MINIO_ENDPOINT=" + s.minio.link.address(), "MINIO_ACCESS_KEY=" + minioUser, "MINIO_SECRET_KEY=" + s.secret, "MINIO_BUCKET=" + s.bucket,
		"KAFKA_BOOTSTRAP_SERVERS=" + s.kafka.link.address(), "KAFKA_TOPIC=" + s.topic, "KAFKA_DEAD_LETTER_TOPIC=" + s.topic + ".dead",
		"SWEEP_QUEUED_SECONDS=3", "SWEEP_STORED_SECONDS=5",
	}
}

func (s *site) startFunctions(programs string, settings []string) (err error) {
	if s.upload, err = s.startService(programs, "upload", settings); err != nil {
		return err
	}
	s.thumbnail, err = s.startService(programs, "thumbnail", settings)
	return err
}

func (s *site) startService(programs, name string, settings []string) (*service, error) {
	made := &service{}
	for i := range 2 {
		p, err := s.startPod(fmt.Sprintf("%s-%d", name, i), append(s.environment(), settings...), filepath.Join(programs, name))
		if err != nil {
			return nil, err
		}
		made.pods = append(made.pods, p)
	}
	var err error
	if made.link, err = newLink(); err != nil {
		return nil, err
	}
	s.t.Cleanup(func() { made.link.Close() })
	made.without(nil)
	return made, nil
}

// startPod starts a program, which is told by PORT or by its arguments where to listen.
func (s *site) startPod(name string, env []string, command ...string) (*pod, error) {
	path := filepath.Join(s.directory, name)
	p := &pod{address: freeAddress(), directory: s.directory, log: path + ".log", clock: path + ".clock", command: command}
	_, port, _ := net.SplitHostPort(p.address)
	for i := range command {
		command[i] = strings.ReplaceAll(command[i], "ADDRESS", p.address)
	}
	p.env = append(env, "PORT="+port, "CLOCK_STEP="+p.clock)
	if err := p.start(); err != nil {
		return nil, err
	}
	s.t.Cleanup(func() {
		p.stop(syscall.SIGKILL, time.Second)
		s.read(name, p.log)
	})
	return p, p.await(30 * time.Second)
}

// broken is what no log may have in it, whatever happens around a process.
var broken = regexp.MustCompile(`(?m)^.*(DATA RACE|request_panicked|^panic: |^fatal error: ).*$`)

// read looks through a log of a pod, and shows its end if the test has failed.
func (s *site) read(name, log string) {
	text, err := os.ReadFile(log)
	if err != nil {
		s.t.Error(err)
	}
	if at := broken.FindIndex(text); at != nil {
		s.t.Errorf("%s is broken: %.6000s", name, text[at[0]:])
	}
	if s.t.Failed() {
		s.t.Logf("the last complaints of %s:\n%s", name, complaints(text))
	}
}

// complaints are the last lines of a log that say that something is wrong.
func complaints(log []byte) string {
	var lines []string
	for line := range strings.Lines(string(log)) {
		if !strings.Contains(line, `"log.level":"info"`) {
			lines = append(lines, line[:min(len(line)-1, 500)])
		}
	}
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}

func (s *site) startDispatcher(directory string) (err error) {
	server := httptest.NewServer(s.heard)
	s.t.Cleanup(server.Close)
	s.dispatcher, err = s.startPod("dispatcher", s.environment(), filepath.Join(directory, "local"), "--broker", "ADDRESS",
		"--running", "upload="+s.upload.link.address(), "--running", "thumbnail="+s.thumbnail.link.address(), "--watcher", server.URL)
	if err != nil {
		return err
	}
	s.broker = "http://" + s.dispatcher.address + "/image-service/images"
	s.t.Cleanup(func() { s.dispatcher.stop(syscall.SIGTERM, 20*time.Second) }) // so that it leaves its consumer group
	return nil
}

// kill ends a process as the kernel does that has no memory left.
func (s *site) kill(p *pod) { p.signal(syscall.SIGKILL) }

// sweepOften asks for a sweep every second, and takes back that one was begun: all pods together begin one in 30 s.
func (s *site) sweepOften() {
	ctx, stop := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	wait.Go(func() {
		for ; ctx.Err() == nil; time.Sleep(time.Second) {
			s.ping(ctx)
		}
	})
	s.t.Cleanup(func() { stop(); wait.Wait() })
}

// ping is a PingSource: what becomes of it, it does not know.
func (s *site) ping(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	s.redisClient.Del(ctx, "image:sweep:"+s.bucket)
	e := event.New()
	e.SetID(uuid.NewString())
	e.SetSource("/faults")
	e.SetType(events.TypeImageSweep)
	if answer, err := post(ctx, http.DefaultClient, s.broker, e); err == nil {
		answer.Body.Close()
	}
}

// post sends an event in binary mode.
func post(ctx context.Context, client *http.Client, url string, e event.Event) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
	if err != nil {
		return nil, err
	}
	if err := cehttp.WriteRequest(binding.WithForceBinary(ctx), binding.ToMessage(&e), request); err != nil {
		return nil, err
	}
	return client.Do(request)
}

// watcher hears what is announced of images: one result each, however often.
type watcher struct {
	sync.Mutex
	events    map[string]string // what was announced first, by image
	different int
	examples  []string
}

func (w *watcher) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	e, err := binding.ToEvent(r.Context(), cehttp.NewMessageFromHttpRequest(r))
	if err != nil || e.Type() != events.TypeImageThumbnailed && e.Type() != events.TypeImageFailed {
		return
	}
	var about struct {
		ImageID string `json:"image_id"`
	}
	_ = json.Unmarshal(e.Data(), &about)
	told := e.Source() + " " + e.ID() + " " + string(e.Data())
	w.Lock()
	defer w.Unlock()
	if before, known := w.events[about.ImageID]; known && before != told {
		w.different++
		w.examples = append(w.examples, before+"\n"+told)
	}
	w.events[about.ImageID] = told
}
