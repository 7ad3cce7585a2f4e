package docs_test

import (
	"encoding/csv"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const (
	logsPage = "docs/operations/logs.md"
	logging  = "knative/logging/"
)

// A logField is a line of knative/logging/fields.csv.
type logField struct {
	kind  string
	isOwn bool
}

func logFields(t *testing.T) map[string]logField {
	t.Helper()
	fields := map[string]logField{}
	for _, line := range records(t, logging+"fields.csv")[1:] {
		fields[line[0]] = logField{kind: line[1], isOwn: line[2] == "own"}
	}
	return fields
}

func records(t *testing.T, name string) [][]string {
	t.Helper()
	file, err := os.Open(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	reader := csv.NewReader(file)
	reader.Comment, reader.FieldsPerRecord = '#', -1
	lines, err := reader.ReadAll()
	if err != nil || len(lines) < 2 {
		t.Fatalf("%s: %d lines, %v", name, len(lines), err)
	}
	return lines
}

// Fields of the schema have its types, and our own are not within its field sets, where they could collide with a later
// version, or be an object to others and a text to us.
func TestLogFieldsAreOfTheSchema(t *testing.T) {
	schema := map[string]string{}
	for _, line := range records(t, "docs/testdata/ecs-8.17.0.csv") {
		schema[line[0]] = line[1]
	}
	for name, field := range logFields(t) {
		first, _, _ := strings.Cut(name, ".")
		switch {
		case field.isOwn && schema[first] != "":
			t.Errorf("%s is our own, but %s is a field set of the schema", name, first)
		case !field.isOwn && schema[name] != field.kind && !(schema[name] == "set" && name == first):
			t.Errorf("%s has type %s, in the schema %q", name, field.kind, schema[name])
		}
	}
}

// The functions log the fields of fields.csv, each of them, and no others.
func TestLogFields(t *testing.T) {
	fields := logFields(t)
	logged, _ := logLines(t)
	for _, name := range []string{"@timestamp", "message", "log.level"} {
		logged[name] = "slog itself"
	}
	for name, where := range logged {
		if _, known := fields[name]; !known {
			t.Errorf("%s: the field %s is not in %sfields.csv", where, name, logging)
		}
	}
	for name := range fields {
		if logged[name] == "" {
			t.Errorf("no function logs %s of %sfields.csv", name, logging)
		}
	}
}

// logLines returns the names of the fields that the functions log, with a place of each, and their messages.
func logLines(t *testing.T) (fields map[string]string, messages map[string]bool) {
	t.Helper()
	fields, messages = map[string]string{}, map[string]bool{}
	for _, name := range files(t, func(name string) bool {
		return strings.HasPrefix(name, "functions/") && strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go")
	}) {
		positions := token.NewFileSet()
		file, err := parser.ParseFile(positions, filepath.Join(root, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			if list, isList := node.(*ast.CompositeLit); isList && isAttributes(list) {
				for _, key := range alternate(list.Elts) {
					fields[text(key)] = positions.Position(list.Pos()).String()
				}
			}
			call, isCall := node.(*ast.CallExpr)
			if !isCall {
				return true
			}
			where := positions.Position(call.Pos()).String()
			first, named := keys(call)
			if named != nil && first >= 0 {
				if message := text(call.Args[first]); message != "" {
					messages[message] = true
				}
			}
			for _, key := range named {
				if field := text(key); field != "" {
					fields[field] = where
				}
			}
			return true
		})
	}
	if len(messages) < 30 {
		t.Fatalf("found %d messages in the code, want at least 30", len(messages))
	}
	return fields, messages
}

// keys returns the arguments of a call that are names of fields, and the index of the message, -1 if there is none.
func keys(call *ast.CallExpr) (message int, named []ast.Expr) {
	function, isSelector := call.Fun.(*ast.SelectorExpr)
	if !isSelector {
		// A list of attributes that is logged as a whole.
		if ident, isIdent := call.Fun.(*ast.Ident); isIdent && ident.Name == "append" && isList(call.Args[0]) {
			return -1, alternate(call.Args[1:])
		}
		return -1, nil
	}
	if name(function.X) == "slog" && slices.Contains(
		[]string{"String", "Int", "Int64", "Any", "Bool", "Float64", "Duration"}, function.Sel.Name) {
		return -1, call.Args[:1]
	}
	if function.Sel.Name == "With" && len(call.Args) > 0 && text(call.Args[0]) == "ecs.version" {
		return -1, alternate(call.Args)
	}
	if !slices.Contains([]string{"log", "slog"}, strings.ToLower(name(function.X))) && !isNew(function.X) {
		return -1, nil
	}
	switch function.Sel.Name {
	case "Debug", "Info", "Warn", "Error":
		return 0, append([]ast.Expr{}, alternate(call.Args[1:])...)
	case "DebugContext", "InfoContext", "WarnContext", "ErrorContext":
		return 1, append([]ast.Expr{}, alternate(call.Args[2:])...)
	case "LogAttrs", "Log":
		return 2, []ast.Expr{}
	}
	return -1, nil
}

// isNew reports whether an expression makes the logger that it logs with.
func isNew(logger ast.Expr) bool {
	call, isCall := logger.(*ast.CallExpr)
	return isCall && name(call.Fun) == "NewLogger"
}

// isAttributes reports whether a literal is the beginning of a list of attributes, of alternating names and values.
func isAttributes(list *ast.CompositeLit) bool {
	array, isArray := list.Type.(*ast.ArrayType)
	return isArray && name(array.Elt) == "any" && len(list.Elts) > 1 && fieldName.MatchString(text(list.Elts[0]))
}

var fieldName = regexp.MustCompile(`^[a-z_.]+$`)

func isList(list ast.Expr) bool { return name(list) == "attributes" || name(list) == "line" }

// alternate returns each second argument, beginning with the first.
func alternate(arguments []ast.Expr) (named []ast.Expr) {
	for i := 0; i < len(arguments); i += 2 {
		named = append(named, arguments[i])
	}
	return named
}

// name returns the last name of an expression such as t.Log.
func name(expression ast.Expr) string {
	switch e := expression.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// text returns the value of a string literal, or "".
func text(expression ast.Expr) string {
	literal, isLiteral := expression.(*ast.BasicLit)
	if !isLiteral || literal.Kind != token.STRING {
		return ""
	}
	value, _ := strconv.Unquote(literal.Value)
	return value
}

// The mapping of Elasticsearch has the fields with their types, and no others.
func TestIndexTemplate(t *testing.T) {
	var template struct {
		Template struct {
			Mappings struct{ Properties map[string]any }
		}
	}
	content, err := os.ReadFile(filepath.Join(root, logging, "index-template.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(content, &template); err != nil {
		t.Fatal(err)
	}
	mapped := map[string]string{}
	flatten("", template.Template.Mappings.Properties, mapped)
	fields := logFields(t)
	for name, field := range fields {
		if mapped[name] != field.kind {
			t.Errorf("%s is mapped as %q, want %s", name, mapped[name], field.kind)
		}
	}
	if len(mapped) != len(fields) {
		t.Errorf("%d fields are mapped, want %d", len(mapped), len(fields))
	}
}

func flatten(prefix string, properties map[string]any, into map[string]string) {
	for name, value := range properties {
		property := value.(map[string]any)
		if nested, isObject := property["properties"].(map[string]any); isObject {
			flatten(prefix+name+".", nested, into)
			continue
		}
		into[prefix+name] = property["type"].(string)
	}
}

var (
	kqlTerm     = regexp.MustCompile(`([\w.@]+) : (?:"([^"]*)"|\*)`)
	logqlAlias  = regexp.MustCompile(`\w+="\[\\"(\w+)\.(\w+)\\"\]"`) // a field by its name with dots
	logqlTerm   = regexp.MustCompile(`(\w+)!?="([^"]*)"`)
	searchBlock = regexp.MustCompile("(?s)```(kql|logql)\n(.*?)```")
)

// Every search, in Kibana's file and on the pages, names fields and messages that are logged.
func TestSearches(t *testing.T) {
	searches := savedSearches(t)
	page, err := os.ReadFile(filepath.Join(root, logsPage))
	if err != nil {
		t.Fatal(err)
	}
	blocks := searchBlock.FindAllStringSubmatch(string(page), -1)
	if len(blocks) != 2 || len(searches) < 5 {
		t.Fatalf("found %d blocks and %d saved searches, want 2 and at least 5", len(blocks), len(searches))
	}
	for _, search := range searches {
		if !strings.Contains(blocks[0][2], search+"\n") {
			t.Errorf("%s does not have the saved search %s", logsPage, search)
		}
	}
	var lines strings.Builder
	for _, other := range files(t, func(name string) bool { return strings.HasPrefix(name, "docs/operations/") }) {
		for _, block := range searchBlock.FindAllStringSubmatch(read(t, other), -1) {
			for line := range strings.Lines(block[2]) {
				if block[1] == "kql" && !strings.Contains(line, "knative-eventing") { // Knative's own logs
					lines.WriteString(line)
				}
			}
		}
	}
	checkTerms(t, kqlTerm, lines.String())
	checkTerms(t, logqlTerm, logqlAlias.ReplaceAllString(blocks[1][2], `${1}_$2=""`))
	if kql, logql := strings.Count(blocks[0][2], "\n"), strings.Count(blocks[1][2], "\n"); kql != logql {
		t.Errorf("%s has %d lines of KQL and %d of LogQL, want as many", logsPage, kql, logql)
	}
}

func checkTerms(t *testing.T, term *regexp.Regexp, searches string) {
	t.Helper()
	fields := map[string]bool{}
	for name := range logFields(t) {
		fields[name], fields[strings.ReplaceAll(name, ".", "_")] = true, true
	}
	_, messages := logLines(t)
	for _, match := range term.FindAllStringSubmatch(searches, -1) {
		name, value := match[1], match[2]
		if slices.Contains([]string{"namespace", "container", "function"}, name) { // labels
			continue
		}
		if !fields[name] {
			t.Errorf("%s: no function logs the field %s", match[0], name)
		}
		if name == "message" && !messages[value] {
			t.Errorf("%s: no function logs this message", match[0])
		}
	}
}

// savedSearches returns the queries in searches.ndjson.
func savedSearches(t *testing.T) (searches []string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, logging, "searches.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	fields := logFields(t)
	for line := range strings.Lines(string(content)) {
		var saved struct {
			Type       string
			Attributes struct {
				Columns               []string
				KibanaSavedObjectMeta struct{ SearchSourceJSON string }
			}
		}
		if err := json.Unmarshal([]byte(line), &saved); err != nil {
			t.Fatal(err)
		}
		if saved.Type != "search" {
			continue
		}
		for _, column := range saved.Attributes.Columns {
			if _, known := fields[column]; !known {
				t.Errorf("a saved search shows the field %s, which is not logged", column)
			}
		}
		var source struct{ Query struct{ Query string } }
		if err := json.Unmarshal([]byte(saved.Attributes.KibanaSavedObjectMeta.SearchSourceJSON), &source); err != nil {
			t.Fatal(err)
		}
		searches = append(searches, source.Query.Query)
	}
	return searches
}

// Filebeat and Elastic Agent expand dotted names, without which the mapping does not apply.
func TestLogInputs(t *testing.T) {
	for _, name := range []string{"filebeat.yaml", "elastic-agent.yaml"} {
		content, err := os.ReadFile(filepath.Join(root, logging, name))
		if err != nil {
			t.Fatal(err)
		}
		var parsed map[string]any
		if err := yaml.Unmarshal(content, &parsed); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range []string{"expand_keys: true", "_image-service_user-container-", "symlinks: true"} {
			if !strings.Contains(string(content), want) {
				t.Errorf("%s does not have %q", name, want)
			}
		}
	}
}
