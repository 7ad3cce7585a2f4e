// Package cloudevent takes CloudEvents in over HTTP and sends them out, to Kafka or to the sink that a SinkBinding names.
package cloudevent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/body"
	"gitlab.com/yourorg/image-service/functions/internal/trace"
)

// MaxEvent is how large an event without an image in it may be, in bytes: what CloudEvents asks of all who pass events
// on (https://github.com/cloudevents/spec/blob/main/cloudevents/spec.md#size-limits).
const MaxEvent = 64 << 10

// IsEvent tells whether a request is meant as a CloudEvent, be it a good one or not.
func IsEvent(r *http.Request) bool {
	return encodingOf(r.Header) != binding.EncodingUnknown || r.Header.Get("Ce-Specversion") != ""
}

// IsStructured tells whether the attributes of an event are in the body with its data, and not in the headers.
func IsStructured(r *http.Request) bool { return encodingOf(r.Header) == binding.EncodingStructured }

func encodingOf(header http.Header) binding.Encoding {
	return cehttp.NewMessage(header, nil).ReadEncoding()
}

// Receive reads a whole event, of at most limit bytes of body, and validates it. Its errors wrap events.ErrInvalid or
// are Problems of the body.
func Receive(w http.ResponseWriter, r *http.Request, limit int64) (event.Event, error) {
	from, err := body.New(w, r, limit)
	if err != nil {
		return event.Event{}, err
	}
	data, err := io.ReadAll(from)
	if err != nil {
		return event.Event{}, err
	}
	return Parse(r.Header, data)
}

// ReceiveAttributes reads an event in binary mode without its data, which stays in the body.
func ReceiveAttributes(r *http.Request) (event.Event, error) { return Parse(r.Header, nil) }

// Parse makes an event of a request's header and body and validates it. The error wraps events.ErrInvalid.
func Parse(header http.Header, data []byte) (event.Event, error) {
	var inline []byte
	switch encodingOf(header) {
	case binding.EncodingBinary:
	case binding.EncodingStructured:
		var err error
		if data, inline, err = unpack(data); err != nil {
			return event.Event{}, invalid("%v", err)
		}
	default:
		return event.Event{}, invalid("the request is no CloudEvent in binary or structured mode")
	}
	header = header.Clone()
	delete(header, "Ce-") // an attribute without a name, which the SDK's reader does not survive
	message := cehttp.NewMessage(header, io.NopCloser(bytes.NewReader(data)))
	// Nothing here waits, so there is nothing to cancel.
	e, err := binding.ToEvent(context.Background(), message)
	if err != nil {
		return event.Event{}, invalid("%v", err)
	}
	if inline != nil {
		e.DataEncoded, e.DataBase64 = inline, true
	}
	if err := e.Validate(); err != nil {
		return event.Event{}, invalid("%v", err)
	}
	return *e, nil
}

// unpack looks at a structured event before the SDK does. It refuses what is no event, because the SDK would quote it at
// length, many times larger than it came. And it takes binary data out: the SDK reads that a byte at a time, which for an
// image is a second of processor time that anyone can ask for.
func unpack(structured []byte) (rest, data []byte, err error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(structured, &members); err != nil {
		return nil, nil, errors.New("the body is no JSON object")
	}
	if err := checkAttributes(members); err != nil {
		return nil, nil, err
	}
	encoded, there := members[dataBase64]
	if !there {
		return structured, nil, nil
	}
	if err := json.Unmarshal(encoded, &data); err != nil {
		return nil, nil, fmt.Errorf("%s is no base64", dataBase64)
	}
	delete(members, dataBase64)
	rest, err = json.Marshal(members)
	return rest, data, err
}

// dataBase64 is the member of a structured event that has binary data.
const dataBase64 = "data_base64"

// checkAttributes refuses attributes that are no text, number or truth value, or too long together.
func checkAttributes(members map[string]json.RawMessage) error {
	length := 0
	for name, value := range members {
		if name == "data" || name == dataBase64 {
			continue
		}
		if value[0] == '{' || value[0] == '[' {
			return fmt.Errorf("attribute %.90q is an object or an array", name)
		}
		if length += len(name) + len(value); length > MaxEvent {
			return fmt.Errorf("its attributes are longer than %d bytes", MaxEvent)
		}
	}
	return nil
}

// invalid says in one line, and not a long one, what is wrong with an event.
func invalid(format string, args ...any) error {
	text := strings.TrimSpace(fmt.Sprintf(format, args...))
	return fmt.Errorf("%w: %.1000s", events.ErrInvalid, strings.ReplaceAll(text, "\n", "; "))
}

// Reply answers a delivery with an event, which Knative sends on into the Broker.
func Reply(w http.ResponseWriter, r *http.Request, reply event.Event) error {
	if err := cehttp.WriteResponseWriter(r.Context(), binding.ToMessage(&reply), http.StatusOK, w); err != nil {
		return fmt.Errorf("reply with %s: %w", reply.Type(), err)
	}
	return nil
}

// Continue goes on in the trace that an event carries.
func Continue(ctx context.Context, e event.Event) context.Context {
	return trace.Continue(ctx, extensions{e})
}

// extensions reads the trace context of an event, as OpenTelemetry wants it.
type extensions struct{ event.Event }

func (x extensions) Get(key string) string {
	text, _ := x.Extensions()[key].(string)
	return text
}

func (x extensions) Set(string, string) {} // it is only read

func (x extensions) Keys() []string { return []string{events.TraceParent, events.TraceState} }
