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

	"go.yaml.in/yaml/v3"
)

const monitoring = "docs/operations/monitoring.md"

// The metrics of other programs in the queries.
var foreign = []string{
	"container_memory_working_set_bytes", "kafka_consumergroup_lag", "kafka_consumergroup_current_offset",
	"argocd_app_info",
	"kube_pod_container_status_last_terminated_reason", "kube_pod_container_status_restarts_total",
	"certmanager_certificate_expiration_timestamp_seconds",
}

// The functions of PromQL in the queries whose names look like those of metrics.
var functions = []string{"histogram_quantile"}

var metricName = regexp.MustCompile(`\b[a-z]+(_[a-z]+)+\b`)

// notMetrics matches the comments of a PromQL expression, its label matchers and its lists of labels.
var notMetrics = regexp.MustCompile(`(?m)#.*$|\{[^}]*\}|(?:by|on|ignoring|group_left|group_right) *\([^)]*\)`)

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

// unknown returns the metrics that a PromQL expression uses and nobody registers.
func unknown(expression string, registered map[string]bool) (names []string) {
	for _, name := range metricName.FindAllString(notMetrics.ReplaceAllString(expression, ""), -1) {
		series := strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_count")
		if !registered[series] && !slices.Contains(foreign, name) && !slices.Contains(functions, name) {
			names = append(names, name)
		}
	}
	return names
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
	for _, name := range unknown(queries, registered) {
		t.Errorf("a query uses %s, which no function registers", name)
	}
}

// The page has every alert.
func TestAlerts(t *testing.T) {
	var file struct {
		Spec struct {
			Groups []struct {
				Rules []struct{ Alert string }
			}
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "knative/components/monitoring/rules.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(read(t, monitoring), "\n## Alerts\n")
	alerts := 0
	for _, group := range file.Spec.Groups {
		for _, rule := range group.Rules {
			if rule.Alert == "" {
				continue
			}
			alerts++
			if !strings.Contains(table, "\n| `"+rule.Alert+"` |") {
				t.Errorf("%s does not list the alert %s", monitoring, rule.Alert)
			}
		}
	}
	if listed := strings.Count(table, "\n| `"); alerts < 10 || listed != alerts {
		t.Errorf("%s lists %d alerts, the rules are %d", monitoring, listed, alerts)
	}
}
