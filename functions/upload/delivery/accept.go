package delivery

import (
	"mime"
	"strconv"
	"strings"
)

// acceptRanges are the media ranges of an Accept header, with their weights.
type acceptRanges map[string]float64

// parseAccept reads a header. Ranges that are not valid are ignored.
func parseAccept(header string) acceptRanges {
	ranges := acceptRanges{}
	for item := range strings.SplitSeq(header, ",") {
		mediaRange, parameters, err := mime.ParseMediaType(item)
		if err != nil {
			continue
		}
		weight := 1.0
		if text, weighted := parameters["q"]; weighted {
			q, err := strconv.ParseFloat(text, 64)
			if err != nil || !(0 <= q && q <= 1) {
				continue
			}
			weight = q
		}
		ranges[mediaRange] = weight
	}
	return ranges
}

// quality is the weight of a content type. A browser that reads a format names it, and has */* beside it for what it
// does not read, so that */* stands for JPEG, PNG and GIF only.
func (a acceptRanges) quality(contentType string) float64 {
	if weight, named := a[contentType]; named {
		return weight
	}
	if contentType == "image/webp" {
		return 0
	}
	if weight, named := a["image/*"]; named {
		return weight
	}
	return a["*/*"]
}
