package deadletter

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/IBM/sarama"
	"github.com/cloudevents/sdk-go/protocol/kafka_sarama/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/functions/internal/body"
	"gitlab.com/yourorg/image-service/functions/internal/cloudevent"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/internal/kafka"
)

const (
	// maxRecord bounds a record of the topic, in bytes: the max.message.bytes of knative/components/storage/topics.yaml.
	// A Broker takes about 1 MiB of data and of attributes; this is twice as much.
	maxRecord = 2 << 20
	// recordOverhead is for what Kafka adds to a record and its batch, and for the reason that a raw one has.
	recordOverhead = 4 << 10
	// maxCut is how much is kept of a body that does not fit, so that with maxHeaders it fits any topic: Kafka's default
	// max.message.bytes is 1,048,588.
	maxCut = 512 << 10
	// maxHeaders bounds the headers of a request, in bytes, and so those of a raw record.
	maxHeaders = 256 << 10
	// maxBody is the largest body that is read to its end: what Kafka's format can hold in a record (an int32).
	maxBody = 1<<31 - 1
)

// headerLimits are those of a request. An event that entered a Broker in structured mode may have hundreds of kilobytes
// of attributes, which come in headers. Each line has at least four bytes, and so its number is bounded as well.
var headerLimits = httpserver.HeaderLimits{Bytes: maxHeaders, Lines: maxHeaders / 4}

// received is a request to the sink. data is its body, or the beginning of one that does not fit a record.
type received struct {
	header http.Header
	data   []byte
	size   int64  // of the body
	sha256 string // of the body, in hexadecimal; "" if data is all of it
	reason string // why it is cut; "" if it is not
}

// receive reads a request. Of a body that does not fit a record it keeps the beginning, and the hash and size of all.
func receive(w http.ResponseWriter, r *http.Request) (received, error) {
	got := received{header: relevant(r.Header)}
	from, err := body.New(w, r, maxBody)
	if err != nil {
		return got, err
	}
	fits := int64(maxRecord - recordOverhead - sizeOf(got.header))
	if got.data, err = readUpTo(from, fits+1, r.ContentLength); err != nil {
		return got, err
	}
	got.size = int64(len(got.data))
	if got.size <= fits {
		return got, nil
	}
	hash := sha256.New()
	hash.Write(got.data)
	rest, err := io.Copy(hash, from)
	if err != nil {
		return got, err
	}
	got.size += rest
	got.sha256 = hex.EncodeToString(hash.Sum(nil))
	return got.cut(fmt.Sprintf("a record of the topic has at most %d bytes", maxRecord)), nil
}

// readUpTo reads limit bytes, or fewer at the end. It allocates what is declared, if that is known.
func readUpTo(from io.Reader, limit, declared int64) ([]byte, error) {
	var data bytes.Buffer
	if declared >= 0 {
		data.Grow(int(min(limit, declared)) + bytes.MinRead) // ReadFrom wants that much at the end
	}
	_, err := data.ReadFrom(io.LimitReader(from, limit))
	return data.Bytes(), err
}

// cut returns the letter with the beginning of its body only.
func (g received) cut(why string) received {
	if g.sha256 == "" {
		sum := sha256.Sum256(g.data)
		g.sha256 = hex.EncodeToString(sum[:])
	}
	g.data = bytes.Clone(g.data[:min(len(g.data), maxCut)])
	g.reason = fmt.Sprintf("cut to %d of %d bytes: %s", len(g.data), g.size, why)
	return g
}

// relevant returns the headers that say what a letter is and why it was not delivered.
func relevant(header http.Header) http.Header {
	kept := http.Header{}
	for name, values := range header {
		switch lower := strings.ToLower(name); {
		case lower == "content-type", lower == "content-encoding", lower == "traceparent", lower == "tracestate",
			strings.HasPrefix(lower, "ce-"), strings.HasPrefix(lower, "kne-"), strings.HasPrefix(lower, "knativeerror"):
			kept[name] = values
		}
	}
	return kept
}

// sizeOf returns what headers take in a raw record, in bytes.
func sizeOf(header http.Header) (size int) {
	for name, values := range header {
		for _, value := range values {
			size += len(rawHeader) + len(name) + len(value) + 2*maxVarint
		}
	}
	return size
}

// maxVarint bounds the encoded length of a record's key or value that is shorter than 2 MiB.
const maxVarint = 3

// record returns the letter and its record: that of an event in binary mode if it can be read as one again, otherwise a
// raw one.
func (g received) record() (letter, kafka.Record) {
	if g.reason != "" {
		return g.rawRecord()
	}
	e, record, err := g.eventRecord()
	if err != nil {
		g.reason = oneLine(err.Error())
		return g.rawRecord()
	}
	return letter{event: e}, record
}

// oneLine makes a reason of an error that may quote the request.
func oneLine(text string) string {
	text = strings.ReplaceAll(strings.TrimSpace(text), "\n", "; ")
	return first(strings.ToValidUTF8(text, "\uFFFD"), maxLogged)
}

// eventRecord fails if the letter is not a CloudEvent, or is one that would lose something in a record of binary mode.
func (g received) eventRecord() (event.Event, kafka.Record, error) {
	if err := g.check(); err != nil {
		return event.Event{}, kafka.Record{}, err
	}
	record := g.binaryRecord()
	if cloudevent.IsStructured(&http.Request{Header: g.header}) {
		e, err := cloudevent.Parse(g.header, g.data)
		if err == nil && g.header.Get("Ce-Specversion") != "" {
			// Knative's Kafka data plane could not read it, and made it the data of another event. What would be made of it
			// here would be an event that nobody sent.
			err = errors.New("it is a structured event as the data of another")
		}
		if err != nil {
			return event.Event{}, kafka.Record{}, err
		}
		if record, err = encode(e); err != nil {
			return event.Event{}, kafka.Record{}, err
		}
	}
	l := letterOf(consumed(record))
	return l.event, record, l.fault
}

// check refuses what a record of binary mode cannot express.
func (g received) check() error {
	if encoding := g.header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return fmt.Errorf("its content encoding is %.90q", encoding)
	}
	for name, values := range g.header {
		if len(values) > 1 && (strings.HasPrefix(name, "Ce-") || name == "Content-Type") {
			return fmt.Errorf("it has %d headers %.90q", len(values), name)
		}
	}
	return nil
}

// binaryRecord returns a request in binary mode as a record of binary mode, its values as they came.
func (g received) binaryRecord() kafka.Record {
	record := kafka.Record{Value: g.data}
	for name, value := range eachHeader(g.header) {
		if name == "ce-partitionkey" && value != "" {
			record.Key = []byte(value)
		}
		if name, found := recordName(name); found && name != "content-encoding" {
			record.Headers = append(record.Headers, recordHeader(name, value))
		}
	}
	return record
}

// recordName returns the name that Kafka's binding of CloudEvents has for a header of HTTP's.
func recordName(name string) (string, bool) {
	if attribute, found := strings.CutPrefix(name, "ce-"); found {
		return "ce_" + attribute, attribute != ""
	}
	return name, name == "content-type" || name == "content-encoding"
}

// encode returns an event as a record of binary mode.
func encode(e event.Event) (kafka.Record, error) {
	message := sarama.ProducerMessage{}
	ctx := binding.WithForceBinary(context.Background())
	if err := kafka_sarama.WriteProducerMessage(ctx, binding.ToMessage(&e), &message); err != nil {
		return kafka.Record{}, fmt.Errorf("encode event: %w", err)
	}
	record := kafka.Record{Headers: message.Headers}
	var keyErr, valueErr error
	if message.Key != nil {
		record.Key, keyErr = message.Key.Encode()
	}
	if message.Value != nil {
		record.Value, valueErr = message.Value.Encode()
	}
	return record, errors.Join(keyErr, valueErr)
}

// consumed returns a record as a reader of the topic gets it.
func consumed(record kafka.Record) *sarama.ConsumerMessage {
	message := &sarama.ConsumerMessage{Key: record.Key, Value: record.Value}
	for i := range record.Headers {
		message.Headers = append(message.Headers, &record.Headers[i])
	}
	return message
}

// rawRecord returns the letter and its record as it came.
func (g received) rawRecord() (letter, kafka.Record) {
	record := kafka.Record{Value: g.data, Headers: []sarama.RecordHeader{recordHeader(rawReason, g.reason)}}
	if g.sha256 != "" {
		record.Headers = append(record.Headers,
			recordHeader(rawSize, fmt.Sprint(g.size)), recordHeader(rawSHA256, g.sha256))
	}
	for name, value := range eachHeader(g.header) {
		record.Headers = append(record.Headers, recordHeader(rawHeader+name, value))
	}
	return letterOf(consumed(record)), record
}

func recordHeader(name, value string) sarama.RecordHeader {
	return sarama.RecordHeader{Key: []byte(name), Value: []byte(value)}
}

// eachHeader yields headers in order, with their names in lower case.
func eachHeader(header http.Header) func(yield func(name, value string) bool) {
	return func(yield func(name, value string) bool) {
		for _, name := range slices.Sorted(maps.Keys(header)) {
			for _, value := range header[name] {
				if !yield(strings.ToLower(name), value) {
					return
				}
			}
		}
	}
}
