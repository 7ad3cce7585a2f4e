// Package deflate compresses to zlib streams (RFC 1950) of DEFLATE data (RFC 1951), in which PNG stores its pixels. For
// the few pixels of a thumbnail it takes less time than compress/zlib and makes fewer bytes, as it also finds matches
// of three bytes, which indexes of a palette have many of.
package deflate

import (
	"encoding/binary"
	"hash/adler32"
	"math/bits"
	"sync"
)

const (
	minMatch    = 3
	maxMatch    = 258
	maxDistance = 32 << 10
	// maxShortDistance is the largest distance of a match of three bytes, which three literals are shorter than beyond it.
	maxShortDistance = 4 << 10
	// blockTokens is the number of literals and matches of a block.
	blockTokens = 16 << 10

	chainBits, shortBits = 15, 12
	// wordSize is how many bytes are loaded at a time. A match does not begin in the last ones.
	wordSize = 8
)

// An Effort is how many places are searched for a match.
type Effort int

// Efforts for pixels, which compress little, and for indexes.
const (
	Fast     Effort = 2
	Thorough Effort = 128
)

// Compress returns a zlib stream of data, or nil as soon as that is known to be longer than longest bytes.
func Compress(data []byte, effort Effort, longest int) []byte {
	c := compressors.Get().(*compressor)
	defer c.release()
	c.reset(data, effort)
	for i, more := 0, true; more; more = i < len(data) {
		if i = c.compressBlock(i); len(c.out.bytes)+adler32.Size > longest {
			return nil
		}
	}
	return binary.BigEndian.AppendUint32(c.out.bytes, adler32.Checksum(data))
}

var compressors = sync.Pool{New: func() any { return new(compressor) }}

// A compressor finds matches. Its tables have indexes in data plus 1, and 0 where there are none.
type compressor struct {
	block
	data  []byte
	short bool // whether matches of three bytes are searched
	depth int  // the number of earlier places that are searched for a match
	// enough is the length of a match after which no better one is searched.
	enough   int
	entered  int                    // the index up to which data is in the tables
	heads    [1 << chainBits]uint32 // the last index for each hash of four bytes
	previous [maxDistance]uint32    // the index before each with the same hash
	shorts   [1 << shortBits]uint32 // the last index for each hash of three bytes
}

func (c *compressor) reset(data []byte, effort Effort) {
	c.block.reset()
	c.out = bitWriter{bytes: []byte{0x78, 0x9c}} // a window of 32 KiB
	c.data, c.depth, c.enough, c.short, c.entered = data, int(effort), 2*int(effort), effort > Fast, 0
	clear(c.heads[:])
	clear(c.shorts[:])
}

func (c *compressor) release() {
	c.data, c.out.bytes = nil, nil
	compressors.Put(c)
}

// A match is a copy of earlier bytes. The distance is 0 if nothing was found.
type match struct{ length, distance int }

// compressBlock writes a block of data from i on, and returns where it ends. It searches at each index, and also at the
// next one: if the match is longer there, a literal precedes it.
func (c *compressor) compressBlock(i int) int {
	for i < len(c.data) && len(c.tokens) < blockTokens {
		m := c.find(i, minMatch-1)
		for m.distance > 0 && m.length < c.enough {
			next := c.find(i+1, m.length)
			if next.distance == 0 {
				break
			}
			c.addLiteral(c.data[i])
			i, m = i+1, next
		}
		if m.distance > 0 {
			c.addMatch(m)
			i += m.length
		} else {
			c.addLiteral(c.data[i])
			i++
		}
	}
	c.flush(i == len(c.data))
	return i
}

// find returns a match at i that is longer than shortest.
func (c *compressor) find(i, shortest int) match {
	c.enterBefore(i)
	if len(c.data)-i < wordSize {
		return match{}
	}
	next, longest := c.word(i), min(maxMatch, len(c.data)-i)
	best := match{length: shortest}
	if c.short && shortest < minMatch {
		at := int(c.shorts[shortHash(next)]) - 1
		if at >= max(0, i-maxShortDistance) && (c.word(at)^next)<<40 == 0 {
			best = match{c.matchLength(at, i, longest), i - at}
		}
	}
	at := int(c.heads[chainHash(next)]) - 1
	for n := c.depth; n > 0 && at >= max(0, i-maxDistance) && best.length < longest; n-- {
		if c.data[at+best.length] == c.data[i+best.length] && uint32(c.word(at)) == uint32(next) {
			if length := c.matchLength(at, i, longest); length > best.length {
				best = match{length, i - at}
				if length >= c.enough {
					break
				}
			}
		}
		at = int(c.previous[at%maxDistance]) - 1
	}
	if best.distance == 0 {
		return match{}
	}
	return best
}

// enterBefore enters the indexes before i into the tables.
func (c *compressor) enterBefore(i int) {
	for end := min(i, len(c.data)-wordSize+1); c.entered < end; c.entered++ {
		next := c.word(c.entered)
		head := &c.heads[chainHash(next)]
		c.previous[c.entered%maxDistance] = *head
		*head = uint32(c.entered + 1)
		if c.short {
			c.shorts[shortHash(next)] = uint32(c.entered + 1)
		}
	}
}

func (c *compressor) word(i int) uint64 { return binary.LittleEndian.Uint64(c.data[i:]) }

// chainHash and shortHash are Knuth's multiplicative hash of the next four and three bytes.
func chainHash(next uint64) uint32 { return uint32(next) * 0x9e3779b1 >> (32 - chainBits) }
func shortHash(next uint64) uint32 { return uint32(next) << 8 * 0x9e3779b1 >> (32 - shortBits) }

// matchLength is how many bytes at two indexes are equal, up to longest.
func (c *compressor) matchLength(at, i, longest int) int {
	n := 0
	for ; n+wordSize <= longest; n += wordSize {
		if differing := c.word(at+n) ^ c.word(i+n); differing != 0 {
			return n + bits.TrailingZeros64(differing)/8
		}
	}
	for n < longest && c.data[at+n] == c.data[i+n] {
		n++
	}
	return n
}
