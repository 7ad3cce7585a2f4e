package imagestore

import (
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/events"
)

func TestCause(t *testing.T) {
	for name, want := range map[string]events.Cause{
		"ASCII":      {Source: "/scanner/7", ID: "tray@4711"},
		"any script": {Source: "https://example.com/a?b=c#d", ID: "фото 100% \"☃\"\n"},
		"none":       {},
	} {
		t.Run(name, func(t *testing.T) {
			var about Attributes
			about.SetCause(want)
			for key, value := range about.Metadata {
				if strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
					t.Errorf("%s is %q, want printable ASCII", key, value)
				}
			}
			info := Info{Metadata: about.Metadata}
			if got := info.Cause(); got != want {
				t.Errorf("Cause() = %+v, want %+v", got, want)
			}
		})
	}
	for name, metadata := range map[string]map[string]string{
		"no metadata":      nil,
		"no ID":            {causeSource: "/a"},
		"malformed escape": {causeSource: "/a", causeID: "%zz"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := (&Info{Metadata: metadata}).Cause(); got != (events.Cause{}) {
				t.Errorf("Cause() = %+v, want none", got)
			}
		})
	}
}

func TestFitsMetadata(t *testing.T) {
	for name, test := range map[string]struct {
		id   string
		want bool
	}{
		"ASCII":           {strings.Repeat("a", maxEncodedCause-1), true},
		"too long":        {strings.Repeat("a", maxEncodedCause), false},
		"umlauts":         {strings.Repeat("ü", (maxEncodedCause-1)/6), true},
		"too many umlaut": {strings.Repeat("ü", (maxEncodedCause-1)/6+1), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := FitsMetadata(events.Cause{Source: "s", ID: test.id}); got != test.want {
				t.Errorf("FitsMetadata() = %v, want %v", got, test.want)
			}
		})
	}
}
