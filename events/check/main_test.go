package main

import (
	"errors"
	"io"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/functions/cli"
)

// Faults and input that cannot be checked have errors, and so exit statuses, of their own.
func TestStatus(t *testing.T) {
	const valid = `{"specversion": "1.0", "type": "image.received", "source": "/camera/1", "id": "4711", ` +
		`"data": {"bucket": "scans", "object_name": "a.jpg"}}`
	for _, row := range []struct {
		name, input string
		want        error
	}{
		{"valid", valid, nil},
		{"faults", "hello", errFaults},
		{"empty", "", cli.ErrUsage},
	} {
		t.Run(row.name, func(t *testing.T) {
			getenv := func(string) string { return "" }
			err := realMain(t.Context(), []string{"-"}, strings.NewReader(row.input), io.Discard, getenv)
			if !errors.Is(err, row.want) {
				t.Errorf("got error %v, want %v", err, row.want)
			}
		})
	}
}
