// Package cloudevent reads CloudEvents from HTTP requests, answers with them, and continues the trace that they carry.
//
// An event that it returns is valid by the CloudEvents specification, and its attributes are decoded from headers as
// events.DecodeAttribute does; a refused one costs memory of the size of the request and little processor time. The
// package does not know the events' types and does not read their data; package events does. The other direction, to
// Kafka or to a Broker, is package publisher.
package cloudevent

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/eventing"
	"gitlab.com/yourorg/image-service/functions/internal/body"
)

// MaxEvent is the largest event without an image in it, in bytes: the size that the specification asks every
// intermediary to forward (https://github.com/cloudevents/spec/blob/main/cloudevents/spec.md#size-limits).
const MaxEvent = 64 << 10

// IsEvent reports whether a request is meant to be a CloudEvent, valid or not.
func IsEvent(r *http.Request) bool {
	return encodingOf(r.Header) != binding.EncodingUnknown || r.Header.Get("Ce-Specversion") != ""
}

// IsStructured reports whether the event's attributes are in the body with its data, and not in the headers.
func IsStructured(r *http.Request) bool { return encodingOf(r.Header) == binding.EncodingStructured }

func encodingOf(header http.Header) binding.Encoding {
	return cehttp.NewMessage(header, nil).ReadEncoding()
}

// Receive reads and validates an event whose body has at most limit bytes. Its errors wrap events.ErrInvalid or are
// apierror.Errors about the body. A batch is refused before its body is read, whose size is not what is wrong with it.
func Receive(w http.ResponseWriter, r *http.Request, limit int64) (event.Event, error) {
	if encodingOf(r.Header) == binding.EncodingBatch {
		return event.Event{}, errBatch
	}
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

// Parse reads an event from a request's header and body and validates it. The error wraps events.ErrInvalid.
func Parse(header http.Header, data []byte) (event.Event, error) {
	var inline []byte // data that was in the structure as base64
	switch encodingOf(header) {
	case binding.EncodingBinary:
		var err error
		if header, err = decodeHeader(header); err != nil {
			return event.Event{}, invalid("%v", err)
		}
	case binding.EncodingStructured:
		var err error
		if data, inline, err = unpack(data); err != nil {
			return event.Event{}, invalid("%v", err)
		}
	case binding.EncodingBatch:
		return event.Event{}, errBatch
	default:
		return event.Event{}, invalid("the request is not a CloudEvent in binary or structured mode")
	}
	message := eventing.HTTPMessage(header, io.NopCloser(bytes.NewReader(data)))
	e, err := binding.ToEvent(context.Background(), message) // does not block
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

var errBatch = invalid("batches are not accepted; send each event in a request of its own")

// invalid wraps events.ErrInvalid in a message of one line and bounded length.
func invalid(format string, args ...any) error {
	text := strings.TrimSpace(fmt.Sprintf(format, args...))
	return fmt.Errorf("%w: %.1000s", events.ErrInvalid, strings.ReplaceAll(text, "\n", "; "))
}
