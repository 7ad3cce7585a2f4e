package logs

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"
	"unicode"

	"gitlab.com/yourorg/image-service/functions/internal/lazyregexp"
)

// A textHandler writes short lines for requests and results, and the other lines by slog's handler for text.
type textHandler struct {
	slog.Handler
	out    io.Writer
	shorts bool // whether there are short lines
}

func newTextHandler(w io.Writer, level slog.Level) slog.Handler {
	others := slog.NewTextHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: textAttr})
	return textHandler{Handler: others, out: w, shorts: level <= slog.LevelWarn}
}

// textAttr leaves out what a person knows, and cuts texts.
func textAttr(groups []string, attr slog.Attr) slog.Attr {
	if len(groups) == 0 && (attr.Key == "ecs.version" || attr.Key == "service.version") {
		return slog.Attr{}
	}
	return cutAttr(attr)
}

// Enabled reports whether there may be a line, which for a short one does not depend on the level.
func (h textHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.shorts || h.Handler.Enabled(ctx, level)
}

func (h textHandler) Handle(ctx context.Context, record slog.Record) error {
	if short := shortLines[record.Message]; short != nil && h.shorts {
		line := short(fieldsOf(record))
		if line == "" {
			return nil
		}
		_, err := io.WriteString(h.out, printable(line)+"\n")
		return err
	}
	if !h.Handler.Enabled(ctx, record.Level) {
		return nil
	}
	return h.Handler.Handle(ctx, record)
}

func (h textHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	h.Handler = h.Handler.WithAttrs(attrs)
	return h
}

func (h textHandler) WithGroup(name string) slog.Handler {
	h.Handler = h.Handler.WithGroup(name)
	return h
}

// fields are the attributes of a line by their names.
type fields map[string]slog.Value

func fieldsOf(record slog.Record) fields {
	found := fields{}
	record.Attrs(func(attr slog.Attr) bool {
		found[attr.Key] = attr.Value.Resolve()
		return true
	})
	return found
}

// text returns a field, "" if it is missing.
func (f fields) text(name string) string {
	if value, found := f[name]; found {
		return value.String()
	}
	return ""
}

// number returns a field that is a whole number, 0 if it is missing.
func (f fields) number(name string) int64 {
	if value := f[name]; value.Kind() == slog.KindInt64 {
		return value.Int64()
	}
	return 0
}

// shortLines are the lines about requests and results, by their messages. They return "" for what is not shown.
var shortLines = map[string]func(fields) string{
	"request_answered": requestLine,
	"task_completed":   completedLine,
	"task_failed": func(f fields) string {
		return fmt.Sprintf("%s failed     %s: %s", imageOf(f), f.text("error.code"), f.text("error.message"))
	},
	"image_deleted": func(f fields) string { return imageOf(f) + " deleted    " + f.text("reason") },
}

// requestLine leaves out events that the Broker delivers: their results have lines.
func requestLine(f fields) string {
	method, path := f.text("http.request.method"), f.text("url.path")
	if method == "POST" && path == "/" {
		return ""
	}
	size := cmp.Or(f.number("http.request.body.bytes"), f.number("http.response.body.bytes"))
	return strings.TrimRight(fmt.Sprintf("%-6s %-24s %3d %9s %8s  %s", method, shorten(path),
		f.number("http.response.status_code"), formatSize(size), formatDuration(time.Duration(f.number("event.duration"))),
		f.text("error.code")), " ")
}

func completedLine(f fields) string {
	format := strings.ToUpper(strings.TrimPrefix(f.text("content_type"), "image/"))
	var seconds float64
	if value := f["duration"]; value.Kind() == slog.KindFloat64 {
		seconds = value.Float64()
	}
	took := formatDuration(time.Duration(seconds * float64(time.Second)))
	return fmt.Sprintf("%s completed  %dx%d %s %s", imageOf(f), f.number("width"), f.number("height"), format, took)
}

func imageOf(f fields) string { return "image  " + shorten(f.text("image_id")) }

// ids are cut, so that lines stay aligned and on a line of the terminal.
var ids = lazyregexp.New(`([0-9a-fA-F]{8})-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`)

const maxPath = 60 // characters

// shorten cuts IDs, and a text that is too long.
func shorten(text string) string {
	text = ids.ReplaceAllString(text, "$1…")
	if short := []rune(text); len(short) > maxPath {
		return string(short[:maxPath-1]) + "…"
	}
	return text
}

// printable replaces what could control a terminal. Clients choose paths and file names.
func printable(line string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, line)
}

func formatSize(bytes int64) string {
	switch {
	case bytes < 1000:
		return fmt.Sprintf("%d B", bytes)
	case bytes < 1_000_000:
		return fmt.Sprintf("%.1f kB", float64(bytes)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(bytes)/1e6)
}

func formatDuration(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
