//go:build e2e

package e2e_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var namesFile = flag.String("names", "",
	"deploy with the names of a file like knative/overlays/example/names.yaml, such as testdata/names.yaml")

// What the manifests call these, or the file of names.
var (
	namespace        = "image-service"
	publicName       = "api.yourdomain.com"
	issuer           = "letsencrypt-prod"
	serverNamespaces = []string{"minio", "redis", "kafka"}
)

func TestMain(m *testing.M) {
	flag.Parse()
	if *namesFile != "" {
		if err := readNames(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func readNames() error {
	text, err := os.ReadFile(*namesFile)
	if err != nil {
		return err
	}
	var names struct {
		Data struct {
			Namespace, Host, Issuer string
			Store                   string `yaml:"store-namespace"`
			Redis                   string `yaml:"redis-namespace"`
			Kafka                   string `yaml:"kafka-namespace"`
		}
	}
	if err := yaml.Unmarshal(text, &names); err != nil {
		return fmt.Errorf("%s: %w", *namesFile, err)
	}
	namespace, publicName, issuer = names.Data.Namespace, names.Data.Host, names.Data.Issuer
	serverNamespaces = []string{names.Data.Store, names.Data.Redis, names.Data.Kafka}
	return nil
}

// An overlay is a Kustomization of directories of the repository. With -names, it has the names of the file.
type overlay struct {
	resources, components []string
	patches               string // in YAML
}

// base is what is deployed without any component.
var base = overlay{resources: []string{"knative/base"}}

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

// deploy deploys the service by the documented commands.
func deploy(t *testing.T) {
	t.Helper()
	if *namesFile == "" {
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
	if *namesFile == "" {
		run(t, "", "ko", "delete", "--filename", "knative/")
	} else {
		run(t, build(t, base), "ko", "delete", "--filename=-")
	}
}
