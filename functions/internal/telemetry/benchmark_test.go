package telemetry

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"gitlab.com/yourorg/image-service/functions/internal/trace"
	"go.opentelemetry.io/otel/propagation"
)

// BenchmarkDelivery is the spans of one delivery, without and with an exporter.
func BenchmarkDelivery(b *testing.B) {
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	defer collector.Close()
	for name, settings := range map[string][]string{
		"off": nil, "on": {"OTEL_EXPORTER_OTLP_ENDPOINT=" + collector.URL},
	} {
		b.Run(name, func(b *testing.B) {
			e, _ := begin(b, prometheus.NewRegistry(), settings...)
			defer e.Shutdown(b.Context())
			carrier := propagation.MapCarrier{"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
			b.ReportAllocs()
			for b.Loop() {
				ctx, request := trace.Serve(e.Context(b.Context()), carrier, "POST /")
				ctx, deliver := trace.StartConsumer(ctx, "deliver")
				deliver.Image("1", "image/jpeg", 640, 480)
				for _, step := range []string{"fetch", "admit", "decode", "encode", "record"} {
					_, span := trace.Start(ctx, step)
					span.Int("image.bytes", 1)
					span.End(nil)
				}
				deliver.Text("image.outcome", "success")
				deliver.End(nil)
				request.End(nil)
			}
		})
	}
}
