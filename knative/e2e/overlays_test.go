//go:build e2e

package e2e_test

import (
	"bytes"
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestOverlays checks that the cluster would accept every overlay, alone and with each component, without unknown
// fields. Kinds that the cluster does not serve are left out.
func TestOverlays(t *testing.T) {
	const defaults, example = "image-service", "pictures"
	namespaces := append([]string{defaults, example, namespace, "minio", "redis", "kafka"}, serverNamespaces...)
	slices.Sort(namespaces)
	for _, name := range slices.Compact(namespaces) {
		if exists(t, "namespace", name) {
			t.Fatalf("namespace %s already exists: the cluster is in use", name)
		}
		kubectl(t, "create", "namespace", name)
		t.Cleanup(func() {
			if _, err := try(context.Background(), ".", "", "kubectl", "delete", "namespace", name, "--timeout=3m"); err != nil {
				t.Error(err)
			}
		})
	}
	// The component workload-identity expects it. Knative asks for the account of a pod in a dry run, too.
	kubectl(t, "create", "serviceaccount", serviceAccount, "--namespace="+namespace)
	served := servedKinds(t)
	components, err := os.ReadDir("../components")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"dev", "prod", "example"} {
		t.Run(name, func(t *testing.T) {
			accepts(t, served, run(t, "", "kubectl", "kustomize", "knative/overlays/"+name))
		})
	}
	for _, component := range components {
		if component.Name() == "names" { // which the example has
			continue
		}
		with := "prod"
		if component.Name() == "network-policies" { // prod already includes it
			with = "dev"
		}
		t.Run(with+" with "+component.Name(), func(t *testing.T) {
			accepts(t, served, build(t, overlay{
				resources: []string{"knative/overlays/" + with}, components: []string{"knative/components/" + component.Name()},
			}))
		})
	}
}

// servedKinds returns what the cluster serves: versions such as "apps/v1" and kinds such as "apps Deployment".
func servedKinds(t *testing.T) map[string]bool {
	t.Helper()
	served := map[string]bool{}
	for version := range strings.Lines(run(t, "", "kubectl", "api-versions")) {
		served[strings.TrimSpace(version)] = true
	}
	for line := range strings.Lines(run(t, "", "kubectl", "api-resources", "--no-headers")) {
		if words := strings.Fields(line); len(words) >= 4 { // it shows only the preferred version
			served[groupOf(words[len(words)-3])+" "+words[len(words)-1]] = true
		}
	}
	return served
}

func groupOf(apiVersion string) string {
	group, _, found := strings.Cut(apiVersion, "/")
	if !found {
		return "core"
	}
	return group
}

// accepts validates manifests by a server-side dry run.
func accepts(t *testing.T, served map[string]bool, text string) {
	t.Helper()
	resolved := strings.ReplaceAll(text, "ko://", "registry.example/") // a dry run pulls no image
	documents := known(t, served, resolved)
	run(t, documents, "kubectl", "apply", "--dry-run=server", "--validate=strict", "--filename=-")
}

// known returns manifests without the kinds that the cluster does not serve.
func known(t *testing.T, served map[string]bool, text string) string {
	t.Helper()
	var documents bytes.Buffer
	var unknown []string
	for document := range strings.SplitSeq(text, "\n---\n") {
		var head struct {
			APIVersion string `yaml:"apiVersion"`
			Kind       string
		}
		if err := yaml.Unmarshal([]byte(document), &head); err != nil {
			t.Fatal(err)
		}
		switch {
		case head.Kind == "":
		case served[head.APIVersion] && served[groupOf(head.APIVersion)+" "+head.Kind]:
			documents.WriteString("---\n" + document + "\n")
		case !slices.Contains(unknown, head.Kind):
			unknown = append(unknown, head.Kind)
		}
	}
	if len(unknown) > 0 {
		t.Logf("kinds that the cluster does not serve: %s", strings.Join(unknown, ", "))
	}
	return documents.String()
}
