package telemetry

import (
	"context"
	"encoding/hex"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// exemplars has histograms' exemplars with binary IDs. The bridge (v0.72.0) leaves them in hexadecimal, twice as long
// as OTLP has them, for which the Collector refuses all metrics of the request.
type exemplars struct{ metric.Producer }

// Produce implements metric.Producer.
func (e exemplars) Produce(ctx context.Context) ([]metricdata.ScopeMetrics, error) {
	scopes, err := e.Producer.Produce(ctx)
	for _, scope := range scopes {
		for _, m := range scope.Metrics {
			histogram, isHistogram := m.Data.(metricdata.Histogram[float64])
			if !isHistogram {
				continue
			}
			for _, point := range histogram.DataPoints {
				for i := range point.Exemplars {
					exemplar := &point.Exemplars[i]
					exemplar.TraceID, exemplar.SpanID = binary(exemplar.TraceID, 16), binary(exemplar.SpanID, 8)
				}
			}
		}
	}
	return scopes, err
}

// binary returns an ID of a length in bytes.
func binary(id []byte, length int) []byte {
	decoded := make([]byte, hex.DecodedLen(len(id)))
	if n, err := hex.Decode(decoded, id); err != nil || n != length {
		return id
	}
	return decoded
}
