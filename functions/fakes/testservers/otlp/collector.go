package otlp

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// configuration of the Collector. It has no queue: what it has acknowledged, the Receiver has.
const configuration = `
receivers:
  otlp:
    protocols:
      http: {endpoint: %q}
exporters:
  otlp_http:
    endpoint: %q
    sending_queue: {enabled: false}
service:
  telemetry:
    metrics: {level: none}
  pipelines:
    traces: {receivers: [otlp], exporters: [otlp_http]}
    metrics: {receivers: [otlp], exporters: [otlp_http]}
`

// Behind starts the real OpenTelemetry Collector in front of the Receiver, from the file of the program, and returns
// its URL for OTEL_EXPORTER_OTLP_ENDPOINT. It ends with the test.
func (r *Receiver) Behind(collector string) (url string) {
	r.tb.Helper()
	address := r.freeAddress()
	file := filepath.Join(r.tb.TempDir(), "collector.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, configuration, address, r.URL), 0o600); err != nil {
		r.tb.Fatal(err)
	}
	command := exec.Command(collector, "--config", file)
	command.Stderr = os.Stderr
	if err := command.Start(); err != nil {
		r.tb.Fatal(err)
	}
	r.tb.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		connection, err := net.Dial("tcp", address)
		if err == nil {
			connection.Close()
			return "http://" + address
		}
		if time.Now().After(end) {
			r.tb.Fatalf("the Collector did not start: %v", err)
		}
	}
}

// freeAddress returns an address that nothing listens on.
func (r *Receiver) freeAddress() string {
	r.tb.Helper()
	listener := r.listen()
	defer listener.Close()
	return listener.Addr().String()
}
