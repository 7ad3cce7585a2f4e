package webhook

import (
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"golang.org/x/sync/semaphore"
)

// maxPosts bounds the requests to an endpoint at a time, so that a slow endpoint does not get all that the Broker has
// for it at once.
const maxPosts = 16

// endpoints are those of the file, which is read again when it changes, and what this process knows of each. They are
// safe for concurrent use.
type endpoints struct {
	file       *config.Watched[list]
	log        *slog.Logger
	bad        prometheus.Gauge
	deliveries *prometheus.CounterVec

	lock  sync.Mutex
	known map[string]*state // by name
}

func openEndpoints(settings settings, process *httpserver.Process, deliveries *prometheus.CounterVec) *endpoints {
	e := &endpoints{log: process.Log, deliveries: deliveries, known: map[string]*state{}}
	e.bad = promauto.With(process.Metrics).NewGauge(prometheus.GaugeOpts{
		Name: "webhook_endpoints_bad",
		Help: "1 while the file of endpoints is malformed, so that its changes have no effect.",
	})
	e.file = config.Watch(settings.file, settings.list, settings.rules.parse, e.report)
	e.report(settings.list, nil)
	return e
}

// report is for config.Watch.
func (e *endpoints) report(read list, err error) {
	if err != nil {
		e.bad.Set(1)
		e.log.Error("webhook_endpoints_not_read", "error.message", err.Error())
		return
	}
	e.bad.Set(0)
	e.keep(read)
}

// keep forgets endpoints that are no longer there, or have moved, and has the others in the metrics before their first
// event: an increase from nothing is not seen.
func (e *endpoints) keep(read list) {
	e.lock.Lock()
	defer e.lock.Unlock()
	for name := range e.known {
		if _, stays := read.find(name); !stays {
			delete(e.known, name)
			e.deliveries.DeletePartialMatch(prometheus.Labels{"webhook": name})
			e.log.Info("webhook_removed", "webhook", name)
		}
	}
	for _, endpoint := range read {
		if s := e.known[endpoint.name]; s != nil && s.url == endpoint.url {
			continue
		}
		e.known[endpoint.name] = newState(endpoint.url)
		for _, o := range outcomes {
			e.deliveries.WithLabelValues(endpoint.name, string(o))
		}
		e.log.Info("webhook_configured", "webhook", endpoint.name)
	}
}

// find returns an endpoint by its name.
func (e *endpoints) find(name string) (endpoint, *state, bool) {
	found, exists := e.file.Value().find(name)
	if !exists {
		return endpoint{}, nil, false
	}
	e.lock.Lock()
	defer e.lock.Unlock()
	s := e.known[name]
	if s == nil { // the file was read a moment ago
		s = newState(found.url)
	}
	return found, s, true
}

// A state is what a process knows of an endpoint.
type state struct {
	url   string
	posts *semaphore.Weighted

	lock      sync.Mutex
	notBefore time.Time // the endpoint has asked for no request before it
}

func newState(url string) *state { return &state{url: url, posts: semaphore.NewWeighted(maxPosts)} }

// pause returns how long the endpoint is to be left alone.
func (s *state) pause() time.Duration {
	s.lock.Lock()
	defer s.lock.Unlock()
	return time.Until(s.notBefore)
}

// rest has the endpoint left alone for a time.
func (s *state) rest(pause time.Duration) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if until := time.Now().Add(pause); until.After(s.notBefore) {
		s.notBefore = until
	}
}
