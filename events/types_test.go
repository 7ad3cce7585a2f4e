package events_test

import (
	"slices"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/events"
)

// TestTypes checks the declarations that all other tests rely on: each is complete, and the tests have a payload of it.
func TestTypes(t *testing.T) {
	var names, tested []string
	for _, k := range kinds {
		tested = append(tested, k.payload.EventType())
	}
	for _, declared := range events.Types() {
		names = append(names, declared.Name)
		t.Run(declared.Name, func(t *testing.T) {
			if got := declared.Payload.EventType(); got != declared.Name {
				t.Errorf("the payload %T has the type %q", declared.Payload, got)
			}
			if !strings.HasSuffix(declared.Doc, ".") || strings.Contains(declared.Doc, "\n") {
				t.Errorf("Doc = %q, want a sentence on one line", declared.Doc)
			}
			if len(declared.Producers) == 0 || len(declared.Consumers) == 0 || len(declared.Channels) == 0 {
				t.Errorf("producers %q, consumers %q, channels %q: want at least one of each",
					declared.Producers, declared.Consumers, declared.Channels)
			}
		})
	}
	if !slices.Equal(tested, names) {
		t.Errorf("the tests have payloads of %q, want %q", tested, names)
	}
}
