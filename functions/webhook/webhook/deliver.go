package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/cloudevent"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
)

// An outcome is what came of an attempt, in the metric.
type outcome string

const (
	delivered   outcome = "delivered"
	skipped     outcome = "skipped"     // the endpoint has not chosen the type
	invalid     outcome = "invalid"     // the event is not one that this service sends
	waiting     outcome = "waiting"     // the endpoint was not called: it wants a pause, or has not answered others
	gone        outcome = "gone"        // 410
	rejected    outcome = "rejected"    // any other answer
	forbidden   outcome = "forbidden"   // the address is not allowed
	unreachable outcome = "unreachable" // no answer
)

// outcomes are all of them.
var outcomes = []outcome{delivered, skipped, invalid, waiting, gone, rejected, forbidden, unreachable}

// receive is POST /webhooks/{name}, the subscriber of the endpoint's Trigger.
func (s *service) receive(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	to, state, known := s.endpoints.find(name)
	if !known {
		// Knative retries a 404. That is right: a pod may see a new file two minutes after it was applied.
		return &apierror.Error{
			Status:  http.StatusNotFound,
			Code:    apierror.CodeWebhookUnknown,
			Message: fmt.Sprintf("The webhook %.40q is not in %s", name, endpointsFile),
		}
	}
	return cloudevent.Handler(cloudevent.MaxEvent, func(ctx context.Context, e event.Event) (*event.Event, error) {
		began := time.Now()
		outcome, err := s.deliver(ctx, to, state, e)
		s.deliveries.WithLabelValues(to.name, string(outcome)).Inc()
		if err != nil {
			return nil, fmt.Errorf("deliver %.90q to %s: %w", e.ID(), to.name, err)
		}
		if outcome == delivered {
			s.Log.InfoContext(ctx, "webhook_delivered", "webhook", to.name, "cloudevent.id", e.ID(),
				"cloudevent.type", e.Type(), "duration", time.Since(began).Seconds())
		}
		return nil, nil
	})(w, r)
}

// deliver tries once to deliver an event. Without an error the Broker is done with it.
func (s *service) deliver(ctx context.Context, to endpoint, state *state, e event.Event) (outcome, error) {
	if !slices.Contains(to.types, e.Type()) {
		return skipped, nil
	}
	m, err := newMessage(e)
	if err != nil {
		return invalid, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout) // for its turn, and then as long for the answer
	defer cancel()
	if state.posts.Acquire(ctx, 1) != nil {
		return waiting, failure(to, "is answering other requests", time.Second)
	}
	defer state.posts.Release(1)
	if pause := state.pause(); pause > 0 {
		return waiting, failure(to, "has asked for a pause", pause)
	}
	return s.post(context.WithoutCancel(ctx), to, state, m)
}

// failure is the answer to a delivery that is to be repeated.
func failure(to endpoint, what string, pause time.Duration) *apierror.Error {
	return &apierror.Error{
		Status:     http.StatusServiceUnavailable,
		Code:       apierror.CodeWebhookFailed,
		Message:    fmt.Sprintf("The webhook %q %s", to.name, what),
		RetryAfter: pause.Truncate(time.Second) + time.Second,
	}
}

// maxAnswer is how much is read of an answer, in bytes, so that its connection can be used again. Nobody looks at it.
const maxAnswer = 16 << 10

// post sends a message, and says what the answer means. It goes on after the Broker has hung up, as the endpoint may
// have begun to act on it.
func (s *service) post(ctx context.Context, to endpoint, state *state, m message) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	request, err := newRequest(ctx, to, m)
	if err != nil {
		return unreachable, fmt.Errorf("%w: %w", failure(to, "has a URL that cannot be used", 0), cause(err))
	}
	response, err := s.client.Do(request)
	switch {
	case errors.Is(err, errForbidden):
		what := fmt.Sprintf("has an address that is neither public nor in %s", allowNetworks)
		return forbidden, fmt.Errorf("%w: %w", failure(to, what, 0), cause(err))
	case err != nil:
		return unreachable, fmt.Errorf("%w: %w", failure(to, "did not answer", 0), cause(err))
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, maxAnswer)
	return judge(to, state, response)
}

func newRequest(ctx context.Context, to endpoint, m message) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to.url, bytes.NewReader(m.body))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "image-service/"+httpserver.Version)
	request.Header.Set("Webhook-Id", m.id)
	request.Header.Set("Webhook-Timestamp", strconv.FormatInt(now.Unix(), 10))
	request.Header.Set("Webhook-Signature", signatures(to.signers, m.id, now, m.body))
	return request, nil
}

// cause strips the URL that net/http puts in front of an error.
func cause(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// judge says what an answer means. A redirect is not followed: it would lead to where nobody has configured.
func judge(to endpoint, state *state, response *http.Response) (outcome, error) {
	switch code := response.StatusCode; {
	case code/100 == 2:
		return delivered, nil
	case code == http.StatusGone:
		return gone, &apierror.Error{
			Status:  http.StatusGone,
			Code:    apierror.CodeWebhookGone,
			Message: fmt.Sprintf("The webhook %q answered 410: it wants no more events", to.name),
		}
	default:
		pause := retryAfter(response)
		state.rest(pause)
		return rejected, failure(to, fmt.Sprintf("answered %d; expected 2xx", code), pause)
	}
}

// maxPause bounds a pause that an endpoint asks for. The Broker gives an event up after 17 minutes, and has to try it
// again before that.
const maxPause = 10 * time.Minute

// retryAfter returns the pause that an answer asks for, 0 without one:
// https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
func retryAfter(response *http.Response) time.Duration {
	if code := response.StatusCode; code != http.StatusTooManyRequests && code != http.StatusServiceUnavailable {
		return 0
	}
	value := response.Header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, maxPause)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(time.Until(at), 0), maxPause)
	}
	return 0
}

// newClient returns a client for all endpoints. It knows no proxy, which would connect where the dialer does not.
func newClient(dialer *net.Dialer) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    dialTimeout,
			ForceAttemptHTTP2:      true,
			DisableCompression:     true,
			MaxIdleConns:           maxEndpoints,
			MaxIdleConnsPerHost:    maxPosts,
			IdleConnTimeout:        30 * time.Second,
			MaxResponseHeaderBytes: maxAnswer,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
