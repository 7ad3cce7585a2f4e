// Package trace propagates the W3C trace context (https://www.w3.org/TR/trace-context/) from a request or event to the
// events that it causes, so that one trace ID leads from an upload to its thumbnail through Kafka. It does not record
// or export spans.
package trace

import (
	"context"
	"crypto/rand"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

var propagator propagation.TraceContext

// Continue returns a context with a new span in the trace of carrier, which has HTTP headers or the extensions of an
// event. If carrier has no valid trace, the span is in the trace of ctx, or else in a new one.
func Continue(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
	ctx = propagator.Extract(ctx, carrier)
	span := trace.SpanContextFromContext(ctx)
	config := trace.SpanContextConfig{
		TraceID:    span.TraceID(),
		TraceFlags: span.TraceFlags(),
		TraceState: span.TraceState(),
	}
	if !config.TraceID.IsValid() {
		_, _ = rand.Read(config.TraceID[:]) // it never fails, by its documentation
	}
	_, _ = rand.Read(config.SpanID[:])
	return trace.ContextWithSpanContext(ctx, trace.NewSpanContext(config))
}

// Parent returns the traceparent and tracestate that propagate the span of ctx; both are empty without a span.
func Parent(ctx context.Context) (traceparent, tracestate string) {
	carrier := propagation.MapCarrier{}
	propagator.Inject(ctx, carrier)
	return carrier["traceparent"], carrier["tracestate"]
}

// IDs returns the trace ID and span ID of ctx in hexadecimal; both are empty without a span.
func IDs(ctx context.Context) (traceID, spanID string) {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() {
		return "", ""
	}
	return span.TraceID().String(), span.SpanID().String()
}
