//go:build faults

package faults

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// results is the table of results of all faults.
type results struct {
	lock sync.Mutex
	rows []row
}

// row is the result of one fault; the columns are explained in docs/reliability.md.
type row struct {
	fault                       string
	accepted, completed, failed int
	lost, conflicts             int
	refused, unanswered         int
	slowest                     time.Duration
	recovered, drained          time.Duration
}

var table results

func (r *results) add(made row) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.rows = append(r.rows, made)
	slices.SortStableFunc(r.rows, func(a, b row) int { return cmp.Compare(position(a), position(b)) })
}

// position returns the position of a row's fault in faults; rows of other tests come last.
func position(r row) int {
	if i := slices.IndexFunc(faults, func(f fault) bool { return f.name == r.fault }); i >= 0 {
		return i
	}
	return len(faults)
}

func (r *results) String() string {
	var text strings.Builder
	text.WriteString("| fault | accepted | completed | failed | lost | two results " +
		"| refused (slowest) | unanswered | first 200 after | all done after |\n")
	text.WriteString("|---|---|---|---|---|---|---|---|---|---|\n")
	for _, row := range r.rows {
		refused, recovered := "0", ""
		if row.refused > 0 {
			refused = fmt.Sprintf("%d (%.1f s)", row.refused, row.slowest.Seconds())
		}
		if row.recovered > 0 {
			recovered = fmt.Sprintf("%.1f s", row.recovered.Seconds())
		}
		fmt.Fprintf(&text, "| %s | %d | %d | %d | %d | %d | %s | %d | %s | %.1f s |\n",
			row.fault, row.accepted, row.completed, row.failed, row.lost, row.conflicts,
			refused, row.unanswered, recovered, row.drained.Seconds())
	}
	return text.String()
}

// write prints the table, and writes it to the file that FAULTS_TABLE names, if any.
func (r *results) write() error {
	if len(r.rows) == 0 {
		return nil
	}
	fmt.Print("\n", r)
	if name := os.Getenv("FAULTS_TABLE"); name != "" {
		return os.WriteFile(name, []byte(r.String()), 0o666)
	}
	return nil
}
