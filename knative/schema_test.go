package knative_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// schemas returns the schemas of the CRDs in testdata/schema by apiVersion and kind. Each file names its source (a Go
// module, or a repository at a commit) and its licence. Descriptions, defaults and status are omitted, and so are the
// parts that the field leftOut lists.
func schemas(t *testing.T) map[[2]string]*jsonschema.Schema {
	t.Helper()
	files, err := filepath.Glob("testdata/schema/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	found := map[[2]string]*jsonschema.Schema{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var crd struct {
			APIVersion, Kind, Source, License string
			Schema                            map[string]any
		}
		if err := json.Unmarshal(text, &crd); err != nil || crd.Source == "" || crd.License == "" {
			t.Fatalf("%s: %+v, %v", file, crd, err)
		}
		compiler := jsonschema.NewCompiler()
		if err := compiler.AddResource(file, strict(crd.Schema)); err != nil {
			t.Fatal(err)
		}
		if found[[2]string{crd.APIVersion, crd.Kind}], err = compiler.Compile(file); err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// strict translates an OpenAPI schema of Kubernetes to JSON Schema: unknown fields are errors, and nullable values
// may be null.
func strict(schema any) any {
	switch schema := schema.(type) {
	case []any:
		for i := range schema {
			schema[i] = strict(schema[i])
		}
	case map[string]any:
		for name := range schema {
			schema[name] = strict(schema[name])
		}
		if properties, ok := schema["properties"].(map[string]any); ok && schema["type"] == "object" {
			if _, has := schema["additionalProperties"]; !has && schema["x-kubernetes-preserve-unknown-fields"] != true {
				schema["additionalProperties"] = false
			}
			if spec, _ := properties["spec"].(map[string]any); spec["type"] != nil { // the root of a resource
				properties["apiVersion"], properties["kind"] = true, true
				properties["metadata"] = map[string]any{"type": "object"}
			}
		}
		if schema["nullable"] == true {
			return map[string]any{"anyOf": []any{map[string]any{"type": "null"}, schema}}
		}
	}
	return schema
}

// kubernetesKinds are built into Kubernetes and have no CRD; knative/e2e validates them with a cluster.
var kubernetesKinds = []string{
	"ConfigMap", "Deployment", "Namespace", "NetworkPolicy", "Service", "StatefulSet", "StorageClass",
}

// Every resource in base/, overlays/ and components/ is valid by the schema of its kind. TestOverlays validates the
// patched ones.
func TestSchemas(t *testing.T) {
	known, used := schemas(t), map[[2]string]bool{}
	for file, objects := range resources(t) {
		for _, o := range objects {
			kind := [2]string{o["apiVersion"].(string), o["kind"].(string)}
			if used[kind] = true; slices.Contains(kubernetesKinds, kind[1]) && known[kind] == nil {
				continue
			}
			checkSchema(t, known, file, o)
		}
	}
	for kind := range known {
		if !used[kind] {
			t.Errorf("no manifest uses the schema of %s %s", kind[0], kind[1])
		}
	}
}

// The schemas reject unknown fields and values of the wrong type.
func TestSchemasReject(t *testing.T) {
	known := schemas(t)
	for name, text := range map[string]string{
		"unknown field": `{"apiVersion":"sources.knative.dev/v1","kind":"KafkaSource",
			"spec":{"bootstrapServers":["a"],"topics":["a"],"topic":"a"}}`,
		"string instead of a number": `{"apiVersion":"sources.knative.dev/v1","kind":"KafkaSource",
			"spec":{"bootstrapServers":["a"],"topics":["a"],"consumers":"2"}}`,
		"unknown nested field": `{"apiVersion":"serving.knative.dev/v1","kind":"Service",
			"spec":{"template":{"spec":{"containers":[{"image":"a","securityContext":{"readOnlyRootFileSystem":true}}]}}}}`,
		"unknown enum value": `{"apiVersion":"cert-manager.io/v1","kind":"Certificate",
			"spec":{"secretName":"a","issuerRef":{"name":"a"},"privateKey":{"algorithm":"RSA4096"}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			var o object
			if err := json.Unmarshal([]byte(text), &o); err != nil {
				t.Fatal(err)
			}
			if err := known[[2]string{o["apiVersion"].(string), o["kind"].(string)}].Validate(asJSON(t, o)); err == nil {
				t.Error("the schema accepts it, want an error")
			}
		})
	}
}

// checkSchema validates an object of a file by the schema of its kind.
func checkSchema(t *testing.T, known map[[2]string]*jsonschema.Schema, file string, o object) {
	t.Helper()
	kind := [2]string{o["apiVersion"].(string), o["kind"].(string)}
	schema := known[kind]
	if schema == nil {
		t.Errorf("%s: no schema for %s %s in testdata/schema", file, kind[0], kind[1])
		return
	}
	if err := schema.Validate(asJSON(t, o)); err != nil {
		t.Errorf("%s: %s %v: %v", file, kind[1], o.at("metadata", "name"), err)
	}
}

// asJSON converts an object to the types of encoding/json, which the validator requires.
func asJSON(t *testing.T, o object) (value any) {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	return value
}

// kustomization has the fields of a Kustomization file that the tests read.
type kustomization struct {
	Kind       string
	Resources  []string
	Components []string
	Patches    []struct {
		Path   string
		Patch  string
		Target map[string]string
	}
	ConfigMapGenerator []struct{ Files []string } `yaml:"configMapGenerator"`
	Configurations     []string
}

// kustomizations returns those of the base, the overlays and the components by directory.
func kustomizations(t *testing.T) map[string]kustomization {
	t.Helper()
	found := map[string]kustomization{}
	for _, pattern := range []string{"base/Kustomization", "overlays/*/Kustomization", "components/*/Kustomization"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, files, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var k kustomization
			if err := yaml.Unmarshal(text, &k); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			found[filepath.Dir(file)] = k
		}
	}
	return found
}

// resources returns the objects of all Kustomizations by file.
func resources(t *testing.T) map[string][]object {
	t.Helper()
	found := map[string][]object{}
	for directory, k := range kustomizations(t) {
		for _, name := range k.Resources {
			if file := filepath.Join(directory, name); filepath.Ext(file) == ".yaml" {
				found[file] = readFile(t, file)
			}
		}
	}
	return found
}

// Every file that a Kustomization names exists, and every file in its directory is named. A component begins with when
// to use it.
func TestKustomizations(t *testing.T) {
	for directory, k := range kustomizations(t) {
		named := map[string]bool{"Kustomization": true}
		for _, name := range slices.Concat(k.Resources, k.Components, k.Configurations) {
			named[name] = true
			if _, err := os.Stat(filepath.Join(directory, name)); err != nil {
				t.Errorf("%s: %v", directory, err)
			}
		}
		for _, patch := range k.Patches {
			named[patch.Path] = true
		}
		for _, generator := range k.ConfigMapGenerator {
			for _, file := range generator.Files {
				named[file] = true
			}
		}
		entries, err := os.ReadDir(directory)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			if !named[entry.Name()] {
				t.Errorf("%s/%s is not part of the Kustomization", directory, entry.Name())
			}
		}
		text, err := os.ReadFile(filepath.Join(directory, "Kustomization"))
		if err != nil {
			t.Fatal(err)
		}
		if isComponent := filepath.Dir(directory) == "components"; isComponent != (k.Kind == "Component") {
			t.Errorf("%s has kind %s, want Component for components only", directory, k.Kind)
		} else if isComponent && !strings.HasPrefix(string(text), "# Use this component ") {
			t.Errorf("%s/Kustomization does not begin with \"# Use this component\" and when to use it", directory)
		}
	}
}

// docs/operations/install.md lists every component.
func TestComponentsAreListed(t *testing.T) {
	page, err := os.ReadFile("../docs/operations/install.md")
	if err != nil {
		t.Fatal(err)
	}
	for directory := range kustomizations(t) {
		name := filepath.Base(directory)
		if filepath.Dir(directory) == "components" && !strings.Contains(string(page), "| `"+name+"` |") {
			t.Errorf("docs/operations/install.md does not list the component %s", name)
		}
	}
}

// Every resource has the label of the service, and only the components that deploy servers use other namespaces.
func TestNamespaceOfComponents(t *testing.T) {
	for file, objects := range resources(t) {
		for _, o := range objects {
			if o.at("metadata", "labels", "app.kubernetes.io/part-of") != "image-service" {
				t.Errorf("%s: %s %v has no label app.kubernetes.io/part-of", file, o["kind"], o.at("metadata", "name"))
			}
			in := o.at("metadata", "namespace")
			cluster := slices.Contains([]any{"Namespace", "StorageClass", "ClusterIssuer"}, o["kind"])
			cluster = cluster || file == "overlays/example/names.yaml"
			servers := strings.HasPrefix(file, "components/storage/") || strings.HasPrefix(file, "components/storage-tls/")
			if !cluster && !servers && in != "image-service" {
				t.Errorf("%s: %s %v is in namespace %v, want image-service", file, o["kind"], o.at("metadata", "name"), in)
			}
		}
	}
}

// No manifest contains a credential: Secrets are referenced but never created, and no variable with the name of a
// credential has a value.
func TestNoSecrets(t *testing.T) {
	for file, objects := range resources(t) {
		for _, o := range objects {
			if o["kind"] == "Secret" {
				t.Errorf("%s creates the Secret %v", file, o.at("metadata", "name"))
			}
			if o["kind"] == "ConfigMap" {
				for name := range o["data"].(map[string]any) {
					if slices.Contains(secretSettings(), name) {
						t.Errorf("%s has the secret setting %s in a ConfigMap", file, name)
					}
				}
			}
			for _, variable := range variablesOf(o) {
				if _, hasValue := variable["value"]; hasValue && isSecretName(variable["name"].(string)) {
					t.Errorf("%s: %v has a value, want a reference to a Secret", file, variable["name"])
				}
			}
		}
	}
}

func isSecretName(name string) bool {
	return slices.ContainsFunc([]string{"PASSWORD", "SECRET", "ACCESS_KEY", "ROOT_USER"}, func(part string) bool {
		return strings.Contains(name, part)
	})
}

// variablesOf returns the environment variables of the containers of an object.
func variablesOf(o object) (variables []map[string]any) {
	containers, _ := o.at("spec", "template", "spec", "containers").([]any)
	for _, container := range containers {
		list, _ := container.(map[string]any)["env"].([]any)
		for _, variable := range list {
			variables = append(variables, variable.(map[string]any))
		}
	}
	return variables
}

// externalMetrics are those of Strimzi's Kafka Exporter, Knative's Kafka dispatchers, kube-state-metrics, Argo CD,
// cert-manager, and every Go process.
var externalMetrics = []string{
	"kafka_consumergroup_lag", "kafka_consumergroup_current_offset", "kn_eventing_kafka_discarded_events_1_total",
	"kube_pod_container_status_restarts_total", "kube_pod_container_status_last_terminated_reason",
	"argocd_app_info", "certmanager_certificate_expiration_timestamp_seconds",
	"process_resident_memory_bytes", "process_cpu_seconds_total",
}

// Alerts and the dashboard query only metrics that exist.
func TestMetricsExist(t *testing.T) {
	known := slices.Concat(metricsOf(t), externalMetrics)
	for _, file := range []string{"components/monitoring/rules.yaml", "components/monitoring/image-service.json"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var content any
		if err := yaml.Unmarshal(text, &content); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		queries := expressions(content)
		if len(queries) == 0 {
			t.Errorf("%s has no queries", file)
		}
		for _, expression := range queries {
			for _, name := range metricName.FindAllString(labels.ReplaceAllString(expression, ""), -1) {
				if base := bucket.ReplaceAllString(name, ""); !slices.Contains(known, base) && name != "histogram_quantile" {
					t.Errorf("%s queries %s, which does not exist", file, name)
				}
			}
		}
	}
}

var (
	metricName = regexp.MustCompile(`\b[a-z]+(_[a-z0-9]+)+\b`)
	bucket     = regexp.MustCompile(`_(bucket|count)$`)
	// Their label matchers and lists of labels, and the names of recording rules.
	labels = regexp.MustCompile(`\{[^}]*\}|\bby \([^)]*\)|\bimage:\w+:\w+`)
)

// expressions returns all queries in a dashboard or a list of alerts.
func expressions(content any) (found []string) {
	switch content := content.(type) {
	case []any:
		for _, item := range content {
			found = append(found, expressions(item)...)
		}
	case map[string]any:
		for name, value := range content {
			if text, ok := value.(string); ok && name == "expr" {
				found = append(found, text)
			}
			found = append(found, expressions(value)...)
		}
	}
	return found
}

// metricsOf returns the names of the metrics that the functions register.
func metricsOf(t *testing.T) (names []string) {
	t.Helper()
	literal := regexp.MustCompile(`Name: +"([a-z_]+)"`)
	functions := os.DirFS("../functions")
	err := fs.WalkDir(functions, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := fs.ReadFile(functions, path)
		for _, match := range literal.FindAllSubmatch(source, -1) {
			names = append(names, string(match[1]))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
