package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"sync"

	"gitlab.com/yourorg/image-service/functions/fakes"
	"gitlab.com/yourorg/image-service/functions/logs"
	"gitlab.com/yourorg/image-service/knative"
)

type options struct {
	listen, broker, deadLetters string // HOST:PORT
	getenv                      func(string) string
	// Addresses of functions that run elsewhere, by name.
	running map[string]string
	// URLs that every event is sent to.
	watchers []string
	// Kafka topic with notifications of buckets; "" for none.
	notifications string
	// File with the renditions of each image; "" for what the environment says.
	renditions string
	// URLs that results are posted to.
	webhooks []string
	// Directory of the built-in servers; "" for a temporary one.
	data string
	// Whether to open the page in the browser.
	open bool
	// Default of LOG_FORMAT; "" is that of the functions.
	logFormat string
}

// stack is the running service with everything around it.
type stack struct {
	address     string // of the public function, HOST:PORT
	broker      string // URL of the Broker
	deadLetters string // address of the function that keeps them, HOST:PORT
	functions   []function
	failed      chan error // of functions that ended by themselves
	renditions  string     // the file that the options name
	webhooks    []endpoint
	endpoints   string // the file that has them
	logFormat   string // that of the options

	deployment *deployment
	pings      []*localPing
	servers    *fakes.Servers
	log        *slog.Logger
	// Stopped in this order, each after the one before it has ended.
	stages []*stage
	// Called after that.
	closers []func()
}

// stage is a part of the stack that stops as a whole.
type stage struct {
	ctx  context.Context
	stop context.CancelFunc
	wait sync.WaitGroup
}

func newStage() *stage {
	s := &stage{}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s
}

// newFirstStage returns a stage that stops before all that were started so far.
func (s *stack) newFirstStage() *stage {
	first := newStage()
	s.stages = append([]*stage{first}, s.stages...)
	return first
}

// start starts everything and returns when the functions respond.
func start(o options) (*stack, error) {
	s := &stack{
		failed:     make(chan error, len(images)+1),
		renditions: o.renditions,
		logFormat:  o.logFormat,
		log: slog.New(logs.NewHandler(os.Stderr, logs.Settings{
			Level: slog.LevelWarn, Format: cmp.Or(o.getenv("LOG_FORMAT"), o.logFormat),
		})),
	}
	if err := s.start(o); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

func (s *stack) start(o options) (err error) {
	folders := []fs.FS{knative.Manifests}
	if o.notifications != "" {
		folders = append(folders, knative.BucketInbox)
	}
	if len(o.webhooks) > 0 {
		folders = append(folders, knative.Webhooks)
	}
	if s.deployment, err = readDeployment(folders...); err != nil {
		return err
	}
	if err := s.addWebhooks(o.webhooks); err != nil {
		return err
	}
	if s.servers, err = startServers(o); err != nil {
		return err
	}
	subscribers, err := s.startFunctions(o)
	if err != nil {
		return err
	}
	if err := s.createTopics(o); err != nil {
		return err
	}
	s.deadLetters = subscribers[deadLetters]
	topic, err := s.startBroker(o, subscribers)
	if err != nil {
		return err
	}
	return s.startSources(o, topic, subscribers)
}

func startServers(o options) (*fakes.Servers, error) {
	if o.data == "" {
		return fakes.Start(o.getenv)
	}
	servers, err := fakes.Open(o.getenv, o.data)
	if err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}
	return servers, nil
}

// createTopics creates the topics that options and the functions' settings name; on a cluster the platform does.
func (s *stack) createTopics(o options) error {
	var names []string
	if o.notifications != "" {
		names = append(names, o.notifications)
	}
	for _, service := range s.deployment.services {
		settings := s.settings(service)
		for _, setting := range []string{"KAFKA_TOPIC", "KAFKA_BACKFILL_TOPIC", "KAFKA_DEAD_LETTER_TOPIC"} {
			name := settings(setting)
			if name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	if err := s.servers.EnsureTopics(names...); err != nil {
		return fmt.Errorf("%w; check KAFKA_BOOTSTRAP_SERVERS, or unset it to use the built-in Kafka", err)
	}
	return nil
}

// localLogLevel is the default of LOG_LEVEL here: this program's output is for people.
const localLogLevel = "WARN"

// ownersSettings are defaults here: a client of this program is its user, who owns all images, and whose webhooks may
// be on this machine.
var ownersSettings = map[string]string{
	"LIST_IMAGES": "all", "ALLOW_DELETE": "everyone",
	"WEBHOOK_ALLOW_HTTP": "true", "WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8,::1/128",
}

// settings returns the environment of a service: that of this program, the fakes' settings, and those of its manifest.
func (s *stack) settings(spec service) func(string) string {
	manifest := s.deployment.environment(spec)
	manifest["LOG_LEVEL"], manifest["LOG_FORMAT"] = localLogLevel, s.logFormat
	files := map[string]string{"RENDITIONS_FILE": s.renditions, "WEBHOOK_ENDPOINTS_FILE": s.endpoints}
	return func(name string) string {
		if file := files[name]; file != "" {
			return file
		}
		if value := s.servers.Getenv(name); value != "" {
			return value
		}
		return cmp.Or(manifest[name], ownersSettings[name])
	}
}

// unavailable returns what the public function reports of the servers that it cannot use, "" if there are none.
func (s *stack) unavailable() string {
	response, err := http.Get("http://" + s.address + "/ready")
	if err != nil {
		return "" // it has failed since, and s.failed says why
	}
	defer response.Body.Close()
	var answer struct{ Error string }
	_ = json.NewDecoder(response.Body).Decode(&answer) // any other response names no server
	return answer.Error
}

// stop stops everything: first the sources of work, then the functions, then the servers that they use.
func (s *stack) stop() {
	for _, stage := range s.stages {
		stage.stop()
		stage.wait.Wait()
	}
	for _, closer := range s.closers {
		closer()
	}
	if s.servers != nil {
		s.servers.Close()
	}
}
