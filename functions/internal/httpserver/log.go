package httpserver

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unicode/utf8"

	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/trace"
)

// ecsVersion is the version of the Elastic Common Schema that the logs follow:
// https://www.elastic.co/docs/reference/ecs
const ecsVersion = "8.17.0"

// Texts in a line are cut to these lengths in bytes: a caller chooses paths, names and much of an error, and JSON may
// need six bytes for each of theirs.
const (
	maxText       = 1000
	maxStackTrace = 16 << 10
)

// NewLogger returns a logger that writes one JSON object a line, with field names of the Elastic Common Schema, and of
// bounded length.
func NewLogger(w io.Writer, function string, level slog.Level) *slog.Logger {
	handler := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: ecsAttr})
	return slog.New(contextHandler{handler}).With(
		"ecs.version", ecsVersion,
		"service.name", serviceName(function),
		"service.version", Version,
	)
}

// serviceName is the name of a function in logs, traces and exported metrics.
func serviceName(function string) string { return "image-service-" + function }

// ecsAttr names an attribute by the Elastic Common Schema, and cuts its text.
func ecsAttr(groups []string, attr slog.Attr) slog.Attr {
	if len(groups) == 0 {
		attr = ecsName(attr)
	}
	limit := maxText
	if attr.Key == "error.stack_trace" {
		limit = maxStackTrace
	}
	if text, isText := textOf(attr.Value); isText && len(text) > limit {
		return slog.String(attr.Key, cut(text, limit))
	}
	return attr
}

func ecsName(attr slog.Attr) slog.Attr {
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

// uncut is a text of the program itself, however long.
type uncut string

func textOf(value slog.Value) (text string, isText bool) {
	switch value := value.Any().(type) {
	case string:
		return value, true
	case error:
		return value.Error(), true
	}
	return "", false
}

// cut returns the first bytes of a text, whole characters, and how many there were.
func cut(text string, limit int) string {
	end := limit
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return fmt.Sprintf("%s... (%d bytes)", text[:end], len(text))
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
