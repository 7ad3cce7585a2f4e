//go:build kustomize

package knative_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// defaults has, for each name of overlays/example/names.yaml, where the manifests have another one. The patterns are
// for lines such as "KafkaSource/spec.topics.0: image-processing".
var defaults = map[string]string{
	"namespace":               `\bimage-service(/|\.svc|"|$|-\.\*|-$)|-n image-service\b`,
	"upload-image":            `ko://gitlab\.com`,
	"thumbnail-image":         `ko://gitlab\.com`,
	"dead-letters-image":      `ko://gitlab\.com`,
	"webhook-image":           `ko://gitlab\.com`,
	"pull-secret":             `harbor`,
	"schemas":                 `yourorg`,
	"host":                    `api\.yourdomain`,
	"issuer":                  `letsencrypt-prod`,
	"contact":                 `admin@`,
	"ingress-class":           `class: traefik`,
	"store-endpoint":          `\bminio\.minio|NetworkPolicy/spec.egress.*: 9000$|dev\.yourdomain`,
	"bucket":                  `MINIO_BUCKET: images$|:::images\b`,
	"source-bucket":           `\bscans\b`,
	"redis-host":              `REDIS_HOST: redis|dev\.yourdomain`,
	"redis-port":              `REDIS_PORT: 2?6379|NetworkPolicy/spec.egress.*: 2?6379$`,
	"sentinel-master":         `REDIS_SENTINEL_MASTER: main$`,
	"sentinel-server-port":    `NetworkPolicy/spec.egress.*: 6379$`,
	"kafka-bootstrap-servers": `kafka-bootstrap\.|dev\.yourdomain`,
	"kafka-port":              `NetworkPolicy/spec.egress.*: 909[23]$`,
	"topic":                   `(topic|TOPIC|topics\.0|acls.*name|KafkaTopic/metadata.name): image-processing$`,
	"backfill-topic":          `(TOPIC|topics\.0|acls.*name|KafkaTopic/metadata.name): image-backfill$`,
	"dead-letter-topic":       `(TOPIC|acls.*name|KafkaTopic/metadata.name): image-dead-letters$`,
	"notification-topic":      `(topics\.0|acls.*name|KafkaTopic/metadata.name): bucket-notifications$`,
	"group":                   `\bimage-processor-group\b`,
	"backfill-group":          `\bimage-backfill-group\b`,
	"collector-endpoint":      `//opentelemetry-collector\.|NetworkPolicy/spec.egress.*: 4318$`,
	"collector-namespace":     `\.opentelemetry\.svc|metadata\.name: opentelemetry$`,
	"dead-letter-group":       `GROUP: image-dead-letters$|["|]image-dead-letters["|]`,
	"notification-group":      `\bimage-inbox-group\b`,
	"ingress-namespace":       `metadata\.name.*: traefik$|values\.\d+: traefik$`,
	"monitoring-namespace":    `: monitoring$`,
	"dns-namespace":           `: kube-system$`,
	"serving-namespace":       `: knative-serving$`,
	"eventing-namespace":      `: knative-eventing$`,
	"store-cidr":              `NetworkPolicy/spec.egress.*cidr: 10\.0\.0\.0/8$`,
	"redis-cidr":              `NetworkPolicy/spec.egress.*cidr: 10\.0\.0\.0/8$`,
	"kafka-cidr":              `NetworkPolicy/spec.egress.*cidr: 10\.0\.0\.0/8$`,
	"store-namespace":         `(namespace|Namespace/metadata\.name|kubernetes.io/metadata\.name): minio$|\.minio\.svc`,
	"redis-namespace":         `(namespace|Namespace/metadata\.name|kubernetes.io/metadata\.name): redis$|\.redis\.svc`,
	"kafka-namespace":         `(namespace|Namespace/metadata\.name|kubernetes.io/metadata\.name): kafka$|\.kafka\.svc`,
	"kafka-cluster":           `\bmy-cluster\b`,
	"upload-kafka-user":       `(KafkaUser/metadata\.name|\.env\.\d+\.value): image-upload$`,
	"dead-letters-kafka-user": `(KafkaUser/metadata\.name|\.env\.\d+\.value): image-dead-letters$`,
	"source-kafka-user":       `KafkaUser/metadata\.name: image-source$`,
	"broker-kafka-user":       `KafkaUser/metadata\.name: image-broker$`,
	"producer-kafka-user":     `KafkaUser/metadata\.name: image-producer$`,
	"notification-kafka-user": `KafkaUser/metadata\.name: bucket-notifications$`,
	"service-account":         `serviceAccountName: image-service$`,
	"token-cidr":              `NetworkPolicy/spec.egress.*cidr: 10\.0\.0\.0/8$`,
}

// ours matches what is called image-service in every installation: labels, objects within the namespace, users, the
// sources of events, and the title of the dashboard.
var ours = regexp.MustCompile(`part-of: |^(PodMonitor|PrometheusRule)/(metadata|spec.groups.\d).name: |` +
	`REDIS_USERNAME: |` +
	`: /etc/image-service/|spec.source: |` +
	`user image-service on|"AWS": |^ConfigMap/data.image-service.json: ( "(title|uid)":|  ")`)

// With the component names, an overlay with any components has the names of one file, none of the others, and is as
// valid as before.
func TestNames(t *testing.T) {
	names := readFile(t, "overlays/example/names.yaml")[0]["data"].(map[string]any)
	want := slices.Sorted(maps.Keys(defaults))
	for _, file := range []string{"overlays/example/names.yaml", "e2e/testdata/names.yaml"} {
		given := readFile(t, file)[0]["data"].(map[string]any)
		if got := slices.Sorted(maps.Keys(given)); !slices.Equal(got, want) {
			t.Errorf("%s has the names %q, want %q", file, got, want)
		}
	}
	known := schemas(t)
	for _, overlay := range []string{"dev", "prod"} {
		components := componentsFor(t, overlay)
		all := together(components)
		with := [][]string{nil, all, {"storage"}, {"storage", "servers-tls"}}
		for _, component := range components {
			with = append(with, []string{component})
		}
		for _, combination := range with {
			t.Run(fmt.Sprint(overlay, combination), func(t *testing.T) {
				t.Parallel()
				objects := buildNamed(t, overlay, combination...)
				checkNames(t, objects)
				checkSchemas(t, known, overlay, objects)
				checkReferences(t, objects)
				checkServices(t, objects)
				checkNamed(t, objects, names["namespace"])
				if len(combination) == len(all) {
					checkUsed(t, objects, names)
				}
			})
		}
	}
}

// The example is one of these overlays.
func TestExample(t *testing.T) {
	objects := buildDirectory(t, "overlays/example")
	checkNames(t, objects)
	checkReferences(t, objects)
	checkServices(t, objects)
	checkNamed(t, objects, readFile(t, "overlays/example/names.yaml")[0].at("data", "namespace"))
}

// The requests of each ingress are let in, and servers outside the cluster are reached at their ports and addresses.
func TestPolicies(t *testing.T) {
	for component, want := range map[string]string{
		"network-policies": "traefik", "ingress-kourier": "kourier-system", "ingress-istio": "istio-system",
		"ingress-contour": "contour-external contour-internal",
	} {
		objects := build(t, "dev", slices.Compact([]string{"network-policies", component})...)
		from := policy(t, objects, "from-knative").at("spec", "ingress", "from", "namespaceSelector", "matchExpressions")
		want = "[knative-serving " + want + "]"
		if got := fmt.Sprint(from.([]any)[0].(map[string]any)["values"]); got != want {
			t.Errorf("with %s, requests come from %s, want %s", component, got, want)
		}
	}
	objects := buildNamed(t, "prod", "servers-managed", "servers-outside")
	stores, kafka := policy(t, objects, "to-stores")["spec"], policy(t, objects, "to-kafka")["spec"]
	for _, want := range []string{
		"ports:[map[port:9443 protocol:TCP]] to:[map[namespaceSelector:map[matchLabels:" +
			"map[kubernetes.io/metadata.name:media-store]]] map[ipBlock:map[cidr:192.0.2.0/26]]]",
		"ports:[map[port:6380 protocol:TCP]] to:[map[namespaceSelector:map[matchLabels:" +
			"map[kubernetes.io/metadata.name:media-cache]]] map[ipBlock:map[cidr:192.0.2.64/26]]]",
	} {
		if !strings.Contains(fmt.Sprint(stores), want) {
			t.Errorf("the policy of store and Redis is %v, want %s", stores, want)
		}
	}
	watched := policy(t, buildNamed(t, "prod", "redis-sentinel", "servers-outside"), "to-stores")["spec"]
	for _, want := range []string{"port:6380 protocol:TCP] map[port:6390", "cidr:192.0.2.64/26"} {
		if !strings.Contains(fmt.Sprint(watched), want) {
			t.Errorf("with Sentinel the policy of store and Redis is %v, want %s", watched, want)
		}
	}
	for _, want := range []string{"port:9094", "cidr:192.0.2.128/26"} {
		if !strings.Contains(fmt.Sprint(kafka), want) {
			t.Errorf("the policy of Kafka is %v, want %s", kafka, want)
		}
	}
}

// With workload-identity, the pods that log in by tokens reach the servers that issue them, and not the metadata of
// their node.
func TestWorkloadIdentity(t *testing.T) {
	objects := buildNamed(t, "prod", "servers-managed", "authentication", "webhooks", "workload-identity")
	tokens := policy(t, objects, "to-tokens")
	got := fmt.Sprint(tokens.at("spec", "egress"))
	if !strings.Contains(got, "cidr:192.0.2.192/26") || strings.Contains(got, "169.254.169.254") {
		t.Errorf("tokens are requested from %s, want 192.0.2.192/26", got)
	}
	selected := tokens.at("spec", "podSelector", "matchLabels", "identity")
	for _, service := range ofKind(objects, "Service") {
		has := service.at("spec", "template", "metadata", "labels", "identity") == selected
		account := service.at("spec", "template", "spec", "serviceAccountName")
		if want := service.at("metadata", "name") != "webhook"; has != want || (account == "pictures-functions") != want {
			t.Errorf("%v has the identity: %v, and the service account %v; want %v",
				service.at("metadata", "name"), has, account, want)
		}
	}
}

func policy(t *testing.T, objects []object, name string) object {
	t.Helper()
	for _, o := range ofKind(objects, "NetworkPolicy") {
		if o.at("metadata", "name") == name {
			return o
		}
	}
	t.Fatalf("there is no NetworkPolicy %s", name)
	return nil
}

// With servers-managed, every connection is encrypted and none needs the certificate of a private authority.
func TestManagedServers(t *testing.T) {
	objects := buildNamed(t, "prod", "bucket-inbox", "servers-managed")
	for _, o := range objects {
		for _, line := range lines(o) {
			if strings.Contains(line, "authorities") || strings.Contains(line, "CA_FILE") || strings.Contains(line, "caCert") {
				t.Errorf("%v needs a private authority: %s", o.at("metadata", "name"), line)
			}
		}
		encrypted := o.at("spec", "net", "tls", "enable") == true && o.at("spec", "net", "sasl", "enable") == true
		if o["kind"] == "KafkaSource" && !encrypted {
			t.Errorf("KafkaSource %v connects with %v, want TLS and a login", o.at("metadata", "name"), o.at("spec", "net"))
		}
		if o.at("metadata", "name") == "image-service-config" {
			for _, name := range []string{"REDIS_TLS", "KAFKA_TLS"} {
				if o.at("data", name) != "true" {
					t.Errorf("%s is %v, want true", name, o.at("data", name))
				}
			}
		}
	}
}

// buildNamed returns the objects of an overlay with components and, after them, names.
func buildNamed(t *testing.T, overlay string, components ...string) []object {
	t.Helper()
	directory := t.TempDir()
	text := fmt.Sprintf("resources:\n  - %s\n  - names.yaml\ncomponents:\n", relative(t, directory, "overlays/"+overlay))
	for _, component := range append(components, "names") {
		text += fmt.Sprintf("  - %s\n", relative(t, directory, "components/"+component))
	}
	names, err := os.ReadFile("overlays/example/names.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string][]byte{"Kustomization": []byte(text), "names.yaml": names} {
		if err := os.WriteFile(filepath.Join(directory, file), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return buildDirectory(t, directory)
}

// checkNames checks that no object has a name of the base, an overlay or a component.
func checkNames(t *testing.T, objects []object) {
	t.Helper()
	patterns := map[string]*regexp.Regexp{}
	for name, pattern := range defaults {
		patterns[name] = regexp.MustCompile(pattern)
	}
	for _, o := range objects {
		for _, line := range lines(o) {
			for name, pattern := range patterns {
				if pattern.MatchString(line) && !ours.MatchString(line) {
					t.Errorf("the name %s is not set: %v has %s", name, o.at("metadata", "name"), line)
				}
			}
		}
	}
}

// lines returns the values of an object, each line of them after the object's kind and the path of the value.
func lines(o object) (found []string) {
	var visit func(path string, value any)
	visit = func(path string, value any) {
		switch value := value.(type) {
		case map[string]any:
			for name, field := range value {
				visit(path+"."+name, field)
			}
		case []any:
			for i, item := range value {
				visit(fmt.Sprint(path, ".", i), item)
			}
		default:
			for line := range strings.Lines(fmt.Sprint(value)) {
				found = append(found, strings.TrimPrefix(path, ".")+": "+strings.TrimSuffix(line, "\n"))
			}
		}
	}
	for name, field := range o {
		if name != "kind" && name != "apiVersion" {
			visit(o["kind"].(string)+"/"+name, field)
		}
	}
	return found
}

// checkUsed checks that every name of the example is somewhere.
func checkUsed(t *testing.T, objects []object, names map[string]any) {
	t.Helper()
	var all strings.Builder
	for _, o := range objects {
		all.WriteString(strings.Join(lines(o), "\n"))
	}
	for name, value := range names {
		if name == "store-endpoint" {
			value = strings.TrimPrefix(value.(string), "https://")
		}
		if !strings.Contains(all.String(), value.(string)) {
			t.Errorf("the name %s (%v) is nowhere", name, value)
		}
	}
}

// secrets are those that a person or an operator creates in the namespace of the service (docs/operations).
var secrets = []string{
	"image-service-secret", "image-service-api-keys", "image-service-authorities", "image-service-webhook-endpoints",
	"image-upload", "image-dead-letters", "image-source", "image-broker",
}

// checkNamed checks that what objects of the service name beside each other is there: namespaces, ConfigMaps, Secrets,
// and with storage the topics.
func checkNamed(t *testing.T, objects []object, namespace any) {
	t.Helper()
	topics := map[any]bool{}
	for _, topic := range ofKind(objects, "KafkaTopic") {
		topics[topic.at("metadata", "name")] = true
	}
	for _, o := range objects {
		in := o.at("metadata", "namespace")
		if in != nil && in != "cert-manager" && !has(objects, "Namespace", in) {
			t.Errorf("%s %v is in namespace %v, which does not exist", o["kind"], o.at("metadata", "name"), in)
		}
		if in != namespace {
			continue
		}
		walk(map[string]any(o), func(fields map[string]any) {
			at := object(fields)
			for _, name := range []any{at.at("configMapRef", "name"), at.at("configMap", "name")} {
				if name != nil && !has(objects, "ConfigMap", name) {
					t.Errorf("%s %v uses the ConfigMap %v, which does not exist", o["kind"], o.at("metadata", "name"), name)
				}
			}
			for _, name := range []any{
				at.at("secretRef", "name"), at.at("secretKeyRef", "name"), at.at("secret", "secretName"),
			} {
				if name != nil && !slices.Contains(secrets, name.(string)) {
					t.Errorf("%s %v uses the Secret %v, want one of %q", o["kind"], o.at("metadata", "name"), name, secrets)
				}
			}
			if ref, _ := fields["ref"].(map[string]any); ref["namespace"] != nil && ref["namespace"] != namespace {
				t.Errorf("%s %v refers to %v", o["kind"], o.at("metadata", "name"), ref)
			}
		})
		if listed, _ := o.at("spec", "topics").([]any); len(topics) > 0 && len(listed) == 1 && !topics[listed[0]] {
			t.Errorf("%s %v reads the topic %v, which does not exist", o["kind"], o.at("metadata", "name"), listed)
		}
		if o["kind"] == "Trigger" && o.at("metadata", "name") == "upload-ping" {
			want := fmt.Sprintf("/apis/v1/namespaces/%v/pingsources/image-sweep", namespace)
			if got := o.at("spec", "filter", "attributes", "source"); got != want {
				t.Errorf("upload-ping selects the source %v, want %s", got, want)
			}
		}
	}
	checkRights(t, objects, topics)
}

// checkRights checks that rights are rights to topics that exist, in the Kafka that exists.
func checkRights(t *testing.T, objects []object, topics map[any]bool) {
	t.Helper()
	for _, user := range ofKind(objects, "KafkaUser") {
		if cluster := user.at("metadata", "labels", "strimzi.io/cluster"); !has(objects, "Kafka", cluster) {
			t.Errorf("KafkaUser %v is of the Kafka %v, which does not exist", user.at("metadata", "name"), cluster)
		}
		rights, _ := user.at("spec", "authorization", "acls").([]any)
		for _, right := range rights {
			resource := object(right.(map[string]any)).at("resource").(map[string]any)
			if resource["type"] == "topic" && resource["patternType"] == "literal" && !topics[resource["name"]] {
				t.Errorf("KafkaUser %v has rights to the topic %v, which does not exist",
					user.at("metadata", "name"), resource["name"])
			}
		}
	}
}

// has reports whether there is an object of a kind and name.
func has(objects []object, kind string, name any) bool {
	return slices.ContainsFunc(ofKind(objects, kind), func(o object) bool { return o.at("metadata", "name") == name })
}
