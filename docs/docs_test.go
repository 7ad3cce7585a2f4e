// Package docs_test holds that the documentation is true: links lead somewhere, the paths and tests that it names
// exist, its queries use metrics that the code has.
package docs_test

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = ".."

// read returns a file of the repository.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// files returns the names of the repository's files that keep accepts, relative to its root. Directories whose name
// begins with a dot are caches, except for .ci; testdata belongs to the tests beside it, node_modules to others.
func files(t *testing.T, keep func(name string) bool) []string {
	t.Helper()
	var names []string
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		switch base := path.Base(name); {
		case err != nil:
			return err
		case base == "node_modules" && !entry.IsDir(): // .ci/browser links to one while it runs
		case entry.IsDir() && (base == "testdata" || base == "node_modules" ||
			len(base) > 1 && base[0] == '.' && base != ".ci"):
			return fs.SkipDir
		case !entry.IsDir() && keep(name):
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func isMarkdown(name string) bool { return strings.HasSuffix(name, ".md") }

var (
	fence      = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	codeSpan   = regexp.MustCompile("`[^`\n]*`")
	heading    = regexp.MustCompile(`(?m)^#+ (.+)$`)
	link       = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	notInSlugs = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// anchors returns the fragments that GitLab makes of the headings of a page.
func anchors(text string) map[string]bool {
	found := map[string]bool{}
	for _, match := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		slug := strings.ReplaceAll(notInSlugs.ReplaceAllString(strings.ToLower(match[1]), ""), " ", "-")
		found[slug] = true
	}
	return found
}

func TestLinks(t *testing.T) {
	pages := files(t, isMarkdown)
	if len(pages) < 30 {
		t.Fatalf("found %d pages, want at least 30: %v", len(pages), pages)
	}
	for _, page := range pages {
		t.Run(page, func(t *testing.T) {
			text := codeSpan.ReplaceAllString(fence.ReplaceAllString(read(t, page), ""), "")
			for _, match := range link.FindAllStringSubmatch(text, -1) {
				if err := follow(page, match[1]); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// follow reports an error if a link of a page leads nowhere. Addresses of other sites are not tried.
func follow(page, target string) error {
	if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
		return nil
	}
	name, fragment, hasFragment := strings.Cut(target, "#")
	if name == "" {
		name = page
	} else {
		name = path.Join(path.Dir(page), name)
	}
	text, err := os.ReadFile(filepath.Join(root, name))
	if info, statErr := os.Stat(filepath.Join(root, name)); statErr == nil && info.IsDir() && !hasFragment {
		return nil
	}
	if err != nil {
		return fmt.Errorf("link %q: %w", target, err)
	}
	if hasFragment && !anchors(string(text))[fragment] {
		return fmt.Errorf("link %q: %s has no heading for #%s", target, name, fragment)
	}
	return nil
}

var (
	address   = regexp.MustCompile(`[a-z]+://[^\s)>"]+`)
	repoPath  = regexp.MustCompile(`(?:^|[\s"'(\x60=|])(?:\./)?((?:events|functions|knative|docs|\.ci)/[A-Za-z0-9_./-]*)`)
	testName  = regexp.MustCompile(`\.(?:Test|Fuzz|Benchmark)\w*$`)
	diffStat  = regexp.MustCompile(`(?m)^\S+ +\| +\d+ .*$`) // of a trial that is not in the tree
	docsInAll = regexp.MustCompile(`\bdocs/[a-z0-9/-]+\.md\b`)
)

// The paths that pages name exist.
func TestPaths(t *testing.T) {
	found := 0
	for _, page := range files(t, isMarkdown) {
		for _, match := range repoPath.FindAllStringSubmatch(withoutExamples(read(t, page)), -1) {
			found++
			name := strings.TrimRight(testName.ReplaceAllString(match[1], ""), "./")
			if _, err := os.Stat(filepath.Join(root, name)); err != nil {
				t.Errorf("%s names %s, which does not exist", page, name)
			}
		}
	}
	if found < 100 {
		t.Errorf("found %d paths, want at least 100", found)
	}
}

// withoutExamples removes the paths that are not of this tree: those in addresses and in the output of git diff --stat.
func withoutExamples(text string) string {
	return diffStat.ReplaceAllString(address.ReplaceAllString(text, ""), "")
}

// The pages that comments and scripts name exist.
func TestPagesInComments(t *testing.T) {
	for _, name := range files(t, func(name string) bool { return !isMarkdown(name) }) {
		for _, page := range docsInAll.FindAllString(address.ReplaceAllString(read(t, name), ""), -1) {
			if _, err := os.Stat(filepath.Join(root, page)); err != nil {
				t.Errorf("%s names %s, which does not exist", name, page)
			}
		}
	}
}

// packagesOf returns the packages of each test and fuzz target of the module.
func packagesOf(t *testing.T) map[string][]string {
	t.Helper()
	declaration := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z0-9_]+)\(`)
	packages := map[string][]string{}
	for _, name := range files(t, func(name string) bool { return strings.HasSuffix(name, "_test.go") }) {
		for _, match := range declaration.FindAllStringSubmatch(read(t, name), -1) {
			packages[match[1]] = append(packages[match[1]], path.Dir(name))
		}
	}
	return packages
}

// The tests that pages name exist, in the package that they name.
func TestNamedTests(t *testing.T) {
	packages := packagesOf(t)
	mention := regexp.MustCompile("`(?:([a-z0-9/]+)\\.)?((?:Test|Fuzz)[A-Z][A-Za-z0-9_]*)`")
	for _, page := range files(t, isMarkdown) {
		for _, match := range mention.FindAllStringSubmatch(read(t, page), -1) {
			switch in := packages[match[2]]; {
			case len(in) == 0:
				t.Errorf("%s names %s, which does not exist", page, match[2])
			case match[1] != "" && !slices.Contains(in, match[1]):
				t.Errorf("%s names %s in %s; it is in %s", page, match[2], match[1], strings.Join(in, ", "))
			}
		}
	}
}

// Each defence is held by a test of a package that the table names, or says what else holds it.
func TestDefences(t *testing.T) {
	named := 0
	for line := range strings.Lines(read(t, "docs/security.md")) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 3 {
			continue
		}
		if strings.TrimSpace(cells[2]) == "" {
			t.Errorf("nothing holds %s", line)
		}
		if regexp.MustCompile("`(?:Test|Fuzz)").MatchString(cells[2]) {
			t.Errorf("a test without its package holds %s", line)
		}
		named += strings.Count(cells[2], ".Test") + strings.Count(cells[2], ".Fuzz")
	}
	if named < 60 {
		t.Errorf("%d tests are named, want at least 60", named)
	}
}

// A stranger reads the README in five minutes.
func TestReadmeLength(t *testing.T) {
	if lines := strings.Count(read(t, "README.md"), "\n"); lines > 120 {
		t.Errorf("README.md has %d lines, want at most 120", lines)
	}
}

// Each decision has its four parts and is in the index.
func TestDecisions(t *testing.T) {
	index := read(t, "docs/adr/README.md")
	records := files(t, func(name string) bool {
		return regexp.MustCompile(`^docs/adr/\d{4}-[a-z0-9-]+\.md$`).MatchString(name)
	})
	for _, record := range records {
		text := read(t, record)
		for _, part := range []string{"\nDate: ", " Status: ", "\n## Context\n", "\n## Decision\n", "\n## Consequences\n"} {
			if !strings.Contains(text, part) {
				t.Errorf("%s has no %q", record, strings.TrimSpace(part))
			}
		}
		if !strings.Contains(index, "("+path.Base(record)+")") {
			t.Errorf("docs/adr/README.md does not list %s", record)
		}
	}
	if len(records) < 20 {
		t.Errorf("found %d decisions, want at least 20", len(records))
	}
}

// The map of the tree has every package of the first levels, and the folders of manifests.
func TestTree(t *testing.T) {
	design := read(t, "docs/design.md")
	listed := regexp.MustCompile("^\\| `")
	var folders []string
	for line := range strings.Lines(design) {
		if listed.MatchString(line) {
			folders = append(folders, strings.Split(line, "`")[1])
		}
	}
	for _, pattern := range []string{
		"events", "functions/*", "functions/upload/*", "functions/internal/*", "knative/*", "docs", ".ci",
	} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: found %v, %v", pattern, found, err)
		}
		for _, name := range found {
			folder := filepath.ToSlash(strings.TrimPrefix(name, root+string(filepath.Separator))) + "/"
			info, err := os.Lstat(name)
			isGroup := folder == "functions/internal/" || strings.HasSuffix(folder, "/testdata/")
			if err == nil && info.IsDir() && !isGroup && !slices.Contains(folders, folder) {
				t.Errorf("docs/design.md does not list %s", folder)
			}
		}
	}
}
