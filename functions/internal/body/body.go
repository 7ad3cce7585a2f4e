// Package body reads what a caller sends: no more than allowed, no slower than allowed, and so that everything that can
// go wrong on the way is told apart from faults of ours.
package body

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/problem"
)

// A caller may take grace, and then a second for every leastRate bytes (128 kbit/s: a poor mobile connection). Time in
// which we did not read does not count. Without such a bound a few thousand idle connections stop a server for good.
const (
	grace     = 20 * time.Second
	leastRate = 16 << 10
)

// A Body is a request's body. Its Read fails with a Problem: 413 beyond the limit, 408 too slow, 400 cut off. It is for
// one goroutine at a time.
type Body struct {
	w       http.ResponseWriter
	from    io.Reader
	limit   int64
	size    int64 // -1 if unknown
	read    int64
	waited  time.Duration
	ended   bool
	problem *problem.Problem
}

// New takes the body of a request that may have limit bytes. If its length is known to be beyond the limit, the error
// says so before a byte is read: a client that asked with Expect: 100-continue never sends it.
func New(w http.ResponseWriter, r *http.Request, limit int64) (*Body, error) {
	b := &Body{w: w, from: r.Body, limit: limit, size: r.ContentLength, ended: r.ContentLength == 0}
	if b.size > limit {
		b.problem = b.tooLarge(b.size)
		b.Close()
		return nil, b.problem
	}
	return b, nil
}

// Size is how long the body is, in bytes; -1 if the caller did not say.
func (b *Body) Size() int64 { return b.size }

func (b *Body) Read(p []byte) (int, error) {
	if b.problem != nil {
		return 0, b.problem
	}
	began := time.Now()
	b.setDeadline(began.Add(b.patience()))
	n, err := b.from.Read(p)
	b.waited += time.Since(began)
	b.read += int64(n)
	switch {
	case b.read > b.limit:
		b.problem = b.tooLarge(b.read)
	case err == io.EOF:
		b.ended = true
		b.setDeadline(time.Time{}) // or the server would take the connection for dead while we work
		return n, io.EOF
	case err != nil:
		b.problem = b.broken(err)
	default:
		return n, nil
	}
	return n, b.problem
}

// Close has the connection closed after the answer if the body was not read to its end: the rest of it is not worth
// waiting for. It must come before the answer's first byte.
func (b *Body) Close() {
	if !b.ended {
		b.w.Header().Set("Connection", "close")
	}
}

// patience is how long the caller may still take.
func (b *Body) patience() time.Duration {
	return max(grace+time.Duration(b.read/leastRate)*time.Second-b.waited, 0)
}

func (b *Body) setDeadline(deadline time.Time) {
	// The error says that w is no connection of a server's, which is so in tests; nothing can be slow there.
	_ = http.NewResponseController(b.w).SetReadDeadline(deadline)
}

func (b *Body) tooLarge(found int64) *problem.Problem {
	return &problem.Problem{
		Status:  http.StatusRequestEntityTooLarge,
		Code:    "too_many_bytes",
		Message: "The request is too large",
		Limit:   b.limit,
		Found:   found,
	}
}

func (b *Body) broken(err error) *problem.Problem {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &problem.Problem{
			Status:  http.StatusRequestTimeout,
			Code:    "too_slow",
			Message: "The request came too slowly (limit and found are bytes a second)",
			Limit:   leastRate,
			Found:   int64(float64(b.read) / max(b.waited.Seconds(), 1)),
		}
	}
	return &problem.Problem{
		Status:  http.StatusBadRequest,
		Code:    "incomplete_request",
		Message: "The request ended before it was whole",
		Found:   b.read,
	}
}
