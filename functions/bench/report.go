package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"gitlab.com/yourorg/image-service/functions/bench/plot"
)

// A report is what a run has measured.
type report struct {
	machine *machine
	tables  []*table
	curves  map[string]plot.Chart // by the name of the file, without .svg
}

// A table is one of Markdown.
type table struct {
	title, note string
	header      []string
	rows        [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (r *report) add(t *table) { r.tables = append(r.tables, t) }

func (r *report) draw(name string, c plot.Chart) {
	if r.curves == nil {
		r.curves = map[string]plot.Chart{}
	}
	r.curves[name] = c
}

// write writes the report and the curves into a directory.
func (r *report) write(directory string) error {
	errs := []error{os.WriteFile(filepath.Join(directory, "report.md"), []byte(r.markdown()), 0o600)}
	for name, c := range r.curves {
		errs = append(errs, os.WriteFile(filepath.Join(directory, name+".svg"), c.SVG(), 0o600))
	}
	return errors.Join(errs...)
}

// markdown returns the tables.
func (r *report) markdown() string {
	var text strings.Builder
	fmt.Fprintf(&text, "# Measurement\n\n%s\n", r.machine)
	for _, t := range r.tables {
		fmt.Fprintf(&text, "\n## %s\n\n%s\n\n", t.title, t.note)
		text.WriteString(row(t.header))
		text.WriteString(strings.Repeat("|---", len(t.header)) + "|\n")
		for _, cells := range t.rows {
			text.WriteString(row(cells))
		}
	}
	return text.String()
}

func row(cells []string) string { return "| " + strings.Join(cells, " | ") + " |\n" }

// number returns three significant digits, or all before the point.
func number(f float64) string {
	switch {
	case f >= 100:
		return strconv.FormatFloat(f, 'f', 0, 64)
	case f >= 10:
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'f', 2, 64)
}

func megabytes(bytes int) string { return number(float64(bytes) / 1e6) }

// A machine is where and when a run was, with the load on it before and after.
type machine struct {
	command, commit string
	began           time.Time
	before, after   string
}

func describeMachine(arguments []string) *machine {
	commit, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		commit = []byte("unknown")
	}
	return &machine{
		command: strings.TrimSpace(program.Command + " " + strings.Join(arguments, " ")),
		commit:  strings.TrimSpace(string(commit)), began: time.Now(), before: loadAverage(),
	}
}

func (m *machine) ended() { m.after = loadAverage() }

// loadAverage returns the load of the last minute; see proc(5).
func loadAverage() string {
	text, _ := os.ReadFile("/proc/loadavg")
	average, _, _ := strings.Cut(string(text), " ")
	return average
}

func (m *machine) String() string {
	return fmt.Sprintf("`%s`, commit %s, on %s; %d cores of %s, %s/%s, %s. The load was %s before and %s after the run, "+
		"which has itself a part in the latter.",
		m.command, m.commit, m.began.Format(time.DateOnly), runtime.NumCPU(), cpuModel(), runtime.GOOS, runtime.GOARCH,
		runtime.Version(), m.before, m.after)
}
