package httpserver

import (
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"gitlab.com/yourorg/image-service/functions/internal/telemetry"
)

// newRegistry returns a registry with the metrics of the Go runtime, of the process, and of the build.
func newRegistry(function string) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	promauto.With(registry).NewGauge(prometheus.GaugeOpts{
		Name:        "image_service_build_info",
		Help:        "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"function": function, "version": Version},
	}).Set(1)
	return registry
}

// metricsHandler offers OpenMetrics, too: the older format has no exemplars.
func metricsHandler(registry *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// httpMetrics registers the original system's two HTTP metrics, which its dashboards read: the counter has the same
// labels; the histogram summed over its labels is the original one.
func httpMetrics(registry *prometheus.Registry) (*prometheus.CounterVec, *prometheus.HistogramVec) {
	factory := promauto.With(registry)
	requests := factory.NewCounterVec(prometheus.CounterOpts{
		Name: "http_requests_total",
		Help: "Total HTTP requests, without probes and metrics.",
	}, []string{"method", "endpoint", "status"})
	duration := factory.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "http_request_duration_seconds",
		Help:    "HTTP request duration, from the headers in to the last byte out.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
	}, []string{"method", "endpoint"})
	return requests, duration
}

// observe counts a request and its duration, and logs it. The labels come from the route and not from the request, so
// that a client cannot create time series by requesting new paths.
func (p *Process) observe(r *http.Request, response *recorder, duration time.Duration) {
	method, path := routeOf(r)
	endpoint := endpointOf(path)
	if isOperational(endpoint) {
		return
	}
	p.requests.WithLabelValues(method, endpoint, strconv.Itoa(response.status)).Inc()
	telemetry.Observe(r.Context(), p.duration.WithLabelValues(method, endpoint), duration.Seconds())
	p.logAnswer(r, response, duration)
}

func (p *Process) logAnswer(r *http.Request, response *recorder, duration time.Duration) {
	attributes := []slog.Attr{
		slog.String("http.request.method", r.Method),
		slog.String("url.path", r.URL.Path), // without the query, which may have credentials
		slog.Int("http.response.status_code", response.status),
		slog.Int64("http.response.body.bytes", response.bytes),
		slog.Int64("event.duration", duration.Nanoseconds()),
	}
	if r.ContentLength > 0 {
		attributes = append(attributes, slog.Int64("http.request.body.bytes", r.ContentLength))
	}
	if response.code != "" {
		attributes = append(attributes, slog.String("error.code", response.code))
	}
	p.Log.LogAttrs(r.Context(), slog.LevelDebug, "request_answered", attributes...)
}

// routeOf returns the method and the pattern of the route that a request had; "" without one.
func routeOf(r *http.Request) (method, path string) {
	method, path, routed := strings.Cut(r.Pattern, " ")
	if !routed {
		method, path = "", r.Pattern
	}
	if method == "" {
		method = knownMethod(r.Method)
	}
	return method, path
}

// isOperational reports whether a path is for the cluster, which asks all the time.
func isOperational(path string) bool {
	return path == "/health" || path == "/ready" || path == "/metrics"
}

// endpointOf returns the original system's name for the path of a route: "/status" for /status/{id}, and likewise
// "/status/events" for /status/{id}/events. It is "other" without a route.
func endpointOf(path string) string {
	switch path {
	case "", "/":
		return "other"
	case "/{$}":
		return "/"
	}
	before, after, _ := strings.Cut(path, "/{")
	_, after, _ = strings.Cut(after, "}")
	return before + after
}

func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions:
		return method
	}
	return "other"
}
