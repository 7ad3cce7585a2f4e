// Package otlp is an OpenTelemetry Collector for tests: it keeps the spans and metrics that it gets by OTLP with
// http/protobuf.
package otlp

import (
	"compress/gzip"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	collectedmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collectedtraces "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// A Receiver keeps what it gets. Its methods are safe for use by several goroutines.
type Receiver struct {
	// URL is for OTEL_EXPORTER_OTLP_ENDPOINT.
	URL string

	tb      testing.TB
	host    string // that it listens on
	lock    sync.Mutex
	spans   []Span
	metrics []Metric
}

// A Span is one that was received.
type Span struct {
	*trace.Span
	Service string // that sent it
}

// Attribute returns an attribute of the span, or nil.
func (s Span) Attribute(name string) any { return attribute(s.Attributes, name) }

// A Metric is one that was received, as it was at one time.
type Metric struct {
	*metrics.Metric
	Service  string // that sent it
	Instance string // of the service
}

// Start starts a Receiver for programs of this machine. It ends with the test.
func Start(tb testing.TB) *Receiver {
	tb.Helper()
	return StartAt(tb, "127.0.0.1")
}

// StartAt starts a Receiver at an address of this machine, without a port. It ends with the test.
func StartAt(tb testing.TB, host string) *Receiver {
	tb.Helper()
	r := &Receiver{tb: tb, host: host}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", r.takeTraces)
	mux.HandleFunc("POST /v1/metrics", r.takeMetrics)
	server := httptest.NewUnstartedServer(mux)
	server.Listener.Close()
	server.Listener = r.listen()
	server.Start()
	tb.Cleanup(server.Close)
	r.URL = server.URL
	return r
}

// listen listens on a free port.
func (r *Receiver) listen() net.Listener {
	r.tb.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(r.host, "0"))
	if err != nil {
		r.tb.Fatal(err)
	}
	return listener
}

// Spans returns the spans so far.
func (r *Receiver) Spans() []Span {
	r.lock.Lock()
	defer r.lock.Unlock()
	return slices.Clone(r.spans)
}

// Metrics returns the metrics so far, the last last.
func (r *Receiver) Metrics() []Metric {
	r.lock.Lock()
	defer r.lock.Unlock()
	return slices.Clone(r.metrics)
}

func (r *Receiver) takeTraces(_ http.ResponseWriter, request *http.Request) {
	var got collectedtraces.ExportTraceServiceRequest
	r.read(request, &got)
	r.lock.Lock()
	defer r.lock.Unlock()
	for _, from := range got.GetResourceSpans() {
		for _, scope := range from.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				r.spans = append(r.spans, Span{span, service(from.GetResource())})
			}
		}
	}
}

func (r *Receiver) takeMetrics(_ http.ResponseWriter, request *http.Request) {
	var got collectedmetrics.ExportMetricsServiceRequest
	r.read(request, &got)
	r.lock.Lock()
	defer r.lock.Unlock()
	for _, from := range got.GetResourceMetrics() {
		for _, scope := range from.GetScopeMetrics() {
			for _, metric := range scope.GetMetrics() {
				instance, _ := attribute(from.GetResource().GetAttributes(), "service.instance.id").(string)
				r.metrics = append(r.metrics, Metric{metric, service(from.GetResource()), instance})
			}
		}
	}
}

// read reads a request. The empty answer is a valid one.
func (r *Receiver) read(request *http.Request, message proto.Message) {
	body := io.Reader(request.Body)
	if request.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(body)
		if err != nil {
			r.tb.Errorf("got %s that is not gzip: %v", request.URL.Path, err)
			return
		}
		body = unpacked
	}
	content, err := io.ReadAll(body)
	if err == nil {
		err = proto.Unmarshal(content, message)
	}
	if err != nil {
		r.tb.Errorf("got %s that is not OTLP: %v", request.URL.Path, err)
	}
}

func service(from *resource.Resource) string {
	name, _ := attribute(from.GetAttributes(), "service.name").(string)
	return name
}

func attribute(attributes []*common.KeyValue, name string) any {
	for _, a := range attributes {
		if a.GetKey() != name {
			continue
		}
		switch value := a.GetValue().GetValue().(type) {
		case *common.AnyValue_StringValue:
			return value.StringValue
		case *common.AnyValue_IntValue:
			return value.IntValue
		}
	}
	return nil
}

// Sum returns the last value of a counter, or the last number of values of a histogram, that the instances of a service
// sent, over all series that have the labels, which are name and value in turn.
func (r *Receiver) Sum(service, name string, labels ...string) (sum float64) {
	last := map[string]float64{}
	for _, metric := range r.Metrics() {
		if metric.Service == service && metric.GetName() == name {
			last[metric.Instance] = metric.sum(labels)
		}
	}
	for _, value := range last {
		sum += value
	}
	return sum
}

func (m Metric) sum(labels []string) (sum float64) {
	for _, point := range m.GetSum().GetDataPoints() {
		if hasAll(point.GetAttributes(), labels) {
			sum += point.GetAsDouble()
		}
	}
	for _, point := range m.GetHistogram().GetDataPoints() {
		if hasAll(point.GetAttributes(), labels) {
			sum += float64(point.GetCount())
		}
	}
	return sum
}

// hasAll reports whether labels, name and value in turn, are among the attributes.
func hasAll(attributes []*common.KeyValue, labels []string) bool {
	for i := 0; i < len(labels); i += 2 {
		if attribute(attributes, labels[i]) != labels[i+1] {
			return false
		}
	}
	return true
}
