package check

import (
	"fmt"
	"io"
	"strings"

	"gitlab.com/yourorg/image-service/functions/cli"
)

// A Finding is something about an event that its sender should know.
type Finding struct {
	// Fault is set if the upload function does not accept the event because of it. Otherwise it is a warning.
	Fault bool
	// What is wrong, in a few words. Found and Expected say what the message has and should have, and Mend how to get
	// there, in sentences.
	What, Found, Expected, Mend string
}

// A Fact is what the service reads in an event, or does with it.
type Fact struct{ Name, Value string }

// A Report is the result of Check.
type Report struct {
	Facts    []Fact
	Findings []Finding
}

// Valid reports whether the upload function accepts the event.
func (r Report) Valid() bool {
	faults, _ := r.count()
	return faults == 0
}

func (r Report) count() (faults, warnings int) {
	for _, f := range r.Findings {
		if f.Fault {
			faults++
		} else {
			warnings++
		}
	}
	return faults, warnings
}

func (r *Report) fact(name, format string, args ...any) {
	r.Facts = append(r.Facts, Fact{name, fmt.Sprintf(format, args...)})
}

// labelled is the form of a line: a label of a fixed width, and text.
const labelled = "  %-9s %s\n"

// Write writes the report for people, in lines of at most cli.Columns characters where the words allow it.
func (r Report) Write(out io.Writer) error {
	var text strings.Builder
	for _, fact := range r.Facts {
		writeLabelled(&text, fact.Name, fact.Value)
	}
	for _, f := range r.Findings {
		severity := "Warning"
		if f.Fault {
			severity = "Fault"
		}
		fmt.Fprintf(&text, "\n%s: %s\n", severity, printable(f.What))
		writeLabelled(&text, "found", f.Found)
		writeLabelled(&text, "expected", f.Expected)
		writeLabelled(&text, "mend", f.Mend)
	}
	faults, warnings := r.count()
	verdict := "valid"
	if faults > 0 {
		verdict = "not valid: " + plural(faults, "fault")
	}
	if warnings > 0 {
		verdict += ", " + plural(warnings, "warning")
	}
	fmt.Fprintf(&text, "\n%s\n", verdict)
	_, err := io.WriteString(out, strings.TrimPrefix(text.String(), "\n"))
	return err
}

func writeLabelled(text *strings.Builder, label, value string) {
	if value == "" {
		return
	}
	indent := strings.Repeat(" ", len(fmt.Sprintf(labelled, "", ""))-1)
	fmt.Fprintf(text, labelled, label, strings.TrimLeft(cli.Wrap(printable(value), indent, cli.Columns), " "))
}

// printable replaces what could move the cursor of a terminal or hide text.
func printable(text string) string {
	var safe strings.Builder
	for _, r := range text {
		if isPrint(r) {
			safe.WriteRune(r)
		} else {
			safe.WriteString("\uFFFD")
		}
	}
	return safe.String()
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
