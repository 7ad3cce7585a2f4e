package config

import (
	"sync"
	"sync/atomic"
	"time"
)

// watchInterval is how often the file of a Watched is read at most.
const watchInterval = 5 * time.Second

// A Watched is what a file says. The file is read again when the value is used, at most every five seconds. While it
// cannot be read or parsed, the last good value stays. It is safe for concurrent use.
type Watched[T any] struct {
	file     File
	interval time.Duration
	parse    func(text []byte) (T, error)
	report   func(value T, err error)
	value    atomic.Pointer[T]

	lock    sync.Mutex
	checked time.Time
	fault   string // of the file, as it was reported last
}

// Watch returns a Watched whose file has been read already and gave value. report is called after a reading: with an
// error that the reading before did not have, or, after a good one, with the value and nil.
func Watch[T any](
	file File, value T, parse func(text []byte) (T, error), report func(value T, err error),
) *Watched[T] {
	w := &Watched[T]{file: file, interval: watchInterval, parse: parse, report: report, checked: time.Now()}
	w.value.Store(&value)
	return w
}

// SetInterval changes how often the file is read at most. It is for tests, before the first Value.
func (w *Watched[T]) SetInterval(interval time.Duration) { w.interval = interval }

// Value returns what the file says. Contents are read, and not times compared, which change when Kubernetes swaps a
// mounted Secret.
func (w *Watched[T]) Value() T {
	w.refresh()
	return *w.value.Load()
}

func (w *Watched[T]) refresh() {
	if !w.lock.TryLock() {
		return // another caller does it
	}
	defer w.lock.Unlock()
	if time.Since(w.checked) < w.interval {
		return
	}
	w.checked = time.Now()
	value, err := w.read()
	if err != nil {
		if err.Error() != w.fault {
			w.fault = err.Error()
			w.report(value, err)
		}
		return
	}
	w.fault = ""
	w.value.Store(&value)
	w.report(value, nil)
}

func (w *Watched[T]) read() (value T, err error) {
	text, err := w.file.Read()
	if err != nil {
		return value, err
	}
	return w.parse(text)
}
