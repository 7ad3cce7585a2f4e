package telemetry

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers/otlp"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/trace"
	"go.opentelemetry.io/otel/propagation"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
)

// A log is one that a test reads.
type log struct {
	lock sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.text.String()
}

// begin starts an exporter with settings, NAME=value.
func begin(tb testing.TB, metrics prometheus.Gatherer, settings ...string) (*Exporter, *log) {
	tb.Helper()
	lines := &log{}
	r := config.NewReader(func(name string) string {
		for _, setting := range settings {
			if value, found := strings.CutPrefix(setting, name+"="); found {
				return value
			}
		}
		return ""
	})
	e := Start(ReadSettings(r), Source{
		Service: "image-service-test", Version: "1.2.3", Metrics: metrics, Log: slog.New(slog.NewJSONHandler(lines, nil)),
	})
	if err := r.Err(); err != nil {
		tb.Errorf("the settings have the faults %v, want none", err)
	}
	return e, lines
}

// Spans and metrics arrive when the process ends, metrics under their own names.
func TestShutdownSendsAll(t *testing.T) {
	receiver := otlp.Start(t)
	registry := prometheus.NewRegistry()
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "things_total", Help: "Things."})
	histogram := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "seconds", Help: "How long."})
	registry.MustRegister(counter, histogram)
	e, lines := begin(t, registry, "OTEL_EXPORTER_OTLP_ENDPOINT="+receiver.URL)

	ctx, outer := trace.Serve(e.Context(t.Context()), propagation.MapCarrier{
		"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	}, "outer")
	_, inner := trace.Start(ctx, "inner")
	inner.Text("a", "b")
	inner.Int("n", 7)
	inner.End(errors.New("broken"))
	outer.End(nil)
	counter.Add(3)
	Observe(ctx, histogram, 1)
	if got := receiver.Spans(); len(got) > 0 {
		t.Errorf("got the spans %v at once, want a batch at the end", got)
	}
	e.Shutdown(t.Context())

	spans := receiver.Spans()
	if len(spans) != 2 {
		t.Fatalf("got the spans %v, want two", spans)
	}
	got := map[string]otlp.Span{}
	for _, span := range spans {
		got[span.GetName()] = span
	}
	if string(got["inner"].GetParentSpanId()) != string(got["outer"].GetSpanId()) ||
		got["inner"].Attribute("a") != "b" || got["inner"].Attribute("n") != int64(7) ||
		got["inner"].GetStatus().GetMessage() != "broken" || got["inner"].Service != "image-service-test" {
		t.Errorf("got the span %v of %s, want a failed one with a=b and n=7 within %v",
			got["inner"].Span, got["inner"].Service, got["outer"].Span)
	}
	if traceID, _ := trace.IDs(ctx); traceID != "4bf92f3577b34da6a3ce929d0e0e4736" {
		t.Errorf("the spans are in the trace %s, want that of the carrier", traceID)
	}
	if got := receiver.Sum("image-service-test", "things_total"); got != 3 {
		t.Errorf("got things_total %v, want 3", got)
	}
	exemplar := exemplarOf(receiver)
	if !bytes.Equal(exemplar.GetTraceId(), spans[0].GetTraceId()) || len(exemplar.GetSpanId()) != 8 {
		t.Errorf("got the exemplar %v, want one with the IDs of a span", exemplar)
	}
	if lines.String() != "" {
		t.Errorf("got the log %s, want none", lines)
	}
}

// exemplarOf returns the exemplar of the histogram seconds, or nil.
func exemplarOf(receiver *otlp.Receiver) *metrics.Exemplar {
	for _, metric := range receiver.Metrics() {
		for _, point := range metric.GetHistogram().GetDataPoints() {
			for _, exemplar := range point.GetExemplars() {
				return exemplar
			}
		}
	}
	return nil
}

// Without an endpoint nothing is started, and recording allocates nothing.
func TestOff(t *testing.T) {
	for name, settings := range map[string][]string{
		"no endpoint": nil,
		"disabled":    {"OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:1", "OTEL_SDK_DISABLED=true"},
		"none": {
			"OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:1", "OTEL_TRACES_EXPORTER=none", "OTEL_METRICS_EXPORTER=none",
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			e, _ := begin(t, prometheus.NewRegistry(), settings...)
			if after := runtime.NumGoroutine(); e != nil || after > before {
				t.Errorf("Start() = %v and %d goroutines more, want none", e, after-before)
			}
			checkFree(t, e.Context(t.Context()))
			e.Shutdown(t.Context())
		})
	}
}

// checkFree records in a context, as the path of an event does.
func checkFree(t *testing.T, ctx context.Context) {
	t.Helper()
	ctx = trace.Continue(ctx, propagation.MapCarrier{})
	failure := errors.New("broken")
	allocated := testing.AllocsPerRun(100, func() {
		ctx, span := trace.StartConsumer(ctx, "deliver")
		span.Image("1", "image/jpeg", 640, 480)
		_, inner := trace.Start(ctx, "fetch")
		inner.Int("image.bytes", 7)
		inner.End(failure)
		span.Text("image.outcome", "error")
		span.End(nil)
		trace.Kept(ctx)
	})
	if allocated > 0 {
		t.Errorf("recording allocates %v objects, want none", allocated)
	}
}

// A value that is not valid is a line in the log, and the default counts.
func TestBadSettings(t *testing.T) {
	receiver := otlp.Start(t)
	t.Setenv("OTEL_TRACES_SAMPLER", "sometimes") // the SDK reads them itself
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "secret")
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "long")
	e, lines := begin(t, prometheus.NewRegistry(), "OTEL_EXPORTER_OTLP_ENDPOINT="+receiver.URL,
		"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=collector:4318", "OTEL_TRACES_EXPORTER=zipkin",
		"OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_SDK_DISABLED=yes")
	_, span := trace.Start(e.Context(t.Context()), "sampled")
	span.End(nil)
	e.Shutdown(t.Context())
	if got := receiver.Spans(); len(got) != 1 {
		t.Errorf("got the spans %v, want one", got)
	}
	for _, want := range []string{
		`OTEL_EXPORTER_OTLP_METRICS_ENDPOINT is \"collector:4318\"; expected an http or https URL`,
		`OTEL_TRACES_EXPORTER is \"zipkin\"; expected otlp or none`,
		`OTEL_EXPORTER_OTLP_PROTOCOL is \"grpc\"; expected http/protobuf`,
		`OTEL_SDK_DISABLED is \"yes\"; expected true or false`,
		"unsupported sampler: sometimes", "parse headers: missing '=", "parse duration",
	} {
		if !strings.Contains(lines.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, lines)
		}
	}
	if strings.Contains(lines.String(), "secret") {
		t.Errorf("the log has a header:\n%s", lines)
	}
}

// What a collector does not take is a line in the log, and the process ends all the same.
func TestCollectorFails(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	e, lines := begin(t, prometheus.NewRegistry(), "OTEL_EXPORTER_OTLP_ENDPOINT="+server.URL)
	_, span := trace.Start(e.Context(t.Context()), "lost")
	span.End(nil)
	e.Shutdown(t.Context())
	if !strings.Contains(lines.String(), "404") {
		t.Errorf("got the log %s, want the status of the answer", lines)
	}
}

// A trace that is not sampled is not recorded, and goes on as such.
func TestNotSampled(t *testing.T) {
	receiver := otlp.Start(t)
	e, _ := begin(t, prometheus.NewRegistry(), "OTEL_EXPORTER_OTLP_ENDPOINT="+receiver.URL)
	ctx, outer := trace.Serve(e.Context(t.Context()), propagation.MapCarrier{
		"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
	}, "outer")
	_, inner := trace.Start(ctx, "inner")
	inner.End(nil)
	outer.End(nil)
	if traceparent, _ := trace.Parent(ctx); !strings.HasPrefix(traceparent, "00-4bf92f3577b34da6a3ce929d0e0e4736") ||
		!strings.HasSuffix(traceparent, "-00") {
		t.Errorf("the trace goes on as %s, want that of the carrier, not sampled", traceparent)
	}
	e.Shutdown(t.Context())
	if got := receiver.Spans(); len(got) > 0 {
		t.Errorf("got the spans %v, want none", got)
	}
}

// A value that is observed in a trace that is kept is an exemplar.
func TestObserve(t *testing.T) {
	registry := prometheus.NewRegistry()
	histogram := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "seconds", Help: "h", Buckets: []float64{1, 2}})
	registry.MustRegister(histogram)
	kept := trace.Continue(t.Context(), propagation.MapCarrier{
		"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	})
	Observe(kept, histogram, .5)
	Observe(trace.Continue(t.Context(), propagation.MapCarrier{}), histogram, 1.5)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	buckets := families[0].GetMetric()[0].GetHistogram().GetBucket()
	_, spanID := trace.IDs(kept)
	for _, label := range buckets[0].GetExemplar().GetLabel() {
		want := map[string]string{"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": spanID}[label.GetName()]
		if label.GetValue() != want {
			t.Errorf("the exemplar has %s=%s, want %s", label.GetName(), label.GetValue(), want)
		}
	}
	if len(buckets[0].GetExemplar().GetLabel()) != 2 || buckets[1].GetExemplar() != nil {
		t.Errorf("got the buckets %v, want an exemplar in the first", buckets)
	}
}
