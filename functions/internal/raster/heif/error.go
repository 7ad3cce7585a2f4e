package heif

import (
	"fmt"

	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

// damaged is the error for a broken file. The detail names the box and what was found in it.
func damaged(detail string, args ...any) error { return imgerr.Damaged(Name, detail, args...) }

// unsupported is the error for a file of a kind that is not read, such as "HEIC image sequence".
func unsupported(found string) error {
	return imgerr.Unsupported(found, "a still image of HEVC pictures")
}

// tooMany is the error for a file that exceeds one of the limits on its meta box.
func tooMany(what string, limit int) error {
	return &imgerr.Error{
		Reason:  imgerr.ReasonUnsupported,
		Message: fmt.Sprintf("The %s has more than %d %s, the limit", Name, limit, what),
		Limit:   limit,
	}
}
