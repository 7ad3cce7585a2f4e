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

	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

// sniff recognises the format by the first bytes, and returns those that it has read. Content of another format, or of
// one that limits do not accept, is refused by name.
func (t formatTable) sniff(r io.Reader, limits Limits) (*formatEntry, []byte, error) {
	expected := func() string { return t.acceptedBy(limits).names("or") }
	var start []byte
	for _, length := range []int{signatureLength, describeLength} {
		var err error
		if start, err = readUpTo(r, start, length); err != nil {
			return nil, nil, err
		}
		if e := t.match(start); e != nil && !limits.accepts(e.Format) {
			return nil, nil, switchedOff(e.Name, expected())
		} else if e != nil {
			return e, start, nil
		}
	}
	if isMarkup(start) {
		var err error
		if start, err = readUpTo(r, start, markupLength); err != nil {
			return nil, nil, err
		}
	}
	if name := unreadFormat(start); name != "" {
		return nil, nil, imgerr.Unsupported(name, expected())
	}
	if endsInFileType(start) {
		return nil, nil, io.ErrUnexpectedEOF
	}
	found := describe(start)
	return nil, nil, &Error{
		Reason:  ReasonNotAnImage,
		Message: fmt.Sprintf("The content is not an image: expected %s, found %s", expected(), found),
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

// unreadFormat names a format that is recognised but not read, or returns "".
func unreadFormat(start []byte) string {
	for _, f := range unreadFormats {
		if bytes.HasPrefix(start, []byte(f.signature)) {
			return f.name
		}
	}
	for _, recognise := range []func([]byte) string{
		bitmapFormat, anymapFormat, metafileFormat, textFormat, riffFormat, isoMediaFormat, videoFormat, chunkFormat,
		dicomFormat, paintbrushFormat, targaFormat,
	} {
		if name := recognise(start); name != "" {
			return name
		}
	}
	return ""
}

// bitmapFormat recognises BMP, and the cursors that share the signature of TGA. Of BMP it also checks the length of the
// second header, because a text may start with the same two letters.
func bitmapFormat(start []byte) string {
	lengths := []uint32{12, 16, 40, 52, 56, 64, 108, 124}
	switch {
	case len(start) >= 18 && string(start[:2]) == "BM" &&
		slices.Contains(lengths, binary.LittleEndian.Uint32(start[14:])):
		return "BMP"
	case len(start) >= 6 && string(start[:4]) == "\x00\x00\x02\x00" && binary.LittleEndian.Uint16(start[4:]) > 0:
		return "CUR"
	default:
		return ""
	}
}

// anymapFormat recognises the formats of Netpbm, whose signature is followed by a number or a comment.
func anymapFormat(start []byte) string {
	if len(start) < 4 || start[0] != 'P' || !unicode.IsSpace(rune(start[2])) {
		return ""
	}
	value := bytes.TrimLeft(start[2:], " \t\r\n")
	isNumber := len(value) > 0 && (value[0] == '#' || '0' <= value[0] && value[0] <= '9')
	switch kind := start[1]; {
	case kind == '7' && bytes.HasPrefix(value, []byte("WIDTH")):
		return "PAM"
	case !isNumber:
		return ""
	case kind == 'f' || kind == 'F':
		return "PFM"
	case '1' <= kind && kind <= '6':
		return [...]string{"PBM", "PGM", "PPM"}[(kind-'1')%3]
	default:
		return ""
	}
}

// metafileFormat recognises EMF by the signature in its header.
func metafileFormat(start []byte) string {
	if len(start) >= 44 && binary.LittleEndian.Uint32(start) == 1 && string(start[40:44]) == " EMF" {
		return "EMF"
	}
	return ""
}

// chunkFormat names an IFF file that is an image.
func chunkFormat(start []byte) string {
	if len(start) < 12 || string(start[:4]) != "FORM" {
		return ""
	}
	switch string(start[8:12]) {
	case "ILBM", "PBM ":
		return "ILBM"
	}
	return ""
}

// dicomFormat recognises DICOM by the signature after its preamble.
func dicomFormat(start []byte) string {
	const preamble = 128
	if len(start) >= preamble && bytes.HasPrefix(start[preamble:], []byte("DICM")) {
		return "DICOM"
	}
	return ""
}

// paintbrushFormat recognises PCX, whose signature is one byte, by a header whose fields are all possible.
func paintbrushFormat(start []byte) string {
	if len(start) < 128 || start[0] != 10 || start[1] > 5 || start[2] != 1 ||
		!bytes.ContainsRune([]byte{1, 2, 4, 8}, rune(start[3])) || start[64] != 0 {
		return ""
	}
	at := func(i int) uint16 { return binary.LittleEndian.Uint16(start[i:]) }
	if left, top, right, bottom := at(4), at(6), at(8), at(10); left > right || top > bottom {
		return ""
	}
	return "PCX"
}

// targaFormat recognises TGA, which has no signature, by a header whose fields are all possible.
func targaFormat(start []byte) string {
	if len(start) < 18 || start[1] > 1 || !bytes.ContainsRune([]byte{1, 2, 3, 9, 10, 11}, rune(start[2])) {
		return ""
	}
	hasMap, isIndexed := start[1] == 1, start[2]&7 == 1
	width, height, bits := binary.LittleEndian.Uint16(start[12:]), binary.LittleEndian.Uint16(start[14:]), start[16]
	switch {
	case isIndexed != hasMap, !hasMap && !bytes.Equal(start[3:8], make([]byte, 5)), width == 0, height == 0,
		!bytes.ContainsRune([]byte{8, 15, 16, 24, 32}, rune(bits)), start[17]&0xc0 != 0:
		return ""
	}
	return "TGA"
}

// withoutPrefix removes what may precede a text: a byte-order mark and white space.
func withoutPrefix(start []byte) []byte {
	return bytes.TrimLeft(bytes.TrimPrefix(start, []byte("\xef\xbb\xbf")), " \t\r\n")
}

func isMarkup(start []byte) bool { return bytes.HasPrefix(withoutPrefix(start), []byte("<")) }

// textFormat recognises formats that consist of text, or begin like it.
func textFormat(start []byte) string {
	text := withoutPrefix(start)
	switch lower := bytes.ToLower(text[:min(len(text), describeLength)]); {
	case bytes.HasPrefix(text, []byte("%PDF-")):
		return "PDF"
	case bytes.HasPrefix(lower, []byte("<!doctype html")), bytes.HasPrefix(lower, []byte("<html")):
		return "HTML"
	case isMarkup(text) && (bytes.Contains(text, []byte("<svg")) || bytes.Contains(text, []byte("<!DOCTYPE svg"))):
		return "SVG"
	case bytes.HasPrefix(text, []byte("<?xml")):
		return "XML"
	case bytes.HasPrefix(text, []byte("#define ")) && bytes.Contains(text, []byte("_width ")):
		return "XBM"
	case bytes.HasPrefix(text, []byte(`{"`)), bytes.HasPrefix(text, []byte(`[{"`)):
		return "JSON"
	default:
		return ""
	}
}

// riffFormat names a RIFF file of another form than WebP's.
func riffFormat(start []byte) string {
	switch {
	case isRIFF(start, "AVI "):
		return "AVI video"
	case isRIFF(start, "WAVE"):
		return "WAV audio"
	default:
		return ""
	}
}

// videoFormat names an ISO base media file of another kind than an image, and the QuickTime files that are older than
// brands.
func videoFormat(start []byte) string {
	if len(start) < signatureLength {
		return ""
	}
	if box := string(start[4:8]); box == "moov" || box == "mdat" || box == "wide" {
		return "MOV video"
	}
	if !isISOMedia(start) {
		return ""
	}
	for _, brand := range unreadBrands {
		if bytes.HasPrefix(start[8:], []byte(brand.start)) {
			return brand.name
		}
	}
	return ""
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
