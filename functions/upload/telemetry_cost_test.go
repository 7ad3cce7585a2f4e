//go:build linux

package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// BenchmarkTelemetry compares the processor time and the memory of the function that a small upload takes without
// OpenTelemetry, with every trace recorded, and with one in ten, by turns in one run. A collector takes everything.
func BenchmarkTelemetry(b *testing.B) {
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	defer collector.Close()
	endpoint := "OTEL_EXPORTER_OTLP_ENDPOINT=" + collector.URL
	variants := []struct {
		name  string
		p     *process
		total time.Duration
	}{
		{name: "off", p: start(b)},
		{name: "all", p: start(b, endpoint)},
		{name: "tenth", p: start(b, endpoint, "OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.1")},
	}
	const turn = 500
	content := photo(20_000)
	upload := func(p *process, times int) {
		for range times {
			response, err := http.Post(p.URL+"/upload", "image/jpeg", bytes.NewReader(content))
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, response.Body)
			if response.Body.Close(); response.StatusCode != http.StatusOK {
				b.Fatal(response.Status)
			}
		}
	}
	for _, v := range variants {
		upload(v.p, 50) // connects to everything
	}
	for b.Loop() {
		for i := range variants {
			v := &variants[i]
			v.total += v.p.cost(func() { upload(v.p, turn) })
		}
	}
	for _, v := range variants {
		b.ReportMetric(float64(v.total.Microseconds())/float64(b.N*turn), v.name+"-µs")
		b.ReportMetric(float64(v.p.Peak()>>10)/1024, v.name+"-MiB")
	}
}
