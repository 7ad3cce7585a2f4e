// Package telemetry sends the spans of a process, which package trace records, and its metrics, which Prometheus
// collects, to an OpenTelemetry Collector, by OTLP with http/protobuf.
//
// The OTEL_* variables say what and where; without an endpoint nothing is started, and nothing is recorded. The metrics
// are those of /metrics under the same names. Shutdown sends what is left, so that a process that ends loses no count.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"gitlab.com/yourorg/image-service/functions/internal/trace"
	bridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// scope is the name of the instrumentation.
const scope = "gitlab.com/yourorg/image-service"

// shutdownTimeout bounds Shutdown if nobody answers.
const shutdownTimeout = 5 * time.Second

// A Source is what is exported.
type Source struct {
	Service, Version string
	Metrics          prometheus.Gatherer
	Log              *slog.Logger
}

// An Exporter sends what a process records, until Shutdown. A nil Exporter is that of a process which records nothing.
type Exporter struct {
	tracer    oteltrace.Tracer // nil if spans are not recorded
	log       *slog.Logger
	shutdowns []func(context.Context) error
}

// Start starts to export. It returns nil, and starts nothing, if the settings ask for nothing. Faults of the settings,
// and whatever fails later, are logged: a service goes on without.
func Start(settings Settings, source Source) *Exporter {
	for _, fault := range settings.faults {
		source.Log.Warn("telemetry_setting_ignored", "error.message", fault)
	}
	if settings.traces == "" && settings.metrics == "" {
		return nil
	}
	reportTo(source.Log)
	e := &Exporter{log: source.Log}
	if err := e.start(settings, source); err != nil {
		source.Log.Warn("telemetry_failed", "error.message", err.Error())
	}
	return e
}

func (e *Exporter) start(settings Settings, source Source) error {
	ctx := context.Background() // nothing is connected to yet
	about, err := resourceOf(ctx, source)
	if about == nil {
		return err
	}
	return errors.Join(err, e.startTraces(ctx, settings, about), e.startMetrics(ctx, settings, about, source.Metrics))
}

// resourceOf describes the process. What the environment says counts for more. Both results may be set.
func resourceOf(ctx context.Context, source Source) (*resource.Resource, error) {
	about, err := resource.New(ctx,
		resource.WithAttributes(
			attribute.String("service.name", source.Service),
			attribute.String("service.version", source.Version),
			attribute.String("service.instance.id", uuid.NewString()),
		),
		resource.WithHost(), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		err = fmt.Errorf("describe the process by OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	return about, err
}

func (e *Exporter) startTraces(ctx context.Context, settings Settings, about *resource.Resource) error {
	if settings.traces == "" {
		return nil
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(settings.traces))
	if err != nil {
		return fmt.Errorf("export traces to %s: %w", settings.traces, err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
	e.tracer = provider.Tracer(scope)
	e.shutdowns = append(e.shutdowns, provider.Shutdown)
	return nil
}

func (e *Exporter) startMetrics(
	ctx context.Context, settings Settings, about *resource.Resource, metrics prometheus.Gatherer,
) error {
	if settings.metrics == "" {
		return nil
	}
	exporter, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(settings.metrics))
	if err != nil {
		return fmt.Errorf("export metrics to %s: %w", settings.metrics, err)
	}
	reader := metric.NewPeriodicReader(exporter,
		metric.WithProducer(exemplars{bridge.NewMetricProducer(bridge.WithGatherer(metrics))}))
	provider := metric.NewMeterProvider(metric.WithReader(reader), metric.WithResource(about))
	e.shutdowns = append(e.shutdowns, provider.Shutdown)
	return nil
}

// Context returns a context in which operations are recorded.
func (e *Exporter) Context(ctx context.Context) context.Context {
	if e == nil || e.tracer == nil {
		return ctx
	}
	return trace.WithTracer(ctx, e.tracer)
}

// Shutdown sends what was recorded and not sent yet, for at most five seconds. A failure is logged.
func (e *Exporter) Shutdown(ctx context.Context) {
	if e == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, shutdownTimeout)
	defer cancel()
	results := make(chan error, len(e.shutdowns))
	for _, shutdown := range e.shutdowns {
		go func() { results <- shutdown(ctx) }()
	}
	for range e.shutdowns {
		if err := <-results; err != nil {
			e.log.Warn("telemetry_lost", "error.message", err.Error())
		}
	}
}

// Observe adds a value to a histogram. If the trace of ctx is kept, it is the exemplar of its bucket.
func Observe(ctx context.Context, histogram prometheus.Observer, value float64) {
	observer, takesExemplars := histogram.(prometheus.ExemplarObserver)
	if !takesExemplars || !trace.IsSampled(ctx) {
		histogram.Observe(value)
		return
	}
	traceID, spanID := trace.IDs(ctx)
	observer.ObserveWithExemplar(value, prometheus.Labels{"trace_id": traceID, "span_id": spanID})
}
