package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"gitlab.com/yourorg/image-service/functions/eventing"
)

// An event, or a reply, in more bytes than this is refused.
const maxEvent = 1 << 20

// localBroker is a Knative Broker on one machine. Like the one of Knative's in-memory channel it answers only when every
// Trigger has had the event, so what it has answered for is done, and nothing is lost with the process but what whoever
// sent it will send again.
type localBroker struct {
	name     string
	triggers []route
	client   *http.Client
	log      *slog.Logger
}

// route is a Trigger with its subscriber's address.
type route struct {
	name       string
	attributes map[string]string
	subscriber string
	delivery   delivery
	// Address of who gets what is given up; "" if nobody does.
	deadLetters string
}

// ServeHTTP takes an event in binary or structured mode, as broker-ingress does.
func (b *localBroker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "send events by POST", http.StatusMethodNotAllowed)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxEvent)
	e, err := binding.ToEvent(r.Context(), eventing.HTTPMessage(r.Header, r.Body))
	if err == nil {
		err = e.Validate()
	}
	if err != nil {
		http.Error(w, "not a CloudEvent: "+err.Error(), http.StatusBadRequest)
		return
	}
	if err := b.route(r.Context(), *e); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// route delivers an event to all who want it and returns when all have it or nothing more can be done. The error says
// that there was no time for that.
func (b *localBroker) route(ctx context.Context, e event.Event) error {
	var wait sync.WaitGroup
	faults := make([]error, len(b.triggers))
	for i, trigger := range b.triggers {
		if !trigger.wants(e) {
			continue
		}
		wait.Go(func() { faults[i] = b.deliver(ctx, trigger, e) })
	}
	wait.Wait()
	return errors.Join(faults...)
}

// wants tells whether all attributes of the filter are as it says; "" stands for any value.
func (t route) wants(e event.Event) bool {
	for name, want := range t.attributes {
		if got := attribute(e, name); got == "" || want != "" && got != want {
			return false
		}
	}
	return true
}

func attribute(e event.Event, name string) string {
	switch name {
	case "type":
		return e.Type()
	case "source":
		return e.Source()
	case "subject":
		return e.Subject()
	case "id":
		return e.ID()
	}
	text, _ := e.Extensions()[name].(string)
	return text
}

// deliver sends an event to a subscriber, again and again as the Trigger says, and what it replies back into the Broker.
// An event that is given up goes to the dead letter sink or, if there is none, into the log.
func (b *localBroker) deliver(ctx context.Context, to route, e event.Event) error {
	for retry := 0; ; retry++ {
		reply, again, err := b.send(ctx, to, e)
		if err == nil {
			if reply == nil {
				return nil
			}
			return b.route(ctx, *reply)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !again || retry == to.delivery.Retry {
			if to.deadLetters != "" {
				return b.deliver(ctx, route{name: to.name, subscriber: to.deadLetters, delivery: to.delivery}, deadLetter(e, to, err))
			}
			b.log.Error("event_given_up", "trigger", to.name, "event.type", e.Type(), "event.id", e.ID(), "event.source", e.Source(),
				"tries", retry+1, "error.message", err.Error())
			return nil
		}
		select {
		case <-time.After(to.delivery.pause(retry + 1)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// refusal is what a subscriber answers that does not take an event.
type refusal struct {
	status string
	code   int
	text   []byte
}

func (r *refusal) Error() string { return fmt.Sprintf("subscriber answered %s: %s", r.status, r.text) }

// deadLetter is an event with what Knative says of why it was given up.
func deadLetter(e event.Event, to route, cause error) event.Event {
	e = e.Clone()
	e.SetExtension(eventing.ErrorDestination, to.subscriber)
	var refused *refusal
	if errors.As(cause, &refused) {
		e.SetExtension(eventing.ErrorCode, strconv.Itoa(refused.code))
		e.SetExtension(eventing.ErrorData, base64.StdEncoding.EncodeToString(refused.text[:min(len(refused.text), eventing.MaxErrorData)]))
	}
	return e
}

// send delivers an event once. again tells, if there is an error, whether another try may do better.
func (b *localBroker) send(ctx context.Context, to route, e event.Event) (reply *event.Event, again bool, err error) {
	if to.delivery.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(to.delivery.Timeout))
		defer cancel()
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to.subscriber, nil)
	if err != nil {
		return nil, false, err
	}
	if err := cehttp.WriteRequest(binding.WithForceBinary(ctx), binding.ToMessage(&e), request); err != nil {
		return nil, false, fmt.Errorf("write event: %w", err)
	}
	response, err := b.client.Do(request)
	if err != nil {
		return nil, true, err
	}
	defer response.Body.Close()
	response.Body = io.NopCloser(io.LimitReader(response.Body, maxEvent))
	message := eventing.HTTPMessage(response.Header, response.Body)
	switch code := response.StatusCode; {
	case code/100 != 2:
		text, _ := io.ReadAll(response.Body)
		return nil, eventing.Retryable(code), &refusal{response.Status, code, text}
	case message.ReadEncoding() == binding.EncodingUnknown && response.ContentLength == 0:
		return nil, false, nil // no reply
	}
	reply, err = binding.ToEvent(ctx, message)
	if err != nil {
		return nil, true, fmt.Errorf("read reply: %w", err) // the Kafka Broker takes a body that is no event for a failure
	}
	return reply, false, nil
}
