// Package pace bounds the time for which the other end of a connection may have the server wait: one that is slow may
// go on, one that stalls may not. It does not touch connections; its callers set the deadlines.
package pace

import "time"

// The other end may have the server wait for Grace in all. Every MinRate bytes earn a second, up to Grace, or a client
// that was fast for a while could then stall for as long. Only time in a read or a write counts. Without this bound a
// few idle connections block a server forever.
const (
	Grace   = 20 * time.Second
	MinRate = 16 << 10 // bytes per second: 128 kbit/s, a poor mobile connection
)

// A Budget is the time for which the other end may still have the server wait. It is for one goroutine at a time.
type Budget struct{ left time.Duration }

// NewBudget returns a budget of Grace.
func NewBudget() Budget { return Budget{Grace} }

// Deadline returns when a read or a write that begins now must have ended.
func (b *Budget) Deadline() time.Time { return time.Now().Add(b.left) }

// Account records that a read or a write of n bytes took waited.
func (b *Budget) Account(n int, waited time.Duration) {
	earned := time.Duration(n) * time.Second / MinRate
	b.left = max(0, min(b.left-waited+earned, Grace))
}
