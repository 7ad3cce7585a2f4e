package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

type flags struct {
	Listen  string   `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Address."`
	Watcher []string `sep:"none" placeholder:"URL" help:"Where to send every event as well; repeatable."`
	Times   int      `arg:"" help:"How many times."`
	Out     string   `arg:"" optional:"" help:"Where to write the result."`
}

var program = Program{
	Command:  "go run ./tool",
	Summary:  "Does it.\n\nAnd more.",
	Examples: []string{"go run ./tool 3", "go run ./tool --listen :80 3"},
	More:     func() string { return "Settings:\n" },
}

func TestParse(t *testing.T) {
	var got flags
	arguments := []string{"--watcher", "http://a/?b,c", "--watcher=d", "3", "file"}
	if err := program.Parse(&got, arguments, io.Discard); err != nil {
		t.Fatal(err)
	}
	want := flags{Listen: "127.0.0.1:8080", Watcher: []string{"http://a/?b,c", "d"}, Times: 3, Out: "file"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("Parse() = %+v, want %+v", got, want)
	}
}

func TestHelp(t *testing.T) {
	for _, arguments := range [][]string{{"--help"}, {"-h"}, {"3", "--help"}} {
		t.Run(strings.Join(arguments, " "), func(t *testing.T) {
			var out bytes.Buffer
			if err := program.Parse(&flags{}, arguments, &out); !errors.Is(err, ErrHelp) || Status(err) != 0 {
				t.Errorf("Parse() = %v, status %d", err, Status(err))
			}
			for _, want := range []string{
				"Usage: go run ./tool <times> [<out>] [flags]", "Does it.\n\nAnd more.", "    go run ./tool --listen :80 3\n",
				"<times>", "How many times.", "Show this help.", "--listen=HOST:PORT",
				"Address. (default 127.0.0.1:8080)", "\nSettings:\n",
			} {
				if !strings.Contains(out.String(), want) {
					t.Errorf("help is\n%s\nwant %q in it", &out, want)
				}
			}
			for line := range strings.Lines(out.String()) {
				if len(strings.TrimRight(line, "\n")) > Columns {
					t.Errorf("a line has %d columns, want %d at most: %s", len(line), Columns, line)
				}
			}
		})
	}
}

func TestWrongUsage(t *testing.T) {
	const allowed = "\nusage: go run ./tool <times> [<out>] [--help] [--listen=HOST:PORT] [--watcher=URL]" +
		"\n--help explains it"
	for name, test := range map[string]struct {
		arguments []string
		want      string
	}{
		"an unknown flag":      {[]string{"--port", "3"}, "unknown flag --port"},
		"a missing argument":   {nil, `expected "<times>`},
		"not a number":         {[]string{"many"}, "many"},
		"an argument too many": {[]string{"3", "a", "b"}, "unexpected argument b"},
		"a flag with no value": {[]string{"3", "--listen"}, "--listen"},
	} {
		t.Run(name, func(t *testing.T) {
			err := program.Parse(&flags{}, test.arguments, io.Discard)
			if !errors.Is(err, ErrUsage) || Status(err) != 2 {
				t.Fatalf("Parse() = %v, status %d; want an error of usage", err, Status(err))
			}
			if !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), allowed) {
				t.Errorf("Parse() = %v\nwant %q and %q in it", err, test.want, allowed)
			}
		})
	}
}

func TestStatus(t *testing.T) {
	if got := Status(nil); got != 0 {
		t.Errorf("Status(nil) = %d, want 0", got)
	}
	if got := Status(errors.New("it broke")); got != 1 {
		t.Errorf("Status() of an error = %d, want 1", got)
	}
}

func TestWrap(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"nothing":       {"", ""},
		"one line":      {"a bc", "  a bc"},
		"several":       {"a bc def ghij", "  a bc\n  def\n  ghij"},
		"a long word":   {"a abcdefghijkl b", "  a\n  abcdefghijkl\n  b"},
		"spaces, lines": {" a\n\tb ", "  a b"},
		"not in bytes":  {"ä öü", "  ä öü"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Wrap(test.text, "  ", 8); got != test.want {
				t.Errorf("Wrap() = %q, want %q", got, test.want)
			}
		})
	}
}
