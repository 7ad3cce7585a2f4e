package raster

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// sampleDirs are the test data of Go and of modules that this one depends on, which have real photographs.
var sampleDirs = sync.OnceValues(func() (map[string]string, error) {
	dirs := map[string]string{}
	for name, args := range map[string][]string{
		"imaging": {"list", "-m", "-f", "{{.Dir}}/testdata", "github.com/disintegration/imaging"},
		"x":       {"list", "-m", "-f", "{{.Dir}}/testdata", "golang.org/x/image"},
		"go":      {"list", "-f", "{{.Dir}}/testdata", "image"},
		"png":     {"list", "-f", "{{.Dir}}/testdata", "image/png"},
	} {
		dir, err := exec.Command("go", args...).Output()
		if err != nil {
			return nil, err
		}
		dirs[name] = strings.TrimSpace(string(dir))
	}
	return dirs, nil
})

// samples returns the files that match patterns such as "imaging/orientation_*.jpg", by such names.
func samples(tb testing.TB, patterns ...string) map[string][]byte {
	tb.Helper()
	dirs, err := sampleDirs()
	if err != nil {
		tb.Fatalf("find test data of modules: %v", err)
	}
	files := map[string][]byte{}
	for _, pattern := range patterns {
		module, name, _ := strings.Cut(pattern, "/")
		matches, err := filepath.Glob(filepath.Join(dirs[module], name))
		if err != nil || len(matches) == 0 {
			tb.Fatalf("no sample is called %s in %s: %v", pattern, dirs[module], err)
		}
		for _, match := range matches {
			content, err := os.ReadFile(match)
			if err != nil {
				tb.Fatal(err)
			}
			files[module+strings.TrimPrefix(match, dirs[module])] = content
		}
	}
	return files
}

// sample returns the file of a name such as "imaging/branches.jpg".
func sample(tb testing.TB, name string) []byte {
	tb.Helper()
	return samples(tb, name)[name]
}

// images returns a file of every kind among the samples.
func images(tb testing.TB) map[string][]byte {
	tb.Helper()
	files := samples(tb, "imaging/branches.jpg", "imaging/flowers_small.png", "imaging/orientation_*.jpg",
		"x/*.webp", "x/*.jpeg", "go/*.jpeg", "go/*.gif", "go/*.png", "png/bench*.png", "png/gray*.png", "png/pngsuite/*.png")
	for name := range files {
		if strings.Contains(name, "truncated") {
			delete(files, name)
		}
	}
	return files
}

// names returns the keys in a fixed order, for subtests.
func names(files map[string][]byte) []string {
	var sorted []string
	for name := range files {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	return sorted
}

func render(tb testing.TB, file []byte, box Box) Rendition {
	tb.Helper()
	picture, err := Open(bytes.NewReader(file), Limits{})
	if err != nil {
		tb.Fatalf("open: %v", err)
	}
	renditions, err := picture.Render(tb.Context(), Target{Box: box})
	if err != nil {
		tb.Fatalf("render: %v", err)
	}
	return renditions[0]
}
