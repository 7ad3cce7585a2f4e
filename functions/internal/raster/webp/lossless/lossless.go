// Package lossless decodes VP8L, the lossless bitstream of WebP (RFC 9649, section 3): the pixels of a lossless image,
// and the alpha plane of a lossy one. Section numbers in this package are those of the RFC.
//
// It returns row by row. Of the image it holds what a copy can refer to, at most one megapixel, beside the prefix codes
// and the parameters of the transforms, which are for tiles of 4x4 pixels or more.
package lossless

import (
	"io"
	"slices"
	"sync"
)

// Rows are rows of an image that follow each other and are all the same: Count of them.
type Rows struct {
	// Pixels are 0xAARRGGBB, not premultiplied, and valid until the function that they are passed to returns.
	Pixels []uint32
	Count  int
	// Opaque reports whether all pixels are opaque, whatever their highest bits are.
	Opaque bool
}

// Decode reads a bitstream whose header has to state width x height pixels. It may read beyond its end. Show receives
// the rows from the top. hasAlpha is that of the header; without it, all rows are opaque.
//
// The error is an *imgerr.Error, io.ErrUnexpectedEOF if the stream ends too early, or that of r or show.
func Decode(r io.Reader, width, height int, show func(Rows) error) (hasAlpha bool, err error) {
	d := newDecoder(r)
	defer d.release()
	hasAlpha, err = d.readHeader(width, height)
	if err != nil {
		return false, err
	}
	return hasAlpha, d.decode(width, height, func(_, count int, argb []uint32) error {
		return show(Rows{argb, count, !hasAlpha})
	})
}

// DecodeAlpha reads the bitstream of an ALPH chunk, which has no header, like Decode.
func DecodeAlpha(r io.Reader, width, height int, row func(y int, alpha []uint8) error) error {
	d := newDecoder(r)
	defer d.release()
	alpha := make([]uint8, width)
	return d.decode(width, height, func(y, count int, argb []uint32) error {
		for ; count > 0; y, count = y+1, count-1 {
			for i, pixel := range argb[:len(alpha)] {
				alpha[i] = uint8(pixel >> 8)
			}
			if err := row(y, alpha); err != nil {
				return err
			}
		}
		return nil
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
	return d.readImage(packed, height, true, func(y, count int, stored []uint32) error {
		for count > 0 {
			copy(row, stored)
			same, left := invertEqual(transforms, y, count, row)
			if err := addRows(left, y, same, row, add); err != nil {
				return err
			}
			y, count = y+same, count-same
		}
		return nil
	})
}

// invertEqual inverts the transforms, from the last on, that are the same for several of count rows. It returns for how
// many, and the transforms that are left.
func invertEqual(transforms []transform, y, count int, row []uint32) (same int, left []transform) {
	for ; len(transforms) > 0 && count > 1; transforms = transforms[:len(transforms)-1] {
		last := transforms[len(transforms)-1]
		n := last.equalRows(y, count)
		if n == 1 {
			break
		}
		last.invert(y, row)
		count = n
	}
	return count, transforms
}

// addRows inverts the transforms of each of count equal rows, and adds them.
func addRows(transforms []transform, y, count int, row []uint32, add rowFunc) error {
	if len(transforms) == 0 {
		return add(y, count, row)
	}
	var equal []uint32
	if count > 1 {
		equal = slices.Clone(row)
	}
	for i := range count {
		if i > 0 {
			copy(row, equal)
		}
		for t := len(transforms) - 1; t >= 0; t-- {
			transforms[t].invert(y+i, row)
		}
		if err := add(y+i, 1, row); err != nil {
			return err
		}
	}
	return nil
}
