package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/functions/catalog"
	"gitlab.com/yourorg/image-service/functions/cli"
	"gitlab.com/yourorg/image-service/functions/internal/rendition"
)

const directory = "../../../docs/reference"

// The pages say what the code declares.
func TestPages(t *testing.T) {
	for _, page := range pages {
		t.Run(page.name, func(t *testing.T) {
			before, err := os.ReadFile(filepath.Join(directory, page.name))
			if err != nil {
				t.Fatal(err)
			}
			after, err := page.update(string(before))
			if err != nil {
				t.Fatal(err)
			}
			if after != string(before) {
				line := firstDifference(string(before), after)
				t.Errorf("docs/reference/%s is stale at line %d: run make generate", page.name, line)
			}
		})
	}
}

func TestSchemaFile(t *testing.T) {
	got, err := os.ReadFile(filepath.Join(directory, schemaFile))
	if err != nil || !bytes.Equal(got, rendition.Schema()) {
		t.Errorf("docs/reference/%s is stale (%v): run make generate", schemaFile, err)
	}
}

// firstDifference returns the number of the first line in which two texts differ.
func firstDifference(a, b string) int {
	before, after := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range before {
		if i >= len(after) || before[i] != after[i] {
			return i + 1
		}
	}
	return len(before) + 1
}

// The generator changes what stands between the comments and nothing else.
func TestWrite(t *testing.T) {
	directory := t.TempDir()
	for _, page := range pages {
		text := "# Title\n\n" + begin + "old\n" + end + "Text.\n"
		if err := os.WriteFile(filepath.Join(directory, page.name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := realMain([]string{directory}, nil); err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		t.Run(page.name, func(t *testing.T) {
			got, err := os.ReadFile(filepath.Join(directory, page.name))
			if err != nil {
				t.Fatal(err)
			}
			text := string(got)
			if !strings.HasPrefix(text, "# Title\n\n"+begin+"\n") || !strings.HasSuffix(text, "\n\n"+end+"Text.\n") {
				t.Errorf("the page is\n%s\nwant its text around the generated part", text)
			}
			if strings.Contains(text, "old\n") || strings.Count(text, "\n| ") < 4 {
				t.Errorf("the page has no new table:\n%s", text)
			}
		})
	}
	if err := os.WriteFile(filepath.Join(directory, pages[0].name), []byte("# Title\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := realMain([]string{directory}, nil); err == nil || !strings.Contains(err.Error(), begin[:20]) {
		t.Errorf("a page without the comments: %v", err)
	}
}

func TestHelp(t *testing.T) {
	var out bytes.Buffer
	err := realMain([]string{"--help"}, &out)
	if !errors.Is(err, cli.ErrHelp) || !strings.Contains(out.String(), "docs/reference") {
		t.Errorf("realMain() = %v, printed %q", err, &out)
	}
}

// What the source declares is found, with its labels, wherever it is.
func TestFindMetrics(t *testing.T) {
	metrics, err := findMetrics()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]metric{}
	for _, m := range metrics {
		found[m.name] = m
		if m.help == "" || !strings.HasSuffix(m.help, ".") && !strings.Contains(m.help, ";") {
			t.Errorf("%s: the help is %q, want a sentence", m.name, m.help)
		}
	}
	for name, want := range map[string]struct{ kind, labels, functions string }{
		"http_requests_total":           {"counter", "method endpoint status", "upload thumbnail dead-letters webhook"},
		"image_service_build_info":      {"gauge", "function version", "upload thumbnail dead-letters webhook"},
		"thumbnail_duration_seconds":    {"histogram", "", "thumbnail"},
		"dead_letters_kept_total":       {"counter", "code", "dead-letters"},
		"image_uploads_refused_total":   {"counter", "code", "upload"},
		"http_request_duration_seconds": {"histogram", "method endpoint", "upload thumbnail dead-letters webhook"},
	} {
		t.Run(name, func(t *testing.T) {
			m := found[name]
			labels, functions := strings.Join(m.labels, " "), strings.Join(m.functions, " ")
			if m.kind != want.kind || labels != want.labels || functions != want.functions {
				t.Errorf("got %+v, want %+v", m, want)
			}
		})
	}
	if len(found) < 15 || len(catalog.Functions()) != 4 {
		t.Errorf("found %d metrics of %d functions", len(found), len(catalog.Functions()))
	}
}

func TestTable(t *testing.T) {
	got := table{{"a", "b"}, {"1|2", code("x", "y")}}.String()
	if want := "| a | b |\n|---|---|\n| 1\\|2 | `x`, `y` |\n"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
}
