package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Setting is the declaration of one setting: [Text], [Int], [Duration], [Bool], [List] or
// [FilePath].
type Setting interface {
	// String returns the name of the setting, so that messages show it by name and never by value.
	fmt.Stringer
	// Describe returns the declaration in words.
	Describe() Description
}

// A Description is a setting in words, for reference pages, help texts and tests.
type Description struct {
	Name string
	// Type is "text", "integer", "duration", "boolean", "list" or "file".
	Type string
	// Default is the value that counts when the setting is not set; "" means none.
	Default string
	// DefaultFrom names the setting whose value is the default; "" means none.
	DefaultFrom string
	// Values describes what is allowed, such as "1 to 65535"; "" means everything of the type.
	Values string
	// Unit is that of an integer: "bytes", "pixels", "seconds" or "".
	Unit string
	// Required reports whether a process does not start without the setting, except as Unless says.
	Required bool
	// Unless is the exception to Required, such as "K_SINK is set"; "" means none.
	Unless string
	// RequiredWith names the setting that makes this one required; "" means none.
	RequiredWith string
	// Secret reports whether the value must not be shown: it belongs in a Kubernetes Secret.
	Secret bool
	// Doc says what the setting does, in sentences.
	Doc string
}

// String returns the name of the setting.
func (d Description) String() string { return d.Name }

// A Form restricts a value.
type Form struct {
	// Expected completes the sentence "NAME is X; expected ...".
	Expected string
	// Valid reports whether a value has the form; nil allows every value.
	Valid func(value string) bool
}

func (f Form) allows(value string) bool { return f.Valid == nil || f.Valid(value) }

// A Text is a setting whose value is a text.
type Text struct {
	Name, Default string
	Form          Form
	// Required has Read report a missing value. Unless is an exception that the caller makes, in words.
	Required bool
	Unless   string
	// RequiredWith has Read report a missing value when this other setting is set.
	RequiredWith Setting
	Secret       bool
	Doc          string
}

// Read returns the value, or the default if it is not set or not valid.
func (t Text) Read(r *Reader) string {
	value := r.value(t)
	switch {
	case value == "" && t.Required:
		r.Fault("%s is not set; expected %s%s", t, t.Form.Expected, exception(t.Unless))
	case value == "" && t.RequiredWith != nil && r.IsSet(t.RequiredWith):
		r.Fault("%s is not set; expected %s, as %s is set", t, t.Form.Expected, t.RequiredWith)
	case value == "":
	case t.Form.allows(value):
		return value
	case t.Secret:
		r.Fault("%s is not valid; expected %s", t, t.Form.Expected)
	default:
		r.Fault("%s is %s; expected %s", t, Quote(value), t.Form.Expected)
	}
	return t.Default
}

// Lookup returns the value, or the default if it is not set. It reports no faults: they are for the code that the
// setting belongs to.
func (t Text) Lookup(r *Reader) string {
	if value := r.value(t); value != "" {
		return value
	}
	return t.Default
}

// String returns the name of the setting.
func (t Text) String() string { return t.Name }

// Describe returns the declaration in words.
func (t Text) Describe() Description {
	d := Description{
		Name: t.Name, Type: "text", Default: t.Default, Doc: t.Doc,
		Required: t.Required, Unless: t.Unless, RequiredWith: nameOf(t.RequiredWith), Secret: t.Secret,
	}
	if t.Form.Valid != nil {
		d.Values = t.Form.Expected
	}
	return d
}

func nameOf(setting Setting) string {
	if setting == nil {
		return ""
	}
	return setting.String()
}

// An Int is a setting whose value is a whole number.
type Int struct {
	Name              string
	Default, Min, Max int64
	// Unit is "bytes", "pixels", "seconds" or "".
	Unit string
	Doc  string
}

// Read returns the value, or the default if it is not set or not from Min to Max.
func (i Int) Read(r *Reader) int64 {
	text := r.value(i)
	if text == "" {
		return i.Default
	}
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil || value < i.Min || value > i.Max {
		r.Fault("%s is %s; expected a whole number from %d to %d", i, Quote(text), i.Min, i.Max)
		return i.Default
	}
	return value
}

// String returns the name of the setting.
func (i Int) String() string { return i.Name }

// Describe returns the declaration in words.
func (i Int) Describe() Description {
	return Description{
		Name: i.Name, Type: "integer", Default: strconv.FormatInt(i.Default, 10), Unit: i.Unit, Doc: i.Doc,
		Values: fmt.Sprintf("%d to %d", i.Min, i.Max),
	}
}

// A Duration is a setting whose value is a time span as Go writes it, such as 720h or 1h30m.
type Duration struct {
	Name              string
	Default, Min, Max time.Duration
	Doc               string
}

// Read returns the value, or the default if it is not set or not from Min to Max. 0 is allowed if it is the default.
func (d Duration) Read(r *Reader) time.Duration {
	text := r.value(d)
	if text == "" {
		return d.Default
	}
	value, err := time.ParseDuration(text)
	isZero := value == 0 && d.Default == 0
	if err != nil || !isZero && (value < d.Min || value > d.Max) {
		r.Fault("%s is %s; expected %s, such as 720h", d, Quote(text), d.values())
		return d.Default
	}
	return value
}

func (d Duration) values() string {
	values := span(d.Min) + " to " + span(d.Max)
	if d.Default == 0 {
		return "0, or " + values
	}
	return values
}

// span writes a time span without zeros at its end.
func span(d time.Duration) string {
	if d == 0 {
		return "0"
	}
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// String returns the name of the setting.
func (d Duration) String() string { return d.Name }

// Describe returns the declaration in words.
func (d Duration) Describe() Description {
	return Description{Name: d.Name, Type: "duration", Default: span(d.Default), Values: d.values(), Doc: d.Doc}
}

// A Bool is a setting whose value is true or false; it is false if it is not set.
type Bool struct{ Name, Doc string }

// Read reports whether the value is true.
func (b Bool) Read(r *Reader) bool {
	text := r.value(b)
	if text != "" && text != "true" && text != "false" {
		r.Fault("%s is %s; expected true or false", b, Quote(text))
	}
	return text == "true"
}

// String returns the name of the setting.
func (b Bool) String() string { return b.Name }

// Describe returns the declaration in words.
func (b Bool) Describe() Description {
	return Description{Name: b.Name, Type: "boolean", Default: "false", Values: "true or false", Doc: b.Doc}
}

// A List is a setting with several values, separated by commas. Empty values do not count.
type List struct {
	Name string
	// Default is the list by default.
	Default []string
	// DefaultFrom is, unless it is nil, the setting whose value is the default.
	DefaultFrom *Text
	// Form restricts each value.
	Form Form
	// Required has Read report an empty list. Unless is an exception that the caller makes, in words.
	Required bool
	Unless   string
	Doc      string
}

// Read returns the values, or the default if there are none. Values that are not valid are left out.
func (l List) Read(r *Reader) []string {
	var items []string
	set := false
	for item := range strings.SplitSeq(r.value(l), ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		set = true
		if !l.Form.allows(item) {
			r.Fault("%s has %s; expected %s", l, Quote(item), l.Form.Expected)
			continue
		}
		items = append(items, item)
	}
	switch {
	case !set && l.Required:
		r.Fault("%s is not set; expected %s%s", l, l.Form.Expected, exception(l.Unless))
	case !set && l.DefaultFrom != nil:
		return []string{l.DefaultFrom.Lookup(r)}
	case !set:
		return slices.Clone(l.Default)
	}
	return items
}

func exception(unless string) string {
	if unless == "" {
		return ""
	}
	return ", unless " + unless
}

// String returns the name of the setting.
func (l List) String() string { return l.Name }

// Describe returns the declaration in words.
func (l List) Describe() Description {
	d := Description{
		Name: l.Name, Type: "list", Default: strings.Join(l.Default, ","), Values: l.Form.Expected,
		Required: l.Required, Unless: l.Unless, Doc: l.Doc,
	}
	if l.DefaultFrom != nil {
		d.DefaultFrom = l.DefaultFrom.Name
	}
	return d
}
