package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"gitlab.com/yourorg/image-service/functions/deadletter/deadletter"
	"gitlab.com/yourorg/image-service/functions/fakes"
	"gitlab.com/yourorg/image-service/functions/thumbnail/thumbnailer"
	"gitlab.com/yourorg/image-service/functions/upload/intake"
	"gitlab.com/yourorg/image-service/knative"
)

// images are what ko builds for each ko:// of the manifests, as functions of this process.
var images = map[string]func(context.Context, net.Listener, func(string) string) error{
	"ko://gitlab.com/yourorg/image-service/functions/upload":     intake.Run,
	"ko://gitlab.com/yourorg/image-service/functions/thumbnail":  thumbnailer.Run,
	"ko://gitlab.com/yourorg/image-service/functions/deadletter": deadletter.Run,
}

// deadLetters is the service that people look at beside the public one.
const deadLetters = "dead-letters"

type options struct {
	listen, broker, deadLetters string
	getenv                      func(string) string
	// Addresses of functions that somebody else runs, by name.
	running map[string]string
	// Who gets every event.
	watchers []string
	// For tests that share a Kafka.
	group string
}

// world is the service, running.
type world struct {
	address     string // of the public function
	broker      string // URL of the Broker
	deadLetters string // address of the function that keeps them
	failed      chan error

	deployment *deployment
	servers    *fakes.Servers
	log        *slog.Logger
	// Ended in this order, each when those before it are still.
	stages []*stage
}

// stage is a part of the world that ends as one.
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

// start brings everything up and returns when the functions answer.
func start(o options) (*world, error) {
	w := &world{
		failed: make(chan error, len(images)+1),
		log:    slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	if err := w.start(o); err != nil {
		w.stop()
		return nil, err
	}
	return w, nil
}

func (w *world) start(o options) (err error) {
	if w.deployment, err = readDeployment(knative.Manifests); err != nil {
		return err
	}
	if w.servers, err = fakes.Start(o.getenv); err != nil {
		return err
	}
	subscribers, err := w.startFunctions(o)
	if err != nil {
		return err
	}
	if err := w.makeTopics(); err != nil {
		return err
	}
	w.deadLetters = subscribers[deadLetters]
	broker, err := w.startBroker(o, subscribers)
	if err != nil {
		return err
	}
	return w.startSources(o, broker)
}

func listen(option, address string) (net.Listener, error) {
	if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
		return nil, fmt.Errorf("%s is %q; expected HOST:PORT, such as 127.0.0.1:8080", option, address)
	}
	listener, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is in use by another program; choose another address with %s, or any free port with %[2]s 127.0.0.1:0", address, option)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", option, err)
	}
	return listener, nil
}

// reachable is the address of a listener as people and browsers on this machine may use it.
func reachable(listener net.Listener) string {
	address := listener.Addr().(*net.TCPAddr)
	if address.IP.IsUnspecified() { // not every browser opens that
		return net.JoinHostPort("localhost", strconv.Itoa(address.Port))
	}
	return address.String()
}

// startFunctions runs the services of the manifests that do not run already and returns the addresses of all by name, as
// events reach them. All are started before any is waited for, so that what is wrong with one does not hide what is wrong
// with the next.
func (w *world) startFunctions(o options) (map[string]string, error) {
	functions := newStage()
	w.stages = append(w.stages, functions)
	for name := range o.running {
		if _, known := w.deployment.services[name]; !known {
			return nil, fmt.Errorf("--running names %q, which is not deployed", name)
		}
	}
	addresses, ended := map[string]string{}, map[string]<-chan error{}
	names := slices.Sorted(maps.Keys(w.deployment.services))
	for _, name := range names {
		if addresses[name] = o.running[name]; addresses[name] == "" {
			listener, err := w.listenFor(name, o)
			if err != nil {
				return nil, err
			}
			if ended[name], err = w.startFunction(functions, name, listener, w.settings(w.deployment.services[name])); err != nil {
				return nil, err
			}
			addresses[name] = reachable(listener)
		}
		if w.deployment.services[name].public() {
			w.address = addresses[name]
		}
	}
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(ended)) {
		faults = append(faults, waitHealthy(addresses[name], ended[name]))
	}
	if err := linesOf(faults); err != nil {
		return nil, err
	}
	return addresses, w.startInside(functions, o, addresses)
}

// startInside gives events a way into public functions where callers have to prove who they are, which no event can, or are
// counted, by which all events are one caller: another one that is the same without that, as the component authentication
// has it.
func (w *world) startInside(functions *stage, o options, addresses map[string]string) error {
	for name, service := range w.deployment.services {
		settings := w.settings(service)
		guarded := settings("AUTH_API_KEYS_FILE")+settings("AUTH_JWT_ISSUER")+settings("RATE_LIMIT") != ""
		if o.running[name] != "" || !service.public() || !guarded {
			continue
		}
		listener, err := listen(name, "127.0.0.1:0")
		if err != nil {
			return err
		}
		ended, err := w.startFunction(functions, name, listener, inside(settings))
		if err != nil {
			return err
		}
		addresses[name] = reachable(listener)
		if err := waitHealthy(addresses[name], ended); err != nil {
			return err
		}
	}
	return nil
}

// inside are settings without what is for callers from outside.
func inside(settings func(string) string) func(string) string {
	return func(name string) string {
		if name == "EVENTS_ONLY" {
			return "true"
		}
		if strings.HasPrefix(name, "AUTH_") || strings.HasPrefix(name, "RATE_LIMIT") {
			return ""
		}
		return settings(name)
	}
}

// listenFor opens the listener of a service.
func (w *world) listenFor(name string, o options) (net.Listener, error) {
	switch {
	case name == deadLetters:
		return listen("--dead-letters", o.deadLetters)
	case w.deployment.services[name].public():
		return listen("--listen", o.listen)
	}
	return listen(name, "127.0.0.1:0")
}

// startFunction runs a service of the manifests on listener. What comes through the channel is how it ended.
func (w *world) startFunction(functions *stage, name string, listener net.Listener, settings func(string) string) (<-chan error, error) {
	service := w.deployment.services[name]
	image := service.Spec.Template.Spec.Containers[0].Image
	run, known := images[image]
	if !known {
		listener.Close()
		return nil, fmt.Errorf("service %q runs %q, which is no function of this program", name, image)
	}
	ended := make(chan error, 1)
	functions.wait.Go(func() {
		defer listener.Close()
		err := run(functions.ctx, listener, settings)
		if err != nil {
			w.failed <- fmt.Errorf("%s: %w", name, err)
		}
		ended <- err
	})
	return ended, nil
}

// linesOf is what several functions have to say as one error, each line once: most of their settings are the same.
func linesOf(faults []error) error {
	var lines []string
	for _, fault := range faults {
		if fault == nil {
			continue
		}
		for line := range strings.SplitSeq(fault.Error(), "\n") {
			if !slices.Contains(lines, line) {
				lines = append(lines, line)
			}
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return errors.New(strings.Join(lines, "\n"))
}

// settings are what a service finds in its environment: that of this program, the stand-ins', and what its manifest
// says. People asked for an image service and not for its logs, so only what is wrong is shown.
func (w *world) settings(s service) func(string) string {
	manifest := w.deployment.environment(s)
	manifest["LOG_LEVEL"] = "WARN"
	return func(name string) string {
		if value := w.servers.Getenv(name); value != "" {
			return value
		}
		return manifest[name]
	}
}

// waitHealthy returns when a function answers, or ended before that.
func waitHealthy(address string, ended <-chan error) error {
	answered := make(chan error, 1)
	go func() {
		response, err := http.Get("http://" + address + "/health") // the listener is open: this waits and does not fail
		if err == nil {
			response.Body.Close()
		}
		answered <- err
	}()
	select {
	case err := <-ended:
		return err
	case err := <-answered:
		select {
		case err = <-ended: // a function that ends closes its listener; why it did says more
		default:
		}
		return err
	}
}

// away is what the public function says of the backends that it can not use, "" if there are none.
func (w *world) away() string {
	response, err := http.Get("http://" + w.address + "/ready")
	if err != nil {
		return "" // it has failed since, and says so itself
	}
	defer response.Body.Close()
	var answer struct{ Error string }
	_ = json.NewDecoder(response.Body).Decode(&answer) // whatever else it says, it names none
	return answer.Error
}

// startBroker serves the Broker of the manifests with its Triggers.
func (w *world) startBroker(o options, subscribers map[string]string) (*localBroker, error) {
	if len(w.deployment.brokers) != 1 {
		return nil, fmt.Errorf("the manifests have %d Brokers; expected one", len(w.deployment.brokers))
	}
	spec := w.deployment.brokers[0]
	broker := &localBroker{name: spec.Metadata.Name, client: &http.Client{}, log: w.log}
	for _, watcher := range o.watchers {
		to := route{name: watcher, subscriber: watcher}
		if spec.Spec.Delivery != nil {
			to.delivery = *spec.Spec.Delivery
		}
		broker.triggers = append(broker.triggers, to)
	}
	for _, trigger := range w.deployment.triggers {
		to, err := routeOf(trigger, spec, subscribers)
		if err != nil {
			return nil, err
		}
		broker.triggers = append(broker.triggers, to)
	}
	listener, err := listen("--broker", o.broker)
	if err != nil {
		return nil, err
	}
	path := "/" + spec.Metadata.Namespace + "/" + spec.Metadata.Name
	w.broker = "http://" + reachable(listener) + path
	mux := http.NewServeMux()
	mux.Handle(path, broker)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	ingress := newStage()
	w.stages = append([]*stage{ingress}, w.stages...)
	ingress.wait.Go(func() { _ = server.Serve(listener) }) // until Close
	context.AfterFunc(ingress.ctx, func() { server.Close() })
	return broker, nil
}

func routeOf(t trigger, b broker, subscribers map[string]string) (route, error) {
	address, err := addressOf(t.Spec.Subscriber, subscribers)
	if err != nil {
		return route{}, fmt.Errorf("trigger %q: %w", t.Metadata.Name, err)
	}
	to := route{name: t.Metadata.Name, attributes: t.Spec.Filter.Attributes, subscriber: address}
	switch {
	case t.Spec.Delivery != nil:
		to.delivery = *t.Spec.Delivery
	case b.Spec.Delivery != nil:
		to.delivery = *b.Spec.Delivery
	}
	if to.delivery.DeadLetterSink == (destination{}) {
		return to, nil
	}
	if to.deadLetters, err = addressOf(to.delivery.DeadLetterSink, subscribers); err != nil {
		return route{}, fmt.Errorf("dead letters of trigger %q: %w", t.Metadata.Name, err)
	}
	return to, nil
}

// addressOf is the URL of a service of the manifests.
func addressOf(to destination, services map[string]string) (string, error) {
	address, known := services[to.Ref.Name]
	if !known || to.Ref.Kind != "Service" {
		return "", fmt.Errorf("%s %q is not deployed", to.Ref.Kind, to.Ref.Name)
	}
	return "http://" + address + "/" + strings.TrimPrefix(to.URI, "/"), nil
}

// makeTopics makes the topics that the functions are told of, which on a cluster are there before them.
func (w *world) makeTopics() error {
	var names []string
	for _, service := range w.deployment.services {
		settings := w.settings(service)
		for _, name := range []string{settings("KAFKA_TOPIC"), settings("KAFKA_DEAD_LETTER_TOPIC")} {
			if name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return w.servers.EnsureTopics(names...)
}

// startSources brings the records of the topic, and the pings, to the Broker. Where the records come from is what the
// upload function is told.
func (w *world) startSources(o options, broker *localBroker) error {
	sources := newStage()
	w.stages = append([]*stage{sources}, w.stages...)
	settings := w.settings(w.deployment.services["upload"])
	for _, spec := range w.deployment.sources {
		if o.group != "" {
			spec.Spec.ConsumerGroup = o.group
		}
		source, err := newSource(spec, settings, broker.route, w.log)
		if err != nil {
			return err
		}
		sources.wait.Go(func() { source.run(sources.ctx) })
	}
	for _, spec := range w.deployment.pings {
		ping, err := newPing(spec, broker.route, w.log)
		if err != nil {
			return err
		}
		sources.wait.Go(func() { ping.run(sources.ctx) })
	}
	return nil
}

// stop ends everything: first what brings work in, then what does it, then what it is done with.
func (w *world) stop() {
	for _, s := range w.stages {
		s.stop()
		s.wait.Wait()
	}
	if w.servers != nil {
		w.servers.Close()
	}
}
