//go:build kustomize

package knative_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/functions/catalog"
)

// These tests build overlays with kustomize, or with the one in kubectl: the library would bring 20 modules into every
// build of this project, for tests alone. CI installs the program.
//
//	go test -tags kustomize ./knative

// builder is the command that builds a directory.
func builder(t *testing.T) []string {
	t.Helper()
	for _, command := range [][]string{{"kustomize", "build"}, {"kubectl", "kustomize"}} {
		if _, err := exec.LookPath(command[0]); err == nil {
			return command
		}
	}
	t.Fatal("neither kustomize nor kubectl is installed")
	return nil
}

// build is an overlay with components on top.
func build(t *testing.T, overlay string, components ...string) []object {
	t.Helper()
	directory := t.TempDir()
	relative := func(name string) string {
		here, err := filepath.Abs(name)
		if err != nil {
			t.Fatal(err)
		}
		way, err := filepath.Rel(directory, here)
		if err != nil {
			t.Fatal(err)
		}
		return way
	}
	text := fmt.Sprintf("resources:\n  - %s\ncomponents:\n", relative("overlays/"+overlay))
	for _, component := range components {
		text += fmt.Sprintf("  - %s\n", relative("components/"+component))
	}
	if err := os.WriteFile(filepath.Join(directory, "Kustomization"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	command := append(builder(t), directory)
	output, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", command, err, output)
	}
	return parse(t, overlay, output)
}

// Every overlay, alone and with each component and each two of them, is one that the schemas allow and that fits together.
func TestOverlays(t *testing.T) {
	known := schemas(t)
	for _, overlay := range []string{"dev", "prod"} {
		components := componentsFor(t, overlay)
		all := slices.DeleteFunc(slices.Clone(components), func(name string) bool { return name == "keda" })
		combinations := [][]string{nil, append(all, "storage-tls")}
		for i, a := range components {
			combinations = append(combinations, []string{a})
			for _, b := range components[i+1:] {
				if !slices.Contains([]string{a, b}, "keda") || !slices.Contains([]string{a, b}, "kafka-broker") { // it has no KafkaSource
					combinations = append(combinations, []string{a, b})
				}
			}
		}
		for _, combination := range combinations {
			t.Run(fmt.Sprint(overlay, combination), func(t *testing.T) {
				t.Parallel()
				objects := build(t, overlay, combination...)
				for _, o := range objects {
					if kind := [2]string{o["apiVersion"].(string), o["kind"].(string)}; !slices.Contains(kubernetesKinds, kind[1]) || known[kind] != nil {
						checkSchema(t, known, overlay, o)
					}
				}
				checkReferences(t, objects)
				checkServices(t, objects)
			})
		}
	}
}

// componentsFor are those that an overlay can be given: prod has network-policies already, and the in-memory Broker of dev
// has no topic. storage-tls is for who has others with it, and so for all of them together.
func componentsFor(t *testing.T, overlay string) (names []string) {
	t.Helper()
	without := map[string]string{"prod": "network-policies", "dev": "kafka-broker"}
	entries, err := os.ReadDir("components")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.Name() != without[overlay] && entry.Name() != "storage-tls" {
			names = append(names, entry.Name())
		}
	}
	return names
}

// checkReferences follows every reference of Eventing's kinds to an object that is there, and finds every delivery whole.
func checkReferences(t *testing.T, objects []object) {
	t.Helper()
	there := func(kind string, name any) bool {
		return slices.ContainsFunc(ofKind(objects, kind), func(o object) bool { return o.at("metadata", "name") == name })
	}
	for _, o := range objects {
		for _, path := range [][]string{
			{"spec", "subscriber", "ref"}, {"spec", "sink", "ref"}, {"spec", "delivery", "deadLetterSink", "ref"}, {"spec", "config"}, {"spec", "subject"},
		} {
			if ref, ok := o.at(path...).(map[string]any); ok && ref["kind"] != nil && !there(ref["kind"].(string), ref["name"]) {
				t.Errorf("%s %v leads to %v %v, which is not there", o["kind"], o.at("metadata", "name"), ref["kind"], ref["name"])
			}
		}
		if broker := o.at("spec", "broker"); o["kind"] == "Trigger" && !there("Broker", broker) {
			t.Errorf("Trigger %v is of Broker %v, which is not there", o.at("metadata", "name"), broker)
		}
		if o["kind"] == "Broker" || o["kind"] == "KafkaSource" {
			for _, name := range []string{"retry", "backoffPolicy", "backoffDelay", "timeout", "deadLetterSink"} {
				if o.at("spec", "delivery", name) == nil {
					t.Errorf("%s says nothing of delivery.%s", o["kind"], name)
				}
			}
		}
	}
}

// checkServices finds all functions, each restricted, and each with the addresses that the KafkaSource has.
func checkServices(t *testing.T, objects []object) {
	t.Helper()
	images := map[any]bool{}
	for _, o := range ofKind(objects, "Service") {
		if o["apiVersion"] != "serving.knative.dev/v1" {
			continue
		}
		images[o.at("spec", "template", "spec", "containers", "image")] = true
		if o.at("spec", "template", "spec", "containers", "securityContext", "readOnlyRootFilesystem") != true ||
			o.at("spec", "template", "spec", "automountServiceAccountToken") != false {
			t.Errorf("%v is not restricted", o.at("metadata", "name"))
		}
	}
	if want := len(catalog.Functions()); len(images) != want {
		t.Errorf("%d functions, want %d", len(images), want)
	}
	for _, config := range ofKind(objects, "ConfigMap") {
		servers := config.at("data", "KAFKA_BOOTSTRAP_SERVERS")
		for _, source := range ofKind(objects, "KafkaSource") {
			if got := source.at("spec", "bootstrapServers").([]any)[0]; servers != nil && got != servers {
				t.Errorf("the KafkaSource reads from %v, the functions write to %v", got, servers)
			}
		}
	}
}

// What production is: a Broker on Kafka, three copies, pull secrets, pods that are never all away.
func TestProduction(t *testing.T) {
	objects := build(t, "prod")
	broker := ofKind(objects, "Broker")[0]
	if got := broker.at("metadata", "annotations", "eventing.knative.dev/broker.class"); got != "Kafka" {
		t.Errorf("the Broker is of class %v", got)
	}
	for _, config := range ofKind(objects, "ConfigMap") {
		if config.at("metadata", "name") != "image-service-broker" {
			continue
		}
		if config.at("data", "default.topic.replication.factor") != "3" || config.at("data", "default.topic.config.min.insync.replicas") != "2" {
			t.Errorf("the Broker's topic is %v", config["data"])
		}
		if got := config.at("data", "bootstrap.servers"); got != "my-cluster-kafka-bootstrap.kafka.svc.cluster.local:9092" {
			t.Errorf("the Broker's Kafka is %v", got)
		}
	}
	for _, service := range ofKind(objects, "Service") {
		if got := service.at("spec", "template", "spec", "imagePullSecrets", "name"); got != "harbor-secret" {
			t.Errorf("%v is pulled with %v", service.at("metadata", "name"), got)
		}
	}
	if len(ofKind(objects, "NetworkPolicy")) == 0 {
		t.Error("the network lets everything through")
	}
}

// With the topic as the Broker's own, nothing else reads it.
func TestKafkaBroker(t *testing.T) {
	objects := build(t, "prod", "kafka-broker")
	if got := ofKind(objects, "Broker")[0].at("metadata", "annotations", "kafka.eventing.knative.dev/external.topic"); got != "image-processing" {
		t.Errorf("the Broker's topic is %v", got)
	}
	if sources := ofKind(objects, "KafkaSource"); len(sources) > 0 {
		t.Errorf("the topic is read by %v as well", sources)
	}
}

// With TLS, nothing goes another way, and the ends of each way fit together.
func TestServersTLS(t *testing.T) {
	objects := build(t, "prod", "storage", "servers-tls", "storage-tls")
	var config map[string]any
	for _, o := range ofKind(objects, "ConfigMap") {
		if o.at("metadata", "name") == "image-service-config" {
			config = o["data"].(map[string]any)
		}
		if o.at("metadata", "name") == "image-service-broker" && o.at("data", "bootstrap.servers") != "my-cluster-kafka-bootstrap.kafka.svc.cluster.local:9093" {
			t.Errorf("the Broker's Kafka is %v", o["data"])
		}
	}
	users := map[any]bool{}
	for _, user := range ofKind(objects, "KafkaUser") {
		users[user.at("metadata", "name")] = true
		if user.at("spec", "authorization", "type") != "simple" {
			t.Errorf("%v may do everything, or nothing", user.at("metadata", "name"))
		}
	}
	for _, service := range ofKind(objects, "Service") {
		if service["apiVersion"] != "serving.knative.dev/v1" {
			continue
		}
		spec := object(service.at("spec", "template", "spec").(map[string]any))
		if got := spec.at("volumes", "secret", "secretName"); got != "image-service-authorities" {
			t.Errorf("%v has the authorities of %v", service.at("metadata", "name"), got)
		}
		for _, name := range []string{"MINIO_CA_FILE", "REDIS_CA_FILE", "KAFKA_CA_FILE"} {
			if at := spec.at("containers", "volumeMounts", "mountPath"); filepath.Dir(config[name].(string)) != at {
				t.Errorf("%v has the authorities in %v, and %s is %v", service.at("metadata", "name"), at, name, config[name])
			}
		}
		for _, variable := range spec.at("containers", "env").([]any) {
			if v := object(variable.(map[string]any)); v["name"] == "KAFKA_SASL_USERNAME" && !users[v["value"]] {
				t.Errorf("%v logs in as %v, who is nobody", service.at("metadata", "name"), v["value"])
			}
		}
	}
	net := object(ofKind(objects, "KafkaSource")[0].at("spec", "net").(map[string]any))
	if net.at("tls", "enable") != true || net.at("sasl", "enable") != true || !users[net.at("sasl", "type", "secretKeyRef", "name")] {
		t.Errorf("the KafkaSource goes another way: %v", net)
	}
	kafka := ofKind(objects, "Kafka")[0]
	listeners := kafka.at("spec", "kafka", "listeners").([]any)
	if kafka.at("spec", "kafka", "authorization", "type") != "simple" || len(listeners) != 1 || listeners[0].(map[string]any)["tls"] != true {
		t.Errorf("Kafka listens at %v", listeners)
	}
}

// With authentication the public function asks for keys, and everything that the cluster delivers goes to another one that
// does not, is the same but for that, and is reached by nobody outside.
func TestAuthentication(t *testing.T) {
	for overlay, components := range map[string][][]string{"dev": {nil, {"network-policies"}}, "prod": {nil, {"autoscaling-hpa"}, {"tls"}}} {
		for _, more := range components {
			objects := build(t, overlay, append([]string{"authentication"}, more...)...)
			services := map[any]object{}
			for _, o := range ofKind(objects, "Service") {
				services[o.at("metadata", "name")] = o
			}
			public, events := services["upload"], services["upload-events"]
			if public == nil || events == nil {
				t.Fatalf("%s %v: services %v", overlay, more, services)
			}
			if public.at("metadata", "labels", "networking.knative.dev/visibility") != nil ||
				events.at("metadata", "labels", "networking.knative.dev/visibility") != "cluster-local" {
				t.Errorf("%s %v: who reaches what is %v, %v", overlay, more, public["metadata"], events["metadata"])
			}
			checkDeliveries(t, objects)
			checkSecret(t, objects, public)
			variables := events.at("spec", "template", "spec", "containers", "env").([]any)
			if last := object(variables[len(variables)-1].(map[string]any)); last["name"] != "EVENTS_ONLY" || last["value"] != "true" {
				t.Errorf("%s %v: upload-events shows images: its environment is %v", overlay, more, variables)
			}
			for _, field := range []string{"image", "resources", "securityContext"} {
				got, want := events.at("spec", "template", "spec", "containers", field), public.at("spec", "template", "spec", "containers", field)
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%s %v: %s of upload-events is %v, want %v", overlay, more, field, got, want)
				}
			}
			if got, want := fmt.Sprint(events.at("spec", "template", "spec", "imagePullSecrets")), fmt.Sprint(public.at("spec", "template", "spec", "imagePullSecrets")); got != want {
				t.Errorf("%s %v: upload-events is pulled with %s, want %s", overlay, more, got, want)
			}
			if text := fmt.Sprint(events["spec"]); strings.Contains(text, "image-service-access") || strings.Contains(text, "api-keys") {
				t.Errorf("%s %v: upload-events has %s", overlay, more, text)
			}
		}
	}
}

// Two components mount into upload, and none in place of the other, whichever comes first. Its way in for events logs in to
// Kafka as it does.
func TestMounts(t *testing.T) {
	for _, components := range [][]string{{"authentication", "servers-tls"}, {"servers-tls", "authentication"}} {
		for _, service := range ofKind(build(t, "prod", components...), "Service") {
			name, want := service.at("metadata", "name"), map[string]string{"image-service-authorities": "/etc/authorities"}
			if name == "upload" {
				want["image-service-api-keys"] = "/etc/image-service/access"
			}
			if got := mounts(service); !maps.Equal(got, want) {
				t.Errorf("%v: %v has %v, want %v", components, name, got, want)
			}
			login := `name:KAFKA_SASL_USERNAME value:image-upload`
			if strings.HasPrefix(name.(string), "upload") && !strings.Contains(fmt.Sprint(service["spec"]), login) {
				t.Errorf("%v: %v has no login", components, name)
			}
		}
	}
}

// mounts is where a service finds the Secrets that are files for it.
func mounts(service object) map[string]string {
	found, secrets := map[string]string{}, map[any]string{}
	for _, volume := range service.at("spec", "template", "spec", "volumes").([]any) {
		secrets[object(volume.(map[string]any)).at("name")] = object(volume.(map[string]any)).at("secret", "secretName").(string)
	}
	for _, mount := range service.at("spec", "template", "spec", "containers", "volumeMounts").([]any) {
		found[secrets[object(mount.(map[string]any)).at("name")]] = object(mount.(map[string]any)).at("mountPath").(string)
	}
	return found
}

// checkDeliveries finds nothing that is delivered to upload, where it would need a key.
func checkDeliveries(t *testing.T, objects []object) {
	t.Helper()
	delivered := 0
	for _, o := range objects {
		for _, path := range [][]string{{"spec", "subscriber", "ref"}, {"spec", "sink", "ref"}, {"spec", "delivery", "deadLetterSink", "ref"}} {
			switch ref, _ := o.at(path...).(map[string]any); ref["name"] {
			case "upload":
				t.Errorf("%s %v delivers to upload", o["kind"], o.at("metadata", "name"))
			case "upload-events":
				delivered++
			}
		}
	}
	if delivered != 3 {
		t.Errorf("%d Triggers lead to upload-events, want 3", delivered)
	}
}

// checkSecret finds that upload reads the keys where they are mounted, and what the settings are that it is told.
func checkSecret(t *testing.T, objects []object, public object) {
	t.Helper()
	var settings object
	for _, config := range ofKind(objects, "ConfigMap") {
		if config.at("metadata", "name") == "image-service-access" {
			settings = config
		}
	}
	upload := functionOf(t, public.at("spec", "template", "spec", "containers", "image").(string))
	for name := range settings["data"].(map[string]any) {
		if !upload.Reads(name) {
			t.Errorf("%s is not a setting of upload", name)
		}
	}
	mounted := public.at("spec", "template", "spec", "containers", "volumeMounts", "mountPath")
	if file := settings.at("data", "AUTH_API_KEYS_FILE"); file != fmt.Sprint(mounted)+"/api-keys" {
		t.Errorf("the keys are read from %v and mounted at %v", file, mounted)
	}
	if got := public.at("spec", "template", "spec", "volumes", "secret", "secretName"); got != "image-service-api-keys" {
		t.Errorf("the keys are in %v", got)
	}
	if got := public.at("spec", "template", "metadata", "annotations", "autoscaling.knative.dev/target-burst-capacity"); got != "-1" || settings.at("data", "TRUSTED_PROXIES") != "3" {
		t.Errorf("target-burst-capacity is %v and TRUSTED_PROXIES %v: how many proxies are on the way changes", got, settings.at("data", "TRUSTED_PROXIES"))
	}
	sources, _ := public.at("spec", "template", "spec", "containers", "envFrom").([]any)
	if !strings.Contains(fmt.Sprint(sources), "image-service-access") || !strings.Contains(fmt.Sprint(sources), "image-service-secret") {
		t.Errorf("upload is told %v", sources)
	}
}
