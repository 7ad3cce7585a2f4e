// Package lossy decodes the lossy bitstream of WebP: a key frame of VP8 (RFC 6386).
package lossy

import (
	"bytes"
	"io"
	"sync"

	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// name is what the format is called in messages.
const name = "WebP"

// Rows are some rows of a frame, all that came since the last: of luma, and of blue and red, which have half the size.
// The levels are those of ITU-R BT.601: 16 to 235 for luma, 16 to 240 for the others.
type Rows [3]plane.Plane

// A decoder is the state of decoding a frame. It holds some rows of it.
type decoder struct {
	header
	width, height int
	across, down  int // macroblocks
	modes         *partition
	tokens        []*partition

	pred          predictionBuffer
	residue       residue
	above         [3][]uint8 // the last rows of the macroblocks above, with a margin
	aboveModes    [][4]uint8
	aboveContexts []context
	leftModes     [4]uint8
	leftContext   context

	filters     []*loopFilter  // of the macroblocks of a row
	innerEdges  []bool         // whether they are smoothed within
	rows        [3]plane.Plane // of macroblocks, and in front of them what a filter may still change
	delayedRows int            // rows of luma that a filter may still change: 0 if there is none
}

// margin is how many pixels there are on the left of what is above.
const margin = 8

// Decode reads a frame of so many bytes, and hands over its rows from the top down: the planes are good until show
// returns. If it is not smooth, the filter at the end of decoding is left out, which does not show once the image is
// reduced to a quarter or less of its size.
//
// The error is a *imgerr.Refusal, that of r, io.ErrUnexpectedEOF for a frame cut short, or that of show.
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

// open begins a partition.
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

// start reads up to the last partition, which is read as it is needed.
func (d *decoder) readPartitions(r io.Reader, size int64) error {
	first, err := readTag(r, d.width, d.height)
	if err != nil {
		return err
	}
	size -= tagSize + first
	if size < 0 {
		return imgerr.Damaged(name, "its first partition has %d bytes, more than there are", first)
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
		return imgerr.Damaged(name, "it has no room for %d partitions", count)
	}
	if _, err := io.ReadFull(r, sizes); err != nil {
		return noEOF(err)
	}
	for ; len(sizes) > 0; sizes = sizes[3:] {
		// What is beyond the tokens of all macroblocks is not held.
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

// hold reads so many bytes into memory, as far as they come.
func readAll(r io.Reader, size int64) (io.Reader, error) {
	held := new(bytes.Buffer)
	if _, err := io.CopyN(held, r, size); err != nil {
		return nil, noEOF(err)
	}
	return held, nil
}
