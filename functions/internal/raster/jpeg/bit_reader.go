package jpeg

import (
	"bytes"
	"encoding/binary"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

const (
	inputSize = 32 << 10
	// maxBlocks is how many a unit of a scan may have (T.81, section B.2.3), and unitBytes how much their data is at most:
	// 64 coefficients of 16 + 16 bits.
	maxMCUBlocks = 10
	maxMCUBytes  = maxMCUBlocks * 64 * 4
	// slack follows the data of a segment: what a reader of bits looks at when a unit begins at the very end.
	slack = maxMCUBytes + 16
)

// input is the file behind its frame header, a chunk at a time.
type input struct {
	r      io.Reader
	unread []byte // what was read and not used
	buf    [inputSize]byte
}

// more reads the next chunk if there is nothing left of the last.
func (in *input) refill() error {
	for len(in.unread) == 0 {
		n, err := in.r.Read(in.buf[:])
		in.unread = in.buf[:n]
		if n == 0 && err != nil {
			return err
		}
	}
	return nil
}

// Read is for segments, which are short.
func (in *input) Read(p []byte) (int, error) {
	if err := in.refill(); err != nil {
		return 0, err
	}
	n := copy(p, in.unread)
	in.unread = in.unread[n:]
	return n, nil
}

// marker finds the next marker, passing over whatever is in front of it: scans that nobody needs, too.
func (in *input) nextMarker() (byte, error) {
	for {
		if err := in.refill(); err != nil {
			return 0, err
		}
		i := bytes.IndexByte(in.unread, 0xff)
		if i < 0 {
			in.unread = nil
			continue
		}
		in.unread = in.unread[i+1:]
		code, err := in.markerCode()
		if err != nil || code != 0 {
			return code, err
		}
	}
}

// code reads what comes after 0xff: 0 if that was data.
func (in *input) markerCode() (byte, error) {
	for {
		if err := in.refill(); err != nil {
			return 0, err
		}
		code := in.unread[0]
		in.unread = in.unread[1:]
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

	complete bool // there is no more data behind end, but the marker
	marker   byte // the marker; 0 at the end of the file
	buf      [maxMCUBytes + inputSize + slack]byte
}

// start begins a segment.
func (b *bitReader) reset() {
	b.acc, b.n, b.p, b.end, b.complete, b.marker = 0, 0, 0, 0, false, 0
}

// fill makes 56 bits valid at least.
func (b *bitReader) refill() {
	b.acc |= binary.BigEndian.Uint64(b.buf[b.p:]) >> (b.n & 63)
	b.p += (63 - b.n) >> 3
	b.n |= 56
}

// take returns the next n bits, 16 at most; there have to be as many.
func (b *bitReader) readBits(n int) int {
	v := int(b.acc >> 1 >> (63 - n))
	b.acc <<= n
	b.n -= n
	return v
}

// ready makes sure that a whole unit can be read. Behind the end of a segment come zeros: that they were read is found
// out by the next call.
func (b *bitReader) ensureMCU() error {
	if b.end-b.p >= maxMCUBytes {
		return nil
	}
	return b.load()
}

func (b *bitReader) load() error {
	if b.complete {
		return b.checkOverrun()
	}
	b.end = copy(b.buf[:], b.buf[b.p:b.end])
	b.p = 0
	for !b.complete && b.end < maxMCUBytes {
		err := b.unstuff()
		switch {
		case err == io.EOF:
			b.complete, b.marker = true, 0
		case err != nil:
			return err
		}
	}
	if b.complete {
		clear(b.buf[b.end : b.end+slack])
	}
	return nil
}

// copy appends data up to the end of the chunk or to the next marker, without the zero behind each 0xff.
func (b *bitReader) unstuff() error {
	if err := b.in.refill(); err != nil {
		return err
	}
	raw := b.in.unread
	for len(raw) > 0 && b.end+len(raw) <= maxMCUBytes+inputSize {
		i := bytes.IndexByte(raw, 0xff)
		if i < 0 {
			b.end += copy(b.buf[b.end:], raw)
			raw = nil
			continue
		}
		b.end += copy(b.buf[b.end:], raw[:i])
		b.in.unread = raw[i+1:]
		code, err := b.in.markerCode()
		if err != nil {
			return err
		}
		raw = b.in.unread
		if code != 0 {
			b.complete, b.marker = true, code
			return nil
		}
		b.buf[b.end] = 0xff
		b.end++
	}
	b.in.unread = raw
	return nil
}

// enough returns an error if more bits were used than there are.
func (b *bitReader) checkOverrun() error {
	switch {
	case 8*b.p-b.n <= 8*b.end:
		return nil
	case b.marker == 0:
		return io.ErrUnexpectedEOF
	default:
		return imgerr.Damaged(Name, "a scan has less data than pixels")
	}
}

// finish ends a segment and returns the marker behind it.
func (b *bitReader) finish() (byte, error) {
	if !b.complete {
		return b.in.nextMarker()
	}
	if err := b.checkOverrun(); err != nil {
		return 0, err
	}
	if b.marker == 0 {
		return 0, io.EOF
	}
	return b.marker, nil
}
