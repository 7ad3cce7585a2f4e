package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"gitlab.com/yourorg/image-service/functions/eventing"
)

// dispatcher delivers the events of one consumer, as the dispatcher of Knative's Kafka Broker does: with the retries of
// the route, and what cannot be delivered to its dead letter sink. Every retry, dead letter and loss is one line in the
// log.
type dispatcher struct {
	route
	client *http.Client
	// Has a value for each request to the subscriber, which waits while it is full; nil if no number is too large. An
	// event does not keep its place from one attempt to the next.
	pod chan struct{}
	// Publishes a subscriber's reply; nil if replies are dropped, as a KafkaSource does.
	reply func(context.Context, event.Event) error
	log   *slog.Logger
}

// newClient returns a client for all deliveries. It follows no redirects: to Knative they are failures.
func newClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = slots
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// failure is an attempt that did not succeed.
type failure struct {
	cause error
	retry bool
	// The subscriber's answer, if there was one.
	code int
	body []byte
}

func (f *failure) Error() string { return f.cause.Error() }

// dispatch returns nil when the event is done: accepted by the subscriber or by the dead letter sink, or lost. It
// returns an error only if ctx ended before that.
func (d *dispatcher) dispatch(ctx context.Context, e event.Event) error {
	failed := d.deliver(ctx, d.subscriber, e)
	if failed == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if d.deadLetters == "" {
		d.log.Error("event_lost", d.line(e, d.subscriber, failed, "reason", "there is no dead letter sink")...)
		return nil
	}
	again := d.deliver(ctx, d.deadLetters, deadLetter(e, d.subscriber, failed))
	switch {
	case again == nil:
		d.log.Warn("event_dead_lettered", d.line(e, d.subscriber, failed)...)
	case ctx.Err() != nil:
		return ctx.Err()
	default: // as in production, where the offset is committed
		d.log.Error("event_lost", d.line(e, d.subscriber, failed, "reason", "dead letter sink: "+again.Error())...)
	}
	return nil
}

// deliver sends an event until it is accepted, and returns the last failure if it never was.
func (d *dispatcher) deliver(ctx context.Context, to string, e event.Event) *failure {
	for attempt := 1; ; attempt++ {
		failed := d.attempt(ctx, to, e)
		if failed == nil || !failed.retry || attempt == d.delivery.attempts() || ctx.Err() != nil {
			return failed
		}
		pause := d.delivery.pause(attempt)
		of := fmt.Sprintf("%d of %d", attempt, d.delivery.attempts())
		d.log.Warn("event_retried", d.line(e, to, failed, "attempt", of, "next", pause)...)
		if !sleep(ctx, pause) {
			return failed
		}
	}
}

// attempt sends an event once, and publishes the reply.
func (d *dispatcher) attempt(ctx context.Context, to string, e event.Event) *failure {
	if d.pod != nil && to == d.subscriber {
		if !take(ctx, d.pod) {
			return &failure{cause: ctx.Err(), retry: true}
		}
		defer func() { <-d.pod }()
	}
	reply, failed := d.send(ctx, to, e)
	if failed != nil || reply == nil || d.reply == nil {
		return failed
	}
	if err := d.reply(ctx, *reply); err != nil {
		return &failure{cause: fmt.Errorf("publish reply: %w", err)}
	}
	return nil
}

func (d *dispatcher) send(ctx context.Context, to string, e event.Event) (reply *event.Event, failed *failure) {
	if d.delivery.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(d.delivery.Timeout))
		defer cancel()
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to, nil)
	if err == nil {
		err = cehttp.WriteRequest(binding.WithForceBinary(ctx), binding.ToMessage(&e), request)
	}
	if err != nil {
		return nil, &failure{cause: fmt.Errorf("write event: %w", err)}
	}
	response, err := d.client.Do(request)
	if err != nil {
		return nil, &failure{cause: err, retry: true}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return nil, &failure{cause: fmt.Errorf("read answer: %w", err), retry: true}
	}
	return readAnswer(ctx, response, body)
}

// readAnswer returns the reply in a subscriber's answer, nil if it has none.
func readAnswer(ctx context.Context, response *http.Response, body []byte) (*event.Event, *failure) {
	code := response.StatusCode
	if code/100 != 2 {
		cause := fmt.Errorf("%s: %s", response.Status, excerpt(body))
		return nil, &failure{cause: cause, retry: eventing.Retryable(code), code: code, body: body}
	}
	content := io.NopCloser(bytes.NewReader(body))
	unknown := eventing.HTTPMessage(response.Header, content).ReadEncoding() == binding.EncodingUnknown
	if unknown && len(body) == 0 {
		return nil, nil
	}
	reply, err := readEvent(ctx, response.Header, content)
	if err != nil {
		cause := fmt.Errorf("%s with a body that is not an event: %w", response.Status, err)
		return nil, &failure{cause: cause, code: code, body: body}
	}
	return reply, nil
}

// excerpt returns the beginning of an answer, for a line of a log.
func excerpt(body []byte) []byte { return body[:min(len(body), 300)] }

// deadLetter returns an event with the extensions that say why Knative gave it up. Code and data are those of the
// answer, and missing without one.
func deadLetter(e event.Event, subscriber string, failed *failure) event.Event {
	e = e.Clone()
	e.SetExtension(eventing.ErrorDestination, subscriber)
	if failed.code != 0 {
		e.SetExtension(eventing.ErrorCode, strconv.Itoa(failed.code))
	}
	if len(failed.body) > 0 {
		data := failed.body[:min(len(failed.body), eventing.MaxErrorData)]
		e.SetExtension(eventing.ErrorData, base64.StdEncoding.EncodeToString(data))
	}
	return e
}

// line returns what a line of the log says about a failure, and more after it.
func (d *dispatcher) line(e event.Event, to string, failed *failure, more ...any) []any {
	return append([]any{
		"consumer", d.name, "cloudevent.type", e.Type(), "cloudevent.id", e.ID(), "cloudevent.source", e.Source(),
		"subscriber", to, "error.message", failed.Error(),
	}, more...)
}
