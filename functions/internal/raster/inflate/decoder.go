package inflate

import (
	"encoding/binary"
	"io"
)

const (
	maxDistance = 32 << 10 // the largest distance
	maxMatch    = 258
	// windowLimit is how much of the window is used before it slides: eight more literals and a match are still written,
	// and up to 15 bytes after its end.
	windowLimit = windowMask + 1 - maxMatch - 8
)

// A decoder decompresses DEFLATE data.
type decoder struct {
	in         input
	inBlock    bool
	final      bool    // the block is the last one
	storedLeft int     // bytes left of a stored block
	codes      *tables // of the block; nil for a stored block
	dynamic    tables

	written int // end of the data in window
	window  window
}

func (d *decoder) reset(source io.Reader) {
	d.in.reset(source)
	d.inBlock, d.final, d.written = false, false, 0
}

// slide moves the last 32 KiB of a window that is used up to its start, and returns where new data begins.
func (d *decoder) slide() int {
	if d.written > maxDistance {
		copy(d.window[:], d.window[d.written-maxDistance:d.written])
		d.written = maxDistance
	}
	return d.written
}

// decode fills the window. The error is io.EOF after the last block.
func (d *decoder) decode() error {
	for d.written < windowLimit {
		if !d.inBlock && d.final {
			return io.EOF
		}
		if err := d.in.ensureLookahead(); err != nil {
			return err
		}
		before := d.written
		err := d.decodeSome()
		if cut := d.in.checkOverrun(); cut != nil {
			d.written = before // the rest was decoded from the zeros that follow the input
			return cut
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// decodeSome begins a block, or continues it as far as input and window allow.
func (d *decoder) decodeSome() error {
	switch {
	case !d.inBlock:
		return d.readBlockHeader()
	case d.codes == nil:
		return d.copyStored()
	default:
		return d.decodeBlock()
	}
}

func (d *decoder) readBlockHeader() error {
	d.final, d.inBlock = d.in.readBits(1) == 1, true
	switch d.in.readBits(2) {
	case 0:
		d.codes = nil
		d.in.align()
		length, inverse := binary.LittleEndian.Uint16(d.in.buf[d.in.pos:]), binary.LittleEndian.Uint16(d.in.buf[d.in.pos+2:])
		d.in.pos += 4
		if length != ^inverse {
			return errStored
		}
		d.storedLeft = int(length)
	case 1:
		d.codes = fixedTables
	case 2:
		d.codes = &d.dynamic
		return d.codes.read(&d.in)
	default:
		return errBlock
	}
	return nil
}

// copyStored continues a stored block.
func (d *decoder) copyStored() error {
	n := min(d.storedLeft, d.in.end-d.in.pos, windowLimit-d.written)
	if n == 0 && d.storedLeft > 0 {
		return io.ErrUnexpectedEOF
	}
	d.written += copy(d.window[d.written:], d.in.buf[d.in.pos:d.in.pos+n])
	d.in.pos += n
	d.storedLeft -= n
	d.inBlock = d.storedLeft > 0
	return nil
}

// decodeBlock continues a compressed block.
func (d *decoder) decodeBlock() error {
	limit := d.in.limit()
	for {
		d.decodeSymbols(limit)
		if d.in.pos >= limit || d.written >= windowLimit {
			return nil
		}
		if err := d.decodeSymbol(); err != nil || !d.inBlock {
			return err
		}
	}
}

// decodeSymbol decodes a literal, a match, or the end of the block, whose codes may have any length.
func (d *decoder) decodeSymbol() error {
	d.in.refill()
	e := d.codes.lengthCode.slowEntry(d.in.acc, &lengthEntries)
	switch {
	case e&literalMask != 0:
		d.in.skip(e)
		d.window.putPair(d.written, uint16(e>>8))
		d.written++
		return nil
	case e&notInTable != 0:
		return errSymbol
	case e&endOfBlock != 0:
		d.in.skip(e)
		d.inBlock = false
		return nil
	}
	length := d.in.readValue(e)
	if e = d.codes.distanceCode.slowEntry(d.in.acc, &distanceEntries); e&notInTable != 0 {
		return errSymbol
	}
	distance := d.in.readValue(e)
	if distance > d.written {
		return errDistance
	}
	d.window.copyMatch(d.written, distance, length)
	d.written += length
	return nil
}

// decodeSymbolsPortably is decodeSymbols, which decodes until pos reaches a limit, the window is full, or the next
// symbol is left to decodeSymbol: one that is not in the tables, the end of the block, or an invalid one.
//
// It is one function whose state is in local variables, because those are kept in registers. 56 bits are loaded at a
// time: for four entries of literals and the index of the next entry, or for a length and a distance, which have 48 at
// most.
func (d *decoder) decodeSymbolsPortably(limit int) {
	codes, in, window := d.codes, &d.in.buf, &d.window
	acc, n, p, o := d.in.acc, d.in.n, d.in.pos, d.written
	for p < limit && o < windowLimit {
		acc |= in.word(p) << (n & 63)
		p += int(^n & 63 >> 3)
		n |= 56
		e := codes.lengths[acc&(1<<lengthIndexBits-1)]
		if e&literalMask != 0 {
			for range 4 {
				window.putPair(o, uint16(e>>8))
				o += int(e >> countShift & countMask)
				acc >>= e & bitsMask
				n -= uint64(e)
				e = codes.lengths[acc&(1<<lengthIndexBits-1)]
				if e&literalMask == 0 {
					break
				}
			}
			if e&literalMask != 0 {
				continue
			}
			acc |= in.word(p) << (n & 63)
			p += int(^n & 63 >> 3)
			n |= 56
		}
		if e&exceptional != 0 {
			break
		}
		length := int(e>>baseShift) + extraBits(e, acc)
		rest, left := acc>>(e&bitsMask), n-uint64(e)
		e = codes.distances[rest&(1<<distanceIndexBits-1)]
		distance := int(e>>baseShift) + extraBits(e, rest)
		if distance > o || e&exceptional != 0 {
			break
		}
		acc, n = rest>>(e&bitsMask), left-uint64(e)
		window.putWord(o, window.word(o-distance))
		if length > 8 || distance < 8 {
			window.copyMatch(o, distance, length)
		}
		o += length
	}
	d.in.acc, d.in.n, d.in.pos, d.written = acc, n, p, o
}

// extraBits is the value of the extra bits after a code.
func extraBits(e entry, acc uint64) int {
	return int(acc & (1<<(e&bitsMask) - 1) >> (e >> codeShift & codeMask))
}
