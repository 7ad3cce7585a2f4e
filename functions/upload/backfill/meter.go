package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// A console is where a run shows its progress, and asks.
type console struct {
	in            io.Reader
	out, progress io.Writer
	// asks reports whether somebody answers on in, and draws whether progress is a terminal.
	asks, draws bool
}

// How often the progress is shown, on a terminal and elsewhere.
const barInterval, lineInterval = 200 * time.Millisecond, 5 * time.Second

// barSteps are those of the progress bar.
const barSteps = 10000

// A meter shows how far a run is: a bar on a terminal, and otherwise a line now and then. How many images there are is
// not known, but their IDs are evenly distributed, so the ID at which it is says it.
type meter struct {
	console
	prefix string
	bar    *progressbar.ProgressBar // nil if there is no terminal

	lock     sync.Mutex
	began    time.Time
	start    float64 // the position at which the run began
	reported time.Time
}

// newMeter begins at a cursor.
func newMeter(c console, prefix, cursor string) *meter {
	m := &meter{console: c, prefix: prefix, began: time.Now(), start: position(prefix, cursor), reported: time.Now()}
	if c.draws {
		m.bar = progressbar.NewOptions(barSteps, progressbar.OptionSetWriter(c.progress),
			progressbar.OptionUseANSICodes(true), progressbar.OptionSetPredictTime(false),
			progressbar.OptionSetElapsedTime(false), progressbar.OptionSetWidth(30),
			progressbar.OptionShowDescriptionAtLineEnd())
	}
	return m
}

// show shows the cursor at which the run is, and a text about what it has done.
func (m *meter) show(cursor, text string) {
	m.lock.Lock()
	defer m.lock.Unlock()
	interval := lineInterval
	if m.bar != nil {
		interval = barInterval
	}
	if time.Since(m.reported) < interval {
		return
	}
	m.reported = time.Now()
	at := position(m.prefix, cursor)
	if left := m.left(at); left != "" {
		text += ", " + left + " left"
	}
	if m.bar == nil {
		fmt.Fprintf(m.progress, "%.1f%%: %s, up to %s\n", 100*at, text, strings.TrimSuffix(cursor, "0"))
		return
	}
	m.bar.Describe(text)
	_ = m.bar.Set(int(at * barSteps)) // the terminal may have gone
}

// left estimates how long the rest takes; empty at the beginning.
func (m *meter) left(at float64) string {
	done, took := at-m.start, time.Since(m.began)
	if done <= 0 || took < time.Second {
		return ""
	}
	left := time.Duration((1 - at) / done * float64(took))
	return left.Round(time.Second).String()
}

// line writes a line to out or to progress, above the bar.
func (m *meter) line(w io.Writer, format string, args ...any) {
	m.lock.Lock()
	defer m.lock.Unlock()
	if m.bar != nil {
		_ = m.bar.Clear()
	}
	fmt.Fprintf(w, format+"\n", args...)
}

// note writes an error after which the run goes on.
func (m *meter) note(err error) { m.line(m.progress, "trying again: %v", err) }

// end removes the bar.
func (m *meter) end() {
	m.lock.Lock()
	defer m.lock.Unlock()
	if m.bar != nil {
		_ = m.bar.Clear()
		_ = m.bar.Exit()
	}
}

// position is where a cursor is among the IDs of a prefix, from 0 to 1.
func position(prefix, cursor string) float64 {
	digits := func(text string) string {
		text = strings.ReplaceAll(text, "-", "")
		return text[:min(len(text), positionDigits)]
	}
	first, id := digits(prefix), digits(cursor)
	if len(first) == positionDigits || !strings.HasPrefix(id, first) {
		return 0
	}
	rest := id[len(first):]
	n, err := strconv.ParseUint(rest, 16, 64)
	if err != nil { // the cursor is after an object that is not an image's
		return 0
	}
	return float64(n) / math.Pow(16, float64(len(rest)))
}

// positionDigits are enough for a bar, and exact in a float64.
const positionDigits = 12
