// Package body reads what a caller sends: no more than allowed, no slower than allowed, and so that everything that can
// go wrong on the way is told apart from faults of ours.
package body

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
)

// A caller may keep us waiting for grace. Every leastRate bytes (128 kbit/s: a poor mobile connection) give a second of it
// back, but never more than grace is saved up, or a caller that was quick for a while could then stop for as long. Time
// in which we did not read does not count. Without such a bound a few idle connections stop a server for good.
const (
	grace     = 20 * time.Second
	leastRate = 16 << 10
)

// A Body is a request's body. Its Read fails with a Problem: 413 beyond the limit, 408 too slow, 400 cut off, or that of
// the reader below. It is for one goroutine at a time.
//
// The server closes the connection of a request whose body was not read to its end (see serve), because its rest is not
// worth waiting for. That it was, a Body says by removing the header Connection.
type Body struct {
	w        http.ResponseWriter
	from     io.Reader
	limit    int64
	size     int64 // -1 if unknown
	read     int64
	waited   time.Duration
	patience time.Duration
	problem  *apierror.Error
}

// New takes the body of a request that may have limit bytes. If its length is known to be beyond the limit, the error
// says so before a byte is read: a client that asked with Expect: 100-continue never sends it.
func New(w http.ResponseWriter, r *http.Request, limit int64) (*Body, error) {
	b := &Body{w: w, from: r.Body, limit: limit, size: r.ContentLength, patience: grace}
	if b.size > limit {
		return nil, b.tooLarge(b.size)
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
	b.setDeadline(began.Add(b.patience))
	n, err := b.from.Read(p)
	b.account(n, time.Since(began))
	switch {
	case b.read > b.limit:
		b.problem = b.tooLarge(b.read)
	case err == io.EOF:
		b.end()
		return n, io.EOF
	case err != nil:
		b.problem = b.broken(err)
	default:
		if b.read == b.size {
			b.end()
		}
		return n, nil
	}
	return n, b.problem
}

// end says that the connection is good for another request.
func (b *Body) end() {
	b.setDeadline(time.Time{}) // or the server would take it for dead while we work
	b.w.Header().Del("Connection")
}

// account notes that n bytes came after we had waited.
func (b *Body) account(n int, waited time.Duration) {
	b.read += int64(n)
	b.waited += waited
	earned := time.Duration(n) * time.Second / leastRate
	b.patience = max(0, min(b.patience-waited+earned, grace))
}

func (b *Body) setDeadline(deadline time.Time) {
	// The error says that w is no connection of a server's, which is so in tests; nothing can be slow there.
	_ = http.NewResponseController(b.w).SetReadDeadline(deadline)
}

func (b *Body) tooLarge(found int64) *apierror.Error {
	return &apierror.Error{
		Status:  http.StatusRequestEntityTooLarge,
		Code:    apierror.CodeTooManyBytes,
		Message: "The request is too large",
		Limit:   b.limit,
		Found:   found,
	}
}

func (b *Body) broken(err error) *apierror.Error {
	var known *apierror.Error
	if errors.As(err, &known) {
		return known
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &apierror.Error{
			Status:  http.StatusRequestTimeout,
			Code:    apierror.CodeTooSlow,
			Message: "The request came too slowly (limit and found are bytes a second)",
			Limit:   leastRate,
			Found:   int64(float64(b.read) / max(b.waited.Seconds(), 1)),
		}
	}
	return &apierror.Error{
		Status:  http.StatusBadRequest,
		Code:    apierror.CodeIncompleteRequest,
		Message: "The request ended before it was whole",
		Found:   b.read,
	}
}
