package main

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"gitlab.com/yourorg/image-service/functions/webhook/webhook"
	"go.yaml.in/yaml/v3"
)

// endpoint is one of WEBHOOK_ENDPOINTS_FILE.
type endpoint struct {
	Name    string   `yaml:"name"`
	URL     string   `yaml:"url"`
	Secrets []string `yaml:"secrets"`
}

// addWebhooks makes an endpoint of each URL: in the file that the webhook function reads, and as a Trigger like that of
// the component, which is an example.
func (s *stack) addWebhooks(urls []string) error {
	if len(urls) == 0 {
		return nil
	}
	example := slices.IndexFunc(s.deployment.triggers, func(t trigger) bool {
		return t.Spec.Subscriber.Ref.Name == "webhook"
	})
	if example < 0 {
		return errors.New("the component webhooks has no Trigger")
	}
	template := s.deployment.triggers[example]
	s.deployment.triggers = slices.Delete(s.deployment.triggers, example, example+1)
	for i, url := range urls {
		name := fmt.Sprintf("local-%d", i+1)
		s.webhooks = append(s.webhooks, endpoint{Name: name, URL: url, Secrets: []string{webhook.NewSecret()}})
		to := template
		to.Metadata.Name = "webhook-" + name
		to.Spec.Subscriber.URI = "/webhooks/" + name
		s.deployment.triggers = append(s.deployment.triggers, to)
	}
	return s.writeEndpoints()
}

func (s *stack) writeEndpoints() error {
	text, err := yaml.Marshal(map[string]any{"endpoints": s.webhooks})
	if err != nil {
		return fmt.Errorf("write endpoints: %w", err)
	}
	file, err := os.CreateTemp("", "image-service-endpoints-*.yaml") // only its owner can read it
	if err != nil {
		return fmt.Errorf("write endpoints: %w", err)
	}
	s.endpoints = file.Name()
	s.closers = append(s.closers, func() { _ = os.Remove(s.endpoints) })
	_, err = file.Write(text)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write endpoints: %w", err)
	}
	return nil
}
