package setting

import (
	"slices"
	"testing"
)

func TestReader(t *testing.T) {
	r := NewReader(func(name string) string {
		return map[string]string{"TEXT": "a", "NUMBER": "7", "LIST": " a, b,,c "}[name]
	})
	if got := r.Text("TEXT", "x"); got != "a" {
		t.Errorf("Text() = %q", got)
	}
	if got := r.Text("NONE", "x"); got != "x" {
		t.Errorf("Text() of nothing = %q", got)
	}
	if got := r.Required("TEXT", "a text"); got != "a" {
		t.Errorf("Required() = %q", got)
	}
	if got := r.Int("NUMBER", 1, 0, 10); got != 7 {
		t.Errorf("Int() = %d", got)
	}
	if got := r.Int("NONE", 1, 0, 10); got != 1 {
		t.Errorf("Int() of nothing = %d", got)
	}
	if got, want := r.List("LIST", ""), []string{"a", "b", "c"}; !slices.Equal(got, want) {
		t.Errorf("List() = %q, want %q", got, want)
	}
	if err := r.Err(); err != nil {
		t.Errorf("Err() = %v", err)
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	r := NewReader(func(name string) string {
		return map[string]string{"WORD": "seven", "SMALL": "-1", "LARGE": "99999999999999999999"}[name]
	})
	r.Required("SECRET", "the secret key")
	r.Int("WORD", 1, 0, 10)
	r.Int("SMALL", 1, 0, 10)
	r.Int("LARGE", 1, 0, 10)
	r.Fault("OTHER is %q; expected %q", "x", "y")
	want := `bad settings:
SECRET is not set; expected the secret key
WORD is "seven"; expected a whole number from 0 to 10
SMALL is "-1"; expected a whole number from 0 to 10
LARGE is "99999999999999999999"; expected a whole number from 0 to 10
OTHER is "x"; expected "y"`
	if err := r.Err(); err == nil || err.Error() != want {
		t.Errorf("Err() = %v\nwant %s", err, want)
	}
}
