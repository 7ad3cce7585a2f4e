package inflate

import (
	"encoding/binary"
	"io"
)

const (
	history  = 32 << 10 // how far back a distance reaches
	maxMatch = 258
	// full is how much of the window is used before it slides: one match more is still written, and up to 8 bytes behind
	// its end.
	full = windowMask + 1 - maxMatch - 8
)

// runLength is how many entries of literals there are at least in 56 bits, and still the index of the next entry.
const runLength = 56/lengthIndex - 1

// A decoder unpacks DEFLATE data.
type decoder struct {
	in      input
	inBlock bool
	final   bool    // the block is the last
	stored  int     // bytes that are left of a stored block
	codes   *tables // of the block; nil if it is stored
	dynamic tables

	written int // of window
	window  window
}

func (d *decoder) reset(source io.Reader) {
	d.in.reset(source)
	d.inBlock, d.final, d.written = false, false, 0
}

// slide makes room in the window, all of which was used, and returns where it begins.
func (d *decoder) slide() int {
	if d.written > history {
		copy(d.window[:], d.window[d.written-history:d.written])
		d.written = history
	}
	return d.written
}

// decode fills the window. The error is io.EOF behind the last block.
func (d *decoder) decode() error {
	for d.written < full {
		if !d.inBlock && d.final {
			return io.EOF
		}
		if err := d.in.ready(); err != nil {
			return err
		}
		before := d.written
		err := d.step()
		if cut := d.in.cut(); cut != nil {
			d.written = before // the rest was made of the zeros behind the input
			return cut
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// step begins a block, or goes on with it as far as there is input and room.
func (d *decoder) step() error {
	switch {
	case !d.inBlock:
		return d.header()
	case d.codes == nil:
		return d.copy()
	default:
		return d.symbols()
	}
}

func (d *decoder) header() error {
	d.final, d.inBlock = d.in.bits(1) == 1, true
	switch d.in.bits(2) {
	case 0:
		d.codes = nil
		d.in.align()
		length, inverse := binary.LittleEndian.Uint16(d.in.buf[d.in.p:]), binary.LittleEndian.Uint16(d.in.buf[d.in.p+2:])
		d.in.p += 4
		if length != ^inverse {
			return errStored
		}
		d.stored = int(length)
	case 1:
		d.codes = fixed
	case 2:
		d.codes = &d.dynamic
		return d.codes.read(&d.in)
	default:
		return errBlock
	}
	return nil
}

// copy goes on with a stored block.
func (d *decoder) copy() error {
	n := min(d.stored, d.in.end-d.in.p, full-d.written)
	if n == 0 && d.stored > 0 {
		return io.ErrUnexpectedEOF
	}
	d.written += copy(d.window[d.written:], d.in.buf[d.in.p:d.in.p+n])
	d.in.p += n
	d.stored -= n
	d.inBlock = d.stored > 0
	return nil
}

// symbols goes on with a packed block. It is one function, with its state in variables of its own, because they are
// registers then. 56 bits are loaded at a time: literals as long as they last, or a length and a distance, which have 48
// at most.
func (d *decoder) symbols() error {
	codes, in, window := d.codes, &d.in.buf, &d.window
	acc, n, p, o := d.in.acc, d.in.n, d.in.p, d.written
	limit := d.in.end - 16 // two words, which are loaded at most
	if d.in.last {
		limit = d.in.end + 8
	}
	for p < limit && o < full {
		acc |= in.word(p) << (n & 63)
		p += int(^n & 63 >> 3)
		n |= 56

		e := codes.lengths[acc&(1<<lengthIndex-1)]
		if e&literals != 0 {
			for range runLength {
				window.putPair(o, uint16(e>>8))
				o += int(e >> countShift & countMask)
				acc >>= e & used
				n -= uint64(e)
				e = codes.lengths[acc&(1<<lengthIndex-1)]
				if e&literals == 0 {
					break
				}
			}
			if e&literals != 0 {
				continue
			}
			acc |= in.word(p) << (n & 63)
			p += int(^n & 63 >> 3)
			n |= 56
		}
		if e&special != 0 {
			if e&unknown != 0 {
				e = codes.lengthCode.entry(acc, &lengthEntries)
			}
			if e&literals != 0 {
				window.putPair(o, uint16(e>>8))
				o++
				acc >>= e & used
				n -= uint64(e)
				continue
			}
			if e&special != 0 {
				d.in.acc, d.in.n, d.in.p, d.written = acc>>(e&used), n-uint64(e), p, o
				d.inBlock = false
				if e&unknown != 0 {
					return errSymbol
				}
				return nil
			}
		}
		length := int(e>>baseShift) + extra(e, acc)
		acc >>= e & used
		n -= uint64(e)

		e = codes.distances[acc&(1<<distanceIndex-1)]
		if e&special != 0 {
			e = codes.distanceCode.entry(acc, &distanceEntries)
		}
		distance := int(e>>baseShift) + extra(e, acc)
		acc >>= e & used
		n -= uint64(e)
		if distance > o || e&special != 0 {
			d.in.acc, d.in.n, d.in.p, d.written = acc, n, p, o
			if e&special != 0 {
				return errSymbol
			}
			return errDistance
		}
		window.putWord(o, window.word(o-distance))
		if length > 8 || distance < 8 {
			window.repeat(o, distance, length)
		}
		o += length
	}
	d.in.acc, d.in.n, d.in.p, d.written = acc, n, p, o
	return nil
}

// extra is the number in the bits behind a code.
func extra(e entry, acc uint64) int {
	return int(acc & (1<<(e&used) - 1) >> (e >> codeShift & codeMask))
}
