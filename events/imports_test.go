package events_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestImports checks that a program that uses the CloudEvents SDK links nothing more when it imports events.
func TestImports(t *testing.T) {
	const sdk = "github.com/cloudevents/sdk-go/v2/event"
	imports := goList(t, "-f", `{{join .Imports "\n"}}`, ".")
	for _, path := range imports {
		if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ".") && path != sdk {
			t.Errorf("events imports %s, want the standard library and %s", path, sdk)
		}
	}
	own, theirs := nonStandard(t, "."), nonStandard(t, sdk)
	for _, path := range own {
		if path != "gitlab.com/yourorg/image-service/events" && !slices.Contains(theirs, path) {
			t.Errorf("events links %s, which %s does not", path, sdk)
		}
	}
}

func nonStandard(t *testing.T, path string) []string {
	t.Helper()
	return goList(t, "-deps", "-f", `{{if not .Standard}}{{.ImportPath}}{{end}}`, path)
}

func goList(t *testing.T, args ...string) []string {
	t.Helper()
	return strings.Fields(goListText(t, args...))
}

func goListText(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...).Output()
	if err != nil {
		t.Fatalf("go list %q: %v", args, err)
	}
	return strings.TrimSpace(string(out))
}

// Imports go one way, also of the packages under events: none imports functions or knative, but for the command that
// runs the functions' code on an event, which nothing can import (docs/adr/0034-check-and-examples.md).
func TestImportsGoOneWay(t *testing.T) {
	const module = "gitlab.com/yourorg/image-service/"
	lines := strings.Split(goListText(t, "-f", `{{.Name}} {{.ImportPath}} {{join .Imports " "}}`, "./..."), "\n")
	if len(lines) < 3 {
		t.Errorf("go list found %d packages, want at least 3", len(lines))
	}
	for _, line := range lines {
		fields := strings.Fields(line)
		if fields[0] == "main" && fields[1] == module+"events/check" {
			continue
		}
		for _, path := range fields[2:] {
			if strings.HasPrefix(path, module) && path != module+"events" {
				t.Errorf("%s imports %s, want only %sevents of this module", fields[1], path, module)
			}
		}
	}
}
