package main

import (
	"bytes"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
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

// Every route of the reference exists. Those that sign answer nothing_signed, because local mode has no signing keys.
func TestReferenceRoutes(t *testing.T) {
	t.Parallel()
	s := startStack(t)
	id := s.upload("photo.jpg", photo(t, imaging, "branches.jpg"))
	s.finalState(id)
	s.do(http.MethodPost, s.url+"/", "image/jpeg", bytes.NewReader(photo(t, imaging, "branches.jpg")),
		"Ce-Specversion: 1.0", "Ce-Type: image.received", "Ce-Source: /scanner", "Ce-Id: "+id)
	_, routes, _ := strings.Cut(page(t, "docs/reference/http.md"), "\n## Routes\n")
	routes, _, _ = strings.Cut(routes, "\n## ")
	route := regexp.MustCompile("(?m)^\\| `(GET|POST) (/[^`]*)` \\|")
	found := route.FindAllStringSubmatch(routes, -1)
	if len(found) < 9 {
		t.Errorf("the reference has %d routes, want at least 9", len(found))
	}
	values := strings.NewReplacer("<id>", id, "<name>", "thumbnail", "<source>", "/scanner", "<seconds>", "1",
		"<number>", "9", "<state>", "completed")
	for _, match := range found {
		t.Run(match[1]+" "+match[2], func(t *testing.T) {
			path := values.Replace(match[2])
			answer := s.do(match[1], s.url+path, "", nil)
			unsigned := strings.Contains(string(answer.body), `"code":"nothing_signed"`)
			if answer.status != 200 && (match[1] != "POST" || answer.status != 400 && !unsigned) {
				t.Errorf("got %d %s, want 200, or 400 for a POST without a body", answer.status, answer.body)
			}
		})
	}
}

// Each of the two commands is a block of its own, because the first one runs until it is interrupted.
func TestReadmeCommands(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"go run ./knative/local", "go test ./..."} {
		if !strings.Contains(page(t, "README.md"), "```sh\n"+command+"\n```\n") {
			t.Errorf("the README has no block with %q alone", command)
		}
	}
}
