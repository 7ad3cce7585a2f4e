package hevc

import "gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"

// name is the name of the format in messages.
const name = "HEIC"

// damaged is the error for a picture that is broken.
func damaged(detail string, args ...any) error { return imgerr.Damaged(name, detail, args...) }

// unsupported is the error for a picture that uses a coding tool that is not supported.
func unsupported(found string) error {
	return imgerr.Unsupported("HEVC with "+found, "intra pictures of the Main, Main 10 and range extensions profiles")
}
