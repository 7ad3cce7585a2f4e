package raster

import "gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"

// An Error is an image that can never be rendered, however often it is tried. All other errors of this package are
// those of the reader or of the context.
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
