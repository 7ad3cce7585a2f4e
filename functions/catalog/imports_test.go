package catalog

import (
	"os/exec"
	"strings"
	"testing"
)

// Imports go one way, from where the functions run to what they do: nothing under functions/ imports knative/, tests
// included.
func TestImportsGoOneWay(t *testing.T) {
	const module = "gitlab.com/yourorg/image-service"
	// One line a package, with its imports and those of its tests: what a package reaches only through others is a
	// direct import of one of these.
	const format = "{{.ImportPath}}{{range .Imports}} {{.}}{{end}}" +
		"{{range .TestImports}} {{.}}{{end}}{{range .XTestImports}} {{.}}{{end}}"
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", format, module+"/functions/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	packages := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(packages) < 20 {
		t.Errorf("go list found %d packages, want at least 20", len(packages))
	}
	for _, line := range packages {
		fields := strings.Fields(line)
		for _, imported := range fields[1:] {
			if imported == module+"/knative" || strings.HasPrefix(imported, module+"/knative/") {
				t.Errorf("%s imports %s, want no import of knative", fields[0], imported)
			}
		}
	}
}
