package raster

import (
	"errors"
	"fmt"
	"io"
)

// source is the reader of an image. It remembers whether the reader failed or came to its end: a decoder may report
// either as damage, but only the end is.
type source struct {
	r     io.Reader
	stop  func() error // asked before every read, at every frame, and every few rows
	read  int64        // bytes
	fault error        // of r or stop
}

func newSource(r io.Reader) *source { return &source{r: r, stop: func() error { return nil }} }

// check returns why to stop, if there is a reason.
func (s *source) check() error {
	if s.fault == nil {
		s.fault = s.stop()
	}
	return s.fault
}

func (s *source) Read(p []byte) (int, error) {
	if err := s.check(); err != nil {
		return 0, err
	}
	n, err := s.r.Read(p)
	s.read += int64(n)
	if err != nil && err != io.EOF {
		s.fault = err
	}
	return n, err
}

// verdict turns the error of a format's room into one of this package's.
func (s *source) verdict(err error) error {
	var refusal *Refusal
	switch {
	case err == nil:
		return nil
	case s.fault != nil:
		return fmt.Errorf("read image: %w", s.fault)
	case errors.As(err, &refusal):
		return refusal
	default: // the end of the reader is the only other error that the rooms hand on
		return &Refusal{
			Reason:  Damaged,
			Message: fmt.Sprintf("The image is damaged: it is cut short after %d bytes", s.read),
			Found:   s.read,
		}
	}
}
