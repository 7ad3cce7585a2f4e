package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"

	"gitlab.com/yourorg/image-service/functions/deadletter/deadletter"
	"gitlab.com/yourorg/image-service/functions/thumbnail/thumbnailer"
	upload "gitlab.com/yourorg/image-service/functions/upload/service"
	"gitlab.com/yourorg/image-service/functions/webhook/webhook"
)

// images maps each ko:// image of the manifests to the function that ko would build.
var images = map[string]func(context.Context, net.Listener, func(string) string) error{
	"ko://gitlab.com/yourorg/image-service/functions/upload":     upload.Run,
	"ko://gitlab.com/yourorg/image-service/functions/thumbnail":  thumbnailer.Run,
	"ko://gitlab.com/yourorg/image-service/functions/deadletter": deadletter.Run,
	"ko://gitlab.com/yourorg/image-service/functions/webhook":    webhook.Run,
}

// deadLetters is the service that people open beside the public one.
const deadLetters = "dead-letters"

// function is a running service of the manifests.
type function struct {
	service    string
	address    string       // HOST:PORT
	ended      <-chan error // gets its result; nil if it runs elsewhere
	eventsOnly bool         // a second instance, for events; see startInside
}

// startFunctions starts the services of the manifests that do not run elsewhere and returns the addresses, by name,
// that events are delivered to. It starts all before it waits for one, so that the faults of all are reported together.
func (s *stack) startFunctions(o options) (subscribers map[string]string, err error) {
	for name := range o.running {
		if _, known := s.deployment.services[name]; !known {
			return nil, fmt.Errorf("--running names %q, which is not deployed; expected one of %s",
				name, strings.Join(s.serviceNames(), ", "))
		}
	}
	functions := newStage()
	s.stages = append(s.stages, functions)
	for _, name := range s.serviceNames() {
		f, err := s.startService(functions, name, o)
		if err != nil {
			return nil, err
		}
		s.functions = append(s.functions, f)
		if s.deployment.services[name].public() {
			s.address = f.address
		}
	}
	if err := waitHealthy(s.functions); err != nil {
		return nil, err
	}
	if err := s.startInside(functions, o); err != nil {
		return nil, err
	}
	subscribers = map[string]string{}
	for _, f := range s.functions { // a second instance comes after the first, and replaces it
		subscribers[f.service] = f.address
	}
	return subscribers, nil
}

func (s *stack) serviceNames() []string { return slices.Sorted(maps.Keys(s.deployment.services)) }

// startService starts a service, unless it runs elsewhere.
func (s *stack) startService(functions *stage, name string, o options) (function, error) {
	if address := o.running[name]; address != "" {
		return function{service: name, address: address}, nil
	}
	listener, err := s.listenFor(name, o)
	if err != nil {
		return function{}, err
	}
	ended, err := s.run(functions, name, listener, s.settings(s.deployment.services[name]))
	return function{service: name, address: reachable(listener), ended: ended}, err
}

// startInside starts a second instance of each public function that authenticates callers, which no event can do, or
// limits their rate, where all events would be one caller. Events go to the second instance, which does neither, as the
// component authentication has it.
func (s *stack) startInside(functions *stage, o options) error {
	for _, name := range s.serviceNames() {
		spec := s.deployment.services[name]
		settings := s.settings(spec)
		guarded := settings("AUTH_API_KEYS_FILE")+settings("AUTH_JWT_ISSUER")+settings("RATE_LIMIT") != ""
		if o.running[name] != "" || !spec.public() || !guarded {
			continue
		}
		listener, err := listen(name, "127.0.0.1:0")
		if err != nil {
			return err
		}
		ended, err := s.run(functions, name, listener, inside(settings))
		if err != nil {
			return err
		}
		f := function{service: name, address: reachable(listener), ended: ended, eventsOnly: true}
		s.functions = append(s.functions, f)
		if err := waitHealthy([]function{f}); err != nil {
			return err
		}
	}
	return nil
}

// inside removes the settings for callers from outside.
func inside(settings func(string) string) func(string) string {
	return func(name string) string {
		if name == "EVENTS_ONLY" {
			return "true"
		}
		if strings.HasPrefix(name, "AUTH_") || strings.HasPrefix(name, "RATE_LIMIT") || strings.HasPrefix(name, "QUOTA_") {
			return ""
		}
		return settings(name)
	}
}

// run runs a service of the manifests on listener. The channel gets the result when it has ended.
func (s *stack) run(
	functions *stage, name string, listener net.Listener, settings func(string) string,
) (<-chan error, error) {
	image := s.deployment.services[name].Spec.Template.Spec.Containers[0].Image
	run, known := images[image]
	if !known {
		listener.Close()
		return nil, fmt.Errorf("service %q runs %q, which is not a function of this program", name, image)
	}
	ended := make(chan error, 1)
	functions.wait.Go(func() {
		defer listener.Close()
		err := run(functions.ctx, listener, settings)
		if err != nil {
			s.failed <- fmt.Errorf("%s: %w", name, err)
		}
		ended <- err
	})
	return ended, nil
}

// waitHealthy returns when all functions respond, or with the errors of those that ended before that.
func waitHealthy(functions []function) error {
	var lines []string // most settings are the same, so each line is reported once
	for _, f := range functions {
		if f.ended == nil {
			continue
		}
		err := f.waitHealthy()
		if err == nil {
			continue
		}
		for line := range strings.SplitSeq(err.Error(), "\n") {
			if !slices.Contains(lines, line) {
				lines = append(lines, line)
			}
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return errors.New(strings.Join(lines, "\n"))
}

func (f function) waitHealthy() error {
	responded := make(chan error, 1)
	go func() {
		response, err := http.Get("http://" + f.address + "/health") // the listener is open: this waits and does not fail
		if err == nil {
			response.Body.Close()
		}
		responded <- err
	}()
	select {
	case err := <-f.ended:
		return err
	case err := <-responded:
		select {
		case err = <-f.ended: // a function that ends closes its listener; its own error says more
		default:
		}
		return err
	}
}
