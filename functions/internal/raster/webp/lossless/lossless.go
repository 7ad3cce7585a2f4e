// Package lossless is the room of WebP for its lossless bitstream, VP8L (RFC 9649, section 3): the pixels of a lossless
// image, and the alpha of a lossy one.
//
// It hands over row by row, and holds of the image what a copy can refer to, one megapixel at most, beside the codes
// and the parameters of the transforms, which are of tiles of 4x4 pixels or more.
package lossless

import (
	"io"
	"sync"
)

// Decode reads a bitstream of an image of width x height pixels, which its header has to say as well, and may read
// beyond its end. Row gets the rows from the top, not premultiplied, as 0xAARRGGBB; the slice is only lent to it. The
// image has alpha if its header says so, and otherwise none of its pixels.
//
// The error is a *imgerr.Refusal, io.ErrUnexpectedEOF if the stream ends too early, or that of r or row.
func Decode(r io.Reader, width, height int, row func(y int, argb []uint32) error) (hasAlpha bool, err error) {
	d := newDecoder(r)
	defer d.release()
	hasAlpha, err = d.readHeader(width, height)
	if err != nil {
		return false, err
	}
	const opaque = 0xff000000
	return hasAlpha, d.decode(width, height, func(y int, argb []uint32) error {
		if !hasAlpha {
			for i := range argb {
				argb[i] |= opaque
			}
		}
		return row(y, argb)
	})
}

// DecodeAlpha reads the bitstream of an ALPH chunk, which has no header, as Decode does.
func DecodeAlpha(r io.Reader, width, height int, row func(y int, alpha []uint8) error) error {
	d := newDecoder(r)
	defer d.release()
	alpha := make([]uint8, width)
	return d.decode(width, height, func(y int, argb []uint32) error {
		for i, pixel := range argb[:len(alpha)] {
			alpha[i] = uint8(pixel >> 8)
		}
		return row(y, alpha)
	})
}

// A decoder is what is needed of whatever image.
type decoder struct {
	in         input
	ring       []uint32 // the last pixels, before transforms
	unrolled   []uint32 // a row that is not in one piece in the ring
	cache      [1 << maxCacheBits]uint32
	cacheShift uint // to make a hash the place of a colour in the cache; 0 if there is none
	canon      canonicalCode
	table      []entry
	lengths    [maxAlphabet]uint8
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

func newDecoder(r io.Reader) *decoder {
	d := decoders.Get().(*decoder)
	d.in.reset(r)
	return d
}

func (d *decoder) release() {
	d.in.reset(nil)
	decoders.Put(d)
}

// readHeader reads what section 3.4 tells.
func (d *decoder) readHeader(width, height int) (hasAlpha bool, err error) {
	const signature = 0x2f
	start, w, h := d.in.readBits(8), 1+int(d.in.readBits(14)), 1+int(d.in.readBits(14))
	hasAlpha = d.in.readBit()
	version := d.in.readBits(3)
	switch {
	case start != signature:
		err = d.damaged("its lossless bitstream does not start like one")
	case version != 0:
		err = d.damaged("its lossless bitstream is of a version %d", version)
	case w != width || h != height:
		err = d.damaged("its pixels are %dx%d, expected %dx%d", w, h, width, height)
	default:
		err = d.in.checkOverrun()
	}
	return hasAlpha, err
}

func (d *decoder) decode(width, height int, add rowFunc) error {
	transforms, packed, err := d.readTransforms(width, height)
	if err != nil {
		return err
	}
	row := make([]uint32, width)
	return d.readImage(packed, height, true, func(y int, stored []uint32) error {
		copy(row, stored)
		for i := len(transforms) - 1; i >= 0; i-- {
			transforms[i].invert(y, row)
		}
		return add(y, row)
	})
}
