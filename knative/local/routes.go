package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
)

// route is a Trigger with the URL of its subscriber.
type route struct {
	name       string
	attributes map[string]string
	subscriber string
	delivery   delivery
	// URL that events are sent to which could not be delivered; "" for none.
	deadLetters string
}

// wants reports whether an event has all attributes of the filter; "" in the filter matches any value.
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

// startBroker serves the Broker of the manifests with its Triggers.
func (s *stack) startBroker(o options, subscribers map[string]string) (*localBroker, error) {
	if len(s.deployment.brokers) != 1 {
		return nil, fmt.Errorf("the manifests have %d Brokers; expected one", len(s.deployment.brokers))
	}
	spec := s.deployment.brokers[0]
	triggers, err := s.routes(spec, o.watchers, subscribers)
	if err != nil {
		return nil, err
	}
	broker := &localBroker{name: spec.Metadata.Name, triggers: triggers, client: &http.Client{}, log: s.log}
	listener, err := listen("--broker", o.broker)
	if err != nil {
		return nil, err
	}
	path := "/" + spec.Metadata.Namespace + "/" + spec.Metadata.Name
	s.broker = "http://" + reachable(listener) + path
	mux := http.NewServeMux()
	mux.Handle(path, broker)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	ingress := newStage()
	s.stages = append([]*stage{ingress}, s.stages...)
	ingress.wait.Go(func() { _ = server.Serve(listener) }) // until Close
	context.AfterFunc(ingress.ctx, func() { server.Close() })
	return broker, nil
}

// routes returns a route for every watcher and for every Trigger.
func (s *stack) routes(spec broker, watchers []string, subscribers map[string]string) ([]route, error) {
	var routes []route
	for _, watcher := range watchers {
		to := route{name: watcher, subscriber: watcher}
		if spec.Spec.Delivery != nil {
			to.delivery = *spec.Spec.Delivery
		}
		routes = append(routes, to)
	}
	for _, trigger := range s.deployment.triggers {
		to, err := routeOf(trigger, spec, subscribers)
		if err != nil {
			return nil, err
		}
		routes = append(routes, to)
	}
	return routes, nil
}

func routeOf(t trigger, b broker, subscribers map[string]string) (route, error) {
	address, err := addressOf(t.Spec.Subscriber, subscribers)
	if err != nil {
		return route{}, fmt.Errorf("trigger %q: %w", t.Metadata.Name, err)
	}
	to := route{name: t.Metadata.Name, attributes: t.Spec.Filter.Attributes, subscriber: address}
	switch {
	case t.Spec.Delivery != nil:
		to.delivery = *t.Spec.Delivery
	case b.Spec.Delivery != nil:
		to.delivery = *b.Spec.Delivery
	}
	if to.delivery.DeadLetterSink == (destination{}) {
		return to, nil
	}
	if to.deadLetters, err = addressOf(to.delivery.DeadLetterSink, subscribers); err != nil {
		return route{}, fmt.Errorf("dead letters of trigger %q: %w", t.Metadata.Name, err)
	}
	return to, nil
}

// addressOf returns the URL of a service of the manifests.
func addressOf(to destination, subscribers map[string]string) (string, error) {
	address, known := subscribers[to.Ref.Name]
	if !known || to.Ref.Kind != "Service" {
		return "", fmt.Errorf("%s %q is not deployed", to.Ref.Kind, to.Ref.Name)
	}
	return "http://" + address + "/" + strings.TrimPrefix(to.URI, "/"), nil
}
