package raster

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode"
	"unicode/utf8"

	"gitlab.com/yourorg/image-service/functions/internal/raster/heif"
	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

// How many bytes of the content are looked at: first as many as the signatures of most formats have, which is less than
// any image; then enough for those that take a longer look, and to describe what is not an image.
const (
	signatureLength = 12
	describeLength  = 1024
)

// sniff recognises the format by the first bytes, and returns those that it has read. Content of another format, or of
// one that limits do not accept, is refused by name.
func (t formatTable) sniff(r io.Reader, limits Limits) (*formatEntry, []byte, error) {
	expected := t.acceptedBy(limits).names("or")
	var start []byte
	for _, length := range []int{signatureLength, describeLength} {
		var err error
		if start, err = readUpTo(r, start, length); err != nil {
			return nil, nil, err
		}
		if e := t.match(start); e != nil && !limits.accepts(e.Format) {
			return nil, nil, switchedOff(e.Name, expected)
		} else if e != nil {
			return e, start, nil
		}
	}
	if name := unreadFormat(start); name != "" {
		return nil, nil, imgerr.Unsupported(name, expected)
	}
	if endsInFileType(start) {
		return nil, nil, io.ErrUnexpectedEOF
	}
	found := describe(start)
	return nil, nil, &Error{
		Reason:  ReasonNotAnImage,
		Message: fmt.Sprintf("The content is not an image: expected %s, found %s", expected, found),
		Found:   found,
	}
}

// switchedOff is the error for an image of a format that Limits.Formats does not have.
func switchedOff(found, expected string) error {
	return &Error{
		Reason:  ReasonUnsupported,
		Message: fmt.Sprintf("%s is switched off in this service, expected %s", found, expected),
		Found:   found,
	}
}

// readUpTo appends to start until it has n bytes or r ends.
func readUpTo(r io.Reader, start []byte, n int) ([]byte, error) {
	b := append(start, make([]byte, n-len(start))...)
	read, err := io.ReadFull(r, b[len(start):])
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return b[:len(start)+read], err
}

func isRIFF(start []byte, form string) bool {
	return len(start) >= 12 && string(start[:4]) == "RIFF" && string(start[8:12]) == form
}

// unreadFormat names a format that is recognised but not read, or returns "".
func unreadFormat(start []byte) string {
	for _, f := range unreadFormats {
		if bytes.HasPrefix(start, []byte(f.signature)) {
			return f.name
		}
	}
	switch {
	case isBMP(start):
		return "BMP"
	case isSVG(start):
		return "SVG"
	default:
		return isoMediaFormat(start)
	}
}

// isBMP also checks the length of the second header, because a text may start with the same two letters.
func isBMP(start []byte) bool {
	lengths := []uint32{12, 16, 40, 52, 56, 64, 108, 124}
	return len(start) >= 18 && string(start[:2]) == "BM" &&
		slices.Contains(lengths, binary.LittleEndian.Uint32(start[14:]))
}

func isSVG(start []byte) bool {
	text := bytes.TrimLeft(bytes.TrimPrefix(start, []byte("\xef\xbb\xbf")), " \t\r\n")
	return bytes.HasPrefix(text, []byte("<")) && bytes.Contains(text, []byte("<svg"))
}

// isoMediaFormat names the image format of an ISO base media file by its brands, the major one first, or returns "". Brands
// that do not name a codec count if all of them are known.
func isoMediaFormat(start []byte) string {
	if !isISOMedia(start) {
		return ""
	}
	length := min(binary.BigEndian.Uint32(start), uint32(len(start)))
	for brand := range slices.Chunk(start[8:max(8, length)], 4) {
		if name := isoMediaBrands[string(brand)]; name != "" {
			return name
		}
	}
	switch string(start[8:12]) {
	case "mif1", "mif2", "msf1", "miaf":
		if !endsInFileType(start) {
			return heif.Name
		}
	}
	return ""
}

func isISOMedia(start []byte) bool { return len(start) >= 12 && string(start[4:8]) == "ftyp" }

// endsInFileType reports whether an ISO base media file ends within the box of its brands, as far as that is looked at.
func endsInFileType(start []byte) bool {
	return isISOMedia(start) && uint32(len(start)) < min(binary.BigEndian.Uint32(start), describeLength)
}

// describe names the kind of content that is not an image.
func describe(start []byte) string {
	switch {
	case len(start) == 0:
		return "nothing"
	case isText(start):
		return "text"
	default:
		return fmt.Sprintf("unknown content that starts with % x", start[:min(len(start), 8)])
	}
}

func isText(start []byte) bool {
	for len(start) > 0 {
		r, size := utf8.DecodeRune(start)
		if r == utf8.RuneError && utf8.FullRune(start) || unicode.IsControl(r) && !unicode.IsSpace(r) {
			return false
		}
		start = start[size:]
	}
	return true
}
