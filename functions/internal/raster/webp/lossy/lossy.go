// Package lossy decodes and encodes VP8, the lossy bitstream of WebP (RFC 6386): a key frame. Section numbers in this
// package are those of the RFC.
//
// It returns rows as they are decoded, and never holds the image.
package lossy

import (
	"bytes"
	"io"
	"sync"

	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// name is the name of the format in messages.
const name = "WebP"

// Rows are the rows of a frame that were decoded since the last call: luma, and Cb and Cr of half the size. Levels are
// those of ITU-R BT.601: luma 16 to 235, chroma 16 to 240.
type Rows [3]plane.Plane

// A decoder is the state of decoding a frame. It holds some rows of it.
type decoder struct {
	header
	width, height int
	across, down  int // size in macroblocks
	modes         *partition
	tokens        []*partition

	pred          predictionBuffer
	residue       residue
	above         [3][]uint8 // the last row of the macroblocks above, after a margin
	aboveModes    [][4]uint8
	aboveContexts []context
	leftModes     [4]uint8
	leftContext   context

	filters     []*loopFilter  // of the macroblocks in the row
	innerEdges  []bool         // whether their subblock edges are filtered
	rows        [3]plane.Plane // a row of macroblocks, after the rows that the filter may still change
	delayedRows int            // rows of luma that the filter may still change; 0 without a filter
}

// margin is the number of pixels before the first macroblock in decoder.above.
const margin = 8

// Decode reads a frame of size bytes, and passes its rows to show from the top down; the planes are valid until show
// returns. Without smooth, the loop filter is left out, which is not visible once the image is reduced to a quarter or
// less of its size.
//
// The error is an *imgerr.Error, that of r, io.ErrUnexpectedEOF for a frame that is cut short, or that of show.
func Decode(r io.Reader, size int64, width, height int, smooth bool, show func(rows *Rows) error) error {
	d := &decoder{width: width, height: height, across: (width + 15) / 16, down: (height + 15) / 16}
	defer d.close()
	if err := d.readPartitions(r, size); err != nil {
		return err
	}
	if smooth && d.level > 0 {
		d.delayedRows = 8
	}
	d.allocate()
	for y := range d.down {
		if err := d.decodeRow(y); err != nil {
			return err
		}
		if err := d.emitRows(y, show); err != nil {
			return err
		}
	}
	for _, p := range append(d.tokens, d.modes) {
		if err := p.checkOverrun(); err != nil {
			return err
		}
	}
	return nil
}

var partitions = sync.Pool{New: func() any { return new(partition) }}

// openPartition begins a partition.
func openPartition(r io.Reader, size int64) (*partition, error) {
	p := partitions.Get().(*partition)
	p.reset(r, size)
	return p, p.load()
}

func (d *decoder) close() {
	for _, p := range append(d.tokens, d.modes) {
		if p != nil {
			p.r = nil
			partitions.Put(p)
		}
	}
}

// readPartitions reads up to the last partition, which is read as it is needed.
func (d *decoder) readPartitions(r io.Reader, size int64) error {
	first, err := readTag(r, d.width, d.height)
	if err != nil {
		return err
	}
	size -= tagSize + first
	if size < 0 {
		return imgerr.Damaged(name, "its first partition has %d bytes, more than its chunk", first)
	}
	modes, err := readAll(r, first)
	if err != nil {
		return err
	}
	if d.modes, err = openPartition(modes, first); err != nil {
		return err
	}
	count := d.header.parse(d.modes)
	sizes := make([]byte, 3*(count-1))
	if size -= int64(len(sizes)); size < 0 {
		return imgerr.Damaged(name, "its chunk has no space for %d partitions", count)
	}
	if _, err := io.ReadFull(r, sizes); err != nil {
		return noEOF(err)
	}
	for ; len(sizes) > 0; sizes = sizes[3:] {
		// Data beyond the tokens of all macroblocks is not held.
		part := min(int64(sizes[0])|int64(sizes[1])<<8|int64(sizes[2])<<16, size)
		size -= part
		used := min(part, int64(maxMacroblockBytes*d.across*d.down))
		held, err := readAll(r, used)
		if err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, r, part-used); err != nil {
			return noEOF(err)
		}
		if err := d.addTokens(held, used); err != nil {
			return err
		}
	}
	return d.addTokens(r, size)
}

func (d *decoder) addTokens(r io.Reader, size int64) error {
	p, err := openPartition(r, size)
	d.tokens = append(d.tokens, p)
	return err
}

// readAll reads size bytes into memory, which grows only as data arrives.
func readAll(r io.Reader, size int64) (io.Reader, error) {
	held := new(bytes.Buffer)
	if _, err := io.CopyN(held, r, size); err != nil {
		return nil, noEOF(err)
	}
	return held, nil
}
