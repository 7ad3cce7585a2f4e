package deadletter

import (
	"net/http"
	"regexp"

	"gitlab.com/yourorg/image-service/functions/eventing"
	"gitlab.com/yourorg/image-service/functions/internal/cloudevent"
)

// maxData bounds the data of a dead letter, in bytes. Kafka's default maximum for a record, attributes included, is 1
// MB; an event that came from Kafka is smaller.
const maxData = 900_000

// keep is POST /, the dead letter sink. Its response has no body, which Knative would read as an event in reply.
func (s *service) keep(w http.ResponseWriter, r *http.Request) error {
	e, err := cloudevent.Receive(w, r, maxData)
	if err != nil {
		return err
	}
	ctx := cloudevent.Continue(r.Context(), e)
	if err := s.letters.Publish(ctx, e); err != nil {
		return err
	}
	code := statusCode.FindString(extension(e, eventing.ErrorCode))
	if code == "" {
		code = "none"
	}
	s.kept.WithLabelValues(code).Inc()
	s.Log.WarnContext(ctx, "dead_letter_kept",
		"event.id", e.ID(), "event.source", e.Source(), "event.type", e.Type(),
		"subscriber", extension(e, eventing.ErrorDestination), "http.response.status_code", code)
	s.claim()
	return nil
}

// statusCode keeps other text in the event out of the metric's label.
var statusCode = regexp.MustCompile(`^[1-5][0-9][0-9]$`)

// claim commits the consumer group's offsets once in the life of a process, even if nothing was ever redriven: tools
// that watch consumer groups see only those that have committed something. It is for these tools alone, so that a
// failure is logged and nothing else.
func (s *service) claim() {
	if !s.committing.TryAcquire(1) {
		return // the holder commits
	}
	defer s.committing.Release(1)
	if s.claimed {
		return
	}
	if err := s.backlog.claim(); err != nil {
		s.Log.Warn("group_not_claimed", "error.message", err.Error())
		return
	}
	s.claimed = true
}
