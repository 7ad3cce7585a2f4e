package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"unicode/utf8"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/functions/eventing"
)

// maxBody bounds an event, or a reply, as it is read: one in structured mode may have its data in base64, and be a
// third larger than the record that it becomes.
const maxBody = 2 * maxRecord

// ingress accepts the events for a Broker, as the receiver of Knative's Kafka Broker does: in binary and in structured
// mode, with 202 as soon as the topic has the event. It stores both in binary mode; an absent datacontenttype stays
// absent.
type ingress struct {
	path string
	put  func(context.Context, event.Event) error
	log  *slog.Logger
}

func (i *ingress) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path != i.path:
		http.Error(w, fmt.Sprintf("%s is not a Broker; send events to http://%s%s", r.URL.Path, r.Host, i.path),
			http.StatusNotFound)
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "send events by POST", http.StatusMethodNotAllowed)
	default:
		i.accept(w, r)
	}
}

// accept stores an event. What cannot be stored, which includes an event that is too large for Kafka, gets an empty
// 503, as in production.
func (i *ingress) accept(w http.ResponseWriter, r *http.Request) {
	e, err := readEvent(r.Context(), r.Header, http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	if err != nil && !errors.As(err, &tooLarge) {
		http.Error(w, "not a CloudEvent: "+err.Error(), http.StatusBadRequest)
		return
	}
	if err == nil {
		err = i.put(r.Context(), *e)
	}
	if err != nil {
		i.refuse(w, e, err)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

func (i *ingress) refuse(w http.ResponseWriter, e *event.Event, cause error) {
	line := []any{"status", http.StatusServiceUnavailable, "error.message", cause.Error()}
	if e != nil {
		line = append(line, "cloudevent.type", e.Type(), "cloudevent.id", e.ID(), "cloudevent.source", e.Source())
	}
	i.log.Warn("event_refused", line...)
	w.WriteHeader(http.StatusServiceUnavailable)
}

// readEvent reads a valid event in binary or structured mode.
func readEvent(ctx context.Context, header http.Header, body io.ReadCloser) (*event.Event, error) {
	message := eventing.HTTPMessage(header, body)
	if message.ReadEncoding() == binding.EncodingStructured {
		structured, err := io.ReadAll(body)
		if err != nil {
			return nil, err
		}
		if !utf8.Valid(structured) {
			return nil, errNotUTF8
		}
		message = eventing.HTTPMessage(header, io.NopCloser(bytes.NewReader(structured)))
	}
	e, err := binding.ToEvent(ctx, message)
	if err != nil {
		return nil, err
	}
	return e, e.Validate()
}

// errNotUTF8 is what Knative's data plane, in Java, says of JSON that Go's SDK reads.
var errNotUTF8 = errors.New("the structured event is not UTF-8")
