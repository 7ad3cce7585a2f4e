// Package webhook is the webhook function: it posts image.thumbnailed, image.failed and image.deleted to the endpoints
// of a file, signed as Standard Webhooks asks (https://www.standardwebhooks.com), for receivers that know nothing of
// Knative and CloudEvents.
//
// Each endpoint has a path, which is the subscriber of a Trigger of its own. So the Broker retries each endpoint by
// itself, and keeps what an endpoint never took as a dead letter. The function stores nothing and tries a delivery
// once: a 2xx of the endpoint is the answer 200, 410 Gone is one that Knative does not repeat, and anything else is
// 503. Delivery is at least once and in any order; webhook-id is the ID of the event, by which receivers recognize a
// repetition.
//
// It connects to nothing but the endpoints, and to these at public addresses only, unless the settings allow others.
package webhook

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
)

type settings struct {
	process httpserver.Settings
	rules   rules
	file    config.File
	list    list // what the file said at the start
	timeout time.Duration
}

var (
	endpointsFile = config.FilePath{Name: "WEBHOOK_ENDPOINTS_FILE", Contents: "a YAML document of endpoints",
		Doc: "Endpoints that results are posted to, with their secrets, as a YAML document " +
			"([webhooks.md](../operations/webhooks.md)). The file is read again when it changes."}
	allowHTTP = config.Bool{Name: "WEBHOOK_ALLOW_HTTP",
		Doc: "Let endpoints have http URLs. Without TLS, everybody on the way can read the results."}
	timeoutSetting = config.Duration{Name: "WEBHOOK_TIMEOUT",
		Default: 15 * time.Second, Min: time.Second, Max: 40 * time.Second,
		Doc: "How long an endpoint may take to answer."}
)

// Settings returns the settings of the function, in words.
func Settings() []config.Description {
	return config.Describe(func(r *config.Reader) { readSettings(r) })
}

func readSettings(r *config.Reader) settings {
	s := settings{process: httpserver.ReadSettings(r), file: endpointsFile.Read(r)}
	s.rules = rules{guard: readGuard(r), http: allowHTTP.Read(r)}
	s.timeout = timeoutSetting.Read(r)
	if !s.file.IsSet() {
		r.Fault("%s is not set; expected the path of %s", s.file, endpointsFile.Contents)
		return s
	}
	text, err := s.file.Read()
	if err != nil {
		r.Add(err)
		return s
	}
	if s.list, err = s.rules.parse(text); err != nil {
		r.Fault("%s is not valid:\n%w", s.file, err)
	}
	return s
}

// service posts events to endpoints.
type service struct {
	*httpserver.Process
	endpoints *endpoints
	client    *http.Client
	timeout   time.Duration

	deliveries *prometheus.CounterVec
}

// Run serves the webhook function on listener until ctx ends and the deliveries in progress have their answer. It reads
// its settings with getenv; the error lists every fault in them.
func Run(ctx context.Context, listener net.Listener, getenv func(string) string) error {
	r := config.NewReader(getenv)
	settings := readSettings(r)
	if err := r.Err(); err != nil {
		return err
	}
	s := newService(settings, newDialer(settings.rules.guard))
	defer s.client.CloseIdleConnections()
	return s.Serve(ctx, listener, s.routes())
}

func newService(settings settings, dialer *net.Dialer) *service {
	s := &service{
		Process: httpserver.New("webhook", settings.process),
		client:  newClient(dialer),
		timeout: settings.timeout,
	}
	s.deliveries = promauto.With(s.Metrics).NewCounterVec(prometheus.CounterOpts{
		Name: "webhook_deliveries_total",
		Help: "Attempts to deliver an event to an endpoint, by its name, and what came of them.",
	}, []string{"webhook", "outcome"})
	s.endpoints = openEndpoints(settings, s.Process, s.deliveries)
	return s
}

func (s *service) routes() *http.ServeMux {
	mux := http.NewServeMux()
	// Below a path of their own, no endpoint can have the name of another route, such as /metrics.
	httpserver.Route(mux, "/webhooks/{name}", map[string]http.Handler{http.MethodPost: s.Handle(s.receive)})
	mux.HandleFunc("/", httpserver.NotFound)
	return mux
}
