package apierror

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/events"
)

func TestCodes(t *testing.T) {
	form := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	seen := map[string]bool{}
	for _, code := range Codes() {
		t.Run(code.Code, func(t *testing.T) {
			if seen[code.Code] || !form.MatchString(code.Code) {
				t.Error("declared twice, or not lower case with underscores")
			}
			seen[code.Code] = true
			for _, status := range code.Statuses {
				if status < 400 || http.StatusText(status) == "" {
					t.Errorf("status %d is not that of an error", status)
				}
			}
			sentences := strings.HasSuffix(code.Meaning, ".") && strings.HasSuffix(code.Action, ".")
			if len(code.Statuses) == 0 || code.Title == "" || !sentences {
				t.Errorf("got %+v, want statuses, a title, and sentences", code)
			}
			if got, known := Lookup(code.Code); !known || got.Title != code.Title {
				t.Errorf("Lookup() = %+v, %v", got, known)
			}
		})
	}
	if got, known := Lookup("no_such_code"); known {
		t.Errorf("Lookup() of an unknown code = %+v", got)
	}
}

// The reason of an image.failed is a code, too.
func TestReasons(t *testing.T) {
	for _, reason := range events.Reasons() {
		if _, known := Lookup(string(reason)); !known {
			t.Errorf("the reason %s is not declared as a code", reason)
		}
	}
}

// TestEveryErrorIsDeclared finds every Error that the functions make: its code is a constant of this package, or the
// reason of a failed image, and its status is one of those that the code is declared with.
func TestEveryErrorIsDeclared(t *testing.T) {
	constants := codeConstants(t)
	used := map[string]bool{}
	for _, e := range errorsIn(t, "../..") {
		if strings.HasSuffix(e.code, ".Reason") { // TestReasons
			continue
		}
		code, declared := constants[strings.TrimPrefix(e.code, "apierror.")]
		if !declared {
			t.Errorf("%s: the code is %s, want a constant of package apierror", e.position, e.code)
			continue
		}
		used[code] = true
		declaration, _ := Lookup(code)
		if status := statusNamed(e.status); !slices.Contains(declaration.Statuses, status) {
			t.Errorf("%s: %s is answered with %s, want one of %d", e.position, code, e.status, declaration.Statuses)
		}
	}
	for name, code := range constants {
		if _, declared := Lookup(code); !declared {
			t.Errorf("Codes() lacks %s", name)
		}
		if !used[code] && !slices.Contains(events.Reasons(), events.Reason(code)) {
			t.Errorf("%s is not used", name)
		}
	}
	if len(used) < 25 {
		t.Errorf("found %d codes in the functions, want nearly all of the %d", len(used), len(constants))
	}
}

// A madeError is an Error literal in the source: its position and its fields Code and Status as they are written.
type madeError struct{ position, code, status string }

func errorsIn(t *testing.T, directory string) (found []madeError) {
	t.Helper()
	visit := func(files *token.FileSet, node ast.Node) {
		literal, ok := node.(*ast.CompositeLit)
		if !ok || literal.Type == nil {
			return
		}
		if name := types.ExprString(literal.Type); name != "Error" && name != "apierror.Error" {
			return
		}
		e := madeError{position: files.Position(literal.Pos()).String()}
		for _, element := range literal.Elts {
			if field, ok := element.(*ast.KeyValueExpr); ok {
				switch types.ExprString(field.Key) {
				case "Code":
					e.code = strings.TrimSuffix(strings.TrimPrefix(types.ExprString(field.Value), "string("), ")")
				case "Status":
					e.status = types.ExprString(field.Value)
				}
			}
		}
		found = append(found, e)
	}
	err := filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		if file.Name.Name != "apierror" && !imports(file, "/internal/apierror") {
			return nil
		}
		ast.Inspect(file, func(node ast.Node) bool { visit(files, node); return true })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func imports(file *ast.File, suffix string) bool {
	return slices.ContainsFunc(file.Imports, func(spec *ast.ImportSpec) bool {
		return strings.HasSuffix(strings.Trim(spec.Path.Value, `"`), suffix)
	})
}

// codeConstants returns the constants of codes.go by name.
func codeConstants(t *testing.T) map[string]string {
	t.Helper()
	source, err := os.ReadFile("codes.go")
	if err != nil {
		t.Fatal(err)
	}
	reasons := map[string]string{
		"ReasonDamaged": string(events.ReasonDamaged), "ReasonNotAnImage": string(events.ReasonNotAnImage),
		"ReasonTooManyBytes": string(events.ReasonTooManyBytes), "ReasonTooManyPixels": string(events.ReasonTooManyPixels),
		"ReasonUnsupported": string(events.ReasonUnsupported),
	}
	constants := map[string]string{}
	declaration := regexp.MustCompile(`(?m)^\t(Code\w+) += (?:"(\w+)"|string\(events\.(\w+)\))$`)
	for _, match := range declaration.FindAllStringSubmatch(string(source), -1) {
		constants[match[1]] = match[2] + reasons[match[3]]
	}
	if len(constants) != len(Codes()) {
		t.Fatalf("found %d constants, want %d", len(constants), len(Codes()))
	}
	return constants
}

// statusNamed returns the status of an expression such as http.StatusNotFound; 0 if it is another one.
func statusNamed(expression string) int {
	for status := 100; status < 600; status++ {
		text := strings.NewReplacer(" ", "", "-", "", "'", "").Replace(http.StatusText(status))
		if text != "" && expression == "http.Status"+text {
			return status
		}
	}
	return 0
}
