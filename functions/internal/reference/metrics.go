package main

import (
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gitlab.com/yourorg/image-service/functions/catalog"
)

// A metric is one that a function registers, as the source declares it. A registry would not do: it shows a metric with
// labels only once a label has a value.
type metric struct {
	name, kind, help string
	labels           []string
	functions        []string
}

func generateMetrics() (string, error) {
	metrics, err := findMetrics()
	if err != nil {
		return "", err
	}
	rows := table{{"metric", "type", "labels", "function", "meaning"}}
	for _, m := range metrics {
		functions := code(m.functions...)
		if len(m.functions) == len(catalog.Functions()) {
			functions = "all"
		}
		rows = append(rows, []string{code(m.name), m.kind, code(m.labels...), functions, m.help})
	}
	return rows.String(), nil
}

// findMetrics returns the metrics of all functions, sorted by name.
func findMetrics() ([]metric, error) {
	found := map[string]*metric{}
	for _, function := range catalog.Functions() {
		directories, err := ownPackages(function.Package)
		if err != nil {
			return nil, err
		}
		for _, directory := range directories {
			declared, err := metricsIn(directory)
			if err != nil {
				return nil, err
			}
			for _, m := range declared {
				if found[m.name] == nil {
					found[m.name] = &m
				}
				found[m.name].functions = append(found[m.name].functions, function.Name)
			}
		}
	}
	if len(found) == 0 {
		return nil, errors.New("found no metrics in the source")
	}
	var metrics []metric
	for _, m := range found {
		metrics = append(metrics, *m)
	}
	slices.SortFunc(metrics, func(a, b metric) int { return cmp.Compare(a.name, b.name) })
	return metrics, nil
}

// ownPackages returns the directories of the packages of this module that a command links.
func ownPackages(command string) ([]string, error) {
	const format = `{{with .Module}}{{if .Main}}{{$.Dir}}{{end}}{{end}}`
	output, err := exec.Command("go", "list", "-deps", "-f", format, command).Output()
	if err != nil {
		return nil, fmt.Errorf("list the packages of %s: %w", command, err)
	}
	return strings.Fields(string(output)), nil
}

// metricsIn returns the metrics that a package makes: calls such as NewCounterVec(prometheus.CounterOpts{...}, labels).
func metricsIn(directory string) (metrics []metric, err error) {
	names, err := filepath.Glob(filepath.Join(directory, "*.go"))
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		ast.Inspect(file, func(node ast.Node) bool {
			if m, isMetric := metricOf(node); isMetric {
				metrics = append(metrics, m)
			}
			return true
		})
	}
	return metrics, nil
}

var constructor = regexp.MustCompile(`^New(Counter|Gauge|Histogram|Summary)(Vec|Func)?$`)

// metricOf returns the metric that a call makes.
func metricOf(node ast.Node) (m metric, isMetric bool) {
	call, isCall := node.(*ast.CallExpr)
	if !isCall || len(call.Args) == 0 {
		return m, false
	}
	selector, isSelector := call.Fun.(*ast.SelectorExpr)
	options, isLiteral := call.Args[0].(*ast.CompositeLit)
	if !isSelector || !isLiteral {
		return m, false
	}
	kind := constructor.FindStringSubmatch(selector.Sel.Name)
	if kind == nil {
		return m, false
	}
	m.kind = strings.ToLower(kind[1])
	for _, element := range options.Elts {
		m.set(element)
	}
	if kind[2] == "Vec" && len(call.Args) > 1 {
		m.labels = append(m.labels, literals(call.Args[1])...)
	}
	return m, m.name != ""
}

// set takes over a field of the options.
func (m *metric) set(element ast.Expr) {
	field, isField := element.(*ast.KeyValueExpr)
	if !isField {
		return
	}
	switch types.ExprString(field.Key) {
	case "Name":
		m.name = strings.Join(literals(field.Value), "")
	case "Help":
		m.help = strings.Join(literals(field.Value), "")
	case "ConstLabels":
		if labels, isLiteral := field.Value.(*ast.CompositeLit); isLiteral {
			for _, label := range labels.Elts {
				m.labels = append(m.labels, literals(label.(*ast.KeyValueExpr).Key)...)
			}
		}
	}
}

// literals returns the string literals in an expression, in order.
func literals(expression ast.Expr) (texts []string) {
	ast.Inspect(expression, func(node ast.Node) bool {
		if literal, isLiteral := node.(*ast.BasicLit); isLiteral && literal.Kind == token.STRING {
			if text, err := strconv.Unquote(literal.Value); err == nil {
				texts = append(texts, text)
			}
		}
		return true
	})
	return texts
}
