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

// results is the table of what has become of the service under each fault.
type results struct {
	lock sync.Mutex
	rows []row
}

type row struct {
	fault                       string
	accepted, completed, failed int
	lost, different             int
	refused, cut                int
	slowest                     time.Duration
	recovered, settled          time.Duration
}

var table results

func (r *results) add(made row) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.rows = append(r.rows, made)
	slices.SortStableFunc(r.rows, func(a, b row) int { return cmp.Compare(place(a), place(b)) })
}

// place is that of a row's fault among all; what is no fault comes last.
func place(r row) int {
	if i := slices.IndexFunc(faults, func(f fault) bool { return f.name == r.fault }); i >= 0 {
		return i
	}
	return len(faults)
}

func (r *results) String() string {
	var text strings.Builder
	text.WriteString("| fault | accepted | completed | failed | lost | two results | refused (slowest) | cut | first 200 after | all done after |\n")
	text.WriteString("|---|---|---|---|---|---|---|---|---|---|\n")
	for _, row := range r.rows {
		refused, recovered := "0", ""
		if row.refused > 0 {
			refused = fmt.Sprintf("%d (%.1f s)", row.refused, row.slowest.Seconds())
		}
		if row.recovered > 0 {
			recovered = fmt.Sprintf("%.1f s", row.recovered.Seconds())
		}
		fmt.Fprintf(&text, "| %s | %d | %d | %d | %d | %d | %s | %d | %s | %.1f s |\n", row.fault, row.accepted, row.completed, row.failed,
			row.lost, row.different, refused, row.cut, recovered, row.settled.Seconds())
	}
	return text.String()
}

// write prints the table, and puts it into a file if one is named.
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
