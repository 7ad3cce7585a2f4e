package httpserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/trace"
	"go.opentelemetry.io/otel/propagation"
)

// middleware traces every request, bounds its headers, and responds if its handler panics. It measures the requests
// that get a complete response.
func (p *Process) middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		ctx, span := p.begin(r)
		response := &recorder{ResponseWriter: w}
		r = r.WithContext(context.WithValue(ctx, recorderKey{}, response))
		defer func() { endSpan(span, r, response.status) }()
		defer func() {
			p.recoverPanic(response, r, recover())
			if response.status == 0 {
				response.status = http.StatusOK // which net/http sends for a handler that writes nothing
			}
			p.observe(r, response, time.Since(began))
		}()
		maps.Copy(w.Header(), securityHeaders)
		if countLines(r.Header) > p.Headers.Lines {
			p.Headers.exceeded().Write(response, r)
			return
		}
		next.ServeHTTP(response, r)
	})
}

// begin begins the span of a request in the trace that it carries.
func (p *Process) begin(r *http.Request) (context.Context, trace.Span) {
	carrier := traceHeaders{propagation.HeaderCarrier(r.Header)}
	if isOperational(r.URL.Path) {
		return trace.Continue(r.Context(), carrier), trace.Span{}
	}
	return trace.Serve(p.Recording(r.Context()), carrier, knownMethod(r.Method))
}

// endSpan names the span of a request by its route: https://opentelemetry.io/docs/specs/semconv/http/http-spans/. A
// status of 0 is that of a response that was cut off.
func endSpan(span trace.Span, r *http.Request, status int) {
	method, route := routeOf(r)
	span.Text("http.request.method", method)
	if route != "" && route != "/" { // which matches what no other route does
		route = strings.TrimSuffix(route, "{$}")
		span.SetName(method + " " + route)
		span.Text("http.route", route)
	}
	if status != 0 {
		span.Int("http.response.status_code", int64(status))
	}
	if status == 0 || status >= http.StatusInternalServerError {
		span.Fail(http.StatusText(status))
	}
	span.End(nil)
}

// securityHeaders restrict what browsers do with a response whose handler does not set its own: it is not rendered,
// framed, run or embedded elsewhere, and uses no device.
var securityHeaders = http.Header{
	"X-Content-Type-Options":  {"nosniff"},
	"Content-Security-Policy": {"default-src 'none'; frame-ancestors 'none'"},
	"Referrer-Policy":         {"no-referrer"},
	"Permissions-Policy": {
		"camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
	},
	"Cross-Origin-Opener-Policy":   {"same-origin"},
	"Cross-Origin-Resource-Policy": {"same-origin"},
}

// maxHeaderLines leaves enough for an event in binary mode, which has a header for each of its attributes. Other
// requests have some dozens, with those of proxies.
const maxHeaderLines = 256

func countLines(header http.Header) (lines int) {
	for _, values := range header {
		lines += len(values)
	}
	return lines
}

func (l HeaderLimits) exceeded() *apierror.Error {
	return &apierror.Error{
		Status:  http.StatusRequestHeaderFieldsTooLarge,
		Code:    apierror.CodeTooManyHeaders,
		Message: "The request has too many headers",
		Limit:   l.Lines,
	}
}

// recoverPanic turns a panic into a 500, which Knative retries, and a log line with the stack.
func (p *Process) recoverPanic(w *recorder, r *http.Request, cause any) {
	if cause == nil {
		return
	}
	if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(cause) // net/http closes the connection
	}
	p.Log.ErrorContext(r.Context(), "request_panicked",
		"error.message", fmt.Sprint(cause), "error.stack_trace", string(debug.Stack()))
	if w.status == 0 {
		internal := apierror.Error{
			Status:  http.StatusInternalServerError,
			Code:    apierror.CodeInternal,
			Message: "Internal error; it has been logged",
		}
		internal.Write(w, r)
		return
	}
	panic(http.ErrAbortHandler) // so that a partial response does not look complete
}

// Handle makes a handler of a function that returns an error. The error is logged, and what the client may know of it
// is the response.
func (p *Process) Handle(handle func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := handle(w, r); err != nil {
			p.ReportError(r, err).Write(w, r)
		}
	}
}

// ReportError logs the error of a request, or of a part of it, and returns what the client may know of it.
func (p *Process) ReportError(r *http.Request, err error) *apierror.Error {
	public := apierror.From(err)
	if response, measured := r.Context().Value(recorderKey{}).(*recorder); measured {
		response.code = public.Code
	}
	level := slog.LevelInfo
	if public.Status >= 500 && r.Context().Err() == nil { // otherwise the client has gone
		level = slog.LevelError
	}
	p.Log.LogAttrs(r.Context(), level, "request_refused",
		slog.String("http.request.method", r.Method),
		slog.String("url.path", r.URL.Path),
		slog.Int("http.response.status_code", public.Status),
		slog.String("error.code", public.Code),
		slog.String("error.message", err.Error()))
	return public
}

// A recorder remembers what was sent.
type recorder struct {
	http.ResponseWriter
	status int    // 0 before it was sent
	bytes  int64  // of the body
	code   string // of the last error
}

type recorderKey struct{}

func (s *recorder) WriteHeader(status int) {
	if s.status == 0 && status >= 200 {
		s.status = status
	}
	if status >= 400 {
		s.Header().Set("Cache-Control", "no-store")
	}
	s.ResponseWriter.WriteHeader(status)
}

func (s *recorder) Write(p []byte) (int, error) {
	if s.status == 0 {
		s.status = http.StatusOK
	}
	n, err := s.ResponseWriter.Write(p)
	s.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (s *recorder) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// traceHeaders reads the trace of a request. That of an event in binary mode has precedence: a Broker between producer
// and consumer may put a trace of its own into the HTTP header.
type traceHeaders struct{ propagation.HeaderCarrier }

func (h traceHeaders) Get(key string) string {
	if value := h.HeaderCarrier.Get("Ce-" + key); value != "" {
		return value
	}
	return h.HeaderCarrier.Get(key)
}
