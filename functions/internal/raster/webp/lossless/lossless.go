// Package lossless decodes VP8L, the lossless bitstream of WebP (RFC 9649, section 3): the pixels of a lossless image,
// and the alpha plane of a lossy one. Section numbers in this package are those of the RFC.
//
// It returns row by row. Of the image it holds what a copy can refer to, at most one megapixel, beside the prefix codes
// and the parameters of the transforms, which are for tiles of 4x4 pixels or more.
package lossless

import (
	"io"
	"sync"
)

// Decode reads a bitstream whose header has to state width x height pixels. It may read beyond its end. Row receives
// the rows from the top as 0xAARRGGBB, not premultiplied, in a slice that is valid until it returns. hasAlpha is that
// of the header; without it, all pixels are opaque.
//
// The error is an *imgerr.Error, io.ErrUnexpectedEOF if the stream ends too early, or that of r or row.
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

// DecodeAlpha reads the bitstream of an ALPH chunk, which has no header, like Decode.
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

// A decoder has the buffers of decoding, which are reused for other images.
type decoder struct {
	in         input
	ring       []uint32 // the last pixels, before transforms
	unrolled   []uint32 // a row that wraps around the end of the ring
	cache      [1 << maxCacheBits]uint32
	cacheShift uint // shift from a hash to an index of the colour cache; 0 without a cache
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

// readHeader reads the header (section 3.4).
func (d *decoder) readHeader(width, height int) (hasAlpha bool, err error) {
	const signature = 0x2f
	start, w, h := d.in.readBits(8), 1+int(d.in.readBits(14)), 1+int(d.in.readBits(14))
	hasAlpha = d.in.readBit()
	version := d.in.readBits(3)
	switch {
	case start != signature:
		err = d.damaged("its lossless bitstream does not start with its signature")
	case version != 0:
		err = d.damaged("its lossless bitstream is of version %d, expected 0", version)
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
