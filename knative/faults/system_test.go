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
	"slices"
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

// A system is the service under test: the pods of the functions, the links to them, a bucket, a topic, and the
// backends.
type system struct {
	*backends
	t         *testing.T
	random    *rand.Rand
	directory string
	bucket    string
	topic     string

	sets []renditionSet // by which renditions are made

	upload, thumbnail *service
	dispatcher        *pod // KafkaSource, Broker, Triggers and dead letters
	broker            string
	watcher           *watcher
	stopSweeps        func()
}

// A service is the pods of a function behind one address.
type service struct {
	link *link
	pods []*pod
}

// without removes a pod from the targets of new connections; nil restores all pods.
func (s *service) without(absent *pod) {
	var targets []string
	for _, p := range s.pods {
		if p != absent {
			targets = append(targets, p.address)
		}
	}
	s.link.route(targets...)
}

// newSystem starts a system and returns when it accepts requests. build returns the directory of the functions'
// binaries; settings are added to the environment of the functions.
func newSystem(t *testing.T, build func() (string, error), settings ...string) *system {
	t.Helper()
	programs, err := build()
	if err != nil {
		t.Fatal(err)
	}
	local, err := dispatcher()
	if err != nil {
		t.Fatal(err)
	}
	s := &system{
		backends: acquireBackends(t), t: t, random: newRand(t), watcher: newWatcher(), sets: []renditionSet{firstSet},
	}
	s.directory = filepath.Join(workDir, strings.NewReplacer("/", "-").Replace(t.Name()))
	s.bucket = "faults-" + uuid.NewString()
	s.topic = s.bucket
	for _, prepare := range []func() error{
		func() error { return os.MkdirAll(s.directory, 0o700) },
		s.makeBucket,
		func() error { return s.makeTopics(s.topics()...) },
		func() error { return s.startFunctions(programs, settings) },
		func() error { return s.startDispatcher(local) },
	} {
		if err := prepare(); err != nil {
			t.Fatal(err)
		}
	}
	s.sweepEverySecond()
	return s
}

// makeBucket creates a bucket with versioning, so that objects that were replaced or removed are visible.
func (s *system) makeBucket() error {
	return retry(20*time.Second, func() error {
		err := s.minioClient.MakeBucket(s.t.Context(), s.bucket, minio.MakeBucketOptions{})
		if err != nil && minio.ToErrorResponse(err).Code != "BucketAlreadyOwnedByYou" {
			return err
		}
		return s.minioClient.EnableVersioning(s.t.Context(), s.bucket)
	})
}

func (s *system) topics() []string {
	return []string{s.topic, s.topic + ".backfill", s.topic + ".dead"}
}

// environment returns the settings of a pod. Images are overdue for the sweep after seconds instead of minutes.
func (s *system) environment() []string {
	host, port, _ := net.SplitHostPort(s.redis.link.address())
	return []string{
		"REDIS_HOST=" + host, "REDIS_PORT=" + port, "REDIS_PASSWORD=" + s.password,
		"MINIO_ENDPOINT=https://" + s.minio.link.address(), "MINIO_CA_FILE=" + s.minioCA, "MINIO_BUCKET=" + s.bucket,
		"MINIO_ACCESS_KEY=" + minioUser, "MINIO_SECRET_KEY=" + s.secret,
		"KAFKA_BOOTSTRAP_SERVERS=" + s.kafka.link.address(),
		"KAFKA_TOPIC=" + s.topic, "KAFKA_BACKFILL_TOPIC=" + s.topic + ".backfill",
		"KAFKA_DEAD_LETTER_TOPIC=" + s.topic + ".dead",
		"SWEEP_QUEUED_SECONDS=3", "SWEEP_STORED_SECONDS=5", firstSet.setting(),
	}
}

func (s *system) startFunctions(programs string, settings []string) (err error) {
	if s.upload, err = s.startService(programs, "upload", settings); err != nil {
		return err
	}
	s.thumbnail, err = s.startService(programs, "thumbnail", settings)
	return err
}

func (s *system) startService(programs, name string, settings []string) (*service, error) {
	made := &service{}
	for i := range 2 {
		env := append(s.environment(), settings...)
		p, err := s.startPod(fmt.Sprintf("%s-%d", name, i), env, filepath.Join(programs, name))
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

// startPod starts a program that listens on the port in PORT, or on the address that replaces ADDRESS in its arguments.
func (s *system) startPod(name string, env []string, command ...string) (*pod, error) {
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
		s.checkLog(name, p.log)
	})
	return p, p.awaitReady(30 * time.Second)
}

// crashes matches lines that must not be in any log, regardless of the fault.
var crashes = regexp.MustCompile(`(?m)^.*(DATA RACE|request_panicked|^panic: |^fatal error: ).*$`)

// checkLog checks the log of a pod, and shows its last errors if the test has failed.
func (s *system) checkLog(name, log string) {
	text, err := os.ReadFile(log)
	if err != nil {
		s.t.Error(err)
	}
	if at := crashes.FindIndex(text); at != nil {
		s.t.Errorf("%s has crashed: %.6000s", name, text[at[0]:])
	}
	if s.t.Failed() {
		s.t.Logf("last errors in the log of %s:\n%s", name, lastErrors(text))
	}
}

// lastErrors returns the last lines of a log that are warnings or errors.
func lastErrors(log []byte) string {
	var lines []string
	for line := range strings.Lines(string(log)) {
		if !strings.Contains(line, `"log.level":"info"`) {
			lines = append(lines, line[:min(len(line)-1, 500)])
		}
	}
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}

func (s *system) startDispatcher(directory string) (err error) {
	server := httptest.NewServer(s.watcher)
	s.t.Cleanup(server.Close)
	s.dispatcher, err = s.startPod("dispatcher", s.environment(), filepath.Join(directory, "local"),
		"--broker", "ADDRESS", "--watcher", server.URL,
		"--running", "upload="+s.upload.link.address(), "--running", "thumbnail="+s.thumbnail.link.address(),
		"--running", "thumbnail-backfill="+s.thumbnail.link.address())
	if err != nil {
		return err
	}
	s.broker = "http://" + s.dispatcher.address + "/image-service/images"
	s.t.Cleanup(func() { s.dispatcher.stop(syscall.SIGTERM, 20*time.Second) }) // so that it leaves its consumer group
	return nil
}

// kill ends a pod with SIGKILL, as the out-of-memory killer does.
func (s *system) kill(p *pod) { p.signal(syscall.SIGKILL) }

// sweepEverySecond requests a sweep every second. It deletes the leases that limit all pods together to one sweep in
// 30 s.
func (s *system) sweepEverySecond() {
	ctx, stop := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	wait.Go(func() {
		for ; ctx.Err() == nil; time.Sleep(time.Second) {
			s.ping(ctx)
		}
	})
	s.stopSweeps = func() { stop(); wait.Wait() }
	s.t.Cleanup(s.stopSweeps)
}

// ping requests a sweep through the Broker, as a PingSource does. It ignores failures: the next one follows.
func (s *system) ping(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	s.redisClient.Del(ctx, "image:sweep:"+s.bucket, "image:deferred:scan:"+s.bucket)
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

// watcher receives the result events from the Broker, and counts those that contradict an earlier one of the same
// image.
type watcher struct {
	sync.Mutex
	events    map[string]string          // the last result event of each image
	deletions map[string]map[string]bool // every image.deleted of each image
	lost      map[string]bool            // result events of a bucket that is gone, of which copies may still come
	conflicts int
	examples  []string
}

// watched are the types of events about the outcome of an image.
var watched = []string{events.TypeImageThumbnailed, events.TypeImageFailed, events.TypeImageDeleted}

func newWatcher() *watcher {
	return &watcher{events: map[string]string{}, lost: map[string]bool{}, deletions: map[string]map[string]bool{}}
}

func (w *watcher) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	e, err := binding.ToEvent(r.Context(), cehttp.NewMessageFromHttpRequest(r))
	if err != nil || !slices.Contains(watched, e.Type()) {
		return
	}
	var about struct {
		ImageID string `json:"image_id"`
	}
	_ = json.Unmarshal(e.Data(), &about)
	result := e.Source() + " " + e.ID() + " " + string(e.Data())
	w.Lock()
	defer w.Unlock()
	if e.Type() == events.TypeImageDeleted {
		if w.deletions[about.ImageID] == nil {
			w.deletions[about.ImageID] = map[string]bool{}
		}
		w.deletions[about.ImageID][result] = true
		return
	}
	if w.lost[result] {
		return
	}
	if before, known := w.events[about.ImageID]; known && before != result {
		w.conflicts++
		w.examples = append(w.examples, before+"\n"+result)
	}
	w.events[about.ImageID] = result
}

// forget has every image begin anew, because the bucket with the results is about to be deleted.
func (w *watcher) forget() {
	w.Lock()
	defer w.Unlock()
	for _, result := range w.events {
		w.lost[result] = true
	}
	clear(w.events)
}
