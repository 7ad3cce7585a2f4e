package jpeg

import (
	"sync"

	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

// The bits that index the tables of a huffman.
const (
	lookupBits = 9
	coefBits   = 10
	skipBits   = 13
)

// A huffman is a table of codes (T.81, annex C), in the forms that scans want them in.
type huffmanTable struct {
	// lookup has, for the next bits, the length of the code << 8 | the symbol; 0 if the code is longer, or none.
	lookup [1 << lookupBits]uint16
	// above is, for each length, the first code that is too great for it, and offset what leads from a code to its symbol.
	limits  [18]int32
	offsets [17]int32
	symbols []uint8

	// The tables below are made for the scans that want them.
	onceCoefs, onceSkips sync.Once
	coefs                [1 << coefBits]int32
	skips                [1 << skipBits]uint16
}

// huffmans keeps tables, because many files have those of annex K.
var huffmanCache struct {
	sync.Mutex
	bySegment map[string]*huffmanTable
}

const maxCachedHuffman = 64

// huffmanOf reads what a DHT segment says of one table: how many codes there are of each length, and their symbols.
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

// symbol reads a code. Bits have to be filled. The symbol of bits that are no code is found out to be one by a length
// of more than 16.
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

// decode reads a symbol.
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

// extend makes the difference that size bits stand for (T.81, figure F.12).
func extend(v, size int) int {
	if v < 1<<size>>1 {
		v += 1 - 1<<size
	}
	return v
}

// A value is what the next bits say, code and extra bits together: how many bits << 0, how many coefficients are zero
// << 8, what the next one is << 16. The bits are 0 if they are more than the index has.
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

// A skip says how far the next bits lead, several symbols at once: how many bits, 6 of them, and how many coefficients
// << 6. An end of the block counts as 1 + blockEnd coefficients. Where not even the first code is whole, it is unclear.
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
			// The extra bits of the last symbol may be beyond the index, because they do not matter.
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
