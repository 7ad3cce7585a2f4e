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
	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/functions/eventing"
)

// maxShown bounds how much of an event's data, or of a subscriber's response, is shown, in bytes.
const maxShown = 2 << 10

// position is a letter's partition and offset on the topic, "2-17" as text.
type position struct {
	partition int32
	offset    int64
}

// start is before every letter.
var start = position{0, -1}

func (p position) String() string { return fmt.Sprintf("%d-%d", p.partition, p.offset) }

func parsePosition(text string) (position, error) {
	first, second, _ := strings.Cut(text, "-")
	partition, err := strconv.ParseInt(first, 10, 32)
	if err != nil || partition < 0 {
		return position{}, fmt.Errorf("%q is not a position", text)
	}
	offset, err := strconv.ParseInt(second, 10, 64)
	if err != nil || offset < 0 {
		return position{}, fmt.Errorf("%q is not a position", text)
	}
	return position{int32(partition), offset}, nil
}

// letter is a record of the topic.
type letter struct {
	at    position
	since time.Time
	event event.Event
	fault error // why the record is not an event; this function did not write it
}

func letterOf(record *sarama.ConsumerMessage) letter {
	l := letter{at: position{record.Partition, record.Offset}, since: record.Timestamp}
	e, err := binding.ToEvent(context.Background(), eventing.RecordMessage(record)) // does not block
	if err == nil {
		err = e.Validate()
	}
	if err != nil {
		l.fault = fmt.Errorf("record is not a CloudEvent: %w", err)
		return l
	}
	l.event = *e
	return l
}

// original returns the event as it was before it became a dead letter.
func (l letter) original() event.Event {
	e := l.event.Clone()
	for _, name := range []string{eventing.ErrorDestination, eventing.ErrorCode, eventing.ErrorData} {
		e.SetExtension(name, nil)
	}
	return e
}

// shown is a letter in JSON and on the page.
type shown struct {
	Place  string    `json:"place"`
	Since  time.Time `json:"since"`
	Type   string    `json:"type,omitempty"`
	Source string    `json:"source,omitempty"`
	ID     string    `json:"id,omitempty"`
	// Subscriber did not accept the event; Code and Answer are its response, empty without one.
	Subscriber string `json:"subscriber,omitempty"`
	Code       string `json:"code,omitempty"`
	Answer     string `json:"answer,omitempty"`
	// Data is the event's, up to maxShown bytes, if it is text.
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
	s.Subscriber, s.Code = extension(l.event, eventing.ErrorDestination), extension(l.event, eventing.ErrorCode)
	if answer, err := base64.StdEncoding.DecodeString(extension(l.event, eventing.ErrorData)); err == nil {
		s.Answer = textOf(answer)
	}
	s.Bytes, s.Data = len(l.event.Data()), textOf(l.event.Data())
	return s
}

// textOf returns the first maxShown bytes of text, "" for data that is not text.
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
	value, found := e.Extensions()[name]
	if !found {
		return ""
	}
	return fmt.Sprint(value)
}
