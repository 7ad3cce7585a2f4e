package logs

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/config"
)

func TestCut(t *testing.T) {
	long := strings.Repeat("ü", MaxText)
	for name, test := range map[string]struct{ given, want any }{
		"at the limit":        {long[:MaxText], long[:MaxText]},
		"beyond the limit":    {long, long[:MaxText] + "... (2000 bytes)"},
		"inside a character":  {"a" + long, "a" + long[:MaxText-2] + "... (2001 bytes)"},
		"an error":            {errors.New(long), long[:MaxText] + "... (2000 bytes)"},
		"text of the program": {Uncut(long), long},
		"a number":            {12, 12.0},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			slog.New(NewHandler(&log, Settings{})).Info("hello", "key", test.given)
			var line map[string]any
			if err := json.Unmarshal(log.Bytes(), &line); err != nil || line["key"] != test.want {
				t.Errorf("got %.2000v, %v; want %.2000v", line["key"], err, test.want)
			}
		})
	}
}

func TestSettings(t *testing.T) {
	for name, test := range map[string]struct {
		level, format string
		want          Settings
		faults        bool
	}{
		"defaults":          {"", "", Settings{slog.LevelInfo, JSON}, false},
		"lower case":        {"debug", "json", Settings{slog.LevelDebug, JSON}, false},
		"names of Python":   {"WARNING", "text", Settings{slog.LevelWarn, Text}, false},
		"critical":          {"CRITICAL", "", Settings{slog.LevelError, JSON}, false},
		"an unknown level":  {"LOUD", "", Settings{slog.LevelInfo, JSON}, true},
		"an unknown format": {"", "xml", Settings{slog.LevelInfo, JSON}, true},
	} {
		t.Run(name, func(t *testing.T) {
			settings := map[string]string{"LOG_LEVEL": test.level, "LOG_FORMAT": test.format}
			r := config.NewReader(func(name string) string { return settings[name] })
			if got := ReadSettings(r); got != test.want || (r.Err() != nil) != test.faults {
				t.Errorf("got %v, %v; want %v, faults: %v", got, r.Err(), test.want, test.faults)
			}
		})
	}
}

const id = "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"

// What a person sees of a line, at the level at which local mode logs.
func TestText(t *testing.T) {
	request := func(method, path string, status int, others ...slog.Attr) []slog.Attr {
		return append([]slog.Attr{
			slog.String("http.request.method", method), slog.String("url.path", path),
			slog.Int("http.response.status_code", status), slog.Int64("http.response.body.bytes", 34_512),
			slog.Int64("event.duration", int64(12*time.Millisecond)),
		}, others...)
	}
	for name, test := range map[string]struct {
		level   slog.Level
		message string
		attrs   []slog.Attr
		want    string
	}{
		"a request": {slog.LevelDebug, "request_answered", request("GET", "/thumbnails/"+id, 200),
			"GET    /thumbnails/1b9d6bcd…    200   34.5 kB    12 ms\n"},
		"an upload": {slog.LevelDebug, "request_answered",
			request("POST", "/upload", 200, slog.Int64("http.request.body.bytes", 5_648_000)),
			"POST   /upload                  200    5.6 MB    12 ms\n"},
		"a refused request": {slog.LevelDebug, "request_answered",
			request("POST", "/upload", 415, slog.String("error.code", "not_an_image")),
			"POST   /upload                  415   34.5 kB    12 ms  not_an_image\n"},
		"a path that moves the cursor": {slog.LevelDebug, "request_answered", request("GET", "/\x1b[2J\n"+"é", 404),
			"GET    /�[2J�é                  404   34.5 kB    12 ms\n"},
		"a long path": {slog.LevelDebug, "request_answered", request("GET", "/"+strings.Repeat("x", 5000), 404),
			"GET    /" + strings.Repeat("x", 58) + "… 404   34.5 kB    12 ms\n"},
		"an event of the Broker": {slog.LevelDebug, "request_answered", request("POST", "/", 200), ""},
		"a completed image": {slog.LevelInfo, "task_completed", []slog.Attr{
			slog.String("image_id", id), slog.Float64("duration", 0.0352), slog.Int("width", 200), slog.Int("height", 150),
			slog.String("content_type", "image/jpeg"),
		}, "image  1b9d6bcd… completed  200x150 JPEG 35 ms\n"},
		"a failed image": {slog.LevelWarn, "task_failed", []slog.Attr{
			slog.String("image_id", id), slog.String("error.code", "corrupt"), slog.String("error.message", "It is damaged"),
		}, "image  1b9d6bcd… failed     corrupt: It is damaged\n"},
		"a deleted image": {slog.LevelInfo, "image_deleted", []slog.Attr{
			slog.String("image_id", id), slog.String("reason", "asked"),
		}, "image  1b9d6bcd… deleted    asked\n"},
		"a warning": {slog.LevelWarn, "redis_error_ignored", []slog.Attr{slog.String("error.message", "a\nb")},
			`level=WARN msg=redis_error_ignored service.name=x error.message="a\nb"` + "\n"},
		"another line": {slog.LevelInfo, "function_started", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			logger := slog.New(NewHandler(&log, Settings{slog.LevelWarn, Text}))
			logger.With("ecs.version", "8", "service.name", "x").LogAttrs(t.Context(), test.level, test.message, test.attrs...)
			got := log.String()
			if strings.HasPrefix(got, "time=") {
				_, got, _ = strings.Cut(got, " ")
			}
			if got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

// At ERROR there are only errors.
func TestQuietText(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(NewHandler(&log, Settings{slog.LevelError, Text}))
	logger.Info("task_completed", "image_id", id)
	logger.Debug("request_answered", "url.path", "/")
	logger.Warn("task_failed", "image_id", id)
	if log.Len() > 0 {
		t.Errorf("got %q, want nothing", &log)
	}
	logger.WithGroup("a").Error("broken", "b", 1)
	if !strings.HasSuffix(log.String(), "level=ERROR msg=broken a.b=1\n") {
		t.Errorf("got %q, want the error", &log)
	}
}

func TestFormats(t *testing.T) {
	for d, want := range map[time.Duration]string{
		800 * time.Microsecond: "0.8 ms", 35 * time.Millisecond: "35 ms", 4200 * time.Millisecond: "4.2 s",
	} {
		if got := formatDuration(d); got != want {
			t.Errorf("got %q for %v, want %q", got, d, want)
		}
	}
	for size, want := range map[int64]string{0: "0 B", 999: "999 B", 1500: "1.5 kB", 5_648_000: "5.6 MB"} {
		if got := formatSize(size); got != want {
			t.Errorf("got %q for %d, want %q", got, size, want)
		}
	}
}
