package deadletter

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/functions/eventing"
	"gitlab.com/yourorg/image-service/functions/internal/cloudevent"
	"gitlab.com/yourorg/image-service/functions/internal/kafka"
	"gitlab.com/yourorg/image-service/functions/internal/lazyregexp"
)

// keep is POST /, the dead letter sink. It refuses nothing for what is in it, because Knative drops an event that its
// sink refuses. Its response has no body, which Knative would read as an event in reply.
func (s *service) keep(w http.ResponseWriter, r *http.Request) error {
	release, err := s.memory.acquire(r.Context(), costOf(r))
	if err != nil {
		return err
	}
	defer release()
	got, err := receive(w, r)
	if err != nil {
		return err
	}
	kept, record := got.record()
	if kept.raw == nil {
		r = r.WithContext(cloudevent.Continue(r.Context(), kept.event))
	}
	if err := s.publish(r.Context(), got, &kept, record); err != nil {
		return err
	}
	s.report(r.Context(), kept)
	s.claim()
	return nil
}

// publish cuts a letter that the topic refuses for its size: the operator may have set a limit below maxRecord.
func (s *service) publish(ctx context.Context, got received, kept *letter, record kafka.Record) error {
	err := s.letters.PublishRecord(ctx, record)
	if errors.Is(err, kafka.ErrTooLarge) && got.size > maxCut {
		s.Log.WarnContext(ctx, "dead_letter_too_large", "bytes", got.size, "error.message", err.Error())
		*kept, record = got.cut("the topic refused it for its size").rawRecord()
		err = s.letters.PublishRecord(ctx, record)
	}
	return err
}

// report counts and logs a letter that was kept.
func (s *service) report(ctx context.Context, l letter) {
	shown := l.show()
	code := statusCode.FindString(shown.Code)
	if code == "" {
		code = "none"
	}
	s.kept.WithLabelValues(code).Inc()
	attributes := []any{"subscriber", shown.Subscriber}
	if number, err := strconv.Atoi(code); err == nil { // the type of the field
		attributes = append(attributes, "http.response.status_code", number)
	}
	switch {
	case l.raw == nil:
		attributes = append(attributes,
			"cloudevent.id", shown.ID, "cloudevent.source", shown.Source, "cloudevent.type", shown.Type)
	case l.raw.isCut():
		s.raw.WithLabelValues(rawCut).Inc()
		attributes = append(attributes, "bytes", shown.Bytes, "sha256", shown.SHA256, "reason", shown.Error)
	default:
		s.raw.WithLabelValues(rawWhole).Inc()
		attributes = append(attributes, "bytes", shown.Bytes, "reason", shown.Error)
	}
	for i, value := range attributes {
		if text, isText := value.(string); isText {
			attributes[i] = first(text, maxLogged)
		}
	}
	s.Log.WarnContext(ctx, "dead_letter_kept", attributes...)
}

// maxLogged bounds each attribute of a letter in the log, in bytes.
const maxLogged = 1000

// statusCode keeps other text in the event out of the metric's label.
var statusCode = lazyregexp.New(`^[1-5][0-9][0-9]$`)

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

// original returns an event as it was before Knative delivered it, and gave it up.
func original(e event.Event) event.Event {
	e = e.Clone()
	for _, name := range eventing.DeliveryExtensions() {
		e.SetExtension(name, nil)
	}
	return e
}
