package httpserver

import (
	"context"
	"io"
	"log/slog"

	"gitlab.com/yourorg/image-service/functions/internal/trace"
	"gitlab.com/yourorg/image-service/functions/logs"
)

// ecsVersion is the version of the Elastic Common Schema that the logs follow:
// https://www.elastic.co/docs/reference/ecs
const ecsVersion = "8.17.0"

// NewLogger returns the logger of a function, whose lines have the trace and the client of their request.
func NewLogger(w io.Writer, function string, settings logs.Settings) *slog.Logger {
	return slog.New(contextHandler{logs.NewHandler(w, settings)}).With(
		"ecs.version", ecsVersion,
		"service.name", serviceName(function),
		"service.version", Version,
	)
}

// serviceName is the name of a function in logs, traces and exported metrics.
func serviceName(function string) string { return "image-service-" + function }

type clientKey struct{}

// WithClient returns a context in which every log line names the client of the request.
func WithClient(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, clientKey{}, name)
}

// A contextHandler adds the trace and the client of the context to each line.
type contextHandler struct{ slog.Handler }

func (h contextHandler) Handle(ctx context.Context, record slog.Record) error {
	if traceID, spanID := trace.IDs(ctx); traceID != "" {
		record.AddAttrs(slog.String("trace.id", traceID), slog.String("span.id", spanID))
	}
	if client, _ := ctx.Value(clientKey{}).(string); client != "" {
		record.AddAttrs(slog.String("user.name", client))
	}
	return h.Handler.Handle(ctx, record)
}

func (h contextHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return contextHandler{h.Handler.WithAttrs(attrs)}
}
func (h contextHandler) WithGroup(name string) slog.Handler {
	return contextHandler{h.Handler.WithGroup(name)}
}
