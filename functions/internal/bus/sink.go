package bus

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"gitlab.com/yourorg/image-service/functions/internal/setting"
)

// sinkSettings are what a SinkBinding injects:
// https://knative.dev/docs/eventing/custom-event-source/sinkbinding/
type sinkSettings struct {
	target     string
	extensions map[string]string // to set on every event
	roots      *x509.CertPool    // nil means the system's
}

// readSinkSettings reads K_SINK, K_CE_OVERRIDES and K_CA_CERTS; nil without K_SINK.
func readSinkSettings(r *setting.Reader) *sinkSettings {
	target := r.Text("K_SINK", "")
	overrides := r.Text("K_CE_OVERRIDES", "{}")
	authorities := r.Text("K_CA_CERTS", "")
	if target == "" {
		return nil
	}
	if u, err := url.Parse(target); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		r.Fault("K_SINK is %q; expected an http or https URL", target)
	}
	settings := &sinkSettings{target: target}
	var parsed struct {
		Extensions map[string]string `json:"extensions"`
	}
	if err := json.Unmarshal([]byte(overrides), &parsed); err != nil {
		r.Fault(`K_CE_OVERRIDES is %q; expected {"extensions":{"name":"value"}}`, overrides)
	}
	settings.extensions = parsed.Extensions
	if authorities != "" {
		settings.roots = x509.NewCertPool()
		if !settings.roots.AppendCertsFromPEM([]byte(authorities)) {
			r.Fault("K_CA_CERTS has no certificate; expected PEM")
		}
	}
	return settings
}

// sink announces by HTTP to an address, such as a Broker's.
type sink struct {
	settings sinkSettings
	client   *http.Client
}

func newSink(settings sinkSettings) *sink {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if settings.roots != nil {
		transport.TLSClientConfig = &tls.Config{RootCAs: settings.roots, MinVersion: tls.VersionTLS12}
	}
	return &sink{settings: settings, client: &http.Client{Transport: transport, Timeout: announceWithin}}
}

// Announce sends the event in binary mode. Only a 2xx means that the sink has taken it.
func (s *sink) Announce(ctx context.Context, e event.Event) error {
	e = e.Clone()
	for name, value := range s.settings.extensions {
		e.SetExtension(name, value)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.settings.target, nil)
	if err != nil {
		return fmt.Errorf("announce %s at sink: %w", e.Type(), err)
	}
	if err := cehttp.WriteRequest(binding.WithForceBinary(ctx), binding.ToMessage(&e), request); err != nil {
		return fmt.Errorf("encode %s for sink: %w", e.Type(), err)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return fmt.Errorf("announce %s at sink: %w", e.Type(), err)
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, MaxEvent) // lets the connection be used again
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("announce %s at sink: answered %s", e.Type(), response.Status)
	}
	return nil
}

func (s *sink) Close() error {
	s.client.CloseIdleConnections()
	return nil
}
