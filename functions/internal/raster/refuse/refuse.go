// Package refuse is the word that all rooms of raster share: an image that can never work, and why.
package refuse

import "fmt"

// A Reason says, for machines, why an image can never work.
type Reason string

// All reasons that raster knows.
const (
	// NotAnImage: the content is none of the formats that are known.
	NotAnImage Reason = "not_an_image"
	// Unsupported: the content is an image, of a format or a kind that is not read.
	Unsupported Reason = "unsupported"
	// Damaged: the image is broken, or cut short.
	Damaged Reason = "damaged"
	// TooManyPixels: the image is larger than the limit once it is decoded.
	TooManyPixels Reason = "too_many_pixels"
)

// A Refusal is the error for an image that can never work, however often it is tried.
type Refusal struct {
	Reason Reason
	// Message is a sentence for the user of an API: what was found, and what was expected.
	Message string
	// Limit is what is allowed and Found what is there, as numbers or strings; nil where they do not apply.
	Limit, Found any
}

// Error is the message.
func (r *Refusal) Error() string { return r.Message }

// AsDamaged refuses an image of a format, such as "PNG", in which something is broken.
func AsDamaged(format, detail string, args ...any) error {
	return &Refusal{Reason: Damaged, Message: fmt.Sprintf("The %s is damaged: "+detail, append([]any{format}, args...)...)}
}

// AsUnsupported refuses an image of a kind that is not read, such as "arithmetic-coded JPEG".
func AsUnsupported(found string) error {
	return &Refusal{
		Reason:  Unsupported,
		Message: found + " is not supported, expected an ordinary JPEG, PNG, GIF or WebP",
		Found:   found,
	}
}
