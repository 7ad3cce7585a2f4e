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
	// DataRef names the object that the event is about: s3://bucket/key (the claim check pattern; images never travel
	// in our own events). https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/dataref.md
	DataRef = "dataref"
	// PartitionKey is the image id: all events of an image are in one Kafka partition.
	// https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/partitioning.md
	PartitionKey = "partitionkey"
	// TraceParent and TraceState carry the W3C trace context of whatever caused the event.
	// https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/distributed-tracing.md
	TraceParent = "traceparent"
	TraceState  = "tracestate"
)

// Sources of this service's own events.
const (
	SourceUpload    = "/image-service/upload"
	SourceThumbnail = "/image-service/thumbnail"
)

// ErrInvalid is wrapped by every error of Decode and Validate: the event is not what its type promises, and sending it
// again will not change that.
var ErrInvalid = errors.New("invalid event")

// A Payload is the data of one type of event.
type Payload interface {
	// EventType is the CloudEvents type that the payload travels under.
	EventType() string
	// Validate names all that is wrong with the payload, as an error that wraps ErrInvalid.
	Validate() error
	// subject is what the event is about: an image id, or "" where there is none yet.
	subject() string
	// object is the bucket and key of the object that the event refers to.
	object() (bucket, key string)
}

// An Envelope is what an event says beside its payload.
type Envelope struct {
	// Source is a URI reference to the producer, such as SourceUpload. Required.
	Source string
	// ID names the event within its source, in printable ASCII without spaces. A fact told again has the same ID. Empty
	// means "<type>/<image id>", which is right for facts that happen once to an image; ImageReceived has no image id,
	// so its producer gives one.
	ID string
	// Time is when it happened; zero means now.
	Time time.Time
	// TraceParent and TraceState are those of the request that caused the event; empty means none. What is not of the
	// form that W3C Trace Context gives them is left out: a broken trace must not cost an event.
	TraceParent, TraceState string
}

// Encode makes the CloudEvent that carries payload, with dataref, partitionkey, subject and trace context set. The
// error wraps ErrInvalid.
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
	if traceParent.MatchString(envelope.TraceParent) {
		e.SetExtension(TraceParent, envelope.TraceParent)
		if traceState.MatchString(envelope.TraceState) {
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

// DecodeData reads the JSON data of an event of any type into payload and validates it. It is for producers that can
// not set a type, such as a KafkaSource that wraps a plain record. The error wraps ErrInvalid.
func DecodeData[P Payload](e event.Event, payload *P) error {
	if !IsJSON(e.DataContentType()) {
		return invalid("datacontenttype is %.90q, expected %q", e.DataContentType(), event.ApplicationJSON)
	}
	// encoding/json would put U+FFFD in place of what is not UTF-8, and so name another object.
	if !utf8.Valid(e.Data()) {
		return invalid("data is not UTF-8")
	}
	if err := json.Unmarshal(e.Data(), payload); err != nil {
		return invalid("data: %s", misfit(err))
	}
	return (*payload).Validate()
}

// IsJSON tells whether data of a content type is JSON. An event that names none has JSON data, by section 3.1.1 of the
// CloudEvents JSON format.
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

// misfit says why JSON does not become a payload, in the words of JSON.
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

// oneLine makes an error that quotes its input fit for a log line and a header: faults that stand on lines of their own
// are put behind each other, and what is longer than a person reads is cut.
func oneLine(err error) string {
	return fmt.Sprintf("%.1000s", strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; "))
}
