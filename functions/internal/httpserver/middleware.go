package httpserver

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"runtime/debug"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/trace"
	"go.opentelemetry.io/otel/propagation"
)

// middleware gives every request its trace, its place in the metrics, and an answer even if its handler panics.
func (p *Process) middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		r = r.WithContext(trace.Continue(r.Context(), traceHeaders{propagation.HeaderCarrier(r.Header)}))
		answer := &answer{ResponseWriter: w}
		defer func() {
			p.survive(answer, r, recover())
			p.measure(r, answer.status, time.Since(began))
		}()
		maps.Copy(w.Header(), browserHeaders)
		if countLines(r.Header) > maxHeaderLines {
			problemHeaderLines.Write(answer)
			return
		}
		next.ServeHTTP(answer, r)
	})
}

// browserHeaders are for browsers, and what an answer is if it does not say otherwise: nothing that is shown, framed, run
// or embedded elsewhere, or that may use the machine it is on.
var browserHeaders = http.Header{
	"X-Content-Type-Options":       {"nosniff"},
	"Content-Security-Policy":      {"default-src 'none'; frame-ancestors 'none'"},
	"Referrer-Policy":              {"no-referrer"},
	"Permissions-Policy":           {"camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"},
	"Cross-Origin-Opener-Policy":   {"same-origin"},
	"Cross-Origin-Resource-Policy": {"same-origin"},
}

// An event in binary mode has a header for each of its attributes; everybody else has some dozens, with those of proxies.
const maxHeaderLines = 256

func countLines(header http.Header) (lines int) {
	for _, values := range header {
		lines += len(values)
	}
	return lines
}

var problemHeaderLines = &apierror.Error{
	Status:  http.StatusRequestHeaderFieldsTooLarge,
	Code:    apierror.CodeTooManyHeaders,
	Message: "The request has too many headers",
	Limit:   maxHeaderLines,
}

// survive turns a panic into a 500, which Knative tries again, and a log line with the stack.
func (p *Process) survive(w *answer, r *http.Request, cause any) {
	if cause == nil {
		return
	}
	if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(cause) // net/http's own way to cut a connection
	}
	p.Log.ErrorContext(r.Context(), "request_panicked", "error.message", fmt.Sprint(cause), "error.stack_trace", string(debug.Stack()))
	if w.status == 0 {
		fault := apierror.Error{Status: http.StatusInternalServerError, Code: apierror.CodeInternal, Message: "Something is broken here; it has been noted"}
		fault.Write(w)
		return
	}
	panic(http.ErrAbortHandler) // half an answer must not pass for a whole one
}

// Handle makes a handler of a function that returns what went wrong, which is told to the caller and, with its cause,
// to the log.
func (p *Process) Handle(handle func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := handle(w, r); err != nil {
			p.ReportError(r, err).Write(w)
		}
	}
}

// Refused notes in the log why a request, or a part of it, was not done, and returns what its caller may know of it.
func (p *Process) ReportError(r *http.Request, err error) *apierror.Error {
	told := apierror.From(err)
	level := slog.LevelInfo
	if told.Status >= 500 && r.Context().Err() == nil { // a caller that has gone is no fault of ours
		level = slog.LevelError
	}
	p.Log.LogAttrs(r.Context(), level, "request_refused",
		slog.String("http.request.method", r.Method),
		slog.String("url.path", r.URL.Path),
		slog.Int("http.response.status_code", told.Status),
		slog.String("error.code", told.Code),
		slog.String("error.message", err.Error()))
	return told
}

// answer remembers the status that was sent.
type answer struct {
	http.ResponseWriter
	status int
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= 200 {
		a.status = status
	}
	if status >= 400 {
		a.Header().Set("Cache-Control", "no-store")
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// traceHeaders reads the trace of a request. That of an event in binary mode comes first: a Broker between producer and
// consumer may put a trace of its own into the HTTP header.
type traceHeaders struct{ propagation.HeaderCarrier }

func (h traceHeaders) Get(key string) string {
	if value := h.HeaderCarrier.Get("Ce-" + key); value != "" {
		return value
	}
	return h.HeaderCarrier.Get(key)
}
