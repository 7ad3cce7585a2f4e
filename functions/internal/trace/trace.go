// Package trace propagates the W3C trace context (https://www.w3.org/TR/trace-context/) from a request or event to the
// events that it causes, so that one trace ID leads from an upload to its thumbnail through Kafka, in the logs too.
//
// Where a tracer is in the context, operations are recorded as its spans; package telemetry puts one there and exports
// the spans. Without a tracer, recording costs nothing.
package trace

import (
	"context"
	"crypto/rand"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

var propagator propagation.TraceContext

type tracerKey struct{}

// WithTracer returns a context whose operations are recorded by a tracer.
func WithTracer(ctx context.Context, tracer trace.Tracer) context.Context {
	return context.WithValue(ctx, tracerKey{}, tracer)
}

// tracerOf returns nil if operations are not recorded.
func tracerOf(ctx context.Context) trace.Tracer {
	tracer, _ := ctx.Value(tracerKey{}).(trace.Tracer)
	return tracer
}

// Serve begins the span of a request in the trace that its headers carry, or else in a new one. Without a tracer, it
// has no other effect than that of Continue.
func Serve(ctx context.Context, carrier propagation.TextMapCarrier, name string) (context.Context, Span) {
	tracer := tracerOf(ctx)
	if tracer == nil {
		return Continue(ctx, carrier), Span{}
	}
	return begin(propagator.Extract(ctx, carrier), tracer, name, trace.SpanKindServer)
}

// Continue returns a context in the trace of carrier, which has HTTP headers or the extensions of an event. If carrier
// has no valid trace, it is that of ctx, or else a new one.
//
// With a tracer, the next span is in the trace: a child of that of ctx if that has the same trace already, or else of
// the one that carrier names. Without one, the context has another span ID, by which log lines can be told apart.
func Continue(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
	before := trace.SpanContextFromContext(ctx)
	carried := propagator.Extract(ctx, carrier)
	span := trace.SpanContextFromContext(carried)
	if tracerOf(ctx) != nil {
		if span.TraceID() == before.TraceID() {
			return ctx
		}
		return carried
	}
	config := trace.SpanContextConfig{
		TraceID:    span.TraceID(),
		TraceFlags: span.TraceFlags(),
		TraceState: span.TraceState(),
	}
	if !config.TraceID.IsValid() {
		_, _ = rand.Read(config.TraceID[:]) // it never fails, by its documentation
	}
	_, _ = rand.Read(config.SpanID[:])
	return trace.ContextWithSpanContext(carried, trace.NewSpanContext(config))
}

// ContinueFrom is Continue for a traceparent that Kept has returned, maybe in another process.
func ContinueFrom(ctx context.Context, traceparent string) context.Context {
	if traceparent == "" {
		return ctx
	}
	return Continue(ctx, propagation.MapCarrier{"traceparent": traceparent})
}

// Kept returns the traceparent of ctx if its trace is one that is kept, and otherwise "".
func Kept(ctx context.Context) (traceparent string) {
	if IsSampled(ctx) {
		traceparent, _ = Parent(ctx)
	}
	return traceparent
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

// IsSampled reports whether the trace of ctx is one that is kept, here or by the service that began it.
func IsSampled(ctx context.Context) bool { return trace.SpanContextFromContext(ctx).IsSampled() }
