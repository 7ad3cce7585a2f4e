package deadletter

import (
	"net/http"
	"regexp"

	"gitlab.com/yourorg/image-service/functions/internal/cloudevent"
)

// How much data a dead letter may have, in bytes. Kafka takes records of 1 MB, attributes among them, unless it is told
// otherwise; what came through Kafka is within that.
const maxData = 900_000

// take is POST /, where Knative delivers what it could deliver nowhere else. Its answer has no body: Knative would take
// that for an event in reply.
func (k *keeper) take(w http.ResponseWriter, r *http.Request) error {
	e, err := cloudevent.Receive(w, r, maxData)
	if err != nil {
		return err
	}
	ctx := cloudevent.Continue(r.Context(), e)
	if err := k.letters.Publish(ctx, e); err != nil {
		return err
	}
	code := statusCode.FindString(extension(e, errorCode))
	if code == "" {
		code = "none"
	}
	k.kept.WithLabelValues(code).Inc()
	k.Log.WarnContext(ctx, "dead_letter_kept",
		"event.id", e.ID(), "event.source", e.Source(), "event.type", e.Type(),
		"subscriber", extension(e, errorDestination), "http.response.status_code", code)
	k.claim()
	return nil
}

// Whatever else an event says of its code is no label for a metric.
var statusCode = regexp.MustCompile(`^[1-5][0-9][0-9]$`)

// claim has Kafka know, once in the life of a process, that the group is there, even if nothing was ever put back: who
// watches consumer groups sees only those that have committed something. It is for them alone, so failing is no fault.
func (k *keeper) claim() {
	if !k.committing.TryAcquire(1) {
		return // whoever has it commits
	}
	defer k.committing.Release(1)
	if k.claimed {
		return
	}
	v, err := k.waiting.open()
	if err == nil {
		defer v.close()
	}
	if err == nil && !v.claimed { // or it could undo what another process puts back meanwhile
		err = v.commit()
	}
	if err != nil {
		k.Log.Warn("group_not_claimed", "error.message", err.Error())
		return
	}
	k.claimed = true
}
