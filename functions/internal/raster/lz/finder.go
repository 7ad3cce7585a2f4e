// Package lz has what DEFLATE and VP8L have in common: matches with earlier bytes (LZ77), Huffman codes, and a writer
// of bits.
package lz

import (
	"encoding/binary"
	"math/bits"
)

const (
	minMatch    = 3
	maxDistance = 32 << 10

	chainBits, shortBits = 15, 12
	// wordSize is how many bytes are loaded at a time. A match does not begin in the last ones.
	wordSize = 8
)

// A Match is a copy of earlier bytes: 3 or more, from a distance of up to 32 KiB. The distance is 0 if nothing was
// found.
type Match struct{ Length, Distance int }

// A Search says what a Finder does.
type Search struct {
	Depth   int // the number of earlier places that are searched for a match
	Enough  int // the length of a match after which no better one is searched
	Longest int // the largest length
	// MaxShortDistance is the largest distance of a match of three bytes, which three literals are shorter than beyond it;
	// 0 if these are not searched.
	MaxShortDistance int
}

// A Finder finds matches. Its tables have indexes in data plus 1, and 0 where there are none.
type Finder struct {
	data                             []byte
	depth, enough, longest, maxShort int
	entered                          int                    // the index up to which data is in the tables
	heads                            [1 << chainBits]uint32 // the last index for each hash of four bytes
	previous                         [maxDistance]uint32    // the index before each with the same hash
	shorts                           [1 << shortBits]uint32 // the last index for each hash of three bytes
}

// Reset begins with other data, or releases the last if it is nil.
func (f *Finder) Reset(data []byte, s Search) {
	f.data, f.depth, f.enough, f.longest, f.maxShort, f.entered = data, s.Depth, s.Enough, s.Longest, s.MaxShortDistance, 0
	clear(f.heads[:])
	clear(f.shorts[:])
}

// Next returns a match and the number of literals from i on that precede it. It searches at each index, and also at the
// next one: if the match is longer there, a literal precedes it. Without a match there is one literal.
func (f *Finder) Next(i int) (literals int, m Match) {
	m = f.Find(i, minMatch-1)
	if m.Distance == 0 {
		return 1, m
	}
	for m.Length < f.enough {
		next := f.Find(i+literals+1, m.Length)
		if next.Distance == 0 {
			break
		}
		literals, m = literals+1, next
	}
	return literals, m
}

// Find returns a Match at i that is longer than shortest.
func (f *Finder) Find(i, shortest int) Match {
	f.enterBefore(i)
	if len(f.data)-i < wordSize {
		return Match{}
	}
	next, longest := f.word(i), min(f.longest, len(f.data)-i)
	best := Match{Length: shortest}
	if f.maxShort > 0 && shortest < minMatch {
		at := int(f.shorts[shortHash(next)]) - 1
		if at >= max(0, i-f.maxShort) && (f.word(at)^next)<<40 == 0 {
			best = Match{f.matchLength(at, i, longest), i - at}
		}
	}
	at := int(f.heads[chainHash(next)]) - 1
	for n := f.depth; n > 0 && at >= max(0, i-maxDistance) && best.Length < longest; n-- {
		if f.data[at+best.Length] == f.data[i+best.Length] && uint32(f.word(at)) == uint32(next) {
			if length := f.matchLength(at, i, longest); length > best.Length {
				best = Match{length, i - at}
				if length >= f.enough {
					break
				}
			}
		}
		at = int(f.previous[at%maxDistance]) - 1
	}
	if best.Distance == 0 {
		return Match{}
	}
	return best
}

// enterBefore enters the indexes before i into the tables.
func (f *Finder) enterBefore(i int) {
	for end := min(i, len(f.data)-wordSize+1); f.entered < end; f.entered++ {
		next := f.word(f.entered)
		head := &f.heads[chainHash(next)]
		f.previous[f.entered%maxDistance] = *head
		*head = uint32(f.entered + 1)
		if f.maxShort > 0 {
			f.shorts[shortHash(next)] = uint32(f.entered + 1)
		}
	}
}

func (f *Finder) word(i int) uint64 { return binary.LittleEndian.Uint64(f.data[i:]) }

// chainHash and shortHash are Knuth's multiplicative hash of the next four and three bytes.
func chainHash(next uint64) uint32 { return uint32(next) * 0x9e3779b1 >> (32 - chainBits) }
func shortHash(next uint64) uint32 { return uint32(next) << 8 * 0x9e3779b1 >> (32 - shortBits) }

// matchLength is how many bytes at two indexes are equal, up to longest.
func (f *Finder) matchLength(at, i, longest int) int {
	n := 0
	for ; n+wordSize <= longest; n += wordSize {
		if differing := f.word(at+n) ^ f.word(i+n); differing != 0 {
			return n + bits.TrailingZeros64(differing)/8
		}
	}
	for n < longest && f.data[at+n] == f.data[i+n] {
		n++
	}
	return n
}
