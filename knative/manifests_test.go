package knative_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/catalog"
	"go.yaml.in/yaml/v3"
)

// functionOf returns the function whose image a manifest names.
func functionOf(t *testing.T, image string) catalog.Function {
	t.Helper()
	functions := catalog.Functions()
	i := slices.IndexFunc(functions, func(f catalog.Function) bool { return f.Image() == image })
	if i < 0 {
		t.Fatalf("%s is not the image of a function", image)
	}
	return functions[i]
}

// secretSettings returns the names of the settings that belong in a Kubernetes Secret.
func secretSettings() (names []string) {
	for _, setting := range catalog.Settings() {
		if setting.Secret {
			names = append(names, setting.Name)
		}
	}
	return names
}

// runtimeSettings are read by Go's runtime instead of a function.
var runtimeSettings = []string{"GOMEMLIMIT", "GOMAXPROCS"}

// object is a document of a manifest.
type object map[string]any

// at returns the value at a path of field names, or nil. In a list it takes the first item.
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

// read returns the objects that `ko apply -f knative/` deploys.
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

// parse returns the documents of a file.
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

// The namespace is applied first, and every other object is in it.
func TestNamespace(t *testing.T) {
	for i, o := range read(t) {
		if o["kind"] == "Namespace" {
			if i != 0 || o.at("metadata", "name") != "image-service" {
				t.Errorf("object %d is namespace %v, want image-service as object 0", i, o.at("metadata", "name"))
			}
		} else if o.at("metadata", "namespace") != "image-service" {
			t.Errorf("%s %s is in namespace %v, want image-service",
				o["kind"], o.at("metadata", "name"), o.at("metadata", "namespace"))
		}
		if o.at("metadata", "labels", "app.kubernetes.io/part-of") != "image-service" {
			t.Errorf("%s %s has no label app.kubernetes.io/part-of", o["kind"], o.at("metadata", "name"))
		}
	}
}

// A Service sets only variables that its function reads, and the ConfigMap has every required setting that is not
// secret; TestNoSecrets checks the secret ones.
func TestSettings(t *testing.T) {
	objects := read(t)
	config := ofKind(objects, "ConfigMap")[0]["data"].(map[string]any)
	for _, service := range ofKind(objects, "Service") {
		image := service.at("spec", "template", "spec", "containers", "image").(string)
		for _, variable := range service.at("spec", "template", "spec", "containers", "env").([]any) {
			name := variable.(map[string]any)["name"].(string)
			if !functionOf(t, image).Reads(name) && !slices.Contains(runtimeSettings, name) {
				t.Errorf("%s sets %s, which its function does not read", image, name)
			}
		}
	}
	for _, setting := range catalog.Settings() {
		_, configured := config[setting.Name]
		if setting.Required && !setting.Secret && !configured {
			t.Errorf("the ConfigMap lacks the required setting %s", setting)
		}
	}
}

// Every environment variable that a manifest sets is a setting of a function.
func TestEnvironment(t *testing.T) {
	known := slices.Clone(runtimeSettings)
	for _, setting := range catalog.Settings() {
		known = append(known, setting.Name)
	}
	found := 0
	for _, name := range manifestFiles(t) {
		for _, variable := range environmentIn(t, name) {
			found++
			if !slices.Contains(known, variable) {
				t.Errorf("%s sets %s, which is not a setting", name, variable)
			}
		}
	}
	if found < 30 {
		t.Errorf("found %d environment variables, want at least 30", found)
	}
}

// manifestFiles returns the files of the base, the overlays and the components, without those of the servers, which
// have their own settings.
func manifestFiles(t *testing.T) (names []string) {
	t.Helper()
	for _, pattern := range []string{"base/*", "overlays/*/*", "components/*/*", "components/*/*/*"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			component := strings.HasPrefix(name, "components/storage") || strings.HasPrefix(name, "components/monitoring")
			yaml := strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, "Kustomization")
			if yaml && !component {
				names = append(names, name)
			}
		}
	}
	return names
}

// environmentIn returns the names of the environment variables that a file sets in containers, in patches of
// containers, and in ConfigMaps.
func environmentIn(t *testing.T, name string) (variables []string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var document any
		if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
			return variables
		} else if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		walk(document, func(fields map[string]any) {
			var patch any // inline patches of a Kustomization are strings
			if text, ok := fields["patch"].(string); ok {
				if err := yaml.Unmarshal([]byte(text), &patch); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			walk(patch, func(fields map[string]any) { variables = append(variables, variableNames(fields)...) })
			variables = append(variables, variableNames(fields)...)
		})
	}
}

var variableName = regexp.MustCompile(`^[A-Z][A-Z0-9_]+$`)

// variableNames returns the names of the environment variables that a YAML mapping sets.
func variableNames(fields map[string]any) (variables []string) {
	_, hasValue := fields["value"]
	_, hasSource := fields["valueFrom"]
	if name, _ := fields["name"].(string); (hasValue || hasSource) && variableName.MatchString(name) {
		variables = append(variables, name)
	}
	if data, ok := fields["data"].(map[string]any); ok && fields["kind"] == "ConfigMap" {
		for name := range data {
			if variableName.MatchString(name) {
				variables = append(variables, name)
			}
		}
	}
	return variables
}

// walk calls visit with every mapping in a YAML value.
func walk(value any, visit func(map[string]any)) {
	switch value := value.(type) {
	case []any:
		for _, item := range value {
			walk(item, visit)
		}
	case map[string]any:
		visit(value)
		for _, item := range value {
			walk(item, visit)
		}
	}
}

// Every image is a command of this module, without packages that only tests and knative/local need.
func TestImages(t *testing.T) {
	for _, service := range ofKind(read(t), "Service") {
		image := service.at("spec", "template", "spec", "containers", "image").(string)
		importPath := strings.TrimPrefix(image, "ko://")
		list := []string{"list", "-tags=grpcnotrace", "-deps", "-f", "{{.ImportPath}} {{.Name}}", importPath}
		output, err := exec.Command("go", list...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", image, err, output)
		}
		for line := range strings.Lines(string(output)) {
			dependency, name, _ := strings.Cut(strings.TrimSpace(line), " ")
			if dependency == importPath && name != "main" {
				t.Errorf("%s is package %s, want main", image, name)
			}
			for _, unwanted := range []string{
				"miniredis", "gofakes3", "kfake", "/knative/local", "/functions/cli", "kong", "testing",
			} {
				if strings.Contains(dependency, unwanted) {
					t.Errorf("%s links %s, which only tests and knative/local may use", image, dependency)
				}
			}
			// Templates call methods by name, so the linker keeps them all: 10 MB of upload. dead-letters is small.
			if dependency == "text/template" && service.at("metadata", "name") != "dead-letters" {
				t.Errorf("%s links %s", image, dependency)
			}
		}
	}
}

// A function receives exactly the event types that it consumes. Without a filter by type, its replies would come back
// to it.
func TestTriggers(t *testing.T) {
	objects := read(t)
	broker := ofKind(objects, "Broker")[0].at("metadata", "name")
	var want []string
	for _, declared := range events.Types() {
		for _, consumer := range declared.Consumers {
			if consumer == events.PartyOtherSystems {
				continue
			}
			want = append(want, declared.Name+" to "+string(consumer))
			if declared.WrappedAs != "" {
				want = append(want, declared.WrappedAs+" to "+string(consumer))
			}
		}
	}
	var got []string
	for _, trigger := range ofKind(objects, "Trigger") {
		eventType, _ := trigger.at("spec", "filter", "attributes", "type").(string)
		got = append(got, fmt.Sprintf("%s to %v", eventType, trigger.at("spec", "subscriber", "ref", "name")))
		if trigger.at("spec", "broker") != broker {
			t.Errorf("Trigger %s subscribes to Broker %v, want %v",
				trigger.at("metadata", "name"), trigger.at("spec", "broker"), broker)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("Triggers deliver %q, want %q", got, want)
	}
}

// The upload function receives the pings of this PingSource only, and of no other in the namespace.
func TestPingSource(t *testing.T) {
	objects := read(t)
	source := ofKind(objects, "PingSource")[0]
	name := "/apis/v1/namespaces/image-service/pingsources/" + source.at("metadata", "name").(string)
	for _, trigger := range ofKind(objects, "Trigger") {
		source := trigger.at("spec", "filter", "attributes", "source")
		if trigger.at("spec", "filter", "attributes", "type") == events.TypePing && source != name {
			t.Errorf("Trigger %s filters pings by source %v, want %s", trigger.at("metadata", "name"), source, name)
		}
	}
	for field, want := range map[string]any{"schedule": "*/15 * * * *", "contentType": "application/json", "data": "{}"} {
		if got := source.at("spec", field); got != want {
			t.Errorf("%s is %v, want %v", field, got, want)
		}
	}
	want := ofKind(objects, "Broker")[0].at("metadata", "name")
	if got := source.at("spec", "sink", "ref", "name"); got != want {
		t.Errorf("sink is %v, want %v", got, want)
	}
}

// The KafkaSource reads the topic that upload writes to, from its beginning, and sends its records to the Broker. Topic
// and consumer group are those of the original system.
func TestKafkaSource(t *testing.T) {
	objects := read(t)
	source := ofKind(objects, "KafkaSource")[0]
	config := ofKind(objects, "ConfigMap")[0]
	broker := ofKind(objects, "Broker")[0].at("metadata", "name")
	servers := source.at("spec", "bootstrapServers").([]any)[0]
	for _, test := range []struct {
		name      string
		got, want any
	}{
		{"topic", source.at("spec", "topics").([]any)[0], "image-processing"},
		{"KAFKA_TOPIC", config.at("data", "KAFKA_TOPIC"), "image-processing"},
		{"bootstrap servers", servers, config.at("data", "KAFKA_BOOTSTRAP_SERVERS")},
		{"consumer group", source.at("spec", "consumerGroup"), "image-processor-group"},
		{"initial offset", source.at("spec", "initialOffset"), "earliest"},
		{"kind of the sink", source.at("spec", "sink", "ref", "kind"), "Broker"},
		{"name of the sink", source.at("spec", "sink", "ref", "name"), broker},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.got != test.want {
				t.Errorf("got %v, want %v", test.got, test.want)
			}
		})
	}
}

// Every delivery is complete: an omitted field has no default, and without a dead letter sink events that cannot be
// delivered are lost.
func TestDelivery(t *testing.T) {
	objects := read(t)
	for _, o := range append(ofKind(objects, "KafkaSource"), ofKind(objects, "Broker")...) {
		for _, field := range []string{"retry", "backoffPolicy", "backoffDelay", "timeout"} {
			if o.at("spec", "delivery", field) == nil {
				t.Errorf("%s has no delivery.%s", o["kind"], field)
			}
		}
		if got := o.at("spec", "delivery", "deadLetterSink", "ref", "name"); got != "dead-letters" {
			t.Errorf("dead letter sink of the %s is %v, want dead-letters", o["kind"], got)
		}
	}
	for _, trigger := range ofKind(objects, "Trigger") {
		if trigger.at("spec", "delivery") != nil {
			t.Errorf("Trigger %s overrides the delivery of the Broker", trigger.at("metadata", "name"))
		}
	}
}

// The Broker's EventTypes are the types that package events declares.
func TestEventTypes(t *testing.T) {
	eventTypes := ofKind(read(t), "EventType")
	if got, want := len(eventTypes), len(events.Types()); got != want {
		t.Fatalf("found %d EventTypes, want %d", got, want)
	}
	for i, declared := range events.Types() {
		t.Run(declared.Name, func(t *testing.T) {
			o := eventTypes[i]
			var source any
			if declared.Source != "" {
				source = declared.Source
			}
			for field, test := range map[string]struct{ got, want any }{
				"name":        {o.at("metadata", "name"), declared.Name},
				"type":        {o.at("spec", "type"), declared.Name},
				"source":      {o.at("spec", "source"), source},
				"description": {o.at("spec", "description"), declared.Doc},
				"schema":      {path.Base(o.at("spec", "schema").(string)), declared.Name + ".json"},
				"reference":   {o.at("spec", "reference", "name"), "images"},
			} {
				if test.got != test.want {
					t.Errorf("%s is %v, want %v", field, test.got, test.want)
				}
			}
		})
	}
}

// The links in this directory, through which ko reads the manifests, point to all files of base/ and to nothing else.
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
		t.Errorf("links point to %q, want %q", got, want)
	}
}

// The pods comply with the restricted pod security standard, which the namespace enforces.
func TestSecurityContext(t *testing.T) {
	for _, service := range ofKind(read(t), "Service") {
		name := service.at("metadata", "name")
		for field, want := range map[string]any{
			"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "runAsNonRoot": true,
		} {
			if got := service.at("spec", "template", "spec", "containers", "securityContext", field); got != want {
				t.Errorf("%s: %s is %v, want %v", name, field, got, want)
			}
		}
		if service.at("spec", "template", "spec", "automountServiceAccountToken") != false {
			t.Errorf("%s mounts a service account token", name)
		}
	}
}
