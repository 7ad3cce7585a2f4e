package raster

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// A source is the reader of an image. It remembers whether the reader failed or came to its end: a decoder may report
// either as damage, but only the end is.
type source struct {
	r         io.Reader
	ctxErr    func() error // called before every read, at every frame, and every few rows
	bytesRead int64
	err       error // of r or ctxErr
}

func newSource(ctx context.Context, r io.Reader) *source { return &source{r: r, ctxErr: ctx.Err} }

// checkCancelled returns the error of the reader or of the context, if there was one.
func (s *source) checkCancelled() error {
	if s.err == nil {
		s.err = s.ctxErr()
	}
	return s.err
}

// A readError is an error of the reader without what it wraps. Decoders take io.EOF for the end of the image, which an
// error of a connection that wraps io.EOF is not.
type readError struct{ error }

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	if err := s.checkCancelled(); err != nil {
		return 0, readError{err}
	}
	n, err := s.r.Read(p)
	s.bytesRead += int64(n)
	if err != nil && err != io.EOF {
		s.err = err
		err = readError{err}
	}
	return n, err
}

// classify turns the error of a format's package into one of this package.
func (s *source) classify(err error) error {
	var broken *Error
	switch {
	case err == nil:
		return nil
	case s.err != nil:
		return fmt.Errorf("read image: %w", s.err)
	case errors.As(err, &broken):
		return broken
	default: // the end of the reader is the only other error that they return
		return &Error{
			Reason:  ReasonDamaged,
			Message: fmt.Sprintf("The image is damaged: it is cut short after %d bytes", s.bytesRead),
			Found:   s.bytesRead,
		}
	}
}
