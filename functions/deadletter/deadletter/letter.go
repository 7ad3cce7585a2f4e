package deadletter

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/IBM/sarama"
	"github.com/cloudevents/sdk-go/protocol/kafka_sarama/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
)

// What Knative adds to an event that it gives up:
// https://knative.dev/docs/eventing/event-delivery/#configuring-channel-event-delivery
const (
	errorDestination = "knativeerrordest"
	errorCode        = "knativeerrorcode"
	errorData        = "knativeerrordata" // base64 of the first KB of what the subscriber answered
)

// How much of an event's data is shown, in bytes.
const maxShown = 2 << 10

// place is where a letter lies on the topic, "2-17" as text.
type place struct {
	partition int32
	offset    int64
}

// start comes before every place.
var start = place{0, -1}

func (p place) String() string { return fmt.Sprintf("%d-%d", p.partition, p.offset) }

func parsePlace(text string) (place, error) {
	partition, offset, _ := strings.Cut(text, "-")
	p, err := strconv.ParseInt(partition, 10, 32)
	if err != nil || p < 0 {
		return place{}, fmt.Errorf("%q is no place", text)
	}
	o, err := strconv.ParseInt(offset, 10, 64)
	if err != nil || o < 0 {
		return place{}, fmt.Errorf("%q is no place", text)
	}
	return place{int32(p), o}, nil
}

// letter is a record of the topic.
type letter struct {
	at    place
	since time.Time
	event event.Event
	fault error // why it is no event: somebody else has written it
}

func letterOf(record *sarama.ConsumerMessage) letter {
	l := letter{at: place{record.Partition, record.Offset}, since: record.Timestamp}
	headers := map[string][]byte{}
	for _, header := range record.Headers {
		headers[strings.ToLower(string(header.Key))] = header.Value
	}
	delete(headers, "ce_") // an attribute without a name, which the SDK does not survive
	message := kafka_sarama.NewMessage(record.Value, string(headers["content-type"]), headers)
	e, err := binding.ToEvent(context.Background(), message) // nothing waits here
	if err == nil {
		err = e.Validate()
	}
	if err != nil {
		l.fault = fmt.Errorf("record is no CloudEvent: %w", err)
		return l
	}
	l.event = *e
	return l
}

// original is the event as it was before it became a dead letter.
func (l letter) original() event.Event {
	e := l.event.Clone()
	for _, name := range []string{errorDestination, errorCode, errorData} {
		e.SetExtension(name, nil)
	}
	return e
}

// shown is a letter as people and programs see it.
type shown struct {
	Place  string    `json:"place"`
	Since  time.Time `json:"since"`
	Type   string    `json:"type,omitempty"`
	Source string    `json:"source,omitempty"`
	ID     string    `json:"id,omitempty"`
	// Subscriber did not take the event; Code and Answer are what it said, if it said anything.
	Subscriber string `json:"subscriber,omitempty"`
	Code       string `json:"code,omitempty"`
	Answer     string `json:"answer,omitempty"`
	// Data is the event's, up to 2 KiB of it if it is text.
	Data  string `json:"data,omitempty"`
	Bytes int    `json:"bytes"`
	Error string `json:"error,omitempty"`
}

func (l letter) show() shown {
	s := shown{Place: l.at.String(), Since: l.since.UTC()}
	if l.fault != nil {
		s.Error = l.fault.Error()
		return s
	}
	s.Type, s.Source, s.ID = l.event.Type(), l.event.Source(), l.event.ID()
	s.Subscriber, s.Code = extension(l.event, errorDestination), extension(l.event, errorCode)
	if answer, err := base64.StdEncoding.DecodeString(extension(l.event, errorData)); err == nil {
		s.Answer = textOf(answer)
	}
	s.Bytes, s.Data = len(l.event.Data()), textOf(l.event.Data())
	return s
}

// textOf is the beginning of what is text, "" if it is not.
func textOf(data []byte) string {
	end := min(len(data), maxShown)
	for end > 0 && end < len(data) && !utf8.RuneStart(data[end]) {
		end--
	}
	if !utf8.Valid(data[:end]) {
		return ""
	}
	return string(data[:end])
}

func extension(e event.Event, name string) string {
	value, there := e.Extensions()[name]
	if !there {
		return ""
	}
	return fmt.Sprint(value)
}
