package publisher

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/cloudevent"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/kafka"
)

// sinkSettings are injected by a SinkBinding:
// https://knative.dev/docs/eventing/custom-event-source/sinkbinding/
type sinkSettings struct {
	target     string
	extensions map[string]string // added to every event
	roots      *x509.CertPool    // nil for the system's
}

// Settings that a SinkBinding injects.
var (
	kSink = config.Text{Name: "K_SINK", Form: config.Form{Expected: "an http or https URL", Valid: isHTTP},
		Doc: "Where to send events instead of to Kafka. A SinkBinding sets it."}
	kOverrides = config.Text{Name: "K_CE_OVERRIDES", Default: "{}",
		Form: config.Form{Expected: `{"extensions":{"name":"value"}}`, Valid: isOverrides},
		Doc:  "Extension attributes to set on each event that is sent to `K_SINK`. A SinkBinding sets it."}
	kAuthorities = config.Text{Name: "K_CA_CERTS",
		Form: config.Form{Expected: "certificates in PEM"},
		Doc: "Certificate authorities (PEM) trusted to sign the certificate of `K_SINK`, instead of the system's. " +
			"A SinkBinding sets it."}
)

// readSinkSettings reads K_SINK, K_CE_OVERRIDES and K_CA_CERTS. It returns nil without K_SINK.
func readSinkSettings(r *config.Reader) *sinkSettings {
	if !r.IsSet(kSink) {
		r.Record(kSink, kOverrides, kAuthorities)
		return nil
	}
	settings := &sinkSettings{target: kSink.Read(r)}
	settings.extensions, _ = parseOverrides(kOverrides.Read(r)) // Read has validated them
	settings.roots = readRoots(r)
	return settings
}

func isHTTP(text string) bool {
	u, err := url.Parse(text)
	return err == nil && config.IsAddress(u.Host) && (u.Scheme == "http" || u.Scheme == "https")
}

func isOverrides(text string) bool {
	_, err := parseOverrides(text)
	return err == nil
}

func parseOverrides(text string) (extensions map[string]string, err error) {
	var parsed struct {
		Extensions map[string]string `json:"extensions"`
	}
	err = json.Unmarshal([]byte(text), &parsed)
	return parsed.Extensions, err
}

func readRoots(r *config.Reader) *x509.CertPool {
	authorities := kAuthorities.Read(r)
	if authorities == "" {
		return nil
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(authorities)) {
		r.Fault("%s has no certificate; expected %s", kAuthorities, kAuthorities.Form.Expected)
	}
	return roots
}

// sink publishes by HTTP to an address, such as a Broker's.
type sink struct {
	settings sinkSettings
	client   *http.Client
}

func newSink(settings sinkSettings) *sink {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if settings.roots != nil {
		transport.TLSClientConfig = &tls.Config{RootCAs: settings.roots, MinVersion: tls.VersionTLS12}
	}
	return &sink{settings: settings, client: &http.Client{
		Transport: transport,
		Timeout:   kafka.PublishTimeout,
		// A redirect would be followed by a GET without the event, and a 200 to that would pass for an acknowledgement.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Publish sends the event in binary mode, with its attributes encoded for HTTP. Only a 2xx means that the sink has
// accepted it.
func (s *sink) Publish(ctx context.Context, e event.Event) error {
	request, err := s.request(ctx, e)
	if err != nil {
		return fmt.Errorf("encode %s for sink: %w", e.Type(), err)
	}
	if err := s.send(request); err != nil {
		return fmt.Errorf("publish %s at sink: %w", e.Type(), err)
	}
	return nil
}

func (s *sink) request(ctx context.Context, e event.Event) (*http.Request, error) {
	e = e.Clone()
	for name, value := range s.settings.extensions {
		e.SetExtension(name, value)
	}
	e = events.EncodeHTTP(e)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.settings.target, nil)
	if err != nil {
		return nil, err
	}
	return request, cehttp.WriteRequest(binding.WithForceBinary(ctx), binding.ToMessage(&e), request)
}

// send returns ErrUncertain without a response, unless not even the headers were written: the event's data follows
// them.
func (s *sink) send(request *http.Request) error {
	var written atomic.Bool
	trace := &httptrace.ClientTrace{WroteHeaders: func() { written.Store(true) }}
	response, err := s.client.Do(request.WithContext(httptrace.WithClientTrace(request.Context(), trace)))
	switch {
	case err != nil && written.Load():
		return fmt.Errorf("%w: %w", ErrUncertain, cause(err))
	case err != nil:
		return cause(err)
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, cloudevent.MaxEvent) // so that the connection can be reused
	return responseError(response)
}

// cause strips the URL that net/http puts in front of an error, because it may contain a user and a password.
func cause(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// responseError returns nil for a 2xx. Of the 5xx only 503 is a refusal. The others report a failure that may have come
// after the event was passed on: Knative's own in-memory Broker responds 500 when one of several Triggers failed.
func responseError(response *http.Response) error {
	switch code := response.StatusCode; {
	case code/100 == 2:
		return nil
	case code/100 == 5 && code != http.StatusServiceUnavailable:
		return fmt.Errorf("%w: answered %s", ErrUncertain, response.Status)
	default:
		return fmt.Errorf("answered %s", response.Status)
	}
}

// Check returns nil: a sink has no request that is not an event.
func (s *sink) Check(context.Context) error { return nil }

func (s *sink) Close() error {
	s.client.CloseIdleConnections()
	return nil
}
