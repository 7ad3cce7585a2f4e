// Package imgerr is the error that all packages of raster share: an image that can never be rendered, and why. Errors
// of readers and contexts, after which another attempt may succeed, are never of its type.
package imgerr

import "fmt"

// A Reason states, for machines, why an image can never be rendered.
type Reason string

// All reasons.
const (
	// ReasonNotAnImage: the content is of no format that is recognised.
	ReasonNotAnImage Reason = "not_an_image"
	// ReasonUnsupported: the content is of a known format, or of a kind of it, that is not read.
	ReasonUnsupported Reason = "unsupported"
	// ReasonDamaged: the image is broken or cut short.
	ReasonDamaged Reason = "damaged"
	// ReasonTooManyPixels: the image has more pixels than the limit.
	ReasonTooManyPixels Reason = "too_many_pixels"
)

// An Error is an image that can never be rendered, however often it is tried.
type Error struct {
	Reason Reason
	// Message is a sentence for the user of an API: what was found, and what was expected.
	Message string
	// Limit is what is allowed and Found is what was found, as numbers or strings; nil where they do not apply.
	Limit, Found any
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Damaged is the error for an image of a format, such as "PNG", that is broken. The detail completes the sentence "The
// PNG is damaged: ...".
func Damaged(format, detail string, args ...any) error {
	message := fmt.Sprintf("The %s is damaged: "+detail, append([]any{format}, args...)...)
	return &Error{Reason: ReasonDamaged, Message: message}
}

// Unsupported is the error for an image that is recognised but not read: found such as "arithmetic-coded JPEG",
// expected such as "Huffman-coded baseline or progressive JPEG".
func Unsupported(found, expected string) error {
	return &Error{
		Reason:  ReasonUnsupported,
		Message: fmt.Sprintf("%s is not supported, expected %s", found, expected),
		Found:   found,
	}
}
