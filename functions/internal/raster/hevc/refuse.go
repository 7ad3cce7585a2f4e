package hevc

import "gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"

// name is what the format is called in messages.
const name = "HEIC"

// damaged refuses a picture in which something is broken.
func damaged(detail string, args ...any) error { return imgerr.Damaged(name, detail, args...) }

// unsupported refuses a picture that uses a tool that is not supported.
func unsupported(found string) error {
	return imgerr.Unsupported("HEVC with "+found, "intra pictures of the Main, Main 10 and range extensions profiles")
}
