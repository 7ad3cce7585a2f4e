// Package httpserver runs a function as an HTTP server: listener, signals, drain, health, metrics and logs. It
// guarantees a JSON response to every request that is valid HTTP, also if a handler panics, and that requests in flight
// are answered before the process ends.
//
// It does not authenticate, and knows nothing about images.
package httpserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/telemetry"
	"gitlab.com/yourorg/image-service/functions/logs"
	"knative.dev/pkg/network/handlers"
	"knative.dev/pkg/signals"
)

// Version is set by the linker (see ko.yaml).
var Version = "dev"

const (
	// A request line and headers beyond this get 431. Knative and Traefik add about 2 KB.
	maxHeaderBytes = 64 << 10
	// A client that takes longer to send its headers is disconnected.
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	// For the responses of net/http itself, such as 100 Continue, from the end of the headers on; those of handlers
	// have deadlines of their own (see pacedWriter). No request takes this long.
	writeTimeout = 5 * time.Minute

	// Before a function gets SIGTERM, queue-proxy waits 30 s in which no new requests are routed to it, so the drain
	// only waits for stragglers; then requests in flight may finish. Kubernetes kills a revision that takes longer
	// than its timeoutSeconds.
	quietPeriod   = time.Second
	drainTimeout  = 5 * time.Second
	finishTimeout = 4 * time.Minute
)

// Settings of every process.
type Settings struct {
	Log       logs.Settings
	Telemetry telemetry.Settings
}

// port is read before the other settings: Knative waits until something listens there.
var port = config.Text{Name: "PORT", Default: "8080",
	Form: config.Form{Expected: "a port"},
	Doc:  "Port that the function listens on. Knative sets it."}

// ReadSettings reads LOG_LEVEL, LOG_FORMAT and the OTEL_* variables.
func ReadSettings(r *config.Reader) Settings {
	r.Record(port)
	return Settings{Log: logs.ReadSettings(r), Telemetry: telemetry.ReadSettings(r)}
}

// HeaderLimits bound the headers of a request; beyond them it gets 431.
type HeaderLimits struct {
	Bytes int // of the request line and all headers
	Lines int
}

// A Process has the logger and the metrics of its function.
type Process struct {
	Log     *slog.Logger
	Metrics *prometheus.Registry
	// Headers bounds those of a request; New sets it, and a function may change it before Serve.
	Headers HeaderLimits

	draining  atomic.Bool
	requests  *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	telemetry *telemetry.Exporter
}

// New returns a process for the function called name. It opens no listener. Serve ends what it has started.
func New(name string, settings Settings) *Process {
	p := &Process{
		Log:     NewLogger(os.Stderr, name, settings.Log),
		Metrics: newRegistry(name),
		Headers: HeaderLimits{Bytes: maxHeaderBytes, Lines: maxHeaderLines},
	}
	p.requests, p.duration = httpMetrics(p.Metrics)
	p.telemetry = telemetry.Start(settings.Telemetry, telemetry.Source{
		Service: serviceName(name), Version: Version, Metrics: p.Metrics, Log: p.Log,
	})
	return p
}

// Recording returns a context for work beside the requests, whose operations are recorded as those of requests are.
func (p *Process) Recording(ctx context.Context) context.Context { return p.telemetry.Context(ctx) }

// Main runs a function on $PORT until SIGTERM or SIGINT, and exits with 1 if it fails. A second signal ends the process
// at once.
func Main(name string, run func(ctx context.Context, listener net.Listener, getenv func(string) string) error) {
	if len(os.Args) > 1 {
		os.Exit(explain(os.Stdout, name, os.Args[1:]))
	}
	if err := realMain(signals.NewContext(), run); err != nil {
		log := NewLogger(os.Stderr, name, logs.Settings{})
		log.Error("function_failed", "error.message", logs.Uncut(err.Error()))
		os.Exit(1)
	}
}

// usage is for a person who starts a function; Knative gives it no arguments.
const usage = `%s is a function of image-service. It serves HTTP on $PORT, and takes no arguments: its settings are
environment variables, which docs/reference/settings.md lists. The log is JSON on standard error.

    go run ./knative/local --help

is about running all functions on this machine, with or without servers of your own.
`

// explain answers arguments, and returns the exit status: 0 for help, 2 for wrong usage.
func explain(out io.Writer, name string, arguments []string) int {
	fmt.Fprintf(out, usage, name)
	if len(arguments) == 1 && slices.Contains([]string{"--help", "-help", "-h"}, arguments[0]) {
		return 0
	}
	return 2
}

func realMain(ctx context.Context, run func(context.Context, net.Listener, func(string) string) error) error {
	listener, err := net.Listen("tcp", ":"+port.Read(config.NewReader(os.Getenv)))
	if err != nil {
		return fmt.Errorf("listen on %s: %w", port, err)
	}
	return run(ctx, listener, os.Getenv)
}

// Serve serves routes, /health, /metrics, and /ready with checks on listener until ctx ends, then drains: probes fail,
// stragglers and requests in flight are answered, what was measured is sent, and only then it returns.
func (p *Process) Serve(ctx context.Context, listener net.Listener, routes *http.ServeMux, checks ...Check) error {
	defer p.telemetry.Shutdown(context.WithoutCancel(ctx)) // with the spans and counts of the last answers
	Route(routes, "/health", map[string]http.Handler{http.MethodGet: http.HandlerFunc(health)})
	Route(routes, "/ready", map[string]http.Handler{http.MethodGet: &readiness{log: p.Log, checks: checks}})
	Route(routes, "/metrics", map[string]http.Handler{http.MethodGet: metricsHandler(p.Metrics)})

	inner := p.middleware(tidyPath(routes))
	// The drainer responds to the probes of Kubernetes at any path: until it drains, as to other requests.
	drainer := &handlers.Drainer{Inner: inner, HealthCheck: inner.ServeHTTP, QuietPeriod: quietPeriod}
	server := &http.Server{
		Handler:           paceWrites(p.lingeringClose(drainer)),
		MaxHeaderBytes:    p.Headers.Bytes,
		ReadHeaderTimeout: readHeaderTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		ConnState:         follow,
		ErrorLog:          slog.NewLogLogger(p.Log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(headerListener{listener, p.Headers}) }()
	p.Log.Info("function_started", "server.address", listener.Addr().String())

	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	p.draining.Store(true)
	waitAtMost(drainTimeout, drainer.Drain)
	finishing, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	if err := server.Shutdown(finishing); err != nil {
		return fmt.Errorf("finish requests in flight: %w", errors.Join(err, server.Close()))
	}
	p.Log.Info("function_stopped")
	return nil
}

func waitAtMost(limit time.Duration, wait func()) {
	done := make(chan struct{})
	go func() { wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(limit):
	}
}
