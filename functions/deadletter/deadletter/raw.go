package deadletter

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/IBM/sarama"
	"gitlab.com/yourorg/image-service/functions/eventing"
	"gitlab.com/yourorg/image-service/functions/internal/kafka"
)

// Headers of a raw record, which is a letter that is not an event: its value is the request's body.
const (
	rawReason = "dead-letter-reason" // why it is raw; every raw record has it, and no other
	rawSize   = "dead-letter-size"   // of the body, in bytes, if the record has only its beginning
	rawSHA256 = "dead-letter-sha256" // of the body, in the same case
	rawHeader = "dead-letter-http-"  // begins the name of each header of the request
)

// Kinds of raw letters, in the metric.
const (
	rawWhole = "whole"
	rawCut   = "cut"
)

// raw is a letter that is not an event.
type raw struct {
	reason  string
	body    []byte
	size    int64
	sha256  string // "" if body is all of it
	headers []sarama.RecordHeader
}

// rawOf returns nil for a record that is not raw.
func rawOf(record *sarama.ConsumerMessage) *raw {
	r := &raw{body: record.Value, size: int64(len(record.Value))}
	found := false
	for _, header := range record.Headers {
		switch name, value := string(header.Key), string(header.Value); name {
		case rawReason:
			r.reason, found = value, true
		case rawSHA256:
			r.sha256 = value
		case rawSize:
			if size, err := strconv.ParseInt(value, 10, 64); err == nil {
				r.size = size
			}
		default:
			if name, isHTTP := strings.CutPrefix(name, rawHeader); isHTTP {
				r.headers = append(r.headers, recordHeader(name, value))
			}
		}
	}
	if !found {
		return nil
	}
	return r
}

// isCut reports whether the end of the body is lost, so that it cannot be redriven.
func (r *raw) isCut() bool { return r.sha256 != "" }

// original returns the record that the request would have been on a topic of the Broker: the same bytes, and the same
// headers by the names that they have on Kafka, without those that Knative has added.
func (r *raw) original() kafka.Record {
	record := kafka.Record{Value: r.body}
	for _, header := range r.headers {
		name, found := recordName(string(header.Key))
		added := slices.Contains(eventing.DeliveryExtensions(), strings.TrimPrefix(name, "ce_"))
		if found && !added {
			record.Headers = append(record.Headers, recordHeader(name, string(header.Value)))
		}
	}
	return record
}

// header returns the first header of the request with one of the names; "" without one.
func (r *raw) header(names ...string) string {
	for _, name := range names {
		for _, header := range r.headers {
			if string(header.Key) == name {
				return string(header.Value)
			}
		}
	}
	return ""
}

// failure returns what Knative says about the failure: dest, code or data. Its data planes use different names.
func (r *raw) failure(of string) string {
	return r.header("ce-knativeerror"+of, "knativeerror"+of, "kne-error-"+of)
}

// maxQuoted bounds how much is shown of a body that is not text, in bytes.
const maxQuoted = 256

// shownBody returns the beginning of the body, quoted if it is not text.
func (r *raw) shownBody() string {
	if text := textOf(r.body); text != "" || len(r.body) == 0 {
		return text
	}
	return fmt.Sprintf("%+q", r.body[:min(len(r.body), maxQuoted)])
}
