package heif

import (
	"fmt"

	"gitlab.com/yourorg/image-service/functions/internal/raster/refuse"
)

// damaged refuses a file in which something is broken. The detail names the box and what was found in it.
func damaged(detail string, args ...any) error { return refuse.AsDamaged(Name, detail, args...) }

// unsupported refuses a file of a kind that is not read, such as "HEIF image sequence".
func unsupported(found string) error { return refuse.AsUnsupported(found) }

// tooMany refuses a file that has more of something than a picture needs.
func tooMany(what string, limit int) error {
	return &refuse.Refusal{
		Reason:  refuse.Unsupported,
		Message: fmt.Sprintf("The %s has more than %d %s, the limit", Name, limit, what),
		Limit:   limit,
	}
}
