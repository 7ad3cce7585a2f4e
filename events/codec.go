package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cloudevents/sdk-go/v2/event"
)

// Extension attributes of CloudEvents that the events of this service carry.
const (
	// DataRef names the object that the event is about: s3://bucket/key (the claim check pattern; the service's own events
	// never carry an image). https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/dataref.md
	DataRef = "dataref"
	// Filename is the name of the image in an image.received event: any text, which may be percent-encoded (UTF-8), so
	// that it passes Brokers that change other letters. It takes precedence over the subject.
	Filename = "filename"
	// PartitionKey is the image id: all events of an image are in one Kafka partition.
	// https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/partitioning.md
	PartitionKey = "partitionkey"
	// TraceParent and TraceState carry the W3C trace context of the cause of the event.
	// https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/distributed-tracing.md
	TraceParent = "traceparent"
	TraceState  = "tracestate"
)

// Sources of this service's own events.
const (
	SourceUpload    = "/image-service/upload"
	SourceThumbnail = "/image-service/thumbnail"
)

// ErrInvalid is wrapped by every error of Decode and Validate: the event does not meet its type's contract, and sending
// it again does not help.
var ErrInvalid = errors.New("invalid event")

// A Payload is the data of one type of event.
type Payload interface {
	// EventType is the CloudEvents type of events with this payload.
	EventType() string
	// Validate returns an error that lists every fault of the payload and wraps ErrInvalid, or nil.
	Validate() error
	// subject is the image ID, or "" if there is none yet.
	subject() string
	// object is the bucket and key of the object that the event refers to.
	object() (bucket, key string)
	// cause is the event that brought the image, or zero.
	cause() Cause
}

// An Envelope has the attributes of an event that do not follow from its payload.
type Envelope struct {
	// Source is a URI reference to the producer, such as SourceUpload. Required.
	Source string
	// ID names the event within its source, in printable ASCII without spaces. An event that is published
	// again has the same ID. Empty means "<type>/<image ID>", which is right for what happens once to an image: its
	// failure may happen again. ImageReceived has no image ID, so its producer sets an ID.
	ID string
	// Time is when it happened; zero means now.
	Time time.Time
	// TraceParent and TraceState are those of the request that caused the event; empty means none. Values that W3C
	// Trace Context does not allow are dropped: an event matters more than its trace.
	TraceParent, TraceState string
}

// Encode makes the CloudEvent that carries payload, with dataref, partitionkey, subject, causation and trace context
// set. The error wraps ErrInvalid.
func Encode(payload Payload, envelope Envelope) (event.Event, error) {
	if err := payload.Validate(); err != nil {
		return event.Event{}, err
	}
	if envelope.Time.IsZero() {
		envelope.Time = time.Now()
	}
	e := event.New()
	e.SetType(payload.EventType())
	e.SetSource(envelope.Source)
	e.SetID(envelope.ID)
	e.SetTime(envelope.Time)
	if subject := payload.subject(); subject != "" {
		e.SetSubject(subject)
		e.SetExtension(PartitionKey, subject)
		if envelope.ID == "" {
			e.SetID(payload.EventType() + "/" + subject)
		}
	}
	if bucket, key := payload.object(); bucket != "" && key != "" {
		e.SetExtension(DataRef, FormatDataRef(bucket, key))
	}
	if cause := payload.cause(); cause != (Cause{}) {
		e.SetExtension(CausationSource, cause.Source)
		e.SetExtension(CausationID, cause.ID)
	}
	if isTraceParent(envelope.TraceParent) {
		e.SetExtension(TraceParent, envelope.TraceParent)
		if isTraceState(envelope.TraceState) {
			e.SetExtension(TraceState, envelope.TraceState)
		}
	}
	if err := e.SetData(event.ApplicationJSON, payload); err != nil {
		return event.Event{}, invalid("data: %s", oneLine(err))
	}
	if err := e.Validate(); err != nil {
		return event.Event{}, invalid("%s", oneLine(err))
	}
	var f faults
	f.checkAttribute("id", e.ID())
	f.checkAttribute("source", e.Source())
	if err := f.err(); err != nil {
		return event.Event{}, err
	}
	return e, nil
}

// Decode reads the payload of an event of type P and validates both. Fields that P does not have are ignored, so that
// producers may add some. The error wraps ErrInvalid.
func Decode[P Payload](e event.Event) (P, error) {
	var payload P
	if err := e.Validate(); err != nil {
		return payload, invalid("%s", oneLine(err))
	}
	if e.Type() != payload.EventType() {
		return payload, invalid("type is %.90q, expected %q", e.Type(), payload.EventType())
	}
	err := DecodeData(e, &payload)
	return payload, err
}

// DecodeData reads the JSON data of an event of any type into payload and validates it. It is for producers that cannot
// set a type, such as a KafkaSource that wraps a plain record. The error wraps ErrInvalid.
func DecodeData[P Payload](e event.Event, payload *P) error {
	if !IsJSON(e.DataContentType()) {
		return invalid("datacontenttype is %.90q, expected %q", e.DataContentType(), event.ApplicationJSON)
	}
	// encoding/json would replace what is not UTF-8 by U+FFFD, and so name another object.
	if !utf8.Valid(e.Data()) {
		return invalid("data is not UTF-8")
	}
	if err := json.Unmarshal(e.Data(), payload); err != nil {
		return invalid("data: %s", misfit(err))
	}
	return (*payload).Validate()
}

// IsJSON reports whether data of a content type is JSON. An event without one has JSON data (CloudEvents JSON format,
// section 3.1.1).
func IsJSON(contentType string) bool {
	if contentType == "" {
		return true
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	isJSON := mediaType == "application/json" || mediaType == "text/json" || strings.HasSuffix(mediaType, "+json")
	return err == nil && isJSON
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...)
}

// misfit explains in terms of JSON, not of Go, why JSON does not fit a payload.
func misfit(err error) string {
	var wrong *json.UnmarshalTypeError
	switch {
	case !errors.As(err, &wrong):
		return oneLine(err)
	case wrong.Field == "":
		return fmt.Sprintf("it is a JSON %.40s, expected an object", wrong.Value)
	default:
		return fmt.Sprintf("%.90s is a JSON %.40s", wrong.Field, wrong.Value)
	}
}

// oneLine makes an error that quotes its input fit for a log line and a header: it joins lines, and truncates what is
// longer than a person reads.
func oneLine(err error) string {
	return fmt.Sprintf("%.1000s", strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; "))
}
