package cloudevent

import (
	"context"
	"fmt"
	"net/http"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/trace"
)

// Reply responds to a delivery with an event, which Knative sends on to the Broker. Its attributes are encoded for
// HTTP.
func Reply(w http.ResponseWriter, r *http.Request, reply event.Event) error {
	reply = events.EncodeHTTP(reply)
	if err := cehttp.WriteResponseWriter(r.Context(), binding.ToMessage(&reply), http.StatusOK, w); err != nil {
		return fmt.Errorf("reply with %s: %w", reply.Type(), err)
	}
	return nil
}

// Continue returns a context in the trace that an event carries.
func Continue(ctx context.Context, e event.Event) context.Context {
	return trace.Continue(ctx, extensions{e})
}

// extensions is an event as a carrier of a trace context; it is only read.
type extensions struct{ event.Event }

func (x extensions) Get(key string) string {
	text, _ := x.Extensions()[key].(string)
	return text
}

func (x extensions) Set(string, string) {}

func (x extensions) Keys() []string { return []string{events.TraceParent, events.TraceState} }
