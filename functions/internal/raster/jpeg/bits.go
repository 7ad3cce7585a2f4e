package jpeg

import (
	"bytes"
	"encoding/binary"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/refuse"
)

const (
	chunk = 32 << 10
	// maxBlocks is how many a unit of a scan may have (T.81, section B.2.3), and unitBytes how much their data is at most:
	// 64 coefficients of 16 + 16 bits.
	maxBlocks = 10
	unitBytes = maxBlocks * 64 * 4
	// slack follows the data of a segment: what a reader of bits looks at when a unit begins at the very end.
	slack = unitBytes + 16
)

// input is the file behind its frame header, a chunk at a time.
type input struct {
	r    io.Reader
	raw  []byte // what was read and not used
	room [chunk]byte
}

// more reads the next chunk if there is nothing left of the last.
func (in *input) more() error {
	for len(in.raw) == 0 {
		n, err := in.r.Read(in.room[:])
		in.raw = in.room[:n]
		if n == 0 && err != nil {
			return err
		}
	}
	return nil
}

// Read is for segments, which are short.
func (in *input) Read(p []byte) (int, error) {
	if err := in.more(); err != nil {
		return 0, err
	}
	n := copy(p, in.raw)
	in.raw = in.raw[n:]
	return n, nil
}

// marker finds the next marker, passing over whatever is in front of it: scans that nobody needs, too.
func (in *input) marker() (byte, error) {
	for {
		if err := in.more(); err != nil {
			return 0, err
		}
		i := bytes.IndexByte(in.raw, 0xff)
		if i < 0 {
			in.raw = nil
			continue
		}
		in.raw = in.raw[i+1:]
		code, err := in.code()
		if err != nil || code != 0 {
			return code, err
		}
	}
}

// code reads what comes after 0xff: 0 if that was data.
func (in *input) code() (byte, error) {
	for {
		if err := in.more(); err != nil {
			return 0, err
		}
		code := in.raw[0]
		in.raw = in.raw[1:]
		if code != 0xff { // which may be repeated to fill
			return code, nil
		}
	}
}

// A bitReader reads the entropy-coded data of one segment: up to a marker.
//
// The data is copied without its stuffing, so that a refill is a load of 8 bytes. A unit of the scan is read without
// looking for the end: see ready.
type bitReader struct {
	in  *input
	acc uint64 // the next bits, from the highest on
	n   int    // how many of them are valid
	p   int    // of buf, the byte that comes next
	end int    // of buf, where the data ends

	last  bool // there is no more data behind end, but the marker
	found byte // the marker; 0 at the end of the file
	buf   [unitBytes + chunk + slack]byte
}

// start begins a segment.
func (b *bitReader) start() {
	b.acc, b.n, b.p, b.end, b.last, b.found = 0, 0, 0, 0, false, 0
}

// fill makes 56 bits valid at least.
func (b *bitReader) fill() {
	b.acc |= binary.BigEndian.Uint64(b.buf[b.p:]) >> (b.n & 63)
	b.p += (63 - b.n) >> 3
	b.n |= 56
}

// take returns the next n bits, 16 at most; there have to be as many.
func (b *bitReader) take(n int) int {
	v := int(b.acc >> 1 >> (63 - n))
	b.acc <<= n
	b.n -= n
	return v
}

// ready makes sure that a whole unit can be read. Behind the end of a segment come zeros: that they were read is found
// out by the next call.
func (b *bitReader) ready() error {
	if b.end-b.p >= unitBytes {
		return nil
	}
	return b.load()
}

func (b *bitReader) load() error {
	if b.last {
		return b.enough()
	}
	b.end = copy(b.buf[:], b.buf[b.p:b.end])
	b.p = 0
	for !b.last && b.end < unitBytes {
		err := b.copy()
		switch {
		case err == io.EOF:
			b.last, b.found = true, 0
		case err != nil:
			return err
		}
	}
	if b.last {
		clear(b.buf[b.end : b.end+slack])
	}
	return nil
}

// copy appends data up to the end of the chunk or to the next marker, without the zero behind each 0xff.
func (b *bitReader) copy() error {
	if err := b.in.more(); err != nil {
		return err
	}
	raw := b.in.raw
	for len(raw) > 0 && b.end+len(raw) <= unitBytes+chunk {
		i := bytes.IndexByte(raw, 0xff)
		if i < 0 {
			b.end += copy(b.buf[b.end:], raw)
			raw = nil
			continue
		}
		b.end += copy(b.buf[b.end:], raw[:i])
		b.in.raw = raw[i+1:]
		code, err := b.in.code()
		if err != nil {
			return err
		}
		raw = b.in.raw
		if code != 0 {
			b.last, b.found = true, code
			return nil
		}
		b.buf[b.end] = 0xff
		b.end++
	}
	b.in.raw = raw
	return nil
}

// enough returns an error if more bits were used than there are.
func (b *bitReader) enough() error {
	switch {
	case 8*b.p-b.n <= 8*b.end:
		return nil
	case b.found == 0:
		return io.ErrUnexpectedEOF
	default:
		return refuse.AsDamaged(Name, "a scan has less data than pixels")
	}
}

// finish ends a segment and returns the marker behind it.
func (b *bitReader) finish() (byte, error) {
	if !b.last {
		return b.in.marker()
	}
	if err := b.enough(); err != nil {
		return 0, err
	}
	if b.found == 0 {
		return 0, io.EOF
	}
	return b.found, nil
}
