// Package config reads a process's settings from its environment. It never stops at the first fault: whoever starts a
// function learns of everything that is wrong with its settings at once. Values of secrets are never repeated.
package config

import (
	"errors"
	"fmt"
	"net"
	"regexp"
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

// Bool is true or false, and false if it is not set.
func (r *Reader) Bool(name string) bool {
	text := r.getenv(name)
	if text != "" && text != "true" && text != "false" {
		r.Fault("%s is %s; expected true or false", name, Quote(text))
	}
	return text == "true"
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

// IsAddress tells whether a text is a host, or host:port.
func IsAddress(text string) bool {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = text, "1"
	}
	number, err := strconv.ParseUint(port, 10, 16)
	return err == nil && number > 0 && IsHost(host)
}

// IsHost tells whether a text could be the name or the IP address of a host.
func IsHost(text string) bool {
	return net.ParseIP(strings.Trim(text, "[]")) != nil || len(text) <= 253 && hostName.MatchString(text)
}

// Underscores are in no host name of the Internet, but in those of some container networks.
var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$`)

// Quote is a value as it may be shown: without what is in front of an @, which may be a password.
func Quote(value string) string {
	if at := strings.LastIndexByte(value, '@'); at >= 0 {
		value = "..." + value[at:]
	}
	return strconv.Quote(value)
}

// Fault adds a fault in the form `NAME is ...; expected ...`.
func (r *Reader) Fault(format string, args ...any) {
	r.faults = append(r.faults, fmt.Errorf(format, args...))
}

// Add adds a fault that is an error already, if it is not nil.
func (r *Reader) Add(fault error) {
	if fault != nil {
		r.faults = append(r.faults, fault)
	}
}

// Err names every fault, a line each; nil if there are none.
func (r *Reader) Err() error {
	if len(r.faults) == 0 {
		return nil
	}
	return fmt.Errorf("bad settings:\n%w", errors.Join(r.faults...))
}
