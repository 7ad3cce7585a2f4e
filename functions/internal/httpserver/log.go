package httpserver

import (
	"context"
	"io"
	"log/slog"
	"strings"

	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/trace"
)

// The version of the Elastic Common Schema that the logs keep to: https://www.elastic.co/docs/reference/ecs
const ecsVersion = "8.17.0"

// NewLogger writes one JSON object a line, with the names of the Elastic Common Schema.
func NewLogger(w io.Writer, function string, level slog.Level) *slog.Logger {
	handler := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: ecsName})
	return slog.New(traced{handler}).With(
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

// NameClient has every line of the log that is written in a context name the client for whom.
func WithClient(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, clientKey{}, name)
}

// traced adds the trace that a line was written in, and for whom.
type traced struct{ slog.Handler }

func (h traced) Handle(ctx context.Context, record slog.Record) error {
	if traceID, spanID := trace.IDs(ctx); traceID != "" {
		record.AddAttrs(slog.String("trace.id", traceID), slog.String("span.id", spanID))
	}
	if client, _ := ctx.Value(clientKey{}).(string); client != "" {
		record.AddAttrs(slog.String("user.name", client))
	}
	return h.Handler.Handle(ctx, record)
}

func (h traced) WithAttrs(attrs []slog.Attr) slog.Handler { return traced{h.Handler.WithAttrs(attrs)} }
func (h traced) WithGroup(name string) slog.Handler       { return traced{h.Handler.WithGroup(name)} }

// The names of the original system (Python's) and of slog.
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
