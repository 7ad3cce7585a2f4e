package main

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"gitlab.com/yourorg/image-service/functions/catalog"
	"gitlab.com/yourorg/image-service/functions/cli"
)

func TestOptions(t *testing.T) {
	t.Parallel()
	got, err := readOptions([]string{
		"--listen=:80", "--running", "thumbnail=127.0.0.1:8081", "--running=dead-letters=[::1]:1",
		"--watcher", "http://a/?x=1,2", "--watcher", "http://b",
	}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if got.listen != ":80" || got.broker != "127.0.0.1:0" || got.deadLetters != "127.0.0.1:0" {
		t.Errorf("addresses are %q, %q, %q", got.listen, got.broker, got.deadLetters)
	}
	want := map[string]string{"thumbnail": "127.0.0.1:8081", "dead-letters": "[::1]:1"}
	if !maps.Equal(got.running, want) {
		t.Errorf("running is %q, want %q", got.running, want)
	}
	if want := []string{"http://a/?x=1,2", "http://b"}; !slices.Equal(got.watchers, want) {
		t.Errorf("watchers are %q, want %q", got.watchers, want)
	}
}

// The help text fits a terminal, and has every flag and every setting that has an effect.
func TestHelp(t *testing.T) {
	t.Parallel()
	wanted := []string{
		"Usage: go run ./knative/local", "Runs the whole image-service", "curl -F file=@photo.jpg",
		"--listen=HOST:PORT", "127.0.0.1:8080", "--broker=HOST:PORT", "--dead-letters=HOST:PORT",
		"--running=NAME=HOST:PORT", "--watcher=URL", "\nupload and thumbnail:\n", "(default built in)", "(default WARN)",
	}
	for _, setting := range catalog.Settings() {
		if !unusedSettings[setting.Name] {
			wanted = append(wanted, "\n  "+setting.Name+"\n")
		}
	}
	for _, argument := range []string{"--help", "-h"} {
		t.Run(argument, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			if _, err := readOptions([]string{argument}, &out); !errors.Is(err, cli.ErrHelp) {
				t.Errorf("got error %v, want %v", err, cli.ErrHelp)
			}
			for _, want := range wanted {
				if !strings.Contains(out.String(), want) {
					t.Errorf("got %s, want %q in it", &out, want)
				}
			}
			for line := range strings.Lines(out.String()) {
				if columns := utf8.RuneCountInString(strings.TrimRight(line, "\n")); columns > cli.Columns {
					t.Errorf("a line has %d columns, want %d at most: %s", columns, cli.Columns, line)
				}
			}
		})
	}
}
