// Package lazyregexp has regular expressions that are compiled when they are first used. A process uses few of those
// that are declared, and the compilation of all takes a millisecond of its start. Go's own packages have such a
// package, too, which others cannot import.
package lazyregexp

import (
	"os"
	"regexp"
	"strings"
	"sync"
)

// A Regexp is a regular expression of package regexp, some of whose methods it has.
type Regexp struct {
	text    string
	compile func() *regexp.Regexp
}

// inTest makes New compile at once, so that each test of a package finds an expression of it that is not valid.
var inTest = strings.HasSuffix(strings.TrimSuffix(os.Args[0], ".exe"), ".test")

// New returns the regular expression that text says. If it is not valid, its first use panics.
func New(text string) *Regexp {
	r := &Regexp{text, sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })}
	if inTest {
		r.compile()
	}
	return r
}

// String returns the text of the expression.
func (r *Regexp) String() string { return r.text }

// MatchString reports whether s has a match.
func (r *Regexp) MatchString(s string) bool { return r.compile().MatchString(s) }

// FindString returns the leftmost match in s; "" without one.
func (r *Regexp) FindString(s string) string { return r.compile().FindString(s) }

// FindStringSubmatch returns the leftmost match in s and those of its groups; nil without one.
func (r *Regexp) FindStringSubmatch(s string) []string { return r.compile().FindStringSubmatch(s) }

// ReplaceAllString returns a copy of s in which matches are replaced by replacement, where $1 is the first group.
func (r *Regexp) ReplaceAllString(s, replacement string) string {
	return r.compile().ReplaceAllString(s, replacement)
}
