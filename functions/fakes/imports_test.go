package fakes

import (
	"os/exec"
	"strings"
	"testing"
)

const module = "gitlab.com/yourorg/image-service/"

// goList returns the lines that go list prints for packages under functions/.
func goList(t *testing.T, arguments ...string) []string {
	t.Helper()
	output, err := exec.Command("go", append([]string{"list"}, arguments...)...).Output()
	if err != nil {
		t.Fatalf("go list %q: %v", arguments, err)
	}
	return strings.Split(strings.TrimSpace(string(output)), "\n")
}

// Imports point down: nothing under functions/ imports knative/, tests included.
func TestNothingImportsKnative(t *testing.T) {
	const format = `{{.ImportPath}} {{join .Imports " "}} {{join .TestImports " "}} {{join .XTestImports " "}}`
	packages := goList(t, "-f", format, module+"functions/...")
	if len(packages) < 20 {
		t.Fatalf("got %d packages, want all of functions/", len(packages))
	}
	for _, line := range packages {
		importer, imports, _ := strings.Cut(line, " ")
		if strings.Contains(imports, module+"knative") {
			t.Errorf("%s imports knative/: %s", importer, imports)
		}
	}
}

// The fakes, and package testing, are in no program but provision.
func TestNothingShippedImportsFakes(t *testing.T) {
	commands := 0
	for _, line := range goList(t, "-f", "{{.Name}} {{.ImportPath}} {{join .Deps \" \"}}", module+"functions/...") {
		command, isMain := strings.CutPrefix(line, "main ")
		name, dependencies, _ := strings.Cut(command, " ")
		if !isMain || strings.HasPrefix(name, module+"functions/fakes/") {
			continue
		}
		commands++
		for dependency := range strings.SplitSeq(dependencies, " ") {
			if strings.HasPrefix(dependency, module+"functions/fakes") || dependency == "testing" {
				t.Errorf("%s links %s", name, dependency)
			}
		}
	}
	if commands < 5 {
		t.Errorf("got %d commands, want the three functions and the tools", commands)
	}
}
