package main

import (
	"context"
	"io/fs"
	"maps"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/deadletter/deadletter"
	"gitlab.com/yourorg/image-service/functions/thumbnail/thumbnailer"
	"gitlab.com/yourorg/image-service/functions/upload/intake"
)

// page returns a file of the repository.
func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// rows are the cells of the tables in a text, without their heads.
func rows(text string) (rows [][]string) {
	for line := range strings.Lines(text) {
		if cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|"); len(cells) > 1 && strings.HasPrefix(line, "| `") {
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			rows = append(rows, cells)
		}
	}
	return rows
}

var code = regexp.MustCompile("`([^`]+)`")

// The settings of docs/reference/settings.md are those that the functions read, each by the one that it names.
func TestReadmeSettings(t *testing.T) {
	t.Parallel()
	asked := func(run func(context.Context, net.Listener, func(string) string) error) map[string]bool {
		names := map[string]bool{}
		for _, sink := range []string{"", "http://sink"} { // with and without Kafka
			if err := run(t.Context(), nil, func(name string) string {
				names[name] = true
				if name == "K_SINK" {
					return sink
				}
				return ""
			}); err == nil {
				t.Error("a function without settings runs")
			}
		}
		return names
	}
	want := map[string]map[string]bool{"upload": asked(intake.Run), "thumbnail": asked(thumbnailer.Run), "dead-letters": asked(deadletter.Run)}
	got := map[string]map[string]bool{"upload": {}, "thumbnail": {}, "dead-letters": {}}
	for _, row := range rows(page(t, "docs/reference/settings.md")) {
		for _, name := range code.FindAllStringSubmatch(row[0], -1) {
			for function := range got {
				if row[3] == "all" || slices.Contains(strings.Split(row[3], ", "), function) {
					got[function][name[1]] = true
				}
			}
		}
	}
	for function := range want {
		if !maps.Equal(got[function], want[function]) {
			t.Errorf("%s reads %q, the page has %q", function, slices.Sorted(maps.Keys(want[function])), slices.Sorted(maps.Keys(got[function])))
		}
	}
}

func TestReadmeEvents(t *testing.T) {
	t.Parallel()
	var types []string
	for _, row := range rows(page(t, "docs/reference/events.md")) {
		types = append(types, strings.Trim(row[0], "`"))
		if row[0] == "`"+events.TypeImageFailed+"`" {
			for _, reason := range events.Reasons() {
				if !strings.Contains(row[2], "`"+string(reason)+"`") {
					t.Errorf("the README has no reason %s", reason)
				}
			}
		}
	}
	want := []string{events.TypeImageReceived, events.TypeImageUploaded, events.TypeImageThumbnailed, events.TypeImageFailed, events.TypeImageSweep}
	if !slices.Equal(types, want) {
		t.Errorf("the README has the events %q, want %q", types, want)
	}
}

// Every route that the README names is there.
func TestReadmeRoutes(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	id := s.upload("photo.jpg", photo(t, imaging, "branches.jpg"))
	s.finalState(id)
	route := regexp.MustCompile("`(?:(GET|POST) )?(/[^`?]*)`")
	_, routes, _ := strings.Cut(page(t, "docs/reference/http.md"), "\n## Routes\n")
	routes, _, _ = strings.Cut(routes, "\n## ")
	found := 0
	for _, row := range rows(routes) {
		method := ""
		for _, match := range route.FindAllStringSubmatch(row[0], -1) {
			if match[1] != "" {
				method = match[1]
			}
			found++
			path := strings.ReplaceAll(match[2], "<id>", id)
			if answer := s.do(method, s.url+path, "", nil); answer.status != 200 && (method != "POST" || answer.status != 400) {
				t.Errorf("%s %s: %d %s", method, path, answer.status, answer.body)
			}
		}
	}
	if found < 9 {
		t.Errorf("the README names %d routes, want all", found)
	}
}

// Every code that an answer can have is in the README.
func TestReadmeCodes(t *testing.T) {
	t.Parallel()
	literal := regexp.MustCompile(`Code: +"([a-z_]+)"`)
	text := page(t, "docs/reference/errors.md")
	codes := events.Reasons()
	err := fs.WalkDir(os.DirFS("../../functions"), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile("../../functions/" + path)
		for _, match := range literal.FindAllSubmatch(source, -1) {
			codes = append(codes, events.Reason(match[1]))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range codes {
		if code != "internal" && !strings.Contains(text, "`"+string(code)+"`") {
			t.Errorf("the README has no code %s", code)
		}
	}
}

// The two commands stand alone in the first block.
func TestReadmeCommands(t *testing.T) {
	t.Parallel()
	if !strings.Contains(page(t, "README.md"), "```sh\ngo run ./knative/local\ngo test ./...\n```\n") {
		t.Error("the README does not begin with its two commands")
	}
}
