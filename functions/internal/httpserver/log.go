package httpserver

import (
	"context"
	"io"
	"log/slog"
	"strings"

	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/trace"
)

// ecsVersion is the version of the Elastic Common Schema that the logs follow:
// https://www.elastic.co/docs/reference/ecs
const ecsVersion = "8.17.0"

// NewLogger returns a logger that writes one JSON object a line, with field names of the Elastic Common Schema.
func NewLogger(w io.Writer, function string, level slog.Level) *slog.Logger {
	handler := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: ecsName})
	return slog.New(contextHandler{handler}).With(
		"ecs.version", ecsVersion,
		"service.name", "image-service-"+function,
		"service.version", Version,
	)
}

func ecsName(groups []string, attr slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return attr
	}
	switch attr.Key {
	case slog.TimeKey:
		attr.Key = "@timestamp"
	case slog.LevelKey:
		return slog.String("log.level", strings.ToLower(attr.Value.String()))
	case slog.MessageKey:
		attr.Key = "message"
	}
	return attr
}

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

// levels has the names of the original system, which are Python's, and those of slog.
var levels = map[string]slog.Level{
	"DEBUG": slog.LevelDebug, "INFO": slog.LevelInfo, "WARN": slog.LevelWarn, "WARNING": slog.LevelWarn,
	"ERROR": slog.LevelError, "CRITICAL": slog.LevelError,
}

var logLevel = config.Text{Name: "LOG_LEVEL", Default: "INFO",
	Form: config.Form{Expected: "DEBUG, INFO, WARN or ERROR", Valid: isLevel},
	Doc:  "Lowest level that is logged."}

func isLevel(text string) bool {
	_, known := levels[strings.ToUpper(text)]
	return known
}

func readLevel(r *config.Reader) slog.Level { return levels[strings.ToUpper(logLevel.Read(r))] }
