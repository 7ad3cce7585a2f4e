package raster

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"unicode"
	"unicode/utf8"

	"gitlab.com/yourorg/image-service/functions/internal/raster/refuse"
)

// How much of the content is looked at, in bytes: to tell the formats that are read, all of whose headers are longer,
// and to name what is none of them.
const (
	sniffed = 12
	named   = 1024
)

// sniff tells the format from the first bytes, and returns those that it has read. What is not read is refused by name.
func sniff(r io.Reader) (Format, []byte, error) {
	start, err := readUpTo(r, nil, sniffed)
	if err != nil {
		return "", nil, err
	}
	switch {
	case bytes.HasPrefix(start, []byte("\xff\xd8")):
		return JPEG, start, nil
	case bytes.HasPrefix(start, []byte("\x89PNG")):
		return PNG, start, nil
	case bytes.HasPrefix(start, []byte("GIF8")):
		return GIF, start, nil
	case isRIFF(start, "WEBP"):
		return WebP, start, nil
	}
	start, err = readUpTo(r, start, named)
	if err != nil {
		return "", nil, err
	}
	if name := other(start); name != "" {
		return "", nil, refuse.AsUnsupported(name)
	}
	found := describe(start)
	return "", nil, &Refusal{
		Reason:  NotAnImage,
		Message: fmt.Sprintf("The content is not an image: expected JPEG, PNG, GIF or WebP, found %s", found),
		Found:   found,
	}
}

// readUpTo reads on until start has n bytes, or r is at its end.
func readUpTo(r io.Reader, start []byte, n int) ([]byte, error) {
	b := append(start, make([]byte, n-len(start))...)
	read, err := io.ReadFull(r, b[len(start):])
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return b[:len(start)+read], err
}

func isRIFF(start []byte, form string) bool {
	return len(start) >= 12 && string(start[:4]) == "RIFF" && string(start[8:12]) == form
}

// others are formats that are known by their first bytes, but not read.
var others = []struct{ name, magic string }{
	{"BigTIFF", "II+\x00"},
	{"BigTIFF", "MM\x00+"},
	{"DDS", "DDS "},
	{"DjVu", "AT&TFORM"},
	{"EPS", "%!PS-Adobe"},
	{"FLIF", "FLIF"},
	{"Fuji RAF", "FUJIFILMCCD-RAW"},
	{"ICO", "\x00\x00\x01\x00"},
	{"JNG", "\x8bJNG"},
	{"JPEG 2000", "\x00\x00\x00\x0cjP  "},
	{"JPEG 2000", "\xff\x4f\xff\x51"},
	{"JPEG XL", "\x00\x00\x00\x0cJXL "},
	{"JPEG XL", "\xff\x0a"},
	{"JPEG XR", "II\xbc"},
	{"MNG", "\x8aMNG"},
	{"OpenEXR", "v/1\x01"},
	{"PDF", "%PDF-"},
	{"PSD", "8BPS"},
	{"QOI", "qoif"},
	{"Radiance HDR", "#?RADIANCE"},
	{"TIFF", "II*\x00"},
	{"TIFF", "MM\x00*"},
	{"XCF", "gimp xcf"},
}

// other names a format that is known but not read, or returns "".
func other(start []byte) string {
	for _, o := range others {
		if bytes.HasPrefix(start, []byte(o.magic)) {
			return o.name
		}
	}
	switch {
	case isBMP(start):
		return "BMP"
	case isSVG(start):
		return "SVG"
	default:
		return isoImage(start)
	}
}

// isBMP looks at the length of the second header, too: two letters may be the start of a text.
func isBMP(start []byte) bool {
	lengths := []uint32{12, 16, 40, 52, 56, 64, 108, 124}
	return len(start) >= 18 && string(start[:2]) == "BM" && slices.Contains(lengths, binary.LittleEndian.Uint32(start[14:]))
}

func isSVG(start []byte) bool {
	text := bytes.TrimLeft(bytes.TrimPrefix(start, []byte("\xef\xbb\xbf")), " \t\r\n")
	return bytes.HasPrefix(text, []byte("<")) && bytes.Contains(text, []byte("<svg"))
}

// isoImage names the image format of an ISO base media file by its brands (ISO/IEC 23008-12, section 10).
func isoImage(start []byte) string {
	if len(start) < 16 || string(start[4:8]) != "ftyp" {
		return ""
	}
	names := map[string]string{
		"avif": "AVIF", "avis": "AVIF", "crx ": "Canon CR3",
		"heic": "HEIC", "heix": "HEIC", "heim": "HEIC", "heis": "HEIC", "hevc": "HEIC", "hevx": "HEIC",
	}
	length := min(binary.BigEndian.Uint32(start), uint32(len(start)))
	for brand := range slices.Chunk(start[8:max(8, length)], 4) {
		if name := names[string(brand)]; name != "" {
			return name
		}
	}
	if major := string(start[8:12]); major == "mif1" || major == "msf1" {
		return "HEIF"
	}
	return ""
}

// describe says what content that is no image looks like.
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
