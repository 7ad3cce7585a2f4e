package jpeg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

const (
	inputSize = 32 << 10
	// maxMCUBlocks is the largest number of blocks in an MCU (T.81, section B.2.3), and maxMCUBytes the largest size of
	// their data: 64 coefficients of 16 + 16 bits.
	maxMCUBlocks = 10
	maxMCUBytes  = maxMCUBlocks * 64 * 4
	// slack follows the data of a segment, because a reader of bits looks that far when an MCU begins at the very end.
	slack = maxMCUBytes + 16
)

// An input is the file after its frame header, read a chunk at a time.
type input struct {
	r      io.Reader
	unread []byte // the unused part of buf
	buf    [inputSize]byte
}

// refill reads the next chunk if the last one is used up.
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

// Read implements io.Reader for segments, which are short.
func (in *input) Read(p []byte) (int, error) {
	if err := in.refill(); err != nil {
		return 0, err
	}
	n := copy(p, in.unread)
	in.unread = in.unread[n:]
	return n, nil
}

// nextMarker finds the next marker. It skips everything before it, including scans that are not needed.
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

// markerCode reads what follows 0xff: a marker, or 0 if the 0xff was data.
func (in *input) markerCode() (byte, error) {
	for {
		if err := in.refill(); err != nil {
			return 0, err
		}
		code := in.unread[0]
		in.unread = in.unread[1:]
		if code != 0xff { // 0xff may be repeated as a fill byte
			return code, nil
		}
	}
}

// A bitReader reads the entropy-coded data of one segment, up to a marker.
//
// The data is copied without byte stuffing, so that a refill is a load of 8 bytes. Within an MCU there is no check for
// the end of the data: see ensureMCU.
type bitReader struct {
	in  *input
	acc uint64 // the next bits, most significant bit first
	n   int    // number of valid bits in acc
	p   int    // index in buf of the next byte
	end int    // index in buf of the end of the data

	complete bool // all data of the segment is in buf
	marker   byte // that ends the segment; 0 at the end of the file
	buf      [maxMCUBytes + inputSize + slack]byte
}

// reset begins a segment.
func (b *bitReader) reset() {
	b.acc, b.n, b.p, b.end, b.complete, b.marker = 0, 0, 0, 0, false, 0
}

// refill makes at least 56 bits valid.
func (b *bitReader) refill() {
	b.acc |= binary.BigEndian.Uint64(b.buf[b.p:]) >> (b.n & 63)
	b.p += (63 - b.n) >> 3
	b.n |= 56
}

// readBits returns the next n bits, 16 at most. That many must be valid.
func (b *bitReader) readBits(n int) int {
	v := int(b.acc >> 1 >> (63 - n))
	b.acc <<= n
	b.n -= n
	return v
}

// ensureMCU makes sure that a whole MCU can be read. The end of a segment is followed by zeros; the next call detects
// whether they were read.
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
		case errors.Is(err, io.EOF):
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

// unstuff appends data up to the end of the chunk or to the next marker, without the zero that follows each 0xff.
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

// checkOverrun returns an error if more bits were used than there are.
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

// finish ends a segment and returns the marker that follows it.
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
