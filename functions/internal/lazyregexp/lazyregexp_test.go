package lazyregexp

import (
	"slices"
	"testing"
)

func TestRegexp(t *testing.T) {
	r := New("^([a-z]+)([0-9]*)$")
	if got, want := r.String(), "^([a-z]+)([0-9]*)$"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
	if !r.MatchString("abc1") || r.MatchString("1abc") {
		t.Error("MatchString() = false of abc1, or true of 1abc")
	}
	if got, want := r.FindString("abc1"), "abc1"; got != want {
		t.Errorf("FindString() = %q, want %q", got, want)
	}
	if got, want := r.FindStringSubmatch("abc1"), []string{"abc1", "abc", "1"}; !slices.Equal(got, want) {
		t.Errorf("FindStringSubmatch() = %q, want %q", got, want)
	}
	if got := r.FindStringSubmatch("-"); got != nil {
		t.Errorf("FindStringSubmatch() = %q, want nil", got)
	}
	if got, want := r.ReplaceAllString("abc1", "$2"), "1"; got != want {
		t.Errorf("ReplaceAllString() = %q, want %q", got, want)
	}
}

func TestInvalid(t *testing.T) {
	for name, test := range map[string]struct {
		inTest bool
		use    func()
	}{
		"declared in a test": {true, func() { New("(") }},
		"used by a process":  {false, func() { New("(").MatchString("") }},
		"compiled in a test": {true, func() { New("(").MatchString("") }},
	} {
		t.Run(name, func(t *testing.T) {
			before := inTest
			t.Cleanup(func() { inTest = before })
			inTest = test.inTest
			defer func() {
				if recover() == nil {
					t.Error("an expression that is not valid does not panic")
				}
			}()
			test.use()
		})
	}
	t.Run("declared by a process", func(t *testing.T) {
		before := inTest
		t.Cleanup(func() { inTest = before })
		inTest = false
		New("(")
	})
}
