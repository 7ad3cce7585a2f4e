package httpserver

import (
	"net/http"
	"strings"
	"testing"
)

// The duration of a request in a trace that is kept leads to the trace, for scrapers that read OpenMetrics.
func TestExemplars(t *testing.T) {
	url, _, _ := run(t, map[string]http.HandlerFunc{"/kept": NotFound, "/other": NotFound})
	for path, flags := range map[string]string{"/kept": "01", "/other": "00"} {
		request, err := http.NewRequest(http.MethodGet, url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-"+flags)
		do(t, request)
	}
	request, err := http.NewRequest(http.MethodGet, url+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "application/openmetrics-text;version=1.0.0")
	_, metrics := do(t, request)
	for line := range strings.Lines(metrics) {
		name, _, _ := strings.Cut(line, "{")
		if name != "http_request_duration_seconds_bucket" {
			continue
		}
		has := strings.Contains(line, `trace_id="4bf92f3577b34da6a3ce929d0e0e4736"`)
		if has && !strings.Contains(line, `endpoint="/kept"`) {
			t.Errorf("a request in a trace that is not kept is an exemplar: %s", line)
		}
	}
	if !strings.Contains(metrics, "trace_id=") || !strings.Contains(metrics, `le="30.0"`) {
		t.Errorf("the metrics have no exemplar, or are not OpenMetrics:\n%s", metrics)
	}
	if _, older := get(t, url+"/metrics"); strings.Contains(older, "trace_id") {
		t.Error("the older format has exemplars")
	}
}
