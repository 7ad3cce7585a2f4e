package raster

import "gitlab.com/yourorg/image-service/functions/internal/raster/refuse"

// A Refusal is the error for an image that can never work, however often it is tried. Every other error of this package
// is a fault of the reader or of the context.
type Refusal = refuse.Refusal

// A Reason says, for machines, why an image was refused.
type Reason = refuse.Reason

// The reasons for a Refusal.
const (
	// NotAnImage: the content is none of the formats that are known. Found says what it looks like.
	NotAnImage = refuse.NotAnImage
	// Unsupported: the content is an image, of a format or a kind that is not read. Found names it.
	Unsupported = refuse.Unsupported
	// Damaged: the image is broken, or cut short.
	Damaged = refuse.Damaged
	// TooManyPixels: there are more of them than Limits allow. Limit and Found are the numbers.
	TooManyPixels = refuse.TooManyPixels
)
