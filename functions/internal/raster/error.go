package raster

import (
	"fmt"
	"runtime/debug"

	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

// An Error is an image that can never be rendered, however often it is tried. Other errors of
// this package are a *PanicError, or those of the reader or of the context.
type Error = imgerr.Error

// A Reason states, for machines, why an image can never be rendered.
type Reason = imgerr.Reason

// The reasons of an Error.
const (
	// ReasonNotAnImage: the content is of no format that is recognised. Found describes it.
	ReasonNotAnImage = imgerr.ReasonNotAnImage
	// ReasonUnsupported: the content is of a known format, or of a kind of it, that is not read. Found names it.
	ReasonUnsupported = imgerr.ReasonUnsupported
	// ReasonDamaged: the image is broken or cut short.
	ReasonDamaged = imgerr.ReasonDamaged
	// ReasonTooManyPixels: the image has more pixels than Limits allow. Limit and Found are the numbers.
	ReasonTooManyPixels = imgerr.ReasonTooManyPixels
)

// A PanicError is a panic while an image was decoded or rendered. It is a bug of this package, and says nothing about
// the image: once the bug is fixed, the image may well be rendered.
type PanicError struct {
	Value any // that was passed to panic
	Stack []byte
}

func (p *PanicError) Error() string { return fmt.Sprintf("the decoder panicked: %v", p.Value) }

// recoverPanic, deferred, turns a panic into an error, so that no image can end the process.
func recoverPanic(err *error) {
	if value := recover(); value != nil {
		*err = &PanicError{value, debug.Stack()}
	}
}
