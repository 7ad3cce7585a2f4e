package eventing

import (
	"io"
	"net/http"
	"strings"

	"github.com/IBM/sarama"
	"github.com/cloudevents/sdk-go/protocol/kafka_sarama/v2"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
)

// Headers of an attribute without a name. Anyone may send one, and the SDK's readers of binary mode panic on it or
// refuse the event, so that it is removed here, once for HTTP and for Kafka.
const (
	namelessHeader       = "Ce-"
	namelessRecordHeader = "ce_"
)

// HTTPMessage returns the message in an HTTP request or response. It leaves header as it is.
func HTTPMessage(header http.Header, body io.ReadCloser) *cehttp.Message {
	header = header.Clone()
	delete(header, namelessHeader)
	return cehttp.NewMessage(header, body)
}

// RecordMessage returns the message in a Kafka record. Unlike the SDK's own function it adds no extensions for offset,
// partition and topic, so that an event leaves Kafka as it was published.
func RecordMessage(record *sarama.ConsumerMessage) *kafka_sarama.Message {
	headers := make(map[string][]byte, len(record.Headers))
	for _, header := range record.Headers {
		headers[strings.ToLower(string(header.Key))] = header.Value
	}
	delete(headers, namelessRecordHeader)
	return kafka_sarama.NewMessage(record.Value, string(headers["content-type"]), headers)
}
