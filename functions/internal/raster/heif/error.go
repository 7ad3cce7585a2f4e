package heif

import (
	"errors"
	"fmt"

	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

// A fault is an error in a file without the name of its format, which Open and File.Decode add: most of the package
// does not know it.
type fault func(name string) error

// Error returns the message for a file of unknown format.
func (f fault) Error() string { return f("HEIF").Error() }

// withName adds the name of the format to an error of this package.
func withName(err error, name string) error {
	if f, ok := errors.AsType[fault](err); ok {
		return f(name)
	}
	return err
}

// damaged is the error for a broken file. The detail names the box and what was found in it.
func damaged(detail string, args ...any) error {
	return fault(func(name string) error { return imgerr.Damaged(name, detail, args...) })
}

// unsupported is the error for a file of a kind that is not read, such as "%s image sequence", where %s is for the name
// of the format.
func unsupported(found string, args ...any) error {
	return fault(func(name string) error {
		codecs := map[string]string{Name: "HEVC", NameAVIF: "AV1"}
		return imgerr.Unsupported(fmt.Sprintf(found, append([]any{name}, args...)...),
			fmt.Sprintf("a still image of %s pictures", codecs[name]))
	})
}

// tooMany is the error for a file that exceeds one of the limits on its meta box.
func tooMany(what string, limit int) error {
	return fault(func(name string) error {
		return &imgerr.Error{
			Reason:  imgerr.ReasonUnsupported,
			Message: fmt.Sprintf("The %s has more than %d %s, the limit", name, limit, what),
			Limit:   limit,
		}
	})
}
