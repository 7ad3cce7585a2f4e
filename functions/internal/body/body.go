// Package body reads the body of a request: no more bytes than allowed, and no slower than allowed. An error of a Body
// is an apierror.Error of the client, so that it cannot be mistaken for a fault of the service. The package does not
// buffer, and does not look at the contents.
package body

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/pace"
)

// A Body is a request's body. Read fails with an *apierror.Error: 413 beyond the limit, 408 if the client is too slow,
// 400 if the body is truncated, or that of the reader below. It is for one goroutine at a time.
//
// httpserver closes the connection of a request whose body was not read to its end. A Body that was read to its end
// prevents that by removing the header Connection.
type Body struct {
	w      http.ResponseWriter
	source io.Reader
	limit  int64
	size   int64 // -1 if unknown
	read   int64
	waited time.Duration
	budget pace.Budget
	err    *apierror.Error
}

// New returns the body of a request that may have limit bytes. If the request declares more, New fails with a 413 and
// reads nothing: a client that sent Expect: 100-continue then never sends the body.
func New(w http.ResponseWriter, r *http.Request, limit int64) (*Body, error) {
	b := &Body{w: w, source: r.Body, limit: limit, size: r.ContentLength, budget: pace.NewBudget()}
	if b.size > limit {
		return nil, b.tooLarge(b.size)
	}
	return b, nil
}

// CheckCoding returns a 415 that names the content coding of a body (RFC 9110, section 8.4), unless it has none. A
// compressed body would have to be decompressed to know its size, and images hardly get smaller by it.
func CheckCoding(w http.ResponseWriter, r *http.Request) error {
	coding := strings.TrimSpace(strings.Join(r.Header.Values("Content-Encoding"), ", "))
	if coding == "" || strings.EqualFold(coding, "identity") {
		return nil
	}
	w.Header().Set("Accept-Encoding", "identity") // RFC 9110, section 15.5.16
	return &apierror.Error{
		Status:  http.StatusUnsupportedMediaType,
		Code:    apierror.CodeUnsupportedCoding,
		Message: fmt.Sprintf("The Content-Encoding %.80q is not supported; send the body without one", coding),
		Limit:   "identity",
		Found:   fmt.Sprintf("%.80s", coding),
	}
}

// Size returns the declared length of the body in bytes; -1 if it is unknown.
func (b *Body) Size() int64 { return b.size }

func (b *Body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	began := time.Now()
	b.setDeadline(b.budget.Deadline())
	n, err := b.source.Read(p)
	b.account(n, time.Since(began))
	switch {
	case b.read > b.limit:
		b.err = b.tooLarge(b.read)
	case err == io.EOF:
		b.end()
		return n, io.EOF
	case err != nil:
		b.err = b.readError(err)
	default:
		if b.read == b.size {
			b.end()
		}
		return n, nil
	}
	return n, b.err
}

// end keeps the connection for another request.
func (b *Body) end() {
	b.setDeadline(time.Time{}) // or the server would close it while the request is processed
	b.w.Header().Del("Connection")
}

// account records that Read returned n bytes after waited.
func (b *Body) account(n int, waited time.Duration) {
	b.read += int64(n)
	b.waited += waited
	b.budget.Account(n, waited)
}

func (b *Body) setDeadline(deadline time.Time) {
	// It fails if w has no connection, which is so in tests.
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

// tooSlow is the error for a client that has used up its time: it was slow all the time, or it was fast and stalled.
func (b *Body) tooSlow() *apierror.Error {
	e := &apierror.Error{Status: http.StatusRequestTimeout, Code: apierror.CodeTooSlow}
	if rate := int64(float64(b.read) / max(b.waited.Seconds(), 1)); rate < pace.MinRate {
		e.Message = "The request is too slow (limit and found are bytes per second)"
		e.Limit, e.Found = pace.MinRate, rate
	} else {
		e.Message = "The request stalled (limit is in seconds, found in bytes)"
		e.Limit, e.Found = int64(pace.Grace/time.Second), b.read
	}
	return e
}

func (b *Body) readError(err error) *apierror.Error {
	var known *apierror.Error
	if errors.As(err, &known) {
		return known
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return b.tooSlow()
	}
	return &apierror.Error{
		Status:  http.StatusBadRequest,
		Code:    apierror.CodeIncompleteRequest,
		Message: "The request ended before it was complete",
		Found:   b.read,
	}
}
