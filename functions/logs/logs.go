// Package logs writes the log of a program, in the form that LOG_FORMAT names: JSON for programs, or text for people.
package logs

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unicode/utf8"

	"gitlab.com/yourorg/image-service/functions/internal/config"
)

// The formats of a log.
const (
	// JSON is one object a line, with field names of the Elastic Common Schema:
	// https://www.elastic.co/docs/reference/ecs
	JSON = "json"
	// Text is for people: a short line for each request and each result, and other lines as slog writes them.
	Text = "text"
)

// Settings of a log.
type Settings struct {
	Level slog.Level
	// Format is JSON or Text; any other value counts as JSON.
	Format string
}

// Texts in a line are cut to these lengths in bytes: a caller chooses paths, names and much of an error, and JSON may
// need six bytes for each of theirs.
const (
	MaxText       = 1000
	MaxStackTrace = 16 << 10
)

// NewHandler returns a handler that writes lines of bounded length to w, each with one call of Write.
func NewHandler(w io.Writer, settings Settings) slog.Handler {
	if settings.Format == Text {
		return newTextHandler(w, settings.Level)
	}
	return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: settings.Level, ReplaceAttr: ecsAttr})
}

// ecsAttr names an attribute by the Elastic Common Schema, and cuts its text.
func ecsAttr(groups []string, attr slog.Attr) slog.Attr {
	if len(groups) == 0 {
		attr = ecsName(attr)
	}
	return cutAttr(attr)
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

func cutAttr(attr slog.Attr) slog.Attr {
	limit := MaxText
	if attr.Key == "error.stack_trace" {
		limit = MaxStackTrace
	}
	if text, isText := textOf(attr.Value); isText && len(text) > limit {
		return slog.String(attr.Key, cut(text, limit))
	}
	return attr
}

// Uncut is a text of the program itself, which is not cut.
type Uncut string

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

// levels has the names of the original system, which are Python's, and those of slog.
var levels = map[string]slog.Level{
	"DEBUG": slog.LevelDebug, "INFO": slog.LevelInfo, "WARN": slog.LevelWarn, "WARNING": slog.LevelWarn,
	"ERROR": slog.LevelError, "CRITICAL": slog.LevelError,
}

var (
	logLevel = config.Text{Name: "LOG_LEVEL", Default: "INFO",
		Form: config.Form{Expected: "DEBUG, INFO, WARN or ERROR", Valid: isLevel},
		Doc:  "Lowest level that is logged."}
	logFormat = config.Text{Name: "LOG_FORMAT", Default: JSON,
		Form: config.Form{Expected: "json or text", Valid: isFormat},
		Doc: "Form of the log: `json`, or for people `text`, with a short line for each request and each result, " +
			"unless `LOG_LEVEL` is ERROR."}
)

func isLevel(text string) bool {
	_, known := levels[strings.ToUpper(text)]
	return known
}

func isFormat(text string) bool { return text == JSON || text == Text }

// ReadSettings reads LOG_LEVEL and LOG_FORMAT.
func ReadSettings(r *config.Reader) Settings {
	return Settings{Level: levels[strings.ToUpper(logLevel.Read(r))], Format: logFormat.Read(r)}
}
