package hevc

import (
	"encoding/binary"
	"math/bits"
)

// An engine is the CABAC arithmetic decoding engine (section 9.3.4.3) with its context variables. The upper 9 bits of
// value are ivlOffset; spareBits more bits of the data are loaded below them, so that most bins need no access to the
// data.
//
// Hot loops in residual.go keep value, ivlRange and spareBits in local variables.
type engine struct {
	value     uint64
	ivlRange  uint64 // ivlCurrRange: 256 to 510
	spareBits uint   // at least 8 before a bin is decoded
	pos       int    // the next byte of data to load
	data      []byte
	contextVariables
}

// minLoaded is the least number of spare bits after load, and so the limit of bypass bins that are decoded at once.
const minLoaded = 24

// init initializes the engine at a byte of the data (section 9.3.2.5). An offset that is not below the range is
// forbidden, and an error: as quotients of the two, bypass bins would be out of range. The offset is then 0, so that
// decoding can go on to the end of the coding tree unit.
func (c *engine) init(pos int) error {
	c.pos, c.value, c.ivlRange, c.spareBits = pos, 0, 510, 0
	c.value, c.spareBits, c.pos = c.fill(0, 0)
	c.spareBits -= 9
	if offset := c.value >> c.spareBits; offset >= c.ivlRange {
		c.value = 0
		return damaged("a slice or substream starts with an offset of %d, expected less than %d", offset, c.ivlRange)
	}
	return nil
}

// fill loads 32 more bits, zeros past the end of the data.
func (c *engine) fill(value uint64, n uint) (uint64, uint, int) {
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

func (c *engine) load() { c.value, c.spareBits, c.pos = c.fill(c.value, c.spareBits) }

// nextByte returns the position after the last byte of which the engine has used bits: the start of PCM samples, or
// of the next substream.
func (c *engine) nextByte() int { return (8*c.pos - int(c.spareBits) + 7) >> 3 }

// pastEnd reports whether the engine has used bits past the end of the data.
func (c *engine) pastEnd() bool { return 8*c.pos-int(c.spareBits) > 8*len(c.data) }

// bin decodes a context-coded bin (section 9.3.4.3.2).
func (c *engine) bin(ctx uint8) uint8 {
	if c.spareBits < 8 {
		c.load()
	}
	s := c.states[ctx]
	low := rangeLPS[s&127][c.ivlRange>>6&3]
	span := c.ivlRange - uint64(low)
	if scaled := span << (c.spareBits & 63); c.value >= scaled {
		c.value -= scaled
		shift := renormShift[low]
		c.ivlRange, c.spareBits = uint64(low)<<(shift&7), c.spareBits-uint(shift)
		c.states[ctx] = nextStateLPS[s&127]
		return ^s & 1
	}
	shift := uint(span>>8) ^ 1
	c.ivlRange, c.spareBits = span<<(shift&1), c.spareBits-shift
	c.states[ctx] = nextStateMPS[s&127]
	return s & 1
}

// bypassBin decodes a bypass bin (section 9.3.4.3.4).
func (c *engine) bypassBin() uint8 { return uint8(c.bypassBins(1)) }

// bypassBins decodes up to 16 bypass bins at once: they are the quotient of the offset by the range.
func (c *engine) bypassBins(count uint) uint32 {
	if c.spareBits < minLoaded {
		c.load()
	}
	c.spareBits -= count
	q := c.value >> (c.spareBits & 63) * reciprocals[c.ivlRange&511] >> reciprocalBits
	c.value -= q * c.ivlRange << (c.spareBits & 63)
	return uint32(q)
}

// bypassBins32 decodes up to 32 bypass bins.
func (c *engine) bypassBins32(count uint) uint32 {
	if count > 16 {
		high := c.bypassBins(count - 16)
		return high<<16 | c.bypassBins(16)
	}
	return c.bypassBins(count)
}

// terminateBin decodes a bin before termination (section 9.3.4.3.5), such as end_of_slice_segment_flag.
func (c *engine) terminateBin() bool {
	if c.spareBits < 8 {
		c.load()
	}
	c.ivlRange -= 2
	if c.value >= c.ivlRange<<(c.spareBits&63) {
		return true
	}
	if c.ivlRange < 256 {
		c.ivlRange <<= 1
		c.spareBits--
	}
	return false
}

// reciprocals has 1/range times 2^40, rounded up, by range. Multiplication by it gives the exact quotient of numbers
// of up to 25 bits.
var reciprocals = func() (t [512]uint64) {
	for i := 256; i < 512; i++ {
		t[i] = 1<<reciprocalBits/uint64(i) + 1
	}
	return t
}()

const reciprocalBits = 40

// renormShift has the number of bits by which renormalization shifts a range, so that it has 9 bits again.
var renormShift = func() (t [256]uint8) {
	for i := 1; i < 256; i++ {
		t[i] = uint8(9 - bits.Len(uint(i)))
	}
	return t
}()

// nextStateMPS and nextStateLPS are the state transitions after the more and the less probable symbol (table 9-47).
var nextStateMPS, nextStateLPS = func() (high, low [128]uint8) {
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

// rangeLPS is the range of the less probable symbol (rangeTabLps, table 9-46), by state and by the upper bits of the
// range.
var rangeLPS = func() (t [128][4]uint8) {
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
