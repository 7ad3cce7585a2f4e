// Package cli reads the command lines of this module's tools, which all have the same conventions: --help explains the
// program, its arguments and flags, with examples; an error of usage names what is allowed; the exit status is 0, 1 for
// an error and 2 for wrong usage. Functions have no command line: package config reads their environment.
package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

// Columns is the width of help texts.
const Columns = 80

// ErrHelp is returned by Parse when it has written the help text.
var ErrHelp = errors.New("help was asked for")

// ErrUsage is wrapped by errors of Parse about a command line that is wrong.
var ErrUsage = errors.New("wrong usage")

// A Program describes a tool.
type Program struct {
	// Command is how the program is started, such as "go run ./functions/upload/key".
	Command string
	// Summary says what the program does, in paragraphs.
	Summary string
	// Examples are command lines, with or without comments after a #.
	Examples []string
	// More returns what the help text has after the flags; nil for nothing.
	More func() string
}

// Parse fills the struct that into points to from a command line without the name of the program. Fields have tags as
// in https://github.com/alecthomas/kong. The help text goes to out. The error is ErrHelp or wraps ErrUsage.
func (p Program) Parse(into any, arguments []string, out io.Writer) error {
	_, err := p.ParseCommand(into, arguments, out)
	return err
}

// ParseCommand is Parse for a program of several commands, which are the fields with the tag cmd. It returns the name
// of the one that was given.
func (p Program) ParseCommand(into any, arguments []string, out io.Writer) (command string, err error) {
	helped := false
	parser, err := kong.New(into,
		kong.Name(p.Command), kong.Description(p.description()), kong.Writers(out, io.Discard),
		kong.Exit(func(int) { helped = true }), kong.Help(p.printHelp), kong.ValueFormatter(describeValue),
		kong.ConfigureHelp(kong.HelpOptions{WrapUpperBound: Columns}))
	if err != nil {
		return "", fmt.Errorf("declare the flags of %s: %w", p.Command, err)
	}
	parser.Model.HelpFlag.Help = "Show this help."
	parsed, err := parser.Parse(arguments)
	switch {
	case helped:
		return "", ErrHelp
	case err != nil:
		return "", &usageError{cause: err, usage: p.Command + allowed(parser)}
	case parsed.Selected() == nil:
		return "", nil
	}
	return parsed.Selected().Name, nil
}

// A usageError is ErrUsage with what was wrong and what is allowed.
type usageError struct {
	cause error
	usage string
}

func (e *usageError) Error() string {
	return fmt.Sprintf("%v\nusage: %s\n--help explains it", e.cause, e.usage)
}
func (e *usageError) Is(target error) bool { return target == ErrUsage }
func (e *usageError) Unwrap() error        { return e.cause }

func (p Program) description() string {
	text := p.Summary
	if len(p.Examples) > 0 {
		text += "\n\nExamples:\n\n    " + strings.Join(p.Examples, "\n    ")
	}
	return text
}

func (p Program) printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil {
		return err
	}
	if p.More != nil {
		fmt.Fprint(ctx.Stdout, "\n", p.More())
	}
	return nil
}

// describeValue adds the default to the help of a flag.
func describeValue(value *kong.Value) string {
	if !value.HasDefault || value.Default == "" {
		return value.Help
	}
	return fmt.Sprintf("%s (default %s)", value.Help, value.Default)
}

// allowed returns the commands, arguments and flags of a program as they follow its name.
func allowed(parser *kong.Kong) (text string) {
	var commands []string
	for _, command := range parser.Model.Children {
		commands = append(commands, command.Name)
	}
	if len(commands) > 0 {
		text = " " + strings.Join(commands, "|")
	}
	for _, positional := range parser.Model.Positional {
		text += " " + positional.Summary()
	}
	for _, flag := range parser.Model.Flags {
		if flag.Hidden {
			continue
		}
		if text += " [--" + flag.Name; !flag.IsBool() {
			text += "=" + flag.FormatPlaceHolder()
		}
		text += "]"
	}
	return text
}

// Exit ends the process with Status(err). It writes an error to standard error, after the name of the program.
func Exit(name string, err error) {
	if err != nil && !errors.Is(err, ErrHelp) {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	}
	os.Exit(Status(err))
}

// Status returns the exit status for an error: 0 for none and after help, 2 for wrong usage, and 1 otherwise.
func Status(err error) int {
	switch {
	case err == nil, errors.Is(err, ErrHelp):
		return 0
	case errors.Is(err, ErrUsage):
		return 2
	}
	return 1
}

// Wrap returns text in lines of at most columns characters, each after indent. A word that is longer has its own line.
func Wrap(text, indent string, columns int) string {
	var out strings.Builder
	line := 0 // characters on it
	for word := range strings.FieldsSeq(text) {
		switch length := len([]rune(word)); {
		case line > 0 && line+1+length <= columns:
			out.WriteString(" " + word)
			line += 1 + length
		default:
			if line > 0 {
				out.WriteString("\n")
			}
			out.WriteString(indent + word)
			line = len([]rune(indent)) + length
		}
	}
	return out.String()
}
