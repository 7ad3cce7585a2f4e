// Package eventing has the rules of Knative Eventing that both ends of a delivery follow: the functions, and
// knative/local, which takes Knative's place on one machine. It says which responses are retried, which extensions a
// dead letter has, and how an event is read from an HTTP message or a Kafka record.
//
// It does not deliver, and it does not validate events: the callers do.
package eventing

import "net/http"

// Retryable reports whether Knative delivers an event again after a response with this status code. After any other
// code but 2xx it gives the event to the dead letter sink at once.
//
// The rule is SelectiveRetry in https://github.com/knative/eventing/blob/main/pkg/kncloudevents/retries.go, described
// in https://knative.dev/docs/eventing/event-delivery/.
func Retryable(code int) bool {
	switch code {
	case http.StatusNotFound, http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests:
		return true
	}
	return code >= 500
}

// Extensions that Knative adds to an event before it sends it to a dead letter sink:
// https://knative.dev/docs/eventing/event-delivery/#configuring-channel-event-delivery
const (
	ErrorDestination = "knativeerrordest" // URL of the subscriber
	ErrorCode        = "knativeerrorcode" // status code of its response; missing without a response
	ErrorData        = "knativeerrordata" // base64 of the response's first MaxErrorData bytes
)

// Extensions that Knative's Kafka data plane sets on each event that it delivers: where the record is.
const (
	KafkaPartition = "knativekafkapartition"
	KafkaOffset    = "knativekafkaoffset"
)

// DeliveryExtensions returns the names of the extensions that a delivery by Knative has added to an event.
func DeliveryExtensions() []string {
	return []string{ErrorDestination, ErrorCode, ErrorData, KafkaPartition, KafkaOffset}
}

// MaxErrorData bounds the bytes of a response in ErrorData, before base64.
const MaxErrorData = 1024
