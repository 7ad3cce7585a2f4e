// Package deadletter is the dead letter function: events that Knative could not deliver come in, are kept on a Kafka topic,
// are listed for people, and go back to where they came from when they are told to.
//
// It needs Kafka and nothing else, because MinIO or Redis may be why an event could not be delivered. An event is
// answered for when all in-sync replicas have it. Putting back is at least once: how far it came is committed after
// Kafka has acknowledged what was put back, so that a crash in between repeats events and loses none; they have their
// old source and id, so that their effects happen once.
package deadletter

import (
	"context"
	"errors"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/internal/publisher"
	"golang.org/x/sync/semaphore"
)

type settings struct {
	process httpserver.Settings
	letters publisher.Settings // where dead letters are kept
	topic   publisher.Settings // where they are put back
}

var topicSetting = config.Text{
	Name: "KAFKA_DEAD_LETTER_TOPIC", Default: "image-dead-letters", Form: publisher.TopicForm,
	Doc: "Topic that keeps the events that could not be delivered. It must exist.",
}

// Settings returns the settings of the function, in words.
func Settings() []config.Description {
	return config.Describe(func(r *config.Reader) { readSettings(r) })
}

func readSettings(r *config.Reader) settings {
	s := settings{process: httpserver.ReadSettings(r), topic: publisher.ReadKafkaSettings(r)}
	s.letters = s.topic
	s.letters.Topic = topicSetting.Read(r)
	if s.letters.Topic == s.topic.Topic {
		r.Fault("%s is %s; expected another topic than %s, or dead letters would be redelivered for ever",
			topicSetting, config.Quote(s.letters.Topic), publisher.TopicSetting)
	}
	return s
}

// keeper keeps dead letters and puts them back.
type keeper struct {
	*httpserver.Process
	letters publisher.Announcer
	topic   publisher.Announcer
	waiting backlog

	committing *semaphore.Weighted // of one: whoever has it commits
	claimed    bool                // guarded by committing; see claim

	kept     *prometheus.CounterVec
	redriven prometheus.Counter
}

// Run serves the dead letter function on listener until ctx ends and what is in flight is answered. getenv gives the
// settings; what is wrong with them is in the error, all of it.
func Run(ctx context.Context, listener net.Listener, getenv func(string) string) (err error) {
	r := config.NewReader(getenv)
	settings := readSettings(r)
	if err := r.Err(); err != nil {
		return err
	}
	k := &keeper{
		Process: httpserver.New("dead-letters", settings.process),
		letters: publisher.Open(settings.letters),
		topic:   publisher.Open(settings.topic),
		waiting: backlog{settings.letters},

		committing: semaphore.NewWeighted(1),
	}
	defer func() { err = errors.Join(err, k.letters.Close(), k.topic.Close()) }()
	k.measure()
	return k.Serve(ctx, listener, k.routes(), httpserver.Check{Backend: "kafka", Ask: k.waiting.check})
}

func (k *keeper) routes() *http.ServeMux {
	mux := http.NewServeMux()
	httpserver.Route(mux, "/{$}", map[string]http.Handler{
		http.MethodPost: k.Handle(k.take),
		http.MethodGet:  k.Handle(k.list),
	})
	httpserver.Route(mux, "/redrive", map[string]http.Handler{http.MethodPost: k.Handle(k.redrive)})
	mux.HandleFunc("/", httpserver.NotFound)
	return mux
}

func (k *keeper) measure() {
	k.kept = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "dead_letters_kept_total",
		Help: "Events that could not be delivered, by what their subscriber answered; none if it did not.",
	}, []string{"code"})
	k.redriven = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "dead_letters_redriven_total",
		Help: "Events that were put back.",
	})
	k.Metrics.MustRegister(k.kept, k.redriven)
}
