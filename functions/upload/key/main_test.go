package main

import (
	"strings"
	"testing"
)

// The key is told once, and the line for the file can be appended to it.
func TestKey(t *testing.T) {
	var out, terminal strings.Builder
	if err := realMain([]string{"scanner"}, &out, &terminal); err != nil {
		t.Fatal(err)
	}
	_, key, _ := strings.Cut(strings.TrimSpace(terminal.String()), ": ")
	if !strings.HasPrefix(key, "isk_") || !strings.HasPrefix(out.String(), "scanner ") || strings.Count(out.String(), "\n") != 1 || strings.Contains(out.String(), key) {
		t.Errorf("printed %q and %q", out.String(), terminal.String())
	}
	for _, arguments := range [][]string{nil, {"a", "b"}, {"a b"}, {""}} {
		out.Reset()
		if err := realMain(arguments, &out, &terminal); err == nil || out.String() != "" {
			t.Errorf("%q: %v, %q", arguments, err, out.String())
		}
	}
}
