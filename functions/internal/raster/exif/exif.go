// Package exif reads the orientation from EXIF metadata, the only part of it that a thumbnail needs. JPEG, PNG and WebP
// carry the same bytes, a TIFF structure, in wrappings of their own. It does not read XMP.
package exif

import (
	"bytes"
	"encoding/binary"
	"io"
)

// Upright is the orientation of an image that is stored as it is shown. The others, 2 to 8, are those of the EXIF tag
// Orientation (CIPA DC-008, section 4.6.4): 5 to 8 exchange width and height.
const Upright = 1

// MaxPayload bounds what is read of a payload, in bytes: what fits into a JPEG segment, for which EXIF was designed. A
// larger payload continues with thumbnails and maker notes.
const MaxPayload = 1 << 16

const (
	tagOrientation = 0x0112
	typeShort      = 3
	typeLong       = 4
	entrySize      = 12
)

// Read reads a payload of length bytes from r, all of it but holding at most 64 KiB, and returns its orientation, or
// Upright. The error is that of r: broken metadata does not make an image unreadable.
func Read(r io.Reader, length int64) (int, error) {
	payload := make([]byte, min(length, MaxPayload))
	if _, err := io.ReadFull(r, payload); err != nil {
		return Upright, err
	}
	_, err := io.CopyN(io.Discard, r, length-int64(len(payload)))
	return Orientation(payload), err
}

// Orientation returns the orientation of a payload, 1 to 8, with or without the six bytes that JPEG puts before the
// TIFF structure. It is Upright if the payload has none or is broken.
func Orientation(payload []byte) int {
	tiff := bytes.TrimPrefix(payload, []byte("Exif\x00\x00"))
	order := byteOrder(tiff)
	if order == nil {
		return Upright
	}
	// Offsets and counts are compared as 64 bits, so that their sums cannot overflow.
	directory := uint64(order.Uint32(tiff[4:]))
	if directory+2 > uint64(len(tiff)) {
		return Upright
	}
	entries := tiff[directory+2:]
	for range order.Uint16(tiff[directory:]) {
		if len(entries) < entrySize {
			break
		}
		if order.Uint16(entries) == tagOrientation {
			return orientationValue(order, entries[:entrySize])
		}
		entries = entries[entrySize:]
	}
	return Upright
}

func byteOrder(tiff []byte) binary.ByteOrder {
	switch {
	case len(tiff) < 8:
		return nil
	case bytes.HasPrefix(tiff, []byte("II*\x00")):
		return binary.LittleEndian
	case bytes.HasPrefix(tiff, []byte("MM\x00*")):
		return binary.BigEndian
	default:
		return nil
	}
}

// orientationValue is the orientation in a directory entry: tag, type, count, value.
func orientationValue(order binary.ByteOrder, entry []byte) int {
	var orientation uint32
	switch order.Uint16(entry[2:]) {
	case typeShort:
		orientation = uint32(order.Uint16(entry[8:]))
	case typeLong:
		orientation = order.Uint32(entry[8:])
	}
	if orientation < 1 || orientation > 8 {
		return Upright
	}
	return int(orientation)
}
