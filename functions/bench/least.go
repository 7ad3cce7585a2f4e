package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// leastProgram is a program that answers each request with 200, and imports packages without using them.
const leastProgram = `package main

import (
	"net/http"
	"os"
%s)

func main() {
	_ = http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
}
`

// buildLeast compiles leastProgram as a function is compiled, and returns its file.
func (s *system) buildLeast(ctx context.Context, name string, packages []string) (program string, err error) {
	var imports strings.Builder
	for _, imported := range packages {
		fmt.Fprintf(&imports, "\t_ %q\n", imported)
	}
	directory := filepath.Join(s.directory, "least of "+name)
	if err := os.Mkdir(directory, 0o700); err != nil {
		return "", err
	}
	source := filepath.Join(directory, "main.go")
	if err := os.WriteFile(source, fmt.Appendf(nil, leastProgram, imports.String()), 0o600); err != nil {
		return "", err
	}
	program = filepath.Join(directory, "least")
	return program, s.compile(ctx, program, source)
}

// otherModules returns the packages of other modules that a package, and those of this module below it, import.
func otherModules(ctx context.Context, root, directory string) ([]string, error) {
	list := exec.CommandContext(ctx, "go", "list", "-deps", "-tags=grpcnotrace",
		"-f", `{{if .Module}}{{.Module.Main}} {{.ImportPath}} {{join .Imports " "}}{{end}}`, directory)
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("%v: %w", list.Args, err)
	}
	var imported []string
	isOther := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		switch fields := strings.Fields(line); {
		case len(fields) < 2: // of the standard library
		case fields[0] == "true":
			imported = append(imported, fields[2:]...)
		default:
			isOther[fields[1]] = true
		}
	}
	slices.Sort(imported)
	return slices.DeleteFunc(slices.Compact(imported), func(name string) bool { return !isOther[name] }), nil
}
