// Package deadletter is the dead letter function: it keeps the events that Knative could not deliver on a Kafka topic,
// lists them, and puts them back on the topic of the service when it is asked to.
//
// It keeps whatever it gets, because Knative drops an event that its dead letter sink refuses: a request that cannot be
// read as a CloudEvent is kept raw, with its headers and its bytes, and of one that is too large for a record the
// beginning, the size and the SHA-256 of its body. Memory is bounded for all requests together.
//
// An event is acknowledged when all in-sync replicas have it. A redrive is at least once: its progress is committed
// after Kafka has acknowledged the events, so that a crash in between repeats events and loses none. They keep their
// source and ID, so that their effects happen once. The function needs Kafka and nothing else, because MinIO or Redis
// may be why an event could not be delivered. It does not redrive by itself.
package deadletter

import (
	"context"
	"errors"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/internal/kafka"
	"golang.org/x/sync/semaphore"
)

type settings struct {
	process httpserver.Settings
	letters kafka.Settings // the topic that keeps dead letters
	group   string         // the consumer group of the backlog
	target  kafka.Settings // the topic that they are redriven to
}

var topicSetting = config.Text{
	Name: "KAFKA_DEAD_LETTER_TOPIC", Default: "image-dead-letters", Form: kafka.TopicForm,
	Doc: "Topic that keeps the events that could not be delivered. It must exist.",
}

// The lag of the group is the number of waiting letters, for tools that watch consumer groups. Nothing joins it.
var groupSetting = config.Text{
	Name: "KAFKA_DEAD_LETTER_GROUP", Default: "image-dead-letters", Form: kafka.TopicForm,
	Doc: "Consumer group whose offsets are the progress of redriving. With another one, all letters that the topic keeps" +
		" count as not redriven.",
}

// Settings returns the settings of the function, in words.
func Settings() []config.Description {
	return config.Describe(func(r *config.Reader) { readSettings(r) })
}

func readSettings(r *config.Reader) settings {
	s := settings{process: httpserver.ReadSettings(r), target: kafka.ReadSettings(r)}
	s.letters = s.target
	s.letters.Topic, s.group = topicSetting.Read(r), groupSetting.Read(r)
	s.letters.MaxRecord, s.target.MaxRecord = maxRecord, maxRecord
	if s.letters.Topic == s.target.Topic {
		r.Fault("%s is %s; expected another topic than %s, or dead letters would be redelivered forever",
			topicSetting, config.Quote(s.letters.Topic), kafka.TopicSetting)
	}
	return s
}

// service keeps dead letters and redrives them.
type service struct {
	*httpserver.Process
	letters *kafka.Topic
	target  *kafka.Topic
	backlog backlog

	memory     memory
	committing *semaphore.Weighted // of one: its holder may commit offsets
	claimed    bool                // guarded by committing; see claim

	kept     *prometheus.CounterVec
	raw      *prometheus.CounterVec
	redriven prometheus.Counter
}

// Run serves the dead letter function on listener until ctx ends and the requests in progress have their response. It
// reads its settings with getenv; the error lists every fault in them.
func Run(ctx context.Context, listener net.Listener, getenv func(string) string) (err error) {
	r := config.NewReader(getenv)
	settings := readSettings(r)
	if err := r.Err(); err != nil {
		return err
	}
	s := newService(settings)
	defer func() { err = errors.Join(err, s.letters.Close(), s.target.Close()) }()
	s.Headers = headerLimits
	s.measure()
	return s.Serve(ctx, listener, s.routes(), httpserver.Check{Backend: "kafka", Ask: s.backlog.check})
}

func newService(settings settings) *service {
	return &service{
		Process:    httpserver.New("dead-letters", settings.process),
		letters:    kafka.Open(settings.letters),
		target:     kafka.Open(settings.target),
		backlog:    backlog{settings.letters, settings.group},
		memory:     newMemory(),
		committing: semaphore.NewWeighted(1),
	}
}

func (s *service) routes() *http.ServeMux {
	mux := http.NewServeMux()
	httpserver.Route(mux, "/{$}", map[string]http.Handler{
		http.MethodPost: s.Handle(s.keep),
		http.MethodGet:  s.Handle(s.list),
	})
	httpserver.Route(mux, "/redrive", map[string]http.Handler{http.MethodPost: s.Handle(s.redrive)})
	mux.HandleFunc("/", httpserver.NotFound)
	return mux
}

func (s *service) measure() {
	metrics := promauto.With(s.Metrics)
	s.kept = metrics.NewCounterVec(prometheus.CounterOpts{
		Name: "dead_letters_kept_total",
		Help: "Events that could not be delivered, by what their subscriber answered; none if it did not.",
	}, []string{"code"})
	s.raw = metrics.NewCounterVec(prometheus.CounterOpts{
		Name: "dead_letters_raw_total",
		Help: "Of these, those that are not CloudEvents: kept whole, or cut because they are too large for the topic.",
	}, []string{"kind"})
	s.raw.WithLabelValues(rawWhole)
	s.raw.WithLabelValues(rawCut)
	s.redriven = metrics.NewCounter(prometheus.CounterOpts{
		Name: "dead_letters_redriven_total",
		Help: "Events that were put back.",
	})
}
