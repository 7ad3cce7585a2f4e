package lossy

import (
	"encoding/binary"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

// maxPartitions is the most that the tokens may be divided into.
const maxPartitions = 8

// A header is what is said before the macroblocks (section 9 and section 19.2 of RFC 6386).
type header struct {
	segmented bool // each macroblock is of one of 4 segments, which the first partition says if mapped
	mapped    bool
	segments  [4]segment
	tree      [3]uint8 // probabilities of the segments

	simple     bool // of the two filters
	level      int  // of the filter, 0 for none
	sharpness  int
	levelDelta [2]int // for macroblocks of one mode, and of a mode for each subblock

	skips    bool // macroblocks without coefficients are marked, with the probability that they are not
	skipProb uint8
	probs    [4][17]bandProbs // by the kind of the block and the coefficient
}

// A segment is what macroblocks have in common.
type segment struct {
	quantizer, level int
	absolute         bool // instead of relative to those of the header

	luma, y2, chroma dequantFactors
	filters          [2]loopFilter // for macroblocks of one mode, and of a mode for each subblock
}

// factors is what the first and the other coefficients of a block are multiplied with.
type dequantFactors [2]int32

// A bandProbs is the probabilities of tokens by what was there before, in rows that are as long as a power of 2.
type bandProbs [4][16]uint8

// readTag reads what is in front of the first partition, and returns its size.
func readTag(r io.Reader, width, height int) (int64, error) {
	var tag [tagSize]byte
	if _, err := io.ReadFull(r, tag[:]); err != nil {
		return 0, noEOF(err)
	}
	bits := int(tag[0]) | int(tag[1])<<8 | int(tag[2])<<16
	version, isShown := bits>>1&7, bits>>4&1 == 1
	if isKey := bits&1 == 0; !isKey || string(tag[3:6]) != "\x9d\x01\x2a" {
		return 0, imgerr.Damaged(name, "its VP8 chunk does not start with a key frame")
	}
	if version > 3 || !isShown {
		return 0, imgerr.Damaged(name, "its frame is of version %d, shown: %v", version, isShown)
	}
	w, h := int(binary.LittleEndian.Uint16(tag[6:])&0x3fff), int(binary.LittleEndian.Uint16(tag[8:])&0x3fff)
	if w != width || h != height {
		return 0, imgerr.Damaged(name, "its frame is %dx%d pixels large, expected %dx%d", w, h, width, height)
	}
	return int64(bits >> 5), nil
}

const tagSize = 10

// read reads the header from the start of the first partition. It returns how many partitions of tokens there are.
func (h *header) parse(p *partition) (partitions int) {
	const colourSpaceAndClamping = 2
	p.readUint(colourSpaceAndClamping)
	if h.segmented = p.readBool(evenProb); h.segmented {
		h.readSegments(p)
	}
	h.simple, h.level, h.sharpness = p.readBool(evenProb), p.readUint(6), p.readUint(3)
	if p.readBool(evenProb) {
		h.readDeltas(p)
	}
	partitions = 1 << p.readUint(2)
	h.readQuantizers(p)
	p.readBool(evenProb) // whether the probabilities are for later frames, too
	h.readProbs(p)
	if h.skips = p.readBool(evenProb); h.skips {
		h.skipProb = uint8(p.readUint(8))
	}
	for i := range h.segments {
		h.initFilters(&h.segments[i])
	}
	return partitions
}

// readSegments reads section 9.3.
func (h *header) readSegments(p *partition) {
	h.mapped = p.readBool(evenProb)
	absolute := true
	if hasValues := p.readBool(evenProb); hasValues {
		absolute = p.readBool(evenProb)
		for i := range h.segments {
			h.segments[i].quantizer = p.readOptionalInt(7)
		}
		for i := range h.segments {
			h.segments[i].level = p.readOptionalInt(6)
		}
	}
	for i := range h.segments {
		h.segments[i].absolute = absolute
	}
	if !h.mapped {
		return
	}
	for i := range h.tree {
		h.tree[i] = 0xff
		if p.readBool(evenProb) {
			h.tree[i] = uint8(p.readUint(8))
		}
	}
}

// readDeltas reads the end of section 9.4, of which only what is for key frames is used.
func (h *header) readDeltas(p *partition) {
	if !p.readBool(evenProb) {
		return
	}
	var deltas [8]int // by the frame that is referred to, and by the mode
	for i := range deltas {
		deltas[i] = p.readOptionalInt(6)
	}
	h.levelDelta = [2]int{deltas[0], deltas[0] + deltas[4]}
}

// readQuantizers reads section 9.6 and looks up the factors of each segment (section 14.1).
func (h *header) readQuantizers(p *partition) {
	base := p.readUint(7)
	lumaDC, secondDC, secondAC, chromaDC, chromaAC := p.readOptionalInt(4), p.readOptionalInt(4), p.readOptionalInt(4), p.readOptionalInt(4), p.readOptionalInt(4)
	for i := range h.segments {
		s := &h.segments[i]
		q := base
		if h.segmented {
			q = s.quantizer
			if !s.absolute {
				q += base
			}
		}
		dc := func(delta int) int32 { return dcFactors[max(0, min(q+delta, 127))] }
		ac := func(delta int) int32 { return acFactors[max(0, min(q+delta, 127))] }
		s.luma = dequantFactors{dc(lumaDC), ac(0)}
		s.y2 = dequantFactors{2 * dc(secondDC), max(8, ac(secondAC)*155/100)}
		s.chroma = dequantFactors{min(132, dc(chromaDC)), ac(chromaAC)}
	}
}

// readProbs reads section 13.4.
func (h *header) readProbs(p *partition) {
	table := defaultProbs
	for i := range table {
		for j := range table[i] {
			for k := range table[i][j] {
				for l := range table[i][j][k] {
					if p.readBool(updateProbs[i][j][k][l]) {
						table[i][j][k][l] = uint8(p.readUint(8))
					}
				}
			}
		}
	}
	for i := range table {
		for n, band := range bands {
			for k, probs := range table[i][band] {
				copy(h.probs[i][n][k][:], probs[:])
			}
		}
	}
}
