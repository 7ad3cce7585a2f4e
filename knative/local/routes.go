package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/cloudevents/sdk-go/v2/event"
)

// route is a Trigger, or a KafkaSource, with the URL of its subscriber.
type route struct {
	name       string
	attributes map[string]string
	filters    []filter
	subscriber string
	delivery   delivery
	// URL that events are sent to which could not be delivered; "" for none.
	deadLetters string
}

// wants reports whether an event passes all filters, or without any has all attributes of the filter, where "" matches
// any value: https://knative.dev/docs/eventing/triggers/#trigger-filtering
func (t route) wants(e event.Event) bool {
	if len(t.filters) > 0 {
		return !slices.ContainsFunc(t.filters, func(f filter) bool { return !f.passes(e) })
	}
	for name, want := range t.attributes {
		if got := attribute(e, name); got == "" || want != "" && got != want {
			return false
		}
	}
	return true
}

func (f filter) passes(e event.Event) bool {
	for name, want := range f.Exact {
		if attribute(e, name) != want {
			return false
		}
	}
	return len(f.Any) == 0 || slices.ContainsFunc(f.Any, func(one filter) bool { return one.passes(e) })
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

// groupName returns the name for a consumer group, which may not contain all that is in a URL.
func (t route) groupName() string {
	if t.name != "" && !strings.Contains(t.name, " ") {
		return t.name
	}
	sum := sha256.Sum256([]byte(t.name))
	return "watcher-" + hex.EncodeToString(sum[:4])
}

// routes returns a route for every watcher and for every Trigger.
func (s *stack) routes(spec broker, watchers []string, subscribers map[string]string) ([]route, error) {
	var routes []route
	for _, watcher := range watchers {
		to, err := newRoute("watcher "+watcher, watcher, spec.Spec.Delivery, subscribers)
		if err != nil {
			return nil, err
		}
		to.deadLetters = "" // what a watcher misses is of no use to anybody else
		routes = append(routes, to)
	}
	for _, trigger := range s.deployment.triggers {
		address, err := addressOf(trigger.Spec.Subscriber, subscribers)
		if err != nil {
			return nil, fmt.Errorf("trigger %q: %w", trigger.Metadata.Name, err)
		}
		to, err := newRoute(trigger.Metadata.Name, address,
			cmp.Or(trigger.Spec.Delivery, spec.Spec.Delivery), subscribers)
		if err != nil {
			return nil, err
		}
		to.attributes, to.filters = trigger.Spec.Filter.Attributes, trigger.Spec.Filters
		routes = append(routes, to)
	}
	return routes, nil
}

// newRoute returns a route without a filter. Without a delivery it does not retry, and has no dead letter sink.
func newRoute(name, subscriber string, spec *delivery, subscribers map[string]string) (to route, err error) {
	to = route{name: name, subscriber: subscriber}
	if spec == nil {
		return to, nil
	}
	to.delivery = *spec
	if spec.DeadLetterSink == (destination{}) {
		return to, nil
	}
	if to.deadLetters, err = addressOf(spec.DeadLetterSink, subscribers); err != nil {
		return route{}, fmt.Errorf("dead letters of %s: %w", name, err)
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
