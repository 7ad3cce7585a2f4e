package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/IBM/sarama"
	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/functions/eventing"
)

// sourceEvent returns the event that a KafkaSource makes of a record: a valid CloudEvent as it is, without the record's
// key, and anything else, a CloudEvent with a malformed attribute included, as the data of a dev.knative.kafka.event.
func sourceEvent(source metadata, record *sarama.ConsumerMessage) event.Event {
	if e, err := recordEvent(record); err == nil {
		return e
	}
	e := event.New()
	e.SetType("dev.knative.kafka.event")
	e.SetSource("/apis/v1/namespaces/" + source.Namespace + "/kafkasources/" + source.Name + "#" + record.Topic)
	e.SetID(fmt.Sprintf("partition:%d/offset:%d", record.Partition, record.Offset))
	e.SetSubject(fmt.Sprintf("partition:%d#%d", record.Partition, record.Offset))
	e.SetTime(record.Timestamp)
	if len(record.Key) > 0 {
		setExtension(&e, "key", record.Key)
		setExtension(&e, "partitionkey", record.Key)
	}
	for _, header := range record.Headers {
		if strings.EqualFold(string(header.Key), "content-type") {
			e.SetDataContentType(strings.ToLower(string(header.Value)))
			continue
		}
		setExtension(&e, "kafkaheader"+extensionName(string(header.Key)), header.Value)
	}
	e.DataEncoded = record.Value
	return e
}

// recordEvent returns the CloudEvent in a record, in binary or in structured mode.
func recordEvent(record *sarama.ConsumerMessage) (event.Event, error) {
	message := eventing.RecordMessage(record)
	if message.ReadEncoding() == binding.EncodingStructured && !utf8.Valid(record.Value) {
		return event.Event{}, errNotUTF8
	}
	e, err := binding.ToEvent(context.Background(), message)
	if err != nil {
		return event.Event{}, err
	}
	return *e, e.Validate()
}

// delivered returns an event with the extensions that Knative's Kafka data plane sets on each one that it delivers.
func delivered(e event.Event, record *sarama.ConsumerMessage) event.Event {
	e.SetExtension(eventing.KafkaPartition, strconv.Itoa(int(record.Partition)))
	e.SetExtension(eventing.KafkaOffset, strconv.FormatInt(record.Offset, 10))
	return e
}

// extensionName removes what the name of an extension may not contain.
func extensionName(header string) string {
	return strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, header)
}

// setExtension leaves out a value that no HTTP header can have.
func setExtension(e *event.Event, name string, value []byte) {
	text := string(value)
	if len(value) == 0 || strings.ContainsFunc(text, unicode.IsControl) {
		return
	}
	e.SetExtension(name, text)
}
