// Package deflate compresses to zlib streams (RFC 1950) of DEFLATE data (RFC 1951), in which PNG stores its pixels. For
// the few pixels of a thumbnail it takes less time than compress/zlib and makes fewer bytes, as it also finds matches
// of three bytes, which indexes of a palette have many of.
package deflate

import (
	"encoding/binary"
	"hash/adler32"
	"sync"

	"gitlab.com/yourorg/image-service/functions/internal/raster/lz"
)

const (
	minMatch = 3
	maxMatch = 258
	// maxShortDistance is the largest distance of a match of three bytes, which three literals are shorter than beyond it.
	maxShortDistance = 4 << 10
	// blockTokens is the number of literals and matches of a block.
	blockTokens = 16 << 10
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
		if i = c.compressBlock(i); len(c.out.Bytes)+adler32.Size > longest {
			return nil
		}
	}
	return binary.BigEndian.AppendUint32(c.out.Bytes, adler32.Checksum(data))
}

var compressors = sync.Pool{New: func() any { return new(compressor) }}

// A compressor writes block by block.
type compressor struct {
	block
	finder lz.Finder
	data   []byte
}

func (c *compressor) reset(data []byte, effort Effort) {
	c.block.reset()
	c.out = lz.BitWriter{Bytes: []byte{0x78, 0x9c}} // a window of 32 KiB
	c.data = data
	short := 0
	if effort > Fast {
		short = maxShortDistance
	}
	c.finder.Reset(data, lz.Search{
		Depth: int(effort), Enough: 2 * int(effort), Longest: maxMatch, MaxShortDistance: short,
	})
}

func (c *compressor) release() {
	c.data, c.out.Bytes = nil, nil
	c.finder.Reset(nil, lz.Search{})
	compressors.Put(c)
}

// compressBlock writes a block of data from i on, and returns where it ends.
func (c *compressor) compressBlock(i int) int {
	for i < len(c.data) && len(c.tokens) < blockTokens {
		literals, m := c.finder.Next(i)
		for _, b := range c.data[i : i+literals] {
			c.addLiteral(b)
		}
		if i += literals; m.Distance > 0 {
			c.addMatch(m)
			i += m.Length
		}
	}
	c.flush(i == len(c.data))
	return i
}
