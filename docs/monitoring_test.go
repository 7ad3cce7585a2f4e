package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const monitoring = "docs/operations/monitoring.md"

// The metrics of other programs in the queries.
var foreign = []string{
	"container_memory_working_set_bytes", "kafka_consumergroup_lag", "argocd_app_info",
	"kube_pod_container_status_last_terminated_reason", "certmanager_certificate_expiration_timestamp_seconds",
}

var metricName = regexp.MustCompile(`\b[a-z]+(_[a-z]+)+\b`)

// metrics returns the names of the metrics that the functions register.
func metrics(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, name := range files(t, func(name string) bool {
		return strings.HasPrefix(name, "functions/") && strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go")
	}) {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			options, isLiteral := node.(*ast.CompositeLit)
			if isLiteral && strings.HasSuffix(types.ExprString(options.Type), "Opts") {
				if metric := fieldOf(options, "Name"); metricName.MatchString(metric) {
					names[metric] = true
				}
			}
			return true
		})
	}
	if len(names) < 15 {
		t.Fatalf("found %d metrics in the code, want at least 15: %v", len(names), names)
	}
	return names
}

// fieldOf returns the string that a composite literal gives a field, or "".
func fieldOf(literal *ast.CompositeLit, name string) string {
	for _, element := range literal.Elts {
		field, isField := element.(*ast.KeyValueExpr)
		if isField && types.ExprString(field.Key) == name {
			text, err := strconv.Unquote(types.ExprString(field.Value))
			if err == nil {
				return text
			}
		}
	}
	return ""
}

// Every query uses metrics that exist, and every metric is in a query.
func TestQueries(t *testing.T) {
	registered := metrics(t)
	_, queries, _ := strings.Cut(read(t, monitoring), "```promql\n")
	queries, _, _ = strings.Cut(queries, "```")
	for name := range registered {
		if !strings.Contains(queries, name) {
			t.Errorf("no query uses %s", name)
		}
	}
	queries = regexp.MustCompile(`(?m)#.*$|"[^"]*"|by \([^)]*\)`).ReplaceAllString(queries, "")
	for _, name := range metricName.FindAllString(queries, -1) {
		if name != "histogram_quantile" && !registered[strings.TrimSuffix(name, "_bucket")] && !slices.Contains(foreign, name) {
			t.Errorf("a query uses %s, which no function registers", name)
		}
	}
}

// Every alert uses metrics that exist, and the page has every alert.
func TestAlerts(t *testing.T) {
	rules := read(t, "knative/components/monitoring/rules.yaml")
	want := names(`(?m)^ +- alert: (\w+)$`, rules)
	_, table, _ := strings.Cut(read(t, monitoring), "\n## Alerts\n")
	if got := names("(?m)^\\| `(\\w+)` \\|", table); len(want) < 10 || !slices.Equal(got, want) {
		t.Errorf("got the alerts %v in the table, want %v", got, want)
	}
}

// names returns what the group of a pattern matches in a text, sorted.
func names(pattern, text string) (found []string) {
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		found = append(found, match[1])
	}
	slices.Sort(found)
	return found
}
