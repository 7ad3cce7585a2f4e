package main

import (
	"errors"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/functions/cli"
)

// The key is shown once, and the line for the file, which does not have it, can be appended to the file.
func TestKey(t *testing.T) {
	var out, terminal strings.Builder
	if err := realMain([]string{"scanner"}, &out, &terminal); err != nil {
		t.Fatal(err)
	}
	_, key, _ := strings.Cut(strings.TrimSpace(terminal.String()), ": ")
	isLine := strings.HasPrefix(out.String(), "scanner ") && strings.Count(out.String(), "\n") == 1
	if !strings.HasPrefix(key, "isk_") || !isLine || strings.Contains(out.String(), key) {
		t.Errorf("printed %q and %q", out.String(), terminal.String())
	}
}

func TestWrongUsage(t *testing.T) {
	for name, arguments := range map[string][]string{
		"no client":         nil,
		"two clients":       {"a", "b"},
		"a name of two":     {"a b"},
		"an empty name":     {""},
		"an unknown option": {"--admin", "a"},
	} {
		t.Run(name, func(t *testing.T) {
			var out, terminal strings.Builder
			if err := realMain(arguments, &out, &terminal); !errors.Is(err, cli.ErrUsage) || out.String() != "" {
				t.Errorf("realMain() = %v, printed %q; want an error of usage", err, out.String())
			}
		})
	}
}
