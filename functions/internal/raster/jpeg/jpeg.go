// Package jpeg reads and writes JPEG (ITU-T T.81). It reads baseline, extended and progressive files of 8 bits,
// Huffman-coded, in gray, YCbCr, RGB, CMYK or YCCK, and writes baseline gray and YCbCr 4:2:0.
//
// A decoder works at the smallest of the scales 1/8, 1/4, 1/2 and 1 that the copy needs, and reads its input as a
// stream. It does not read arithmetic-coded, lossless, hierarchical or 12-bit files.
package jpeg

import (
	"encoding/binary"
	"fmt"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/exif"
	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

// Name is the name of the format in messages.
const Name = "JPEG"

// Markers (T.81, table B.1).
const (
	tem   = 0x01
	sof0  = 0xc0
	sof1  = 0xc1
	sof2  = 0xc2
	sof3  = 0xc3
	dht   = 0xc4
	sof5  = 0xc5
	sof7  = 0xc7
	jpg   = 0xc8
	dac   = 0xcc
	sof15 = 0xcf
	rst0  = 0xd0
	rst7  = 0xd7
	soi   = 0xd8
	eoi   = 0xd9
	sos   = 0xda
	dqt   = 0xdb
	dri   = 0xdd
	app0  = 0xe0
	app1  = 0xe1
	app2  = 0xe2
	app14 = 0xee
	dhp   = 0xde // starts a hierarchical image, of several frames
	sof55 = 0xf7 // JPEG-LS (T.87)
)

// A File is a JPEG whose frame header has been read.
type File struct {
	// Width and Height are in pixels, as stored.
	Width, Height int
	// Orientation is that of an EXIF segment before the frame header; Decode finds one between that and the pixels.
	Orientation int
	hasExif     bool // only the first EXIF segment counts, whatever it says
	check       func() error
	tolerant    bool // whether a scan may be broken at its end
	frame       frame
	tables      tables
	profile     profileChunks
	metadata    codec.Metadata
	rest        io.Reader
}

// Header implements codec.File.
func (f *File) Header() codec.Header {
	return codec.Header{Width: f.Width, Height: f.Height, Frames: 1, Orientation: f.Orientation}
}

// Open reads the file up to and including its frame header. It skips metadata of any length without holding it, except
// for a colour profile of up to icc.MaxSize. Errors are those of package codec.
func Open(r io.Reader) (*File, error) {
	f := &File{Orientation: exif.Upright, check: func() error { return nil }, rest: r}
	start := make([]byte, 2)
	if _, err := io.ReadFull(r, start); err != nil {
		return nil, err
	}
	if start[0] != 0xff || start[1] != soi {
		return nil, imgerr.Damaged(Name, "it does not start with an SOI marker")
	}
	for {
		marker, err := nextMarker(r)
		if err != nil {
			return nil, err
		}
		switch {
		case isStandalone(marker):
			continue
		case marker == eoi || marker == sos:
			return nil, imgerr.Damaged(Name, "its pixels are not preceded by a frame header")
		}
		length, err := readLength(r)
		if err != nil {
			return nil, err
		}
		switch {
		case isSOF(marker) || marker == dhp:
			return f, f.readSOF(marker, length)
		case marker == app1:
			err = f.readExif(length)
		case marker == app2:
			err = f.readProfile(length)
		case isTableSegment(marker):
			var payload []byte
			if payload, err = readPayload(r, length); err == nil {
				err = f.tables.read(marker, payload)
			}
		default:
			err = skipPayload(r, length)
		}
		if err != nil {
			return nil, err
		}
	}
}

// nextMarker finds the next marker. Bytes between segments are skipped, as libjpeg and image/jpeg do.
func nextMarker(r io.Reader) (byte, error) {
	var b [1]byte
	for marking := false; ; marking = b[0] == 0xff {
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return 0, err
		}
		if marking && b[0] != 0x00 && b[0] != 0xff {
			return b[0], nil
		}
	}
}

// isStandalone reports whether a marker has neither length nor payload.
func isStandalone(marker byte) bool {
	return marker == tem || marker == soi || rst0 <= marker && marker <= rst7
}

func isSOF(marker byte) bool {
	return sof0 <= marker && marker <= sof15 && marker != dht && marker != jpg && marker != dac || marker == sof55
}

// readLength reads the length of a segment's payload. A length that does not even include itself is taken for that of
// an empty segment, as in libjpeg.
func readLength(r io.Reader) (int, error) {
	var b [2]byte
	_, err := io.ReadFull(r, b[:])
	return max(0, int(binary.BigEndian.Uint16(b[:]))-len(b)), err
}

func readPayload(r io.Reader, length int) ([]byte, error) {
	payload := make([]byte, length)
	_, err := io.ReadFull(r, payload)
	return payload, err
}

// exifSignature begins an APP1 payload that is EXIF; other metadata has the same marker.
const exifSignature = "Exif\x00\x00"

func (f *File) readExif(length int) error {
	length, signed, err := f.matchSignature(exifSignature, length)
	if err != nil {
		return err
	}
	if !signed || f.hasExif || f.metadata.Left() == 0 {
		return skipPayload(f.rest, length)
	}
	f.metadata.Take(int64(length))
	f.hasExif = true
	f.Orientation, err = exif.Read(f.rest, int64(length))
	return err
}

func (f *File) readProfile(length int) error {
	length, signed, err := f.matchSignature(profileSignature, length)
	if err != nil {
		return err
	}
	if !signed || !f.profile.fits(length) || f.metadata.Left() == 0 {
		return skipPayload(f.rest, length)
	}
	f.metadata.Take(int64(length))
	part, err := readPayload(f.rest, length)
	f.profile.add(part)
	return err
}

// matchSignature reports whether a payload begins with a signature, and returns the length of the rest.
func (f *File) matchSignature(signature string, length int) (rest int, ok bool, err error) {
	if length < len(signature) {
		return length, false, nil
	}
	start, err := readPayload(f.rest, len(signature))
	return length - len(signature), string(start) == signature, err
}

func skipPayload(r io.Reader, length int) error {
	_, err := io.CopyN(io.Discard, r, int64(length))
	return err
}

func (f *File) readSOF(marker byte, length int) error {
	if kind := unsupportedProcess(marker); kind != "" {
		return imgerr.Unsupported(kind, "Huffman-coded baseline or progressive JPEG")
	}
	header, err := readPayload(f.rest, length)
	if err != nil {
		return err
	}
	if len(header) < 6 {
		return imgerr.Damaged(Name, "its frame header has %d bytes, expected 6 or more", len(header))
	}
	precision, components := header[0], int(header[5])
	f.Height, f.Width = int(binary.BigEndian.Uint16(header[1:])), int(binary.BigEndian.Uint16(header[3:]))
	switch {
	case len(header) != 6+3*components:
		return imgerr.Damaged(Name, "its frame header has %d bytes for %d components", len(header), components)
	case precision != 8:
		return imgerr.Unsupported(fmt.Sprintf("%d-bit JPEG", precision), "8-bit JPEG")
	case components != 1 && components != 3 && components != 4:
		return imgerr.Unsupported(fmt.Sprintf("JPEG of %d components", components), "1, 3 or 4 components")
	case f.Width == 0:
		return imgerr.Damaged(Name, "it is 0 pixels wide")
	case f.Height == 0:
		return imgerr.Unsupported("JPEG whose height comes after its pixels", "the height in the frame header")
	}
	f.frame = frame{progressive: marker == sof2, width: f.Width, height: f.Height}
	return f.frame.readComponents(header[6:])
}

// unsupportedProcess names the coding process of a frame header if it is not read, or returns "".
func unsupportedProcess(marker byte) string {
	switch {
	case marker <= sof2:
		return ""
	case marker == sof3:
		return "lossless JPEG"
	case sof5 <= marker && marker <= sof7 || marker == dhp:
		return "hierarchical JPEG"
	case marker == sof55:
		return "JPEG-LS"
	default:
		return "arithmetic-coded JPEG"
	}
}
