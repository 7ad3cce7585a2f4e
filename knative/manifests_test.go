package knative_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/deadletter/deadletter"
	"gitlab.com/yourorg/image-service/functions/thumbnail/thumbnailer"
	"gitlab.com/yourorg/image-service/functions/upload/intake"
	"go.yaml.in/yaml/v3"
)

// functions are what the manifests run, by what ko calls them.
var functions = map[string]func(context.Context, net.Listener, func(string) string) error{
	"ko://gitlab.com/yourorg/image-service/functions/upload":     intake.Run,
	"ko://gitlab.com/yourorg/image-service/functions/thumbnail":  thumbnailer.Run,
	"ko://gitlab.com/yourorg/image-service/functions/deadletter": deadletter.Run,
}

// What the runtime of Go reads, and not a function.
var runtimeSettings = []string{"GOMEMLIMIT"}

// What servers-tls adds to single services, and what nobody sets who is not asked for a certificate.
var login = []string{
	"KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD",
	"KAFKA_CERT_FILE", "KAFKA_KEY_FILE", "REDIS_CERT_FILE", "REDIS_KEY_FILE",
}

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

// read is what `ko apply -f knative/` deploys.
func read(t *testing.T) (objects []object) {
	t.Helper()
	files, err := filepath.Glob("*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		objects = append(objects, readFile(t, name)...)
	}
	return objects
}

func readFile(t *testing.T, name string) []object {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, name, text)
}

// parse takes the documents of a file apart.
func parse(t *testing.T, name string, text []byte) (objects []object) {
	t.Helper()
	for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var fields map[string]any
		if err := decoder.Decode(&fields); errors.Is(err, io.EOF) {
			return objects
		} else if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		objects = append(objects, fields)
	}
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
	secured := readFile(t, "components/servers-tls/config.yaml")[0]["data"].(map[string]any)
	for name := range secured {
		if !asked[name] {
			t.Errorf("servers-tls sets %s, and no function reads it", name)
		}
	}
	for name := range asked {
		_, configured := config[name]
		if secured[name] != nil || slices.Contains(login, name) {
			continue
		}
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
	for field, want := range map[string]any{"schedule": "*/15 * * * *", "contentType": "application/json", "data": "{}"} {
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
}

// What is left out of a delivery has no default, and without a dead letter sink an event that is given up is lost.
func TestDelivery(t *testing.T) {
	objects := read(t)
	for _, o := range append(ofKind(objects, "KafkaSource"), ofKind(objects, "Broker")...) {
		for _, field := range []string{"retry", "backoffPolicy", "backoffDelay", "timeout"} {
			if o.at("spec", "delivery", field) == nil {
				t.Errorf("%s says nothing of delivery.%s", o["kind"], field)
			}
		}
		if got := o.at("spec", "delivery", "deadLetterSink", "ref", "name"); got != "dead-letters" {
			t.Errorf("the dead letters of the %s go to %v", o["kind"], got)
		}
	}
	for _, trigger := range ofKind(objects, "Trigger") {
		if trigger.at("spec", "delivery") != nil {
			t.Errorf("Trigger %s has a delivery of its own", trigger.at("metadata", "name"))
		}
	}
}

// The Broker's catalogue is that of package events.
func TestEventTypes(t *testing.T) {
	var got []string
	for _, o := range ofKind(read(t), "EventType") {
		name := o.at("spec", "type").(string)
		got = append(got, name)
		if o.at("metadata", "name") != name || path.Base(o.at("spec", "schema").(string)) != name+".json" {
			t.Errorf("EventType %s is called %v and has the schema %v", name, o.at("metadata", "name"), o.at("spec", "schema"))
		}
		if o.at("spec", "reference", "name") != "images" {
			t.Errorf("EventType %s is of %v", name, o.at("spec", "reference"))
		}
	}
	want := []string{events.TypeImageReceived, events.TypeImageUploaded, events.TypeImageThumbnailed, events.TypeImageFailed, events.TypeImageSweep}
	if !slices.Equal(got, want) {
		t.Errorf("the event types are %q, want %q", got, want)
	}
}

// ko finds every manifest of base/ by its link, and nothing else.
func TestLinks(t *testing.T) {
	want, err := filepath.Glob("base/*.yaml")
	if err != nil || len(want) == 0 {
		t.Fatal(want, err)
	}
	links, err := filepath.Glob("*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil {
			t.Error(err)
		}
		got = append(got, target)
	}
	if !slices.Equal(got, want) {
		t.Errorf("there are links to %q, want %q", got, want)
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
	}
}
