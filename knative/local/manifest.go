package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/sosodev/duration"
	"go.yaml.in/yaml/v3"
)

// deployment is the part of the manifests that local mode uses.
type deployment struct {
	services map[string]service
	configs  map[string]map[string]string
	brokers  []broker
	triggers []trigger
	sources  []kafkaSource
	pings    []pingSource
}

type metadata struct {
	Name      string            `yaml:"name"`
	Namespace string            `yaml:"namespace"`
	Labels    map[string]string `yaml:"labels"`
}

type service struct {
	Metadata metadata `yaml:"metadata"`
	Spec     struct {
		Template struct {
			Spec struct {
				// ContainerConcurrency bounds the requests in progress in a pod; 0 does not. The others wait.
				ContainerConcurrency int         `yaml:"containerConcurrency"`
				Containers           []container `yaml:"containers"`
			} `yaml:"spec"`
		} `yaml:"template"`
	} `yaml:"spec"`
}

// places returns the requests that one pod takes at a time; nil without a limit.
func (s service) places() chan struct{} {
	if n := s.Spec.Template.Spec.ContainerConcurrency; n > 0 {
		return make(chan struct{}, n)
	}
	return nil
}

func (s service) public() bool {
	return s.Metadata.Labels["networking.knative.dev/visibility"] != "cluster-local"
}

type container struct {
	Image   string `yaml:"image"`
	EnvFrom []struct {
		ConfigMapRef struct {
			Name string `yaml:"name"`
		} `yaml:"configMapRef"`
	} `yaml:"envFrom"`
	Env []struct {
		Name  string `yaml:"name"`
		Value string `yaml:"value"`
	} `yaml:"env"`
}

type broker struct {
	Metadata metadata `yaml:"metadata"`
	Spec     struct {
		Delivery *delivery `yaml:"delivery"`
	} `yaml:"spec"`
}

type trigger struct {
	Metadata metadata `yaml:"metadata"`
	Spec     struct {
		Broker string `yaml:"broker"`
		Filter struct {
			Attributes map[string]string `yaml:"attributes"`
		} `yaml:"filter"`
		Filters    []filter    `yaml:"filters"`
		Subscriber destination `yaml:"subscriber"`
		Delivery   *delivery   `yaml:"delivery"`
	} `yaml:"spec"`
}

// filter is an expression of https://knative.dev/docs/eventing/triggers/#trigger-filtering, of the two dialects that
// the manifests have.
type filter struct {
	Exact map[string]string `yaml:"exact"`
	Any   []filter          `yaml:"any"`
}

func (f *filter) UnmarshalYAML(node *yaml.Node) error {
	type plain filter
	if err := node.Decode((*plain)(f)); err != nil {
		return err
	}
	if (len(f.Exact) == 0) == (len(f.Any) == 0) {
		return fmt.Errorf("line %d: a filter is neither exact nor any, which are supported on one machine", node.Line)
	}
	return nil
}

type kafkaSource struct {
	Metadata metadata `yaml:"metadata"`
	Spec     struct {
		Topics        []string    `yaml:"topics"`
		ConsumerGroup string      `yaml:"consumerGroup"`
		InitialOffset string      `yaml:"initialOffset"`
		Ordering      string      `yaml:"ordering"`
		Sink          destination `yaml:"sink"`
		Delivery      *delivery   `yaml:"delivery"`
	} `yaml:"spec"`
}

type pingSource struct {
	Metadata metadata `yaml:"metadata"`
	Spec     struct {
		Schedule    string      `yaml:"schedule"`
		ContentType string      `yaml:"contentType"`
		Data        string      `yaml:"data"`
		Sink        destination `yaml:"sink"`
	} `yaml:"spec"`
}

type destination struct {
	Ref struct {
		Kind string `yaml:"kind"`
		Name string `yaml:"name"`
	} `yaml:"ref"`
	URI string `yaml:"uri"`
}

// delivery is https://knative.dev/docs/eventing/event-delivery/.
type delivery struct {
	Retry          int         `yaml:"retry"`
	BackoffPolicy  string      `yaml:"backoffPolicy"`
	BackoffDelay   isoTime     `yaml:"backoffDelay"`
	Timeout        isoTime     `yaml:"timeout"`
	DeadLetterSink destination `yaml:"deadLetterSink"`
}

// isoTime is a duration as Knative writes it, such as PT0.5S.
type isoTime time.Duration

func (t *isoTime) UnmarshalYAML(node *yaml.Node) error {
	parsed, err := duration.Parse(node.Value)
	if err != nil {
		return fmt.Errorf("line %d: %q is not an ISO 8601 duration: %w", node.Line, node.Value, err)
	}
	*t = isoTime(parsed.ToTimeDuration())
	return nil
}

// readDeployment reads all manifests of folders. An unknown kind is an error, so that nothing deployed is silently
// missing in local mode.
func readDeployment(folders ...fs.FS) (*deployment, error) {
	d := &deployment{services: map[string]service{}, configs: map[string]map[string]string{}}
	for _, folder := range folders {
		files, err := fs.Glob(folder, "*.yaml")
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			if err := d.readFile(folder, file); err != nil {
				return nil, fmt.Errorf("read %s: %w", file, err)
			}
		}
	}
	return d, nil
}

func (d *deployment) readFile(folder fs.FS, name string) error {
	file, err := folder.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	decoder := yaml.NewDecoder(file)
	for {
		var document yaml.Node
		switch err := decoder.Decode(&document); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := d.add(&document); err != nil {
			return err
		}
	}
}

func (d *deployment) add(document *yaml.Node) error {
	var head struct {
		Kind string `yaml:"kind"`
	}
	if err := document.Decode(&head); err != nil {
		return err
	}
	switch head.Kind {
	case "Namespace", "EventType": // without effect on one machine
		return nil
	case "ConfigMap":
		var config struct {
			Metadata metadata          `yaml:"metadata"`
			Data     map[string]string `yaml:"data"`
		}
		err := document.Decode(&config)
		d.configs[config.Metadata.Name] = config.Data
		return err
	case "Service":
		var s service
		err := document.Decode(&s)
		d.services[s.Metadata.Name] = s
		return err
	case "Broker":
		return decodeInto(document, &d.brokers)
	case "Trigger":
		return decodeInto(document, &d.triggers)
	case "KafkaSource":
		return decodeInto(document, &d.sources)
	case "PingSource":
		return decodeInto(document, &d.pings)
	}
	return fmt.Errorf("kind %q is not supported on one machine", head.Kind)
}

func decodeInto[T any](document *yaml.Node, list *[]T) error {
	var item T
	err := document.Decode(&item)
	*list = append(*list, item)
	return err
}

// environment returns the variables that the manifests set for a service. Secrets are not in the manifests.
func (d *deployment) environment(s service) map[string]string {
	environment := map[string]string{}
	for _, c := range s.Spec.Template.Spec.Containers {
		for _, from := range c.EnvFrom {
			for name, value := range d.configs[from.ConfigMapRef.Name] {
				environment[name] = value
			}
		}
		for _, variable := range c.Env {
			environment[variable.Name] = variable.Value
		}
	}
	return environment
}
