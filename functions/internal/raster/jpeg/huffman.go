package jpeg

import (
	"sync"

	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

const (
	lookupBits = 9
	coefBits   = 10
	refineBits = 12
	skipBits   = 13
)

// A huffmanTable is a Huffman table (T.81, annex C) in the forms that scans need.
type huffmanTable struct {
	// lookup maps the next bits to the length of the code << 8 | the symbol; 0 if the code is longer or does not exist.
	lookup [1 << lookupBits]uint16
	// limits has, for each length, the first code that is too large for it, left-aligned in 16 bits; offsets is the
	// difference between a code and the index of its symbol.
	limits  [18]int32
	offsets [17]int32
	symbols []uint8

	// The tables below are built for the scans that need them.
	onceCoefs, onceRefines, onceSkips sync.Once
	// coefs maps the next bits to a whole coefficient, code and extra bits together: bits 0-7 are the number of bits, bits
	// 8-15 the run of zeros, bits 16-31 the value. The number of bits is 0 if they do not fit into the index.
	coefs [1 << coefBits]int32
	// refines is coefs for refinements, whose values are 1, -1 or 0: bits 0-5 are the number of bits, bit 6 is set if the
	// value is negative, bit 7 if it is not 0, bits 8-11 are the run of zeros. Other entries are 0.
	refines [1 << refineBits]uint16
	// skips maps the next bits to how far they lead, several symbols at once: bits 0-5 are the number of bits, bits 6-15
	// the number of coefficients. An end of block counts as 1 + endOfBlock coefficients. It is noCode if not even the
	// first code fits.
	skips [1 << skipBits]uint16
}

// huffmanCache keeps tables, because many files use those of annex K.
var huffmanCache struct {
	sync.Mutex
	bySegment map[string]*huffmanTable
}

const maxCachedHuffman = 64

// cachedHuffman returns the table of a DHT segment: the number of codes of each length, and their symbols.
func cachedHuffman(counts [16]uint8, symbols []uint8) (*huffmanTable, error) {
	key := string(counts[:]) + string(symbols)
	huffmanCache.Lock()
	defer huffmanCache.Unlock()
	if h := huffmanCache.bySegment[key]; h != nil {
		return h, nil
	}
	h, err := newHuffman(counts, symbols)
	if err != nil {
		return nil, err
	}
	if huffmanCache.bySegment == nil || len(huffmanCache.bySegment) >= maxCachedHuffman {
		huffmanCache.bySegment = map[string]*huffmanTable{}
	}
	huffmanCache.bySegment[key] = h
	return h, nil
}

func newHuffman(counts [16]uint8, symbols []uint8) (*huffmanTable, error) {
	h := &huffmanTable{symbols: append([]uint8(nil), symbols...)}
	code, next := int32(0), int32(0)
	for length := 1; length <= 16; length++ {
		h.offsets[length] = next - code
		for range counts[length-1] {
			if code >= 1<<length {
				return nil, imgerr.Damaged(Name, "a Huffman table has more codes than fit")
			}
			if length <= lookupBits {
				first := code << (lookupBits - length)
				for i := range int32(1) << (lookupBits - length) {
					h.lookup[first+i] = uint16(length)<<8 | uint16(h.symbols[next])
				}
			}
			code++
			next++
		}
		h.limits[length] = code << (16 - length)
		code <<= 1
	}
	h.limits[17] = 1 << 16
	return h, nil
}

// lookUp decodes a symbol from the highest bits of acc. Bits that are not a code have a length of more than 16.
func (h *huffmanTable) lookUp(acc uint64) (length int, symbol uint8) {
	if e := h.lookup[acc>>(64-lookupBits)]; e != 0 {
		return int(e >> 8), uint8(e)
	}
	code := int32(acc >> 48)
	length = lookupBits + 1
	for code >= h.limits[length] {
		length++
	}
	if length > 16 {
		return length, 0
	}
	return length, h.symbols[code>>(16-length)+h.offsets[length]]
}

func (b *bitReader) readSymbol(h *huffmanTable) (uint8, error) {
	if b.n < 32 {
		b.refill()
	}
	length, symbol := h.lookUp(b.acc)
	if length > 16 {
		return 0, errInvalidCode
	}
	b.acc <<= length
	b.n -= length
	return symbol, nil
}

var errInvalidCode = imgerr.Damaged(Name, "a scan has a code that is in no Huffman table")

// extend is the procedure EXTEND of T.81, figure F.12: the difference for the size extra bits v.
func extend(v, size int) int {
	if v < 1<<size>>1 {
		v += 1 - 1<<size
	}
	return v
}

func (h *huffmanTable) prepareCoefs() { h.onceCoefs.Do(h.makeCoefs) }

func (h *huffmanTable) makeCoefs() {
	for i := range h.coefs {
		acc := uint64(i) << (64 - coefBits)
		length, symbol := h.lookUp(acc)
		run, size := int(symbol>>4), int(symbol&15)
		if length+size > coefBits {
			continue
		}
		value := 0
		if size > 0 {
			value = extend(int(acc<<length>>(64-size)), size)
		}
		h.coefs[i] = int32(value)<<16 | int32(run)<<8 | int32(length+size)
	}
}

func (h *huffmanTable) prepareRefines() { h.onceRefines.Do(h.makeRefines) }

func (h *huffmanTable) makeRefines() {
	for i := range h.refines {
		length, symbol := h.lookUp(uint64(i) << (64 - refineBits))
		run, size := uint16(symbol>>4), int(symbol&15)
		if size > 1 || length+size > refineBits {
			continue
		}
		h.refines[i] = run<<8 | uint16(length+size)
		if size == 1 {
			h.refines[i] |= 1<<7 | uint16(^i>>(refineBits-1-length)&1)<<6
		}
	}
}

// Parts of the entries of huffmanTable.skips.
const (
	endOfBlock  = 128
	noCode      = 64 << 6
	maxSkipBits = 56 - skipBits // bits: enough are left for the next
)

func (h *huffmanTable) prepareSkips() { h.onceSkips.Do(h.makeSkips) }

func (h *huffmanTable) makeSkips() {
	for i := range h.skips {
		used, passed := 0, 0
		for used < skipBits {
			length, symbol := h.lookUp(uint64(i) << (64 - skipBits + used))
			run, size := int(symbol>>4), int(symbol&15)
			// The extra bits of the last symbol need not fit into the index, because they are skipped as well.
			if used+length > skipBits || used+length+size > maxSkipBits || passed+run+1 >= 64 {
				break
			}
			used += length + size
			if size == 0 && run != 15 {
				passed += 1 + endOfBlock
				break
			}
			passed += run + 1
		}
		h.skips[i] = uint16(passed)<<6 | uint16(used)
		if used == 0 {
			h.skips[i] = noCode
		}
	}
}
