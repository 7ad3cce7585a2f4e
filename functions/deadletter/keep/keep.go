// Package keep is the dead letter function: events that Knative could not deliver come in, are kept on a Kafka topic,
// are listed for people, and go back to where they came from when they are told to.
//
// It needs Kafka and nothing else, because MinIO or Redis may be why an event could not be delivered. An event is
// answered for when all in-sync replicas have it. Putting back is at least once: how far it came is committed after
// Kafka has acknowledged what was put back, so that a crash in between repeats events and loses none; they have their
// old source and id, so that their effects happen once.
package keep

import (
	"context"
	"errors"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"gitlab.com/yourorg/image-service/functions/internal/bus"
	"gitlab.com/yourorg/image-service/functions/internal/serve"
	"gitlab.com/yourorg/image-service/functions/internal/setting"
	"golang.org/x/sync/semaphore"
)

type settings struct {
	process serve.Settings
	letters bus.Settings // where dead letters are kept
	topic   bus.Settings // where they are put back
}

func readSettings(getenv func(string) string) (settings, error) {
	r := setting.NewReader(getenv)
	s := settings{process: serve.ReadSettings(r), topic: bus.ReadKafkaSettings(r)}
	s.letters = s.topic
	s.letters.Topic = bus.ReadTopic(r, "KAFKA_DEAD_LETTER_TOPIC", "image-dead-letters")
	if s.letters.Topic == s.topic.Topic {
		r.Fault("KAFKA_DEAD_LETTER_TOPIC is %s; expected another topic than KAFKA_TOPIC, or dead letters would go round",
			setting.Quote(s.letters.Topic))
	}
	return s, r.Err()
}

// keeper keeps dead letters and puts them back.
type keeper struct {
	*serve.Process
	letters bus.Announcer
	topic   bus.Announcer
	waiting backlog

	committing *semaphore.Weighted // of one: whoever has it commits
	claimed    bool                // guarded by committing; see claim

	kept     *prometheus.CounterVec
	redriven prometheus.Counter
}

// Run serves the dead letter function on listener until ctx ends and what is in flight is answered. getenv gives the
// settings; what is wrong with them is in the error, all of it.
func Run(ctx context.Context, listener net.Listener, getenv func(string) string) (err error) {
	settings, err := readSettings(getenv)
	if err != nil {
		return err
	}
	k := &keeper{
		Process: serve.New("dead-letters", settings.process),
		letters: bus.Open(settings.letters),
		topic:   bus.Open(settings.topic),
		waiting: backlog{settings.letters},

		committing: semaphore.NewWeighted(1),
	}
	defer func() { err = errors.Join(err, k.letters.Close(), k.topic.Close()) }()
	k.measure()
	return k.Serve(ctx, listener, k.routes(), serve.Check{Backend: "kafka", Ask: k.waiting.check})
}

func (k *keeper) routes() *http.ServeMux {
	mux := http.NewServeMux()
	serve.Route(mux, "/{$}", map[string]http.Handler{
		http.MethodPost: k.Handle(k.take),
		http.MethodGet:  k.Handle(k.list),
	})
	serve.Route(mux, "/redrive", map[string]http.Handler{http.MethodPost: k.Handle(k.redrive)})
	mux.HandleFunc("/", serve.NotFound)
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
