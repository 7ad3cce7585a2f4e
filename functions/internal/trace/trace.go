// Package trace carries the W3C trace context (https://www.w3.org/TR/trace-context/) from the request or event that
// comes in to the events that go out, so that one trace id leads from an upload to its thumbnail through Kafka.
package trace

import (
	"context"
	"crypto/rand"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

var format propagation.TraceContext

// Continue returns a context with a span of its own in the trace that carrier names: HTTP headers, or the extensions
// of an event. Without a valid one in the carrier, it stays in the context's trace, or begins a new one.
func Continue(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
	ctx = format.Extract(ctx, carrier)
	span := trace.SpanContextFromContext(ctx)
	config := trace.SpanContextConfig{
		TraceID:    span.TraceID(),
		TraceFlags: span.TraceFlags(),
		TraceState: span.TraceState(),
	}
	if !config.TraceID.IsValid() {
		_, _ = rand.Read(config.TraceID[:]) // never fails, by its documentation
	}
	_, _ = rand.Read(config.SpanID[:])
	return trace.ContextWithSpanContext(ctx, trace.NewSpanContext(config))
}

// Parent is what the next one in the trace is told: the traceparent and tracestate of the context's span, empty
// outside of a trace.
func Parent(ctx context.Context) (traceparent, tracestate string) {
	carrier := propagation.MapCarrier{}
	format.Inject(ctx, carrier)
	return carrier["traceparent"], carrier["tracestate"]
}

// IDs are the context's trace and span id in hexadecimal, empty outside of a trace.
func IDs(ctx context.Context) (traceID, spanID string) {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() {
		return "", ""
	}
	return span.TraceID().String(), span.SpanID().String()
}
