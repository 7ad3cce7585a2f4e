package events

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxObjectName is the length of the longest key that S3 accepts, in bytes of UTF-8.
const MaxObjectName = 1024

const (
	// maxInteger is the largest integer that every JSON parser represents exactly (RFC 8259, section 6).
	maxInteger = 1<<53 - 1
	// maxSide is the largest width or height that an int holds on every platform.
	maxSide = 1<<31 - 1
	// maxSeconds is the end of the year 9999, where RFC 3339 ends. Milliseconds that were sent as seconds are beyond it.
	maxSeconds = 253402300800
)

// faults collects what is wrong with a payload.
type faults []error

func (f *faults) check(ok bool, format string, args ...any) {
	if !ok {
		*f = append(*f, fmt.Errorf(format, args...))
	}
}

func (f *faults) checkImageID(id string) {
	if !IsImageID(id) {
		f.check(false, "image_id is %s, expected a UUID in lower case", found(id, 40))
	}
}

func (f *faults) checkBucket(name string) {
	if !isBucketName(name) {
		f.check(false, "bucket is %s, expected 3 to 63 of a-z, 0-9, '.' and '-'", found(name, 70))
	}
}

// found describes the text of a field in a message about it: it quotes the first runes, at most length. A field that
// is missing has the empty text as well.
func found(text string, length int) string {
	if text == "" {
		return "missing or empty"
	}
	return fmt.Sprintf("%.*q", length, text)
}

func (f *faults) checkObjectName(field, name string) {
	isText := utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsControl)
	if name == "" {
		f.check(false, "%s is %s, expected 1 to %d bytes of UTF-8 without control characters",
			field, found(name, 0), MaxObjectName)
		return
	}
	if len(name) > MaxObjectName || !isText {
		f.check(false, "%s is %.40q (%d bytes), expected 1 to %d bytes of UTF-8 without control characters",
			field, name, len(name), MaxObjectName)
		return
	}
	for segment := range strings.SplitSeq(name, "/") {
		if segment == "" || segment == "." || segment == ".." {
			f.check(false, "%s is %.40q, expected no empty, %q or %q segments", field, name, ".", "..")
			return
		}
	}
}

// checkOwnObject checks the key of an object that belongs to an image: <image ID>/<name>.
func (f *faults) checkOwnObject(field, id, name string) {
	f.checkObjectName(field, name)
	if name == "" {
		return
	}
	rest, ok := strings.CutPrefix(name, id+"/")
	f.check(ok && !strings.Contains(rest, "/"), "%s is %.90q, expected image_id, a slash and one name", field, name)
}

func (f *faults) checkContentType(contentType string) {
	f.check(isMediaType(contentType),
		"content_type is %.40q, expected a media type such as image/jpeg", contentType)
}

func (f *faults) checkSize(field string, size [2]int) {
	ok := min(size[0], size[1]) >= 1 && max(size[0], size[1]) <= maxSide
	f.check(ok, "%s is %v, expected [width, height] in pixels, 1 at least", field, size)
}

// checkSeconds also reports a time that is missing: it is 0.
func (f *faults) checkSeconds(field string, seconds float64) {
	f.check(0 < seconds && seconds < maxSeconds, "%s is %v, expected seconds since 1970", field, seconds)
}

func (f *faults) checkAttribute(name, value string) {
	f.check(consistsOf(value, isVisible), "%s is %.90q, expected printable ASCII without spaces", name, value)
}

func (f faults) err() error {
	if len(f) == 0 {
		return nil
	}
	return invalid("%s", oneLine(errors.Join(f...)))
}
