package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

// What a KafkaSource makes of a record that is not a valid CloudEvent.
func TestOtherRecords(t *testing.T) {
	t.Parallel()
	const malformed = `{"specversion":"1.0","id":"1","source":"/me","type":"a","time":"yesterday"}`
	const latin1 = `{"specversion":"1.0","id":"1","source":"/me","type":"a","subject":"K` + "\xe4" + `se"}`
	for name, test := range map[string]struct {
		key, value  string
		headers     []string // names and values in turn
		contentType string
		extensions  map[string]any
	}{
		"plain":    {"", `{"image_id": "x"}`, nil, "", map[string]any{}},
		"with key": {"one", "hello", nil, "", map[string]any{"key": "one", "partitionkey": "one"}},
		"with headers": {
			"", "hello", []string{"Trace-ID", "7", "Content-Type", "Text/Plain"}, "text/plain",
			map[string]any{"kafkaheadertraceid": "7"},
		},
		"header that HTTP cannot carry": {"a\nb", "hello", []string{"note", "a\r\nb"}, "", map[string]any{}},
		"binary event with a malformed attribute": {
			"", "hello", []string{"ce_specversion", "1.0", "ce_id", "1", "ce_source", "/me", "ce_type", "a", "ce_time", "x"}, "",
			map[string]any{
				"kafkaheadercespecversion": "1.0", "kafkaheaderceid": "1", "kafkaheadercesource": "/me",
				"kafkaheadercetype": "a", "kafkaheadercetime": "x",
			},
		},
		"binary event without an id": {
			"", "hello", []string{"ce_specversion", "1.0", "ce_type", "a"}, "",
			map[string]any{"kafkaheadercespecversion": "1.0", "kafkaheadercetype": "a"},
		},
		"structured event with a malformed attribute": {
			"", malformed, []string{"content-type", "application/cloudevents+json"}, "application/cloudevents+json",
			map[string]any{},
		},
		"structured event in Latin-1": {
			"", latin1, []string{"content-type", "application/cloudevents+json"}, "application/cloudevents+json",
			map[string]any{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := sourceEvent(metadata{Name: "images", Namespace: "ns"}, newRecord(test.key, test.value, test.headers...))
			if e.Type() != "dev.knative.kafka.event" || e.Source() != "/apis/v1/namespaces/ns/kafkasources/images#topic" ||
				e.ID() != "partition:2/offset:7" || e.Subject() != "partition:2#7" || e.Time().Unix() != 1700000000 {
				t.Errorf("got %v, want the attributes of a record", e)
			}
			if e.DataContentType() != test.contentType || string(e.Data()) != test.value {
				t.Errorf("got %q with data %q, want %q with the record's value", e.DataContentType(), e.Data(), test.contentType)
			}
			if got := e.Extensions(); fmt.Sprint(got) != fmt.Sprint(test.extensions) {
				t.Errorf("got extensions %v, want %v", got, test.extensions)
			}
			if err := e.Validate(); err != nil {
				t.Errorf("got an invalid event: %v", err)
			}
		})
	}
}

// A valid CloudEvent passes through unchanged, without the key of its record.
func TestCloudEventRecords(t *testing.T) {
	t.Parallel()
	const structured = `{"specversion":"1.0","id":"1","source":"/me","type":"a","region":"eu","data":"hello"}`
	for name, record := range map[string]*sarama.ConsumerMessage{
		"binary": newRecord("one", `"hello"`,
			"ce_specversion", "1.0", "ce_id", "1", "ce_source", "/me", "ce_type", "a", "ce_region", "eu"),
		"structured": newRecord("one", structured, "content-type", "application/cloudevents+json; charset=utf-8"),
	} {
		t.Run(name, func(t *testing.T) {
			e := sourceEvent(metadata{Name: "images", Namespace: "ns"}, record)
			if e.ID() != "1" || e.Source() != "/me" || e.Type() != "a" || string(e.Data()) != `"hello"` {
				t.Errorf("got %v, want the event as it was", e)
			}
			if got := fmt.Sprint(e.Extensions()); got != "map[region:eu]" || e.DataContentType() != "" {
				t.Errorf("got extensions %s and content type %q, want region alone", got, e.DataContentType())
			}
		})
	}
}

func newRecord(key, value string, headers ...string) *sarama.ConsumerMessage {
	record := &sarama.ConsumerMessage{
		Topic: "topic", Partition: 2, Offset: 7, Key: []byte(key), Value: []byte(value), Timestamp: time.Unix(1700000000, 0),
	}
	for i := 0; i < len(headers); i += 2 {
		header := &sarama.RecordHeader{Key: []byte(headers[i]), Value: []byte(headers[i+1])}
		record.Headers = append(record.Headers, header)
	}
	return record
}
