// Package exif reads the one thing that a thumbnail needs to know from EXIF: which way is up. JPEG, PNG and WebP carry
// the same bytes, a TIFF structure, in wrappings of their own.
package exif

import (
	"bytes"
	"encoding/binary"
	"io"
)

// Upright is the orientation of an image that is stored as it is to be shown. The others, 2 to 8, are those of the EXIF
// tag Orientation (CIPA DC-008, section 4.6.4): 5 to 8 exchange width and height.
const Upright = 1

// The longest start of a payload that is looked at, in bytes: all that fits into a JPEG segment, the wrapping for which
// EXIF was made. What comes later in a larger one is thumbnails and maker notes.
const maxPayload = 1 << 16

const (
	tagOrientation = 0x0112
	typeShort      = 3
	typeLong       = 4
	entrySize      = 12
)

// Read reads a payload of length bytes from r, all of it but holding no more than 64 KiB, and returns the orientation
// that it names, or Upright. Only an error of r is an error: broken metadata does not make an image unreadable.
func Read(r io.Reader, length int64) (int, error) {
	payload := make([]byte, min(length, maxPayload))
	if _, err := io.ReadFull(r, payload); err != nil {
		return Upright, err
	}
	_, err := io.CopyN(io.Discard, r, length-int64(len(payload)))
	return Orientation(payload), err
}

// Orientation is the orientation, 1 to 8, that a payload names, with or without the six bytes that JPEG puts before the
// TIFF structure. It is Upright if the payload names none, or makes no sense.
func Orientation(payload []byte) int {
	tiff := bytes.TrimPrefix(payload, []byte("Exif\x00\x00"))
	order := byteOrder(tiff)
	if order == nil {
		return Upright
	}
	// Offsets and counts are compared as 64 bits, in which sums of them can not overflow.
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

// value is the orientation in an entry of a directory: tag, type, count, value.
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
