package hevc

import (
	"encoding/binary"
	"math/bits"
)

// A coder is the arithmetic decoder (section 9.3.4.3). The offset of the standard is the upper 9 bits of value, of which n
// more bits are loaded.
//
// The hot loops of residual.go hold value, span and n in local variables: see there.
type coder struct {
	value uint64
	span  uint64 // ivlCurrRange: 256 to 510
	n     uint   // 8 at least before a bin is read
	pos   int    // of data, the byte that comes next
	data  []byte
	contextSet
}

// loaded is the least n after load: as many bits can be read at once that are not coded by context.
const loaded = 24

// begin initializes the engine at a byte of the data (section 9.3.2.5). An offset that is not below the range is an error:
// bypass bins, which are quotients of the two, would have too many bits. The offset is then 0.
func (c *coder) begin(pos int) error {
	c.pos, c.value, c.span, c.n = pos, 0, 510, 0
	c.value, c.n, c.pos = c.fill(0, 0)
	c.n -= 9
	if offset := c.value >> c.n; offset >= c.span {
		c.value = 0
		return damaged("the data of a slice or substream starts with an offset of %d, expected less than %d", offset, c.span)
	}
	return nil
}

// fill loads 32 bits more. Behind the end are zeros.
func (c *coder) fill(value uint64, n uint) (uint64, uint, int) {
	at := c.pos
	if at+4 <= len(c.data) {
		return value<<32 | uint64(binary.BigEndian.Uint32(c.data[at:at+4])), n + 32, at + 4
	}
	var last [4]byte
	if at < len(c.data) {
		copy(last[:], c.data[at:])
	}
	return value<<32 | uint64(binary.BigEndian.Uint32(last[:])), n + 32, at + 4
}

func (c *coder) load() { c.value, c.n, c.pos = c.fill(c.value, c.n) }

// next is the byte behind those that the arithmetic decoder has read bits of, where data that is not coded begins, and
// the next substream.
func (c *coder) next() int { return (8*c.pos - int(c.n) + 7) >> 3 }

// over reports that more was read than there is.
func (c *coder) over() bool { return 8*c.pos-int(c.n) > 8*len(c.data) }

// bin decodes a bin by its context.
func (c *coder) bin(ctx uint8) uint8 {
	if c.n < 8 {
		c.load()
	}
	s := c.states[ctx]
	low := lowSpan[s&127][c.span>>6&3]
	span := c.span - uint64(low)
	if scaled := span << (c.n & 63); c.value >= scaled {
		c.value -= scaled
		shift := shifts[low]
		c.span, c.n = uint64(low)<<(shift&7), c.n-uint(shift)
		c.states[ctx] = afterLow[s&127]
		return ^s & 1
	}
	shift := uint(span>>8) ^ 1
	c.span, c.n = span<<(shift&1), c.n-shift
	c.states[ctx] = afterHigh[s&127]
	return s & 1
}

// bypass decodes a bin that is as often 0 as 1.
func (c *coder) bypass() uint8 { return uint8(c.bypasses(1)) }

// bypasses decodes up to 16 of them at once: they are the quotient of the offset by the range.
func (c *coder) bypasses(count uint) uint32 {
	if c.n < loaded {
		c.load()
	}
	c.n -= count
	q := c.value >> (c.n & 63) * inverse[c.span&511] >> inverseBits
	c.value -= q * c.span << (c.n & 63)
	return uint32(q)
}

// manyBypasses decodes up to 32.
func (c *coder) manyBypasses(count uint) uint32 {
	if count > 16 {
		high := c.bypasses(count - 16)
		return high<<16 | c.bypasses(16)
	}
	return c.bypasses(count)
}

// terminate decodes a bin that is 1 at the end of something.
func (c *coder) terminate() bool {
	if c.n < 8 {
		c.load()
	}
	c.span -= 2
	if c.value >= c.span<<(c.n&63) {
		return true
	}
	if c.span < 256 {
		c.span <<= 1
		c.n--
	}
	return false
}

// inverse is 1/range, rounded up, times 2^40: for numerators of 25 bits the product has the exact quotient above.
var inverse = func() (t [512]uint64) {
	for i := 256; i < 512; i++ {
		t[i] = 1<<inverseBits/uint64(i) + 1
	}
	return t
}()

const inverseBits = 40

// shifts is how far a range has to be shifted to have 9 bits again.
var shifts = func() (t [256]uint8) {
	for i := 1; i < 256; i++ {
		t[i] = uint8(9 - bits.Len(uint(i)))
	}
	return t
}()

// afterHigh and afterLow are the states after the more and the less probable symbol (table 9-47).
var afterHigh, afterLow = func() (high, low [128]uint8) {
	next := [64]uint8{
		0, 0, 1, 2, 2, 4, 4, 5, 6, 7, 8, 9, 9, 11, 11, 12, 13, 13, 15, 15, 16, 16, 18, 18, 19, 19, 21, 21, 22, 22, 23, 24,
		24, 25, 26, 26, 27, 27, 28, 29, 29, 30, 30, 30, 31, 32, 32, 33, 33, 33, 34, 34, 35, 35, 35, 36, 36, 36, 37, 37, 37,
		38, 38, 63,
	}
	for i := range high {
		state, symbol := uint8(i>>1), uint8(i&1)
		high[i], low[i] = min(state+1, 62)<<1|symbol, next[state]<<1|symbol
		if state == 0 {
			low[i] ^= 1
		}
		if state == 63 {
			high[i] = uint8(i)
		}
	}
	return high, low
}()

// lowSpan is the range of the less probable symbol (table 9-46), by state and by the upper bits of the range.
var lowSpan = func() (t [128][4]uint8) {
	for i := range t {
		t[i] = rangeTabLps[i>>1]
	}
	return t
}()

var rangeTabLps = [64][4]uint8{
	{128, 176, 208, 240}, {128, 167, 197, 227}, {128, 158, 187, 216}, {123, 150, 178, 205},
	{116, 142, 169, 195}, {111, 135, 160, 185}, {105, 128, 152, 175}, {100, 122, 144, 166},
	{95, 116, 137, 158}, {90, 110, 130, 150}, {85, 104, 123, 142}, {81, 99, 117, 135},
	{77, 94, 111, 128}, {73, 89, 105, 122}, {69, 85, 100, 116}, {66, 80, 95, 110},
	{62, 76, 90, 104}, {59, 72, 86, 99}, {56, 69, 81, 94}, {53, 65, 77, 89},
	{51, 62, 73, 85}, {48, 59, 69, 80}, {46, 56, 66, 76}, {43, 53, 63, 72},
	{41, 50, 59, 69}, {39, 48, 56, 65}, {37, 45, 54, 62}, {35, 43, 51, 59},
	{33, 41, 48, 56}, {32, 39, 46, 53}, {30, 37, 43, 50}, {29, 35, 41, 48},
	{27, 33, 39, 45}, {26, 31, 37, 43}, {24, 30, 35, 41}, {23, 28, 33, 39},
	{22, 27, 32, 37}, {21, 26, 30, 35}, {20, 24, 29, 33}, {19, 23, 27, 31},
	{18, 22, 26, 30}, {17, 21, 25, 28}, {16, 20, 23, 27}, {15, 19, 22, 25},
	{14, 18, 21, 24}, {14, 17, 20, 23}, {13, 16, 19, 22}, {12, 15, 18, 21},
	{12, 14, 17, 20}, {11, 14, 16, 19}, {11, 13, 15, 18}, {10, 12, 15, 17},
	{10, 12, 14, 16}, {9, 11, 13, 15}, {9, 11, 12, 14}, {8, 10, 12, 14},
	{8, 9, 11, 13}, {7, 9, 11, 12}, {7, 9, 10, 12}, {7, 8, 10, 11},
	{6, 8, 9, 11}, {6, 7, 9, 10}, {6, 7, 8, 9}, {2, 2, 2, 2},
}
