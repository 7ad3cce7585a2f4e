package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// section is the text under a heading.
func section(t *testing.T, heading string) string {
	t.Helper()
	_, text, found := strings.Cut(readme(t), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("the README has no section %q", heading)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	return text
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

// Every route that the README names is there.
func TestReadmeRoutes(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	id := s.upload("photo.jpg", photo(t, imaging, "branches.jpg"))
	s.finalState(id)
	route := regexp.MustCompile("`(?:(GET|POST) )?(/[^`?]*)`")
	found := 0
	for _, row := range rows(section(t, "HTTP")) {
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

// The two commands stand alone in the first block.
func TestReadmeCommands(t *testing.T) {
	t.Parallel()
	if !strings.Contains(readme(t), "```sh\ngo run ./knative/local\ngo test ./...\n```\n") {
		t.Error("the README does not begin with its two commands")
	}
}
