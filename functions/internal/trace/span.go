package trace

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// A Span is an operation that is being recorded. The zero Span is that of an operation which is not: its methods do
// nothing, and allocate nothing.
type Span struct{ span trace.Span }

// Start begins an operation within that of ctx. The caller ends the span.
func Start(ctx context.Context, name string) (context.Context, Span) {
	return start(ctx, name, trace.SpanKindInternal)
}

// StartProducer is Start for an operation that publishes an event.
func StartProducer(ctx context.Context, name string) (context.Context, Span) {
	return start(ctx, name, trace.SpanKindProducer)
}

// StartConsumer is Start for an operation that an event causes.
func StartConsumer(ctx context.Context, name string) (context.Context, Span) {
	return start(ctx, name, trace.SpanKindConsumer)
}

func start(ctx context.Context, name string, kind trace.SpanKind) (context.Context, Span) {
	tracer := tracerOf(ctx)
	if tracer == nil {
		return ctx, Span{}
	}
	if parent := trace.SpanContextFromContext(ctx); parent.IsValid() && !parent.IsRemote() && !parent.IsSampled() {
		return ctx, Span{} // the sampler has decided for the whole trace
	}
	return begin(ctx, tracer, name, kind)
}

func begin(ctx context.Context, tracer trace.Tracer, name string, kind trace.SpanKind) (context.Context, Span) {
	ctx, span := tracer.Start(ctx, name, trace.WithSpanKind(kind))
	if !span.IsRecording() {
		return ctx, Span{}
	}
	return ctx, Span{span}
}

// IsRecording reports whether the operation is recorded, for attributes that cost something to find.
func (s Span) IsRecording() bool { return s.span != nil }

// SetName renames the operation.
func (s Span) SetName(name string) {
	if s.span != nil {
		s.span.SetName(name)
	}
}

// Text sets an attribute of the operation.
func (s Span) Text(name, value string) {
	if s.span != nil {
		s.span.SetAttributes(attribute.String(name, value))
	}
}

// Int sets an attribute of the operation.
func (s Span) Int(name string, value int64) {
	if s.span != nil {
		s.span.SetAttributes(attribute.Int64(name, value))
	}
}

// Image sets the attributes of an image that are known: its ID, its MIME type, and its pixels.
func (s Span) Image(id, format string, width, height int) {
	if s.span == nil {
		return
	}
	s.span.SetAttributes(attribute.String("image.id", id))
	if format != "" {
		s.span.SetAttributes(attribute.String("image.format", format))
	}
	if width > 0 && height > 0 {
		s.span.SetAttributes(attribute.Int64("image.pixels", int64(width)*int64(height)))
	}
}

// End ends the operation. It has failed if err is not nil.
func (s Span) End(err error) {
	if s.span == nil {
		return
	}
	if err != nil {
		s.span.SetStatus(codes.Error, err.Error())
	}
	s.span.End()
}

// Fail marks the operation as failed, for a reason that others know.
func (s Span) Fail(reason string) {
	if s.span != nil {
		s.span.SetStatus(codes.Error, reason)
	}
}
