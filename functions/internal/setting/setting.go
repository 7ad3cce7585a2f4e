// Package setting reads a process's settings from its environment. It never stops at the first fault: whoever starts a
// function learns of everything that is wrong with its settings at once. Values of secrets are never repeated.
package setting

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A Reader reads settings by name and remembers what was wrong with them.
type Reader struct {
	getenv func(string) string
	faults []error
}

// NewReader reads with getenv, such as os.Getenv. A setting that is empty counts as not set.
func NewReader(getenv func(string) string) *Reader {
	return &Reader{getenv: getenv}
}

// Text is the value of a setting, or fallback.
func (r *Reader) Text(name, fallback string) string {
	if value := r.getenv(name); value != "" {
		return value
	}
	return fallback
}

// Required is the value of a setting that has no good default.
func (r *Reader) Required(name, meaning string) string {
	value := r.getenv(name)
	if value == "" {
		r.Fault("%s is not set; expected %s", name, meaning)
	}
	return value
}

// Int is a whole number between least and most, or fallback.
func (r *Reader) Int(name string, fallback, least, most int64) int64 {
	text := r.getenv(name)
	if text == "" {
		return fallback
	}
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil || value < least || value > most {
		r.Fault("%s is %q; expected a whole number from %d to %d", name, text, least, most)
		return fallback
	}
	return value
}

// List is a value that is separated by commas, without empty items.
func (r *Reader) List(name, text string) []string {
	var items []string
	for item := range strings.SplitSeq(r.Text(name, text), ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// Fault adds a fault in the form `NAME is ...; expected ...`.
func (r *Reader) Fault(format string, args ...any) {
	r.faults = append(r.faults, fmt.Errorf(format, args...))
}

// Err names every fault, a line each; nil if there are none.
func (r *Reader) Err() error {
	if len(r.faults) == 0 {
		return nil
	}
	return fmt.Errorf("bad settings:\n%w", errors.Join(r.faults...))
}
