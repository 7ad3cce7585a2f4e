package knative_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/thumbnail/render"
	"gitlab.com/yourorg/image-service/functions/upload/intake"
	"gitlab.com/yourorg/image-service/knative"
	"go.yaml.in/yaml/v3"
)

// functions are what the manifests run, by what ko calls them.
var functions = map[string]func(context.Context, net.Listener, func(string) string) error{
	"ko://gitlab.com/yourorg/image-service/functions/upload":    intake.Run,
	"ko://gitlab.com/yourorg/image-service/functions/thumbnail": render.Run,
}

// What the runtime of Go reads, and not a function.
var runtimeSettings = []string{"GOMEMLIMIT"}

// object is anything in the manifests.
type object map[string]any

// at follows a path of names and, in lists, the first item.
func (o object) at(names ...string) any {
	var value any = map[string]any(o)
	for _, name := range names {
		if list, ok := value.([]any); ok && len(list) > 0 {
			value = list[0]
		}
		fields, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = fields[name]
	}
	return value
}

func read(t *testing.T) (objects []object) {
	t.Helper()
	files, err := fs.Glob(knative.Manifests, "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		file, err := knative.Manifests.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for decoder := yaml.NewDecoder(file); ; {
			var fields map[string]any
			if err := decoder.Decode(&fields); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			objects = append(objects, fields)
		}
	}
	return objects
}

func ofKind(objects []object, kind string) (found []object) {
	for _, o := range objects {
		if o["kind"] == kind {
			found = append(found, o)
		}
	}
	return found
}

// settingsOf are the names that a function asks its environment for.
func settingsOf(t *testing.T, run func(context.Context, net.Listener, func(string) string) error) map[string]bool {
	t.Helper()
	asked := map[string]bool{}
	if err := run(t.Context(), nil, func(name string) string { asked[name] = true; return "" }); err == nil {
		t.Error("a function without settings runs")
	}
	return asked
}

func TestEverythingIsInTheNamespace(t *testing.T) {
	for i, o := range read(t) {
		if o["kind"] == "Namespace" {
			if i != 0 || o.at("metadata", "name") != "image-service" {
				t.Errorf("the namespace is %v, at place %d; it has to be there before all else", o.at("metadata", "name"), i)
			}
		} else if o.at("metadata", "namespace") != "image-service" {
			t.Errorf("%s %s is in namespace %v", o["kind"], o.at("metadata", "name"), o.at("metadata", "namespace"))
		}
		if o.at("metadata", "labels", "app.kubernetes.io/part-of") != "image-service" {
			t.Errorf("%s %s does not say what it is a part of", o["kind"], o.at("metadata", "name"))
		}
	}
}

// What a service is told is what its function reads, and the other way round, but for what has a default.
func TestSettings(t *testing.T) {
	objects := read(t)
	config := ofKind(objects, "ConfigMap")[0]["data"].(map[string]any)
	secret := []string{"MINIO_ACCESS_KEY", "MINIO_SECRET_KEY", "REDIS_PASSWORD"}
	asked := map[string]bool{}
	for _, service := range ofKind(objects, "Service") {
		image := service.at("spec", "template", "spec", "containers", "image").(string)
		run, known := functions[image]
		if !known {
			t.Fatalf("no function is called %s", image)
		}
		own := settingsOf(t, run)
		maps.Copy(asked, own)
		for _, variable := range service.at("spec", "template", "spec", "containers", "env").([]any) {
			name := variable.(map[string]any)["name"].(string)
			if !own[name] && !slices.Contains(runtimeSettings, name) {
				t.Errorf("%s is told %s, which it does not read", image, name)
			}
		}
	}
	for _, name := range append(slices.Collect(maps.Keys(config)), secret...) {
		if !asked[name] {
			t.Errorf("%s is set, and no function reads it", name)
		}
	}
	for name := range asked {
		_, configured := config[name]
		if strings.HasPrefix(name, "MINIO_") || strings.HasPrefix(name, "REDIS_") || strings.HasPrefix(name, "KAFKA_") {
			if !configured && !slices.Contains(secret, name) {
				t.Errorf("%s is read, and not set", name)
			}
		}
	}
}

// Every image is a command of this module that links none of what only tests and knative/local need.
func TestImages(t *testing.T) {
	for _, service := range ofKind(read(t), "Service") {
		image := service.at("spec", "template", "spec", "containers", "image").(string)
		importPath := strings.TrimPrefix(image, "ko://")
		output, err := exec.Command("go", "list", "-deps", "-f", "{{.ImportPath}} {{.Name}}", importPath).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", image, err, output)
		}
		for line := range strings.Lines(string(output)) {
			dependency, name, _ := strings.Cut(strings.TrimSpace(line), " ")
			if dependency == importPath && name != "main" {
				t.Errorf("%s is package %s, and no command", image, name)
			}
			for _, unwanted := range []string{"miniredis", "gofakes3", "kfake", "/knative/local", "testing"} {
				if strings.Contains(dependency, unwanted) {
					t.Errorf("%s links %s", image, dependency)
				}
			}
		}
	}
}

// An event goes only where it is understood: without a filter on the type, a reply would come round again.
func TestTriggers(t *testing.T) {
	objects := read(t)
	broker := ofKind(objects, "Broker")[0].at("metadata", "name")
	understood := map[string][]any{
		"thumbnail": {events.TypeImageUploaded, "dev.knative.kafka.event"},
		"upload":    {events.TypeImageReceived, "dev.knative.sources.ping", events.TypeImageSweep},
	}
	seen := map[string]int{}
	for _, trigger := range ofKind(objects, "Trigger") {
		subscriber := trigger.at("spec", "subscriber", "ref", "name").(string)
		if eventType := trigger.at("spec", "filter", "attributes", "type"); !slices.Contains(understood[subscriber], eventType) {
			t.Errorf("Trigger %s sends %v to %s", trigger.at("metadata", "name"), eventType, subscriber)
		}
		if trigger.at("spec", "broker") != broker {
			t.Errorf("Trigger %s is of Broker %v", trigger.at("metadata", "name"), trigger.at("spec", "broker"))
		}
		seen[subscriber]++
	}
	for subscriber, types := range understood {
		if seen[subscriber] != len(types) {
			t.Errorf("%s has %d Triggers, want %d", subscriber, seen[subscriber], len(types))
		}
	}
}

// The ping that the upload function gets is that of the PingSource, and no other in the namespace.
func TestPingSource(t *testing.T) {
	objects := read(t)
	source := ofKind(objects, "PingSource")[0]
	name := "/apis/v1/namespaces/image-service/pingsources/" + source.at("metadata", "name").(string)
	for _, trigger := range ofKind(objects, "Trigger") {
		if trigger.at("spec", "filter", "attributes", "type") == "dev.knative.sources.ping" &&
			trigger.at("spec", "filter", "attributes", "source") != name {
			t.Errorf("Trigger %s takes pings of %v, want %s", trigger.at("metadata", "name"), trigger.at("spec", "filter", "attributes", "source"), name)
		}
	}
	for field, want := range map[string]any{"schedule": "* * * * *", "contentType": "application/json", "data": "{}"} {
		if got := source.at("spec", field); got != want {
			t.Errorf("%s is %v, want %v", field, got, want)
		}
	}
	if got := source.at("spec", "sink", "ref", "name"); got != ofKind(objects, "Broker")[0].at("metadata", "name") {
		t.Errorf("it sends to %v", got)
	}
}

// The topic that upload writes to is the one that is read, from its beginning, into the Broker: the original system's.
func TestKafkaSource(t *testing.T) {
	objects := read(t)
	source := ofKind(objects, "KafkaSource")[0]
	config := ofKind(objects, "ConfigMap")[0]
	for _, test := range []struct{ got, want any }{
		{source.at("spec", "topics").([]any)[0], config.at("data", "KAFKA_TOPIC")},
		{source.at("spec", "topics").([]any)[0], "image-processing"},
		{source.at("spec", "bootstrapServers").([]any)[0], config.at("data", "KAFKA_BOOTSTRAP_SERVERS")},
		{source.at("spec", "consumerGroup"), "image-processor-group"},
		{source.at("spec", "initialOffset"), "earliest"},
		{source.at("spec", "sink", "ref", "kind"), "Broker"},
		{source.at("spec", "sink", "ref", "name"), ofKind(objects, "Broker")[0].at("metadata", "name")},
	} {
		if test.got != test.want {
			t.Errorf("%v, want %v", test.got, test.want)
		}
	}
	for _, o := range []object{source, ofKind(objects, "Broker")[0]} {
		for _, field := range []string{"retry", "backoffPolicy", "backoffDelay", "timeout"} { // what is left out has no default
			if o.at("spec", "delivery", field) == nil {
				t.Errorf("%s says nothing of delivery.%s", o["kind"], field)
			}
		}
	}
}

// The pods run under the strictest of Kubernetes' pod security standards, which the namespace enforces.
func TestSecurityContext(t *testing.T) {
	for _, service := range ofKind(read(t), "Service") {
		name := service.at("metadata", "name")
		for field, want := range map[string]any{
			"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "runAsNonRoot": true,
		} {
			if got := service.at("spec", "template", "spec", "containers", "securityContext", field); got != want {
				t.Errorf("%s: %s is %v", name, field, got)
			}
		}
		if service.at("spec", "template", "spec", "automountServiceAccountToken") != false {
			t.Errorf("%s has a token of the cluster", name)
		}
		if path.Base(service.at("spec", "template", "spec", "containers", "image").(string)) != name {
			t.Errorf("%s runs another function", name)
		}
	}
}
