package webp

import (
	"bytes"
	"errors"
	"io"
	"iter"

	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
	"gitlab.com/yourorg/image-service/functions/internal/raster/webp/lossless"
)

// alphaRows returns a function that decodes the alpha plane row by row, and one that ends it. Rows of an image without
// an alpha plane are opaque.
func (p *imageData) alphaRows() (next func() ([]uint8, error), stop func()) {
	if p.alpha == nil {
		opaque := bytes.Repeat([]byte{0xff}, p.width)
		return func() ([]uint8, error) { return opaque, nil }, func() {}
	}
	// The two bitstreams follow each other, and each decoder pushes its rows: one of them has to be pulled from.
	pull, stop := iter.Pull2(func(yield func([]uint8, error) bool) {
		if err := p.decodeAlpha(yield); err != nil && !errors.Is(err, errStopped) {
			yield(nil, err)
		}
	})
	return func() ([]uint8, error) {
		row, err, ok := pull()
		if !ok {
			return nil, errShortAlpha
		}
		return row, err
	}, stop
}

var (
	errStopped    = errors.New("no more rows are wanted")
	errShortAlpha = imgerr.Damaged(Name, "its alpha plane has less data than pixels")
)

// decodeAlpha decodes an alpha plane (RFC 9649, section 2.7.1.2). Quantized levels are used as they are.
func (p *imageData) decodeAlpha(yield func([]uint8, error) bool) error {
	if len(p.alpha) == 0 {
		return imgerr.Damaged(Name, "its alpha plane is empty")
	}
	header, payload := p.alpha[0], bytes.NewReader(p.alpha[1:])
	above := make([]uint8, p.width)
	unfilter := alphaFilters[header>>2&3]
	show := func(y int, row []uint8) error {
		unfilter(row, above, y == 0)
		if !yield(row, nil) {
			return errStopped
		}
		copy(above, row)
		return nil
	}
	switch method := header & 3; method {
	case 0:
		return p.decodeRawAlpha(payload, show)
	case 1:
		err := lossless.DecodeAlpha(payload, p.width, p.height, show)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = errShortAlpha // the chunk ends, not the file
		}
		return err
	default:
		return imgerr.Damaged(Name, "its alpha plane has compression method %d, expected 0 or 1", method)
	}
}

func (p *imageData) decodeRawAlpha(payload io.Reader, show func(y int, row []uint8) error) error {
	row := make([]uint8, p.width)
	for y := range p.height {
		if _, err := io.ReadFull(payload, row); err != nil {
			return errShortAlpha
		}
		if err := show(y, row); err != nil {
			return err
		}
	}
	return nil
}

// alphaFilters undo the filters of a row. The row above the first one does not count.
var alphaFilters = [4]func(row, above []uint8, isFirst bool){
	filterNone: func([]uint8, []uint8, bool) {},
	filterLeft: func(row, above []uint8, isFirst bool) {
		if !isFirst {
			row[0] += above[0]
		}
		unfilterLeft(row)
	},
	filterAbove: func(row, above []uint8, isFirst bool) {
		if isFirst {
			unfilterLeft(row)
			return
		}
		for x, v := range above {
			row[x] += v
		}
	},
	filterGradient: func(row, above []uint8, isFirst bool) {
		if isFirst {
			unfilterLeft(row)
			return
		}
		row[0] += above[0]
		for x := 1; x < len(row); x++ {
			row[x] += gradient(row[x-1], above[x], above[x-1])
		}
	},
}

func unfilterLeft(row []uint8) {
	left := row[0]
	for x := 1; x < len(row); x++ {
		left += row[x]
		row[x] = left
	}
}
