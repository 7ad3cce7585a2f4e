package cloudevent

import (
	"context"
	"net/http"

	"github.com/cloudevents/sdk-go/v2/event"
)

// Handler returns an HTTP handler that receives an event of at most limit bytes, calls handle within the event's trace,
// and answers with the reply, or with an empty 200 if that is nil. Its errors are those of Receive and of handle.
func Handler(
	limit int64, handle func(ctx context.Context, e event.Event) (reply *event.Event, err error),
) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		e, err := Receive(w, r, limit)
		if err != nil {
			return err
		}
		reply, err := handle(Continue(r.Context(), e), e)
		if err != nil {
			return err
		}
		if reply == nil {
			w.WriteHeader(http.StatusOK)
			return nil
		}
		return Reply(w, r, *reply)
	}
}
