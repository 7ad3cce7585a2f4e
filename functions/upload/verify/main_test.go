package main

import (
	"errors"
	"io"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/functions/cli"
)

func noSetting(string) string { return "" }

// What is wrong about a command line is said before any setting is read.
func TestWrongUsage(t *testing.T) {
	for name, arguments := range map[string][]string{
		"two modes":                  {"--repair", "--retry-failed"},
		"a time that is not RFC3339": {"--retry-failed", "--before=yesterday"},
		"dry run of nothing":         {"--dry-run"},
		"a reason for nothing":       {"--repair", "--reason=damaged"},
		"an argument":                {"images"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := realMain(t.Context(), arguments, noSetting, io.Discard, io.Discard); !errors.Is(err, cli.ErrUsage) {
				t.Errorf("realMain() = %v, want an error of usage", err)
			}
		})
	}
}

// Both modes read the settings of the upload function; reasons and time are those of the command line.
func TestModes(t *testing.T) {
	for name, test := range map[string]struct {
		arguments []string
		want      string
	}{
		"verify": {nil, "MINIO_ENDPOINT"},
		"repair": {[]string{"--repair"}, "MINIO_ENDPOINT"},
		"retry":  {[]string{"--retry-failed"}, "MINIO_ENDPOINT"},
		"some": {
			[]string{"--retry-failed", "--reason=damaged", "--before=2026-11-29T12:00:00Z", "--dry-run"}, "MINIO_ENDPOINT",
		},
		"unknown reason": {
			[]string{"--retry-failed", "--reason=damaged", "--reason=broken"}, `reason is "broken", expected one of`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := realMain(t.Context(), test.arguments, noSetting, io.Discard, io.Discard)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("realMain() = %v, want %q in it", err, test.want)
			}
		})
	}
}
