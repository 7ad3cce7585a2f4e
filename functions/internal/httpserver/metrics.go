package httpserver

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// newRegistry has what every Go process tells of itself.
func newRegistry(function string) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "image_service_build_info",
		Help:        "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"function": function, "version": Version},
	})
	info.Set(1)
	registry.MustRegister(info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

func metricsHandler(registry *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// httpMetrics registers the two metrics of the original system for HTTP. Dashboards of the original go on working: the
// counter has its labels, and sums over the histogram's labels are its histogram.
func httpMetrics(registry *prometheus.Registry) (*prometheus.CounterVec, *prometheus.HistogramVec) {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "http_requests_total",
		Help: "Total HTTP requests, without probes and metrics.",
	}, []string{"method", "endpoint", "status"})
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "http_request_duration_seconds",
		Help:    "HTTP request duration, from the headers in to the last byte out.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
	}, []string{"method", "endpoint"})
	registry.MustRegister(requests, duration)
	return requests, duration
}

// measure counts a request that was answered. The labels come from routes and not from callers, so that nobody can
// make new time series by asking for new paths.
func (p *Process) measure(r *http.Request, status int, took time.Duration) {
	if status == 0 {
		status = http.StatusOK // what net/http sends for a handler that writes nothing
	}
	method, path, routed := strings.Cut(r.Pattern, " ")
	if !routed {
		method, path = "", r.Pattern
	}
	if method == "" {
		method = knownMethod(r.Method)
	}
	endpoint := endpointOf(path)
	switch endpoint {
	case "/health", "/ready", "/metrics":
		return
	}
	p.requests.WithLabelValues(method, endpoint, strconv.Itoa(status)).Inc()
	p.duration.WithLabelValues(method, endpoint).Observe(took.Seconds())
}

// endpointOf is a route's path as the original named it: "/status" for /status/{id}. What no route took is "other".
func endpointOf(path string) string {
	switch path {
	case "", "/":
		return "other"
	case "/{$}":
		return "/"
	}
	path, _, _ = strings.Cut(path, "/{")
	return path
}

func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}
