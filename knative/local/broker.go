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

// maxEvent bounds an event, or a reply, in bytes.
const maxEvent = 1 << 20

// localBroker is a Knative Broker on one machine. Like that of Knative's in-memory channel it responds only when every
// Trigger has had the event: what it has acknowledged is done, and a crash loses nothing that its sender would not send
// again.
type localBroker struct {
	name     string
	triggers []route
	client   *http.Client
	log      *slog.Logger
}

// ServeHTTP accepts an event in binary or structured mode, as broker-ingress does.
func (b *localBroker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "send events by POST", http.StatusMethodNotAllowed)
		return
	}
	body := http.MaxBytesReader(w, r.Body, maxEvent)
	e, err := binding.ToEvent(r.Context(), eventing.HTTPMessage(r.Header, body))
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

// route delivers an event to all routes that want it and returns when each has accepted it or has given up. It returns
// an error if ctx ended before that.
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

// deliver sends an event to a subscriber, with the retries of the Trigger, and routes its reply. An event that it gives
// up goes to the dead letter sink, if there is one.
func (b *localBroker) deliver(ctx context.Context, to route, e event.Event) error {
	for retry := 0; ; retry++ {
		reply, again, err := b.send(ctx, to, e)
		switch {
		case err == nil && reply == nil:
			return nil
		case err == nil:
			return b.route(ctx, *reply)
		case ctx.Err() != nil:
			return ctx.Err()
		case !again || retry == to.delivery.Retry:
			return b.giveUp(ctx, to, e, retry+1, err)
		}
		select {
		case <-time.After(to.delivery.pause(retry + 1)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// giveUp sends an event to the dead letter sink or, if there is none, logs it.
func (b *localBroker) giveUp(ctx context.Context, to route, e event.Event, tries int, cause error) error {
	if to.deadLetters != "" {
		sink := route{name: to.name, subscriber: to.deadLetters, delivery: to.delivery}
		return b.deliver(ctx, sink, deadLetter(e, to, cause))
	}
	b.log.Error("event_given_up", "trigger", to.name, "tries", tries, "error.message", cause.Error(),
		"event.type", e.Type(), "event.id", e.ID(), "event.source", e.Source())
	return nil
}

// refusal is a subscriber's response that is not 2xx.
type refusal struct {
	status string
	code   int
	text   []byte
}

func (r *refusal) Error() string { return fmt.Sprintf("subscriber answered %s: %s", r.status, r.text) }

// deadLetter returns an event with the extensions that say why Knative gave it up.
func deadLetter(e event.Event, to route, cause error) event.Event {
	e = e.Clone()
	e.SetExtension(eventing.ErrorDestination, to.subscriber)
	var refused *refusal
	if errors.As(cause, &refused) {
		text := refused.text[:min(len(refused.text), eventing.MaxErrorData)]
		e.SetExtension(eventing.ErrorCode, strconv.Itoa(refused.code))
		e.SetExtension(eventing.ErrorData, base64.StdEncoding.EncodeToString(text))
	}
	return e
}

// send delivers an event once. With an error, again reports whether a retry may succeed.
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
	body := io.NopCloser(io.LimitReader(response.Body, maxEvent))
	message := eventing.HTTPMessage(response.Header, body)
	switch code := response.StatusCode; {
	case code/100 != 2:
		text, _ := io.ReadAll(body)
		return nil, eventing.Retryable(code), &refusal{response.Status, code, text}
	case message.ReadEncoding() == binding.EncodingUnknown && response.ContentLength == 0:
		return nil, false, nil // no reply
	}
	reply, err = binding.ToEvent(ctx, message)
	if err != nil { // the Kafka Broker, too, treats a body that is not an event as a failure
		return nil, true, fmt.Errorf("read reply: %w", err)
	}
	return reply, false, nil
}
