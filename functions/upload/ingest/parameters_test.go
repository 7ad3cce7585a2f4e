package ingest

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
)

func TestSplitHeader(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		word       string
		parameters map[string]string
	}{
		"":                    {"", nil},
		"image/png":           {"image/png", nil},
		"Image/PNG ; q=1":     {"image/png", map[string]string{"q": "1"}},
		`a; b="c;d"; e=f`:     {"a", map[string]string{"b": "c;d", "e": "f"}},
		`a;B="c\"d\\e\f"`:     {"a", map[string]string{"b": `c"d\e\f`}},
		`a; b="c"d"; e=f`:     {"a", map[string]string{"b": `c"d`, "e": "f"}},
		`a; b="c"; d"; e=f`:   {"a", map[string]string{"b": `c"; d`, "e": "f"}},
		`a; b="c`:             {"a", map[string]string{"b": "c"}},
		`a; b="c";`:           {"a", map[string]string{"b": "c"}},
		`a; b="c" ; ;d = e`:   {"a", map[string]string{"b": "c", "d": "e"}},
		"a; b=c d; e":         {"a", map[string]string{"b": "c d"}},
		"a; --flag; b==c==":   {"a", map[string]string{"b": "=c=="}},
		"a; b=1; b=2":         {"a", map[string]string{"b": "1"}},
		"b=1; c=2":            {"", map[string]string{"b": "1", "c": "2"}},
		"a, b=1":              {"a", map[string]string{"b": "1"}},
		"a b=1":               {"a", map[string]string{"b": "1"}},
		`a; b=""`:             {"a", map[string]string{"b": ""}},
		";;;":                 {"", nil},
		"a; =1; b=2":          {"a", map[string]string{"": "1", "b": "2"}},
		"a; b=c%20d; e=\xff;": {"a", map[string]string{"b": "c%20d", "e": "\xff"}},
	} {
		t.Run(text, func(t *testing.T) {
			word, parameters := splitHeader(text)
			if word != want.word || !maps.Equal(parameters, want.parameters) {
				t.Errorf("splitHeader() = %q, %q; want %q, %q", word, parameters, want.word, want.parameters)
			}
		})
	}
}

// A header costs no more than its length, however it is built.
func TestSplitHeaderIsLinear(t *testing.T) {
	t.Parallel()
	for _, unit := range []string{";", "a;", "a=b;", `"; `, `"; a`, `" `, `\"`, `a="; `, "'", "%"} {
		t.Run(fmt.Sprintf("%q", unit), func(t *testing.T) {
			text := `x; a="` + strings.Repeat(unit, 1<<20)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				_, parameters := splitHeader(text)
				if len(parameters) > maxParameters {
					t.Errorf("got %d parameters, want at most %d", len(parameters), maxParameters)
				}
			}()
			select {
			case <-ended:
			case <-time.After(time.Minute): // quadratic time would be an hour
				t.Error("it has not ended after a minute")
			}
		})
	}
}
