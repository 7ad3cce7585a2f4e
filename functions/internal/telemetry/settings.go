package telemetry

import (
	"fmt"
	"net/url"
	"strings"

	"gitlab.com/yourorg/image-service/functions/internal/config"
)

// The settings that decide what is exported, and where. They have the names, defaults and meanings of the OpenTelemetry
// specification (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/), by which a value
// that is not valid is reported and ignored.
var (
	endpoint = config.Text{Name: "OTEL_EXPORTER_OTLP_ENDPOINT",
		Doc: "URL of an OpenTelemetry Collector, such as `http://collector:4318`: traces and metrics are sent to " +
			"`/v1/traces` and `/v1/metrics` below it. Nothing is recorded and nothing is sent without an endpoint."}
	tracesEndpoint = config.Text{Name: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
		Doc: "URL that traces are sent to, as it is, instead."}
	metricsEndpoint = config.Text{Name: "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
		Doc: "URL that metrics are sent to, as it is, instead."}
	disabled = config.Text{Name: "OTEL_SDK_DISABLED", Default: "false",
		Doc: "`true` has nothing sent, whatever the endpoints are."}
	tracesExporter = config.Text{Name: "OTEL_TRACES_EXPORTER", Default: "otlp",
		Doc: "`none` has no traces sent."}
	metricsExporter = config.Text{Name: "OTEL_METRICS_EXPORTER", Default: "otlp",
		Doc: "`none` has no metrics sent."}
	protocol = config.Text{Name: "OTEL_EXPORTER_OTLP_PROTOCOL", Default: httpProtobuf,
		Doc: "Only `http/protobuf`, whose port is 4318, is implemented."}
)

const httpProtobuf = "http/protobuf"

// The settings that the SDK reads itself. It knows further ones, for its queues and limits.
var ofSDK = []config.Setting{
	config.Text{Name: "OTEL_EXPORTER_OTLP_HEADERS", Secret: true,
		Doc: "Headers of each request to the endpoints, `name=value,name=value`."},
	config.Text{Name: "OTEL_EXPORTER_OTLP_CERTIFICATE",
		Doc: "File of certificate authorities (PEM) that sign the endpoints' certificates, instead of the system's."},
	config.Text{Name: "OTEL_EXPORTER_OTLP_COMPRESSION", Doc: "`gzip` compresses what is sent."},
	config.Text{Name: "OTEL_EXPORTER_OTLP_TIMEOUT", Default: "10000", Doc: "Milliseconds that a request may take."},
	config.Text{Name: "OTEL_METRIC_EXPORT_INTERVAL", Default: "60000",
		Doc: "Milliseconds between two exports of metrics."},
	config.Text{Name: "OTEL_TRACES_SAMPLER", Default: "parentbased_always_on",
		Doc: "Which traces are recorded: `always_on`, `always_off`, `traceidratio`, or one of these for new traces only, " +
			"after `parentbased_`."},
	config.Text{Name: "OTEL_TRACES_SAMPLER_ARG", Default: "1.0", Doc: "The share of traces for `traceidratio`, 0 to 1."},
	config.Text{Name: "OTEL_SERVICE_NAME",
		Doc: "`service.name` of what is sent, instead of `image-service-` and the function, which logs have too."},
	config.Text{Name: "OTEL_RESOURCE_ATTRIBUTES",
		Doc: "Attributes of everything that is sent, `name=value,name=value`."},
}

// Settings say what is exported, and where.
type Settings struct {
	traces, metrics string   // URLs; "" for what is not exported
	faults          []string // in words
}

// ReadSettings reads the OTEL_* variables. They have no faults for r: the specification wants a service to go on.
func ReadSettings(r *config.Reader) Settings {
	var s Settings
	base := s.readURL(r, endpoint)
	s.traces = s.readEndpoint(r, tracesEndpoint, base, "v1/traces")
	s.metrics = s.readEndpoint(r, metricsEndpoint, base, "v1/metrics")
	if s.read(r, disabled, "true", "false") == "true" {
		s = Settings{}
	}
	if s.read(r, tracesExporter, "otlp", "none") == "none" {
		s.traces = ""
	}
	if s.read(r, metricsExporter, "otlp", "none") == "none" {
		s.metrics = ""
	}
	s.read(r, protocol, httpProtobuf)
	r.Record(ofSDK...)
	return s
}

// read reads a setting that has one of some values in any case.
func (s *Settings) read(r *config.Reader, setting config.Text, values ...string) string {
	found := setting.Lookup(r)
	for _, value := range values {
		if strings.EqualFold(found, value) {
			return value
		}
	}
	s.fault(setting, found, strings.Join(values, " or "))
	return setting.Default
}

// readEndpoint reads the endpoint of a signal, which is below another one if it is not set.
func (s *Settings) readEndpoint(r *config.Reader, setting config.Text, base *url.URL, path string) string {
	if own := s.readURL(r, setting); own != nil {
		return own.String()
	}
	if base == nil {
		return ""
	}
	return base.JoinPath(path).String()
}

func (s *Settings) readURL(r *config.Reader, setting config.Text) *url.URL {
	found := setting.Lookup(r)
	if found == "" {
		return nil
	}
	address, err := url.Parse(found)
	if err != nil || address.Host == "" || address.Scheme != "http" && address.Scheme != "https" {
		s.fault(setting, found, "an http or https URL")
		return nil
	}
	return address
}

func (s *Settings) fault(setting config.Text, found, expected string) {
	s.faults = append(s.faults, fmt.Sprintf("%s is %s; expected %s", setting, config.Quote(found), expected))
}
