// Package docs_test holds that the runbook says what the code does.
package docs_test

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func runbook(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("operations.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sources calls visit with every file of the functions that is no test.
func sources(t *testing.T, visit func(*token.FileSet, *ast.File)) {
	t.Helper()
	err := filepath.WalkDir("../functions", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err == nil {
			visit(files, file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// value is a constant expression's value as text, and the text of another one.
func value(expression ast.Expr) string {
	text := types.ExprString(expression)
	result, err := types.Eval(token.NewFileSet(), nil, token.NoPos, text)
	switch {
	case err != nil || result.Value == nil:
		return text
	case result.Value.Kind() == constant.String:
		return constant.StringVal(result.Value)
	}
	return result.Value.ExactString()
}

// Metrics of others that the runbook asks for.
var foreign = []string{
	"container_memory_working_set_bytes", "kafka_consumergroup_lag", "argocd_app_info",
	"kube_pod_container_status_last_terminated_reason", "certmanager_certificate_expiration_timestamp_seconds",
}

// What the queries ask for is measured, and what is measured is in a query.
func TestMetrics(t *testing.T) {
	measured := map[string]bool{}
	sources(t, func(_ *token.FileSet, file *ast.File) {
		ast.Inspect(file, func(node ast.Node) bool {
			if field, isField := node.(*ast.KeyValueExpr); isField && types.ExprString(field.Key) == "Name" {
				if name := value(field.Value); regexp.MustCompile(`^[a-z]+(_[a-z]+)+$`).MatchString(name) {
					measured[name] = true
				}
			}
			return true
		})
	})
	asked := map[string]bool{}
	text := runbook(t)
	for _, match := range regexp.MustCompile(`\b[a-z]+(_[a-z]+)+\b`).FindAllString(text, -1) {
		asked[strings.TrimSuffix(match, "_bucket")] = true
	}
	for name := range measured {
		if !asked[name] {
			t.Errorf("the runbook does not say what %s is for", name)
		}
	}
	_, queries, _ := strings.Cut(text, "```promql\n")
	queries, _, _ = strings.Cut(queries, "```")
	queries = regexp.MustCompile(`(?m)#.*$|"[^"]*"|by \([^)]*\)`).ReplaceAllString(queries, "")
	for _, name := range regexp.MustCompile(`\b[a-z]+(_[a-z]+)+\b`).FindAllString(queries, -1) {
		if name != "histogram_quantile" && !measured[strings.TrimSuffix(name, "_bucket")] && !slices.Contains(foreign, name) {
			t.Errorf("a query asks for %s, which nobody measures", name)
		}
	}
}

// The table of alerts has those of the rules, in their words.
func TestAlerts(t *testing.T) {
	rules, err := os.ReadFile("../knative/components/monitoring/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := names(`(?m)^ +- alert: (\w+)$`, string(rules))
	_, table, _ := strings.Cut(runbook(t), "\n### Alerts\n")
	table, _, _ = strings.Cut(table, "\n## ")
	if got := names("(?m)^\\| `(\\w+)` \\|", table); len(want) < 10 || !slices.Equal(got, want) {
		t.Errorf("the table has %v, the rules %v", got, want)
	}
}

// names are what a pattern finds in a text, sorted.
func names(pattern, text string) (found []string) {
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		found = append(found, match[1])
	}
	slices.Sort(found)
	return found
}

// Links lead somewhere.
func TestLinks(t *testing.T) {
	text := runbook(t)
	anchors := map[string]bool{}
	for _, heading := range regexp.MustCompile(`(?m)^##+ (.+)$`).FindAllStringSubmatch(text, -1) {
		anchors["#"+strings.ReplaceAll(strings.ToLower(heading[1]), " ", "-")] = true
	}
	for _, link := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(text, -1) {
		if strings.HasPrefix(link[1], "#") {
			if !anchors[link[1]] {
				t.Errorf("there is no %s", link[1])
			}
		} else if _, err := os.Stat(link[1]); err != nil {
			t.Error(err)
		}
	}
}
