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

// letter is a record of the topic: an event, a raw letter, or the record of another program.
type letter struct {
	at    position
	since time.Time
	event event.Event
	raw   *raw  // a letter that is not an event; nil otherwise
	fault error // why the record is neither; this function did not write it
	size  int   // of the record's value, in bytes
}

func letterOf(record *sarama.ConsumerMessage) letter {
	l := letter{
		at: position{record.Partition, record.Offset}, since: record.Timestamp, raw: rawOf(record), size: len(record.Value),
	}
	if l.raw != nil {
		return l
	}
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

// isRedrivable reports whether the letter has all that was received.
func (l letter) isRedrivable() bool { return l.fault == nil && (l.raw == nil || !l.raw.isCut()) }

// shown is a letter in JSON and on the page.
type shown struct {
	Place string    `json:"place"`
	Since time.Time `json:"since"`
	// Count is how many letters of the page have this source and ID, Since the time of the first and Last that of the
	// last of them. Place is the first one's; Subscriber, Code and Answer are the last one's.
	Count  int       `json:"count"`
	Last   time.Time `json:"last"`
	Type   string    `json:"type,omitempty"`
	Source string    `json:"source,omitempty"`
	ID     string    `json:"id,omitempty"`
	// Subscriber did not accept the event; Code and Answer are its response, empty without one.
	Subscriber string `json:"subscriber,omitempty"`
	Code       string `json:"code,omitempty"`
	Answer     string `json:"answer,omitempty"`
	// Data is the event's, up to maxShown bytes, if it is text.
	Data  string `json:"data,omitempty"`
	Bytes int64  `json:"bytes"`
	Error string `json:"error,omitempty"`
	// Raw is for a letter that is not an event, whose Type is "raw". Error says why.
	Raw         bool   `json:"raw,omitempty"`
	ContentType string `json:"content_type,omitempty"`
	// Cut is for a raw letter of which only the beginning was kept. Bytes and SHA256 are those of all of it.
	Cut    bool   `json:"cut,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
}

func (l letter) show() shown {
	s := shown{Place: l.at.String(), Since: l.since.UTC(), Count: 1, Last: l.since.UTC(), Bytes: int64(l.size)}
	switch {
	case l.raw != nil:
		l.showRaw(&s)
	case l.fault != nil:
		s.Error = l.fault.Error()
	default:
		l.showEvent(&s)
	}
	return s
}

func (l letter) showEvent(s *shown) {
	s.Type, s.Source, s.ID = l.event.Type(), l.event.Source(), l.event.ID()
	s.Subscriber, s.Code = extension(l.event, eventing.ErrorDestination), extension(l.event, eventing.ErrorCode)
	s.Answer = answerOf(extension(l.event, eventing.ErrorData))
	s.Bytes, s.Data = int64(len(l.event.Data())), textOf(l.event.Data())
}

func (l letter) showRaw(s *shown) {
	s.Type, s.Raw, s.Error = typeRaw, true, l.raw.reason
	s.Subscriber, s.Code, s.Answer = l.raw.failure("dest"), l.raw.failure("code"), answerOf(l.raw.failure("data"))
	s.ContentType = first(l.raw.header("content-type"), maxShown)
	s.Bytes, s.Data = l.raw.size, l.raw.shownBody()
	s.Cut, s.SHA256 = l.raw.isCut(), l.raw.sha256
}

// typeRaw is shown as the type of a raw letter.
const typeRaw = "raw"

func answerOf(encoded string) string {
	answer, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return ""
	}
	return textOf(answer)
}

// textOf returns the first maxShown bytes of text, "" for data that is not text.
func textOf(data []byte) string {
	text := first(string(data[:min(len(data), maxShown+utf8.UTFMax)]), maxShown)
	if !utf8.ValidString(text) {
		return ""
	}
	return text
}

// first returns the beginning of a text, at most length bytes, without half a character at its end.
func first(text string, length int) string {
	if len(text) <= length {
		return text
	}
	for length > 0 && !utf8.RuneStart(text[length]) {
		length--
	}
	return text[:length]
}

func extension(e event.Event, name string) string {
	value, found := e.Extensions()[name]
	if !found {
		return ""
	}
	return fmt.Sprint(value)
}
