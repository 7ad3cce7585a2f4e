// Package config declares and reads the settings of a process, which come from its environment.
//
// A setting is declared once, as a package-level variable beside the code that reads it: a [Text], [Int],
// [Duration], [Bool], [List] or [FilePath] with its name, default, range and meaning. The reference pages, the help of
// local mode and the test of the manifests are made from the same declarations: a [Reader] records each setting that it
// reads, so a function's list of settings is never written down a second time.
//
// Reading never stops at the first fault: a process reports everything that is wrong with its settings at once. Values
// of secrets are never repeated.
package config

import (
	"errors"
	"fmt"
	"slices"
)

// A Reader reads settings, records which, and collects what is wrong with them. It is not safe for concurrent use.
type Reader struct {
	getenv func(string) string
	faults []error
	record *[]Description // shared with the readers that Unchecked returns
}

// NewReader returns a Reader of the environment getenv, such as os.Getenv. An empty value counts as not set.
func NewReader(getenv func(string) string) *Reader {
	return &Reader{getenv: getenv, record: new([]Description)}
}

// Describe returns the settings that read reads, in the order in which it reads them first. It runs read in an empty
// environment; read must therefore read every setting whatever the others are.
func Describe(read func(*Reader)) []Description {
	r := NewReader(func(string) string { return "" })
	read(r)
	return r.Settings()
}

// Settings returns the settings that were read so far, each once, in the order of their first reading.
func (r *Reader) Settings() []Description { return slices.Clone(*r.record) }

// Record adds settings that are read elsewhere to those that r.Settings returns.
func (r *Reader) Record(settings ...Setting) {
	for _, setting := range settings {
		description := setting.Describe()
		known := func(d Description) bool { return d.Name == description.Name }
		if !slices.ContainsFunc(*r.record, known) {
			*r.record = append(*r.record, description)
		}
	}
}

// Unchecked returns a Reader of the same environment with the same record, whose faults do not count: it is for
// settings that another setting has turned off.
func (r *Reader) Unchecked() *Reader {
	return &Reader{getenv: r.getenv, record: r.record}
}

// IsSet reports whether the setting has a value in the environment, valid or not.
func (r *Reader) IsSet(setting Setting) bool { return r.getenv(setting.String()) != "" }

// value returns the value of a setting as it is in the environment, and records the setting.
func (r *Reader) value(setting Setting) string {
	r.Record(setting)
	return r.getenv(setting.String())
}

// Fault adds a fault of the form `NAME is ...; expected ...`. Settings print as their names.
func (r *Reader) Fault(format string, args ...any) { r.Add(fmt.Errorf(format, args...)) }

// Add adds err to the faults, unless it is nil or reported already.
func (r *Reader) Add(err error) {
	if err == nil {
		return
	}
	reported := func(fault error) bool { return fault.Error() == err.Error() }
	if !slices.ContainsFunc(r.faults, reported) {
		r.faults = append(r.faults, err)
	}
}

// Err returns an error that lists every fault on a line of its own, or nil if there are none.
func (r *Reader) Err() error {
	if len(r.faults) == 0 {
		return nil
	}
	return fmt.Errorf("bad settings:\n%w", errors.Join(r.faults...))
}
