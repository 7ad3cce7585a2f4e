//go:build kustomize

package knative_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gitlab.com/yourorg/image-service/functions/catalog"
)

// These tests build overlays with .ci/overlays, a module of its own: kustomize's library would add 20 modules to go.mod
// for tests alone.
//
//	go test -tags kustomize ./knative

// TestMain starts .ci/overlays for the tests, and stops it.
func TestMain(m *testing.M) {
	kustomize.command = exec.Command("go", "-C", "../.ci/overlays", "run", ".")
	kustomize.command.Stderr = os.Stderr
	code, err := kustomize.run(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, "go -C ../.ci/overlays run .:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

var kustomize kustomizeProcess

// kustomizeProcess builds one directory at a time.
type kustomizeProcess struct {
	command *exec.Cmd
	mu      sync.Mutex
	in      *json.Encoder
	out     *json.Decoder
}

// run runs tests while the process runs.
func (k *kustomizeProcess) run(tests func() int) (code int, err error) {
	in, err := k.command.StdinPipe()
	if err != nil {
		return 0, err
	}
	out, err := k.command.StdoutPipe()
	if err != nil {
		return 0, err
	}
	k.in, k.out = json.NewEncoder(in), json.NewDecoder(out)
	if err := k.command.Start(); err != nil {
		return 0, err
	}
	code = tests()
	return code, errors.Join(in.Close(), k.command.Wait())
}

// build returns the manifests of a Kustomization.
func (k *kustomizeProcess) build(directory string) (manifests []byte, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.in.Encode(directory); err != nil {
		return nil, err
	}
	var result struct{ Manifests, Error string }
	if err := k.out.Decode(&result); err != nil {
		return nil, err
	}
	if result.Error != "" {
		return nil, errors.New(result.Error)
	}
	return []byte(result.Manifests), nil
}

// build returns the objects of an overlay with components on top.
func build(t *testing.T, overlay string, components ...string) []object {
	t.Helper()
	return buildPatched(t, overlay, "", components...)
}

// buildPatched is build with a patch of an object, unless it is empty.
func buildPatched(t *testing.T, overlay, patch string, components ...string) []object {
	t.Helper()
	directory := t.TempDir()
	text := fmt.Sprintf("resources:\n  - %s\ncomponents:\n", relative(t, directory, "overlays/"+overlay))
	for _, component := range components {
		text += fmt.Sprintf("  - %s\n", relative(t, directory, "components/"+component))
	}
	if patch != "" {
		text += fmt.Sprintf("patches:\n  - patch: %q\n", patch)
	}
	if err := os.WriteFile(filepath.Join(directory, "Kustomization"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return buildDirectory(t, directory)
}

// relative returns the path of a file of this package from a directory.
func relative(t *testing.T, directory, name string) string {
	t.Helper()
	absolute, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	path, err := filepath.Rel(directory, absolute)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// buildDirectory returns the objects of a Kustomization.
func buildDirectory(t *testing.T, directory string) []object {
	t.Helper()
	absolute, err := filepath.Abs(directory)
	if err != nil {
		t.Fatal(err)
	}
	manifests, err := kustomize.build(absolute)
	if err != nil {
		t.Fatalf("build %s: %v", directory, err)
	}
	return parse(t, directory, manifests)
}

// Every overlay, alone, with each component and with each pair of components, is valid by the schemas, and its
// references are consistent.
func TestOverlays(t *testing.T) {
	known := schemas(t)
	for _, overlay := range []string{"dev", "prod"} {
		components := componentsFor(t, overlay)
		combinations := [][]string{nil, together(components)}
		for i, a := range components {
			combinations = append(combinations, []string{a})
			for _, b := range components[i+1:] {
				pair := []string{a, b}
				if !slices.ContainsFunc(alternatives, func(alternative [2]string) bool {
					return slices.Contains(pair, alternative[0]) && slices.Contains(pair, alternative[1])
				}) {
					combinations = append(combinations, pair)
				}
			}
		}
		for _, combination := range combinations {
			t.Run(fmt.Sprint(overlay, combination), func(t *testing.T) {
				t.Parallel()
				objects := build(t, overlay, combination...)
				checkSchemas(t, known, overlay, objects)
				checkReferences(t, objects)
				checkServices(t, objects)
			})
		}
	}
}

// checkSchemas checks the objects, other than those of Kubernetes itself whose schema is not known.
func checkSchemas(t *testing.T, known map[[2]string]*jsonschema.Schema, overlay string, objects []object) {
	t.Helper()
	for _, o := range objects {
		kind := [2]string{o["apiVersion"].(string), o["kind"].(string)}
		if !slices.Contains(kubernetesKinds, kind[1]) || known[kind] != nil {
			checkSchema(t, known, overlay, o)
		}
	}
}

// componentsFor returns the components that can be added to an overlay: prod already includes network-policies, and the
// in-memory Broker of dev has no topic. storage-tls requires others, so only the combination of all has it; names
// requires a file of names, see TestNames.
func componentsFor(t *testing.T, overlay string) (names []string) {
	t.Helper()
	without := map[string]string{"prod": "network-policies", "dev": "kafka-broker"}
	entries, err := os.ReadDir("components")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !slices.Contains([]string{without[overlay], "storage-tls", "names"}, entry.Name()) {
			names = append(names, entry.Name())
		}
	}
	return names
}

// alternatives are components that are not used together: kafka-broker removes the KafkaSource that keda scales,
// servers-tls includes servers-managed, and there is one ingress.
var alternatives = [][2]string{
	{"kafka-broker", "keda"}, {"servers-tls", "servers-managed"},
	{"ingress-contour", "ingress-istio"}, {"ingress-contour", "ingress-kourier"}, {"ingress-istio", "ingress-kourier"},
}

// together returns as many of the components as can be used at the same time, and storage-tls.
func together(components []string) []string {
	return append(slices.DeleteFunc(slices.Clone(components), func(name string) bool {
		return slices.ContainsFunc(alternatives, func(alternative [2]string) bool { return name == alternative[1] })
	}), "storage-tls")
}

// checkReferences checks that every object that one of Eventing's kinds refers to exists, and that every delivery is
// complete.
func checkReferences(t *testing.T, objects []object) {
	t.Helper()
	exists := func(kind string, name any) bool {
		return slices.ContainsFunc(ofKind(objects, kind), func(o object) bool { return o.at("metadata", "name") == name })
	}
	for _, o := range objects {
		for _, path := range [][]string{
			{"spec", "subscriber", "ref"}, {"spec", "sink", "ref"}, {"spec", "delivery", "deadLetterSink", "ref"},
			{"spec", "config"}, {"spec", "subject"},
		} {
			ref, ok := o.at(path...).(map[string]any)
			if ok && ref["kind"] != nil && !exists(ref["kind"].(string), ref["name"]) {
				t.Errorf("%s %v refers to %v %v, which does not exist",
					o["kind"], o.at("metadata", "name"), ref["kind"], ref["name"])
			}
		}
		if broker := o.at("spec", "broker"); o["kind"] == "Trigger" && !exists("Broker", broker) {
			t.Errorf("Trigger %v subscribes to Broker %v, which does not exist", o.at("metadata", "name"), broker)
		}
		if o["kind"] == "Broker" || o["kind"] == "KafkaSource" {
			for _, name := range []string{"retry", "backoffPolicy", "backoffDelay", "timeout", "deadLetterSink"} {
				if o.at("spec", "delivery", name) == nil {
					t.Errorf("%s has no delivery.%s", o["kind"], name)
				}
			}
		}
	}
}

// checkServices checks that there is a restricted Service for every function, except for those of components that are
// not there, and that functions and KafkaSource use the same Kafka.
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
			t.Errorf("%v has no read-only root file system, or mounts a service account token", o.at("metadata", "name"))
		}
		checkAnyUser(t, o)
		checkThreads(t, o)
	}
	want := len(catalog.Functions())
	for _, function := range catalog.Functions() {
		if function.Component != "" && !has(objects, "Service", function.Name) {
			want--
		}
	}
	if len(images) != want {
		t.Errorf("found %d functions, want %d", len(images), want)
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

// checkThreads checks that a function that sets GOMAXPROCS uses as many threads as its limit of CPU lets run.
func checkThreads(t *testing.T, service object) {
	t.Helper()
	for _, variable := range service.at("spec", "template", "spec", "containers", "env").([]any) {
		variable := variable.(map[string]any)
		limit := service.at("spec", "template", "spec", "containers", "resources", "limits", "cpu")
		if variable["name"] == "GOMAXPROCS" && variable["value"] != limit {
			t.Errorf("GOMAXPROCS of %v is %v, want its limit of CPU, %v",
				service.at("metadata", "name"), variable["value"], limit)
		}
	}
}

// checkAnyUser checks that the pods of a Service run as any user, whom OpenShift chooses for a namespace: they name no
// user or group, and the volumes are those of restricted-v2, with files that everybody in the pod may read.
func checkAnyUser(t *testing.T, service object) {
	t.Helper()
	pod := service.at("spec", "template", "spec").(map[string]any)
	walk(pod, func(fields map[string]any) {
		for _, name := range []string{"runAsUser", "runAsGroup", "fsGroup", "supplementalGroups", "defaultMode", "hostPath"} {
			if value, is := fields[name]; is {
				t.Errorf("%v has %s: %v, want none", service.at("metadata", "name"), name, value)
			}
		}
	})
}

// The production overlay has a Kafka Broker, three replicas of its topic, pull secrets and network policies.
func TestProduction(t *testing.T) {
	objects := build(t, "prod")
	broker := ofKind(objects, "Broker")[0]
	if got := broker.at("metadata", "annotations", "eventing.knative.dev/broker.class"); got != "Kafka" {
		t.Errorf("the class of the Broker is %v, want Kafka", got)
	}
	for _, config := range ofKind(objects, "ConfigMap") {
		if config.at("metadata", "name") != "image-service-broker" {
			continue
		}
		for name, want := range map[string]string{
			"default.topic.replication.factor":         "3",
			"default.topic.config.min.insync.replicas": "2",
			"bootstrap.servers":                        "my-cluster-kafka-bootstrap.kafka.svc.cluster.local:9092",
		} {
			if got := config.at("data", name); got != want {
				t.Errorf("%s of the Broker is %v, want %s", name, got, want)
			}
		}
	}
	for _, service := range ofKind(objects, "Service") {
		if got := service.at("spec", "template", "spec", "imagePullSecrets", "name"); got != "harbor-secret" {
			t.Errorf("the pull secret of %v is %v, want harbor-secret", service.at("metadata", "name"), got)
		}
	}
	if len(ofKind(objects, "NetworkPolicy")) == 0 {
		t.Error("there are no network policies")
	}
}

// With kafka-broker, the Broker reads the topic of images, and no KafkaSource does. That of backfills stays.
func TestKafkaBroker(t *testing.T) {
	objects := build(t, "prod", "kafka-broker")
	annotations := ofKind(objects, "Broker")[0].at("metadata", "annotations").(map[string]any)
	if got := annotations["kafka.eventing.knative.dev/external.topic"]; got != "image-processing" {
		t.Errorf("the topic of the Broker is %v, want image-processing", got)
	}
	sources := ofKind(objects, "KafkaSource")
	if len(sources) != 1 || sources[0].at("metadata", "name") != "image-backfill" {
		t.Errorf("got KafkaSources %v, want that of backfills", sources)
	}
}

// With bucket-inbox, notifications go to upload, and never through the Broker, where thumbnail takes records that are
// not CloudEvents. With authentication they go to the Service for events, in whatever order the components are.
func TestBucketInbox(t *testing.T) {
	for want, orders := range map[string][][]string{
		"upload":        {{"bucket-inbox"}, {"kafka-broker", "bucket-inbox"}, {"bucket-inbox", "servers-tls"}},
		"upload-events": {{"authentication", "bucket-inbox"}, {"bucket-inbox", "authentication"}},
	} {
		for _, components := range orders {
			t.Run(fmt.Sprint(components), func(t *testing.T) {
				t.Parallel()
				objects := build(t, "prod", components...)
				sources := ofKind(objects, "KafkaSource")
				inbox := slices.IndexFunc(sources, func(o object) bool { return o.at("metadata", "name") == "image-inbox" })
				if inbox < 0 {
					t.Fatal("there is no KafkaSource image-inbox")
				}
				source := sources[inbox]
				topics, ok := source.at("spec", "topics").([]any)
				if !ok || len(topics) != 1 || topics[0] != "bucket-notifications" {
					t.Errorf("the topics are %v, want bucket-notifications", topics)
				}
				kind, name := source.at("spec", "sink", "ref", "kind"), source.at("spec", "sink", "ref", "name")
				if kind != "Service" || name != want {
					t.Errorf("the sink is %v %v, want Service %s", kind, name, want)
				}
				if slices.Contains(components, "servers-tls") && source.at("spec", "net", "tls", "enable") != true {
					t.Errorf("the source has net %v, want TLS", source.at("spec", "net"))
				}
				for _, trigger := range ofKind(objects, "Trigger") {
					name := trigger.at("metadata", "name").(string)
					if strings.HasPrefix(name, "upload-object-") && trigger.at("spec", "subscriber", "ref", "name") != want {
						t.Errorf("%s delivers to %v, want %s", name, trigger.at("spec", "subscriber", "ref", "name"), want)
					}
				}
			})
		}
	}
}

// With webhooks, the function is not public, has the endpoints and no credentials of the servers, may connect to public
// addresses, and gets what the Trigger of an endpoint selects. Without the component, nothing of it is there.
func TestWebhooks(t *testing.T) {
	if has(build(t, "prod"), "Service", "webhook") {
		t.Error("without the component there is a Service webhook")
	}
	objects := build(t, "prod", "webhooks")
	services := ofKind(objects, "Service")
	service := services[slices.IndexFunc(services, func(o object) bool { return o.at("metadata", "name") == "webhook" })]
	if got := service.at("metadata", "labels", "networking.knative.dev/visibility"); got != "cluster-local" {
		t.Errorf("the visibility of webhook is %v, want cluster-local", got)
	}
	want := map[string]string{"image-service-webhook-endpoints": "/etc/image-service/webhooks"}
	if got := mounts(service); !maps.Equal(got, want) {
		t.Errorf("webhook mounts %v, want %v", got, want)
	}
	if text := fmt.Sprint(service["spec"]); strings.Contains(text, "secretRef") ||
		!strings.Contains(text, "name:WEBHOOK_ENDPOINTS_FILE value:/etc/image-service/webhooks/endpoints.yaml") {
		t.Errorf("the environment of webhook has a Secret, or not the file: %s", text)
	}
	for _, trigger := range ofKind(objects, "Trigger") {
		if trigger.at("metadata", "name") == "webhook-example" {
			checkWebhookTrigger(t, trigger)
		}
	}
	egress := fmt.Sprint(policy(t, objects, "to-webhooks").at("spec", "egress"))
	for _, want := range []string{"cidr:0.0.0.0/0", "10.0.0.0/8", "169.254.0.0/16", "cidr:2000::/3", "port:443"} {
		if !strings.Contains(egress, want) {
			t.Errorf("the policy of webhook is %s, want %s in it", egress, want)
		}
	}
}

func checkWebhookTrigger(t *testing.T, trigger object) {
	t.Helper()
	var selected []any
	for _, one := range trigger.at("spec", "filters", "any").([]any) {
		selected = append(selected, object(one.(map[string]any)).at("exact", "type"))
	}
	if want := []any{"image.thumbnailed", "image.failed", "image.deleted"}; !slices.Equal(selected, want) {
		t.Errorf("the Trigger selects %v, want %v", selected, want)
	}
	got := trigger.at("spec", "subscriber", "uri")
	if got != "/webhooks/example" || trigger.at("spec", "delivery") != nil {
		t.Errorf("the Trigger delivers to %v by %v, want /webhooks/example by the Broker's delivery",
			got, trigger.at("spec", "delivery"))
	}
}

// With servers-tls and storage-tls, every connection uses TLS and a login, and clients and servers are configured
// alike.
func TestServersTLS(t *testing.T) {
	objects := build(t, "prod", "storage", "servers-tls", "storage-tls")
	var config map[string]any
	for _, o := range ofKind(objects, "ConfigMap") {
		if o.at("metadata", "name") == "image-service-config" {
			config = o["data"].(map[string]any)
		}
		if o.at("metadata", "name") == "image-service-broker" {
			want := "my-cluster-kafka-bootstrap.kafka.svc.cluster.local:9093"
			if got := o.at("data", "bootstrap.servers"); got != want {
				t.Errorf("bootstrap servers of the Broker are %v, want %s", got, want)
			}
		}
	}
	users := map[any]bool{}
	for _, user := range ofKind(objects, "KafkaUser") {
		users[user.at("metadata", "name")] = true
		if user.at("spec", "authorization", "type") != "simple" {
			t.Errorf("KafkaUser %v has no ACLs", user.at("metadata", "name"))
		}
	}
	for _, service := range ofKind(objects, "Service") {
		if service["apiVersion"] != "serving.knative.dev/v1" {
			continue
		}
		spec := object(service.at("spec", "template", "spec").(map[string]any))
		if got := spec.at("volumes", "secret", "secretName"); got != "image-service-authorities" {
			t.Errorf("%v mounts the Secret %v, want image-service-authorities", service.at("metadata", "name"), got)
		}
		for _, name := range []string{"MINIO_CA_FILE", "REDIS_CA_FILE", "KAFKA_CA_FILE"} {
			if at := spec.at("containers", "volumeMounts", "mountPath"); filepath.Dir(config[name].(string)) != at {
				t.Errorf("%v mounts the CA certificates at %v, but %s is %v",
					service.at("metadata", "name"), at, name, config[name])
			}
		}
		for _, variable := range spec.at("containers", "env").([]any) {
			if v := object(variable.(map[string]any)); v["name"] == "KAFKA_SASL_USERNAME" && !users[v["value"]] {
				t.Errorf("%v logs in as %v, which is not a KafkaUser", service.at("metadata", "name"), v["value"])
			}
		}
	}
	net := object(ofKind(objects, "KafkaSource")[0].at("spec", "net").(map[string]any))
	login := net.at("sasl", "type", "secretKeyRef", "name")
	if net.at("tls", "enable") != true || net.at("sasl", "enable") != true || !users[login] {
		t.Errorf("net of the KafkaSource is %v, want TLS and the login of a KafkaUser", net)
	}
	kafka := ofKind(objects, "Kafka")[0]
	listeners := kafka.at("spec", "kafka", "listeners").([]any)
	if got := kafka.at("spec", "kafka", "authorization", "type"); got != "simple" {
		t.Errorf("authorization of Kafka is %v, want simple", got)
	}
	if len(listeners) != 1 || listeners[0].(map[string]any)["tls"] != true {
		t.Errorf("listeners of Kafka are %v, want one with TLS", listeners)
	}
}

// With authentication, the public function requires keys. Events are delivered to a second Service without
// authentication, which is otherwise the same and is reachable from within the cluster only.
func TestAuthentication(t *testing.T) {
	for overlay, combinations := range map[string][][]string{
		"dev":  {nil, {"network-policies"}},
		"prod": {nil, {"autoscaling-hpa"}, {"tls"}},
	} {
		for _, components := range combinations {
			t.Run(fmt.Sprint(overlay, components), func(t *testing.T) {
				objects := build(t, overlay, append([]string{"authentication"}, components...)...)
				services := map[any]object{}
				for _, o := range ofKind(objects, "Service") {
					services[o.at("metadata", "name")] = o
				}
				public, events := services["upload"], services["upload-events"]
				if public == nil || events == nil {
					t.Fatalf("got services %v, want upload and upload-events", services)
				}
				checkDeliveries(t, objects)
				checkSecret(t, objects, public)
				checkEventsService(t, public, events)
			})
		}
	}
}

// checkEventsService compares upload-events with upload.
func checkEventsService(t *testing.T, public, events object) {
	t.Helper()
	if got := public.at("metadata", "labels", "networking.knative.dev/visibility"); got != nil {
		t.Errorf("visibility of upload is %v, want none", got)
	}
	if got := events.at("metadata", "labels", "networking.knative.dev/visibility"); got != "cluster-local" {
		t.Errorf("visibility of upload-events is %v, want cluster-local", got)
	}
	variables := events.at("spec", "template", "spec", "containers", "env").([]any)
	if last := variables[len(variables)-1].(map[string]any); last["name"] != "EVENTS_ONLY" || last["value"] != "true" {
		t.Errorf("environment of upload-events is %v, want EVENTS_ONLY=true at its end", variables)
	}
	for _, field := range []string{"image", "resources", "securityContext"} {
		got := events.at("spec", "template", "spec", "containers", field)
		want := public.at("spec", "template", "spec", "containers", field)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s of upload-events is %v, want %v", field, got, want)
		}
	}
	got := events.at("spec", "template", "spec", "imagePullSecrets")
	want := public.at("spec", "template", "spec", "imagePullSecrets")
	if !reflect.DeepEqual(got, want) {
		t.Errorf("pull secrets of upload-events are %v, want %v", got, want)
	}
	for _, unwanted := range []string{"image-service-access", "api-keys"} {
		if text := fmt.Sprint(events["spec"]); strings.Contains(text, unwanted) {
			t.Errorf("upload-events has %s: %s", unwanted, text)
		}
	}
}

// Two components that mount Secrets into upload work together in either order. upload-events logs in to Kafka like
// upload.
func TestMounts(t *testing.T) {
	for _, components := range [][]string{{"authentication", "servers-tls"}, {"servers-tls", "authentication"}} {
		for _, service := range ofKind(build(t, "prod", components...), "Service") {
			name, want := service.at("metadata", "name"), map[string]string{"image-service-authorities": "/etc/authorities"}
			if name == "upload" {
				want["image-service-api-keys"] = "/etc/image-service/access"
			}
			if got := mounts(service); !maps.Equal(got, want) {
				t.Errorf("%v: mounts of %v are %v, want %v", components, name, got, want)
			}
			login := `name:KAFKA_SASL_USERNAME value:image-upload`
			if strings.HasPrefix(name.(string), "upload") && !strings.Contains(fmt.Sprint(service["spec"]), login) {
				t.Errorf("%v: %v does not log in to Kafka", components, name)
			}
		}
	}
}

// mounts returns the mount path of each Secret of a Service.
func mounts(service object) map[string]string {
	found, secrets := map[string]string{}, map[any]string{}
	for _, volume := range service.at("spec", "template", "spec", "volumes").([]any) {
		fields := object(volume.(map[string]any))
		secrets[fields["name"]] = fields.at("secret", "secretName").(string)
	}
	for _, mount := range service.at("spec", "template", "spec", "containers", "volumeMounts").([]any) {
		fields := mount.(map[string]any)
		found[secrets[fields["name"]]] = fields["mountPath"].(string)
	}
	return found
}

// With renditions, the functions that read the document mount it, in whatever order the components are.
func TestRenditions(t *testing.T) {
	for _, components := range [][]string{
		{"renditions"}, {"renditions", "authentication"}, {"authentication", "renditions"},
		{"renditions", "servers-tls", "authentication"}, {"servers-tls", "authentication", "renditions"},
	} {
		for _, overlay := range []string{"dev", "prod"} {
			t.Run(fmt.Sprint(overlay, components), func(t *testing.T) {
				t.Parallel()
				objects := build(t, overlay, components...)
				checkRenditions(t, objects, renditionsOf(t, objects))
			})
		}
	}
}

// renditionsOf returns the ConfigMap of the renditions.
func renditionsOf(t *testing.T, objects []object) object {
	t.Helper()
	found := slices.DeleteFunc(ofKind(objects, "ConfigMap"), func(o object) bool {
		return !strings.HasPrefix(o.at("metadata", "name").(string), "image-service-renditions")
	})
	if len(found) != 1 {
		t.Fatalf("got ConfigMaps %v, want one with renditions", found)
	}
	return found[0]
}

func checkRenditions(t *testing.T, objects []object, config object) {
	t.Helper()
	for _, service := range ofKind(objects, "Service") {
		if service["apiVersion"] != "serving.knative.dev/v1" {
			continue
		}
		name, spec := service.at("metadata", "name"), object(service.at("spec", "template", "spec").(map[string]any))
		function, file := functionOf(t, spec.at("containers", "image").(string)), ""
		for _, variable := range spec.at("containers", "env").([]any) {
			if v := object(variable.(map[string]any)); v["name"] == "RENDITIONS_FILE" {
				file = v["value"].(string)
			}
		}
		if reads := function.Reads("RENDITIONS_FILE"); reads != (file != "") {
			t.Errorf("%v has RENDITIONS_FILE=%q, and reads it: %t", name, file, reads)
		}
		if file == "" {
			continue
		}
		if config.at("data", filepath.Base(file)) == nil {
			t.Errorf("%v reads %s, but the ConfigMap has %v", name, file, config["data"])
		}
		mount := named(t, spec.at("containers", "volumeMounts"), "renditions")
		if mount["mountPath"] != filepath.Dir(file) {
			t.Errorf("%v reads %s, but the document is mounted at %v", name, file, mount["mountPath"])
		}
		volume := named(t, spec.at("volumes"), "renditions")
		if got, want := volume.at("configMap", "name"), config.at("metadata", "name"); got != want {
			t.Errorf("%v mounts the ConfigMap %v, want %v", name, got, want)
		}
	}
}

// named returns the object of a name in a list.
func named(t *testing.T, list any, name string) object {
	t.Helper()
	for _, element := range list.([]any) {
		if o := object(element.(map[string]any)); o["name"] == name {
			return o
		}
	}
	t.Fatalf("there is no %q in %v", name, list)
	return nil
}

// A patched document has a ConfigMap of its own, which the functions mount: a new revision. Argo CD keeps the one
// before for the revisions before.
func TestRenditionsPatched(t *testing.T) {
	const patch = `{apiVersion: v1, kind: ConfigMap, metadata: {name: image-service-renditions, namespace: image-service},
 data: {renditions.yaml: "renditions: {card: {width: 640}}"}}`
	before := renditionsOf(t, build(t, "prod", "renditions"))
	objects := buildPatched(t, "prod", patch, "renditions")
	after := renditionsOf(t, objects)
	if got := after.at("data", "renditions.yaml"); got != "renditions: {card: {width: 640}}" {
		t.Errorf("the document is %v, want that of the patch", got)
	}
	if a, b := before.at("metadata", "name"), after.at("metadata", "name"); a == b {
		t.Errorf("both documents are in %v", a)
	}
	annotations := after.at("metadata", "annotations").(map[string]any)
	if got := annotations["argocd.argoproj.io/sync-options"]; got != "Prune=false" {
		t.Errorf("sync-options of the ConfigMap are %v, want Prune=false", got)
	}
	checkRenditions(t, objects, after)
}

// checkDeliveries checks that no event is delivered to upload, which would require a key.
func checkDeliveries(t *testing.T, objects []object) {
	t.Helper()
	delivered := 0
	for _, o := range objects {
		for _, path := range [][]string{
			{"spec", "subscriber", "ref"}, {"spec", "sink", "ref"}, {"spec", "delivery", "deadLetterSink", "ref"},
		} {
			switch ref, _ := o.at(path...).(map[string]any); ref["name"] {
			case "upload":
				t.Errorf("%s %v delivers to upload", o["kind"], o.at("metadata", "name"))
			case "upload-events":
				delivered++
			}
		}
	}
	if delivered != 4 {
		t.Errorf("%d Triggers deliver to upload-events, want 4", delivered)
	}
}

// checkSecret checks that upload reads the keys from where they are mounted, and has the settings of authentication.
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
		t.Errorf("AUTH_API_KEYS_FILE is %v, but the Secret is mounted at %v", file, mounted)
	}
	if got := public.at("spec", "template", "spec", "volumes", "secret", "secretName"); got != "image-service-api-keys" {
		t.Errorf("the mounted Secret is %v, want image-service-api-keys", got)
	}
	annotations := public.at("spec", "template", "metadata", "annotations").(map[string]any)
	if got := annotations["autoscaling.knative.dev/target-burst-capacity"]; got != "-1" {
		t.Errorf("target-burst-capacity is %v, want -1, which keeps the number of proxies constant", got)
	}
	if got := settings.at("data", "TRUSTED_PROXIES"); got != "3" {
		t.Errorf("TRUSTED_PROXIES is %v, want 3", got)
	}
	sources, _ := public.at("spec", "template", "spec", "containers", "envFrom").([]any)
	for _, name := range []string{"image-service-access", "image-service-secret"} {
		if !strings.Contains(fmt.Sprint(sources), name) {
			t.Errorf("envFrom of upload is %v, want %s among them", sources, name)
		}
	}
}
