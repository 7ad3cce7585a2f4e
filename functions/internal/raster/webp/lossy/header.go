package lossy

import (
	"encoding/binary"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

// maxPartitions is the largest number of token partitions.
const maxPartitions = 8

// A header is the frame header (sections 9 and 19.2).
type header struct {
	segmented bool // macroblocks belong to 4 segments, given by the first partition if mapped
	mapped    bool
	segments  [4]segment
	tree      [3]uint8 // probabilities of the segment tree

	simple     bool // the simple loop filter, not the normal one
	level      int  // of the loop filter; 0 for none
	sharpness  int
	levelDelta [2]int // for macroblocks of one mode, and for those with subblock modes

	skips    bool // macroblocks without coefficients are marked
	skipProb uint8
	probs    [4][17]bandProbs // by block type and coefficient
}

// A segment has the parameters of its macroblocks.
type segment struct {
	quantizer, level int
	absolute         bool // not relative to the header's

	luma, y2, chroma dequantFactors
	filters          [2]loopFilter // for macroblocks of one mode, and for those with subblock modes
}

// dequantFactors are the factors of the DC and the AC coefficients of a block.
type dequantFactors [2]int32

// bandProbs are the token probabilities of a band, by context. Rows are padded to a power of two.
type bandProbs [4][16]uint8

// readTag reads what precedes the first partition, and returns its size.
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
		return 0, imgerr.Damaged(name, "its frame has version %d and show_frame %v, expected 0 to 3 and true",
			version, isShown)
	}
	w, h := int(binary.LittleEndian.Uint16(tag[6:])&0x3fff), int(binary.LittleEndian.Uint16(tag[8:])&0x3fff)
	if w != width || h != height {
		return 0, imgerr.Damaged(name, "its frame is %dx%d pixels, expected %dx%d", w, h, width, height)
	}
	return int64(bits >> 5), nil
}

const tagSize = 10

// parse reads the header from the start of the first partition. It returns the number of token partitions.
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
	p.readBool(evenProb) // refresh_entropy_probs: for later frames
	h.readProbs(p)
	if h.skips = p.readBool(evenProb); h.skips {
		h.skipProb = uint8(p.readUint(8))
	}
	for i := range h.segments {
		h.initFilters(&h.segments[i])
	}
	return partitions
}

// readSegments reads update_segmentation (section 9.3).
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

// readDeltas reads the loop filter deltas at the end of section 9.4, of which only those of key frames are used.
func (h *header) readDeltas(p *partition) {
	if !p.readBool(evenProb) {
		return
	}
	var deltas [8]int // by reference frame, then by mode
	for i := range deltas {
		deltas[i] = p.readOptionalInt(6)
	}
	h.levelDelta = [2]int{deltas[0], deltas[0] + deltas[4]}
}

// readQuantizers reads the quantizer indices (section 9.6) and looks up the factors of each segment (section 14.1).
func (h *header) readQuantizers(p *partition) {
	base := p.readUint(7)
	var deltas [5]int
	for i := range deltas {
		deltas[i] = p.readOptionalInt(4)
	}
	for i := range h.segments {
		s := &h.segments[i]
		q := base
		if h.segmented {
			q = s.quantizer
			if !s.absolute {
				q += base
			}
		}
		s.setFactors(q, deltas)
	}
}

// setFactors looks up the factors of a quantizer index, to which there is a delta for each but luma's AC.
func (s *segment) setFactors(q int, deltas [5]int) {
	lumaDC, y2DC, y2AC, chromaDC, chromaAC := deltas[0], deltas[1], deltas[2], deltas[3], deltas[4]
	dc := func(delta int) int32 { return dcFactors[max(0, min(q+delta, 127))] }
	ac := func(delta int) int32 { return acFactors[max(0, min(q+delta, 127))] }
	s.luma = dequantFactors{dc(lumaDC), ac(0)}
	s.y2 = dequantFactors{2 * dc(y2DC), max(8, ac(y2AC)*155/100)}
	s.chroma = dequantFactors{min(132, dc(chromaDC)), ac(chromaAC)}
}

// readProbs reads the updates of the token probabilities (section 13.4).
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
