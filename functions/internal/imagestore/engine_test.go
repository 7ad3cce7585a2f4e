package imagestore

import "testing"

func TestEngine(t *testing.T) {
	var a Attributes
	a.SetEngine(12)
	for text, want := range map[string]int{a.Metadata[engine]: 12, "": 0, "0": 0, "-3": 0, "v2": 0} {
		info := Info{Metadata: map[string]string{engine: text}}
		if got := info.Engine(); got != want {
			t.Errorf("Engine() of %q = %d, want %d", text, got, want)
		}
	}
}
