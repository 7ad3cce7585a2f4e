//go:build e2e

package e2e_test

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var namesFile = flag.String("names", "",
	"deploy with the names of a file like knative/overlays/example/names.yaml, such as testdata/names.yaml")

var componentNames = flag.String("components", "",
	"deploy with these components of knative/components, such as network-policies,bucket-inbox,servers-tls")

// What the manifests call these, or the file of names.
var (
	namespace        = "image-service"
	serviceAccount   = "image-service"
	publicName       = "api.yourdomain.com"
	issuer           = "letsencrypt-prod"
	serverNamespaces = []string{"minio", "redis", "kafka"}
	sourceBucket     = fmt.Sprintf("scans-%d", rand.Int())
)

func TestMain(m *testing.M) {
	flag.Parse()
	if *namesFile != "" {
		if err := readNames(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	if *componentNames != "" {
		chooseComponents(strings.Split(*componentNames, ","))
	}
	os.Exit(m.Run())
}

// chooseComponents adds components to the base. Pods request little of the CPU, so that a small node has place for more
// of them. The KafkaSource of a cluster may support neither TLS nor logins, and gets a listener without them then.
func chooseComponents(names []string) {
	for _, name := range names {
		base.components = append(base.components, "knative/components/"+name)
	}
	base.patches = `
  - target: { group: serving.knative.dev, kind: Service }
    patch: |
      - { op: replace, path: /spec/template/spec/containers/0/resources/requests/cpu, value: 10m }
`
	if open := os.Getenv("CI_KAFKA_OPEN_SERVERS"); secure() && open != "" {
		base.patches += fmt.Sprintf(`
  - target: { kind: KafkaSource }
    patch: |
      - { op: remove, path: /spec/net }
      - { op: replace, path: /spec/bootstrapServers/0, value: %q }
`, open)
	}
}

// deployed reports whether a component is among those of the base.
func deployed(component string) bool {
	return slices.Contains(base.components, "knative/components/"+component)
}

// secure reports whether the functions connect to the servers over TLS.
func secure() bool { return deployed("servers-tls") }

func readNames() error {
	text, err := os.ReadFile(*namesFile)
	if err != nil {
		return err
	}
	var names struct {
		Data struct {
			Namespace, Host, Issuer string
			ServiceAccount          string `yaml:"service-account"`
			SourceBucket            string `yaml:"source-bucket"`
			Store                   string `yaml:"store-namespace"`
			Redis                   string `yaml:"redis-namespace"`
			Kafka                   string `yaml:"kafka-namespace"`
		}
	}
	if err := yaml.Unmarshal(text, &names); err != nil {
		return fmt.Errorf("%s: %w", *namesFile, err)
	}
	namespace, publicName, issuer = names.Data.Namespace, names.Data.Host, names.Data.Issuer
	serviceAccount, sourceBucket = names.Data.ServiceAccount, names.Data.SourceBucket
	serverNamespaces = []string{names.Data.Store, names.Data.Redis, names.Data.Kafka}
	return nil
}

// An overlay is a Kustomization of directories of the repository. With -names, it has the names of the file.
type overlay struct {
	resources, components []string
	patches               string // in YAML
}

// base is what every chapter deploys: the base, with the components of -components.
var base = overlay{resources: []string{"knative/base"}}

// with returns the overlay with more patches and components.
func (o overlay) with(patches string, components ...string) overlay {
	return overlay{o.resources, slices.Concat(o.components, components), o.patches + patches}
}

// An object is what the tests read of a manifest.
type object struct {
	Kind     string
	Metadata struct{ Name string }
	Data     map[string]string
	Spec     struct{ Topics []string } // of a KafkaSource
	text     string
}

// objects returns the manifests of an overlay.
func objects(t *testing.T, o overlay) (all []object) {
	t.Helper()
	for text := range strings.SplitSeq(build(t, o), "\n---\n") {
		read := object{text: text}
		if err := yaml.Unmarshal([]byte(text), &read); err != nil {
			t.Fatal(err)
		}
		all = append(all, read)
	}
	return all
}

// build returns the manifests of an overlay.
func build(t *testing.T, o overlay) string {
	t.Helper()
	directory := t.TempDir()
	write := func(name string, content []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(directory, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var resources, components []string
	for _, path := range o.resources {
		resources = append(resources, relative(t, directory, path))
	}
	for _, path := range o.components {
		components = append(components, relative(t, directory, path))
	}
	if *namesFile != "" {
		names, err := os.ReadFile(*namesFile)
		if err != nil {
			t.Fatal(err)
		}
		if secure() {
			names = bytes.Replace(names, []byte("store-endpoint: http://"), []byte("store-endpoint: https://"), 1)
		}
		write("names.yaml", names)
		resources = append(resources, "names.yaml")
		components = append(components, relative(t, directory, "knative/components/names")) // after all others
	}
	write("Kustomization", fmt.Appendf(nil, "resources: [%s]\ncomponents: [%s]\npatches: %s\n",
		strings.Join(resources, ", "), strings.Join(components, ", "), o.patches))
	return run(t, "", "kubectl", "kustomize", directory)
}

// relative returns the path of a directory of the repository relative to another one: kustomize rejects absolute paths.
func relative(t *testing.T, directory, path string) string {
	t.Helper()
	relative, err := filepath.Rel(directory, filepath.Join(root(t), path))
	if err != nil {
		t.Fatal(err)
	}
	return relative
}

// asItIs reports whether the manifests are deployed without an overlay.
func asItIs() bool { return *namesFile == "" && *componentNames == "" }

// deploy deploys the service by the documented commands.
func deploy(t *testing.T) {
	t.Helper()
	if asItIs() {
		run(t, "", "ko", "apply", "--filename", "knative/")
	} else {
		deployOverlay(t, base)
	}
}

func deployOverlay(t *testing.T, o overlay) {
	t.Helper()
	run(t, build(t, o), "ko", "apply", "--filename=-")
}

// withdraw deletes what deploy deployed.
func withdraw(t *testing.T) {
	t.Helper()
	if asItIs() {
		run(t, "", "ko", "delete", "--filename", "knative/")
	} else {
		run(t, build(t, base), "ko", "delete", "--filename=-")
	}
}
