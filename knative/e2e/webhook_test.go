//go:build e2e

package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/webhook/webhook"
)

// webhook adds the component webhooks, with an endpoint on this machine. It posts results from zero pods, signed, and
// once more what the endpoint did not take.
func (s *installation) webhook(t *testing.T) {
	t.Helper()
	secret := webhook.NewSecret()
	endpoint := startEndpoint(t, secret)
	setEndpoints(t, endpoint.url, secret)
	deployOverlay(t, base.with(fmt.Sprintf(`
  - patch: |
      apiVersion: v1
      kind: ConfigMap
      metadata: { name: image-service-webhooks, namespace: %s }
      data: { WEBHOOK_ALLOW_NETWORKS: %s/32, WEBHOOK_ALLOW_HTTP: "true" }
`, namespace, machine(t)), "knative/components/webhooks"))
	awaitReady(t)
	await(t, zeroWithin, "no pod of webhook is left", func() bool { return len(pods(t, "webhook")) == 0 })

	id := s.upload(t, photograph(t, 640, 480))
	s.completed(t, id)
	await(t, patience, "the endpoint has the result", func() bool {
		return len(endpoint.taken(events.TypeImageThumbnailed)) > 0
	})
	second := s.upload(t, photograph(t, 640, 480))
	await(t, patience, "the endpoint has the second result", func() bool {
		return len(endpoint.taken(events.TypeImageThumbnailed)) > 1
	})
	if got, want := endpoint.taken(events.TypeImageThumbnailed), []string{id, second}; !slices.Equal(got, want) {
		t.Errorf("the endpoint took the results of %q, want %q", got, want)
	}
	if got := endpoint.refusedIDs(); len(got) != 1 {
		t.Errorf("the endpoint refused %q, want the first message", got)
	}

	deploy(t)
	kubectl(t, "delete", "trigger/webhook-example", "ksvc/webhook", "configmap/image-service-webhooks",
		"secret/image-service-webhook-endpoints")
	awaitReady(t)
}

// setEndpoints creates the Secret with the endpoint "example", which the component has a Trigger for.
func setEndpoints(t *testing.T, url, secret string) {
	t.Helper()
	file := fmt.Sprintf("endpoints:\n  - {name: example, url: %q, secrets: [%q]}\n", url, secret)
	setSecret(t, "image-service-webhook-endpoints", map[string]string{"endpoints.yaml": file})
}

// An endpoint is the receiver of webhooks. It refuses the first message, and takes it and all others afterwards.
type endpoint struct {
	url    string
	verify func(body []byte, header http.Header) error

	lock    sync.Mutex
	refused []string            // IDs of messages
	images  map[string][]string // by type
}

func startEndpoint(t *testing.T, secret string) *endpoint {
	t.Helper()
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	e := &endpoint{verify: verifier.Verify, images: map[string][]string{}}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := e.receive(w, r); err != nil {
			t.Error(err)
		}
	}))
	server.Listener.Close()
	if server.Listener, err = net.Listen("tcp", net.JoinHostPort(machine(t), "0")); err != nil {
		t.Fatal(err)
	}
	server.Start()
	t.Cleanup(server.Close)
	e.url = server.URL + "/hooks"
	return e
}

func (e *endpoint) receive(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if err := e.verify(body, r.Header); err != nil {
		w.WriteHeader(http.StatusUnauthorized)
		return fmt.Errorf("got a message that is not signed as it should be: %w", err)
	}
	var message struct {
		Type string
		Data struct {
			ImageID string `json:"image_id"`
		}
	}
	if err := json.Unmarshal(body, &message); err != nil {
		return err
	}
	e.lock.Lock()
	defer e.lock.Unlock()
	if len(e.refused) == 0 {
		e.refused = append(e.refused, r.Header.Get("Webhook-Id"))
		w.WriteHeader(http.StatusInternalServerError)
		return nil
	}
	e.images[message.Type] = append(e.images[message.Type], message.Data.ImageID)
	return nil
}

// taken returns the images of the messages of a type that were taken.
func (e *endpoint) taken(eventType string) []string {
	e.lock.Lock()
	defer e.lock.Unlock()
	return slices.Clone(e.images[eventType])
}

func (e *endpoint) refusedIDs() []string {
	e.lock.Lock()
	defer e.lock.Unlock()
	return slices.Clone(e.refused)
}
