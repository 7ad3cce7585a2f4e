package hevc

import "fmt"

// A slice has the fields of a slice segment header (section 7.3.6.1) that dependent slice segments share.
type slice struct {
	qp              int
	chromaQP        [3]int
	sao             [3]bool
	chromaOffsets   bool
	deblockDisabled bool
	beta, tc        int
	filterAcross    bool // slice_loop_filter_across_slices_enabled_flag
}

// A segment is a slice segment.
type segment struct {
	first     bool // first_slice_segment_in_pic_flag
	dependent bool
	address   int // slice_segment_address, in raster scan
	data      int // position of slice_segment_data in the NAL unit
}

// readSegment reads a slice segment header. The first one of a picture activates its parameter sets.
func (d *decoder) readSegment(b []byte, nal int) (*segment, error) {
	r := &bitReader{data: b}
	g := &segment{first: r.flag()}
	if nal >= nalFirstIRAP {
		r.skip(1) // no_output_of_prior_pics_flag
	}
	id := r.ue()
	if g.first {
		if err := d.activate(id); err != nil {
			return nil, err
		}
	}
	if id != d.pps.id {
		return nil, damaged("a slice refers to picture parameter set %d, and the first one to %d", id, d.pps.id)
	}
	if !g.first {
		g.dependent = d.pps.dependentSlices && r.flag()
		g.address = r.u(bitsFor(len(d.ctbs)))
	}
	if !g.dependent {
		s := slice{}
		if err := d.readSlice(r, &s, nal); err != nil {
			return nil, err
		}
		d.slices = append(d.slices, s)
	}
	if err := d.skipEntryPoints(r); err != nil {
		return nil, err
	}
	r.skip(1) // byte_alignment
	r.pos = (r.pos + 7) &^ 7
	if r.pastEnd() {
		return nil, damaged("a slice header is cut short")
	}
	g.data = r.pos / 8
	return g, nil
}

// readSlice reads the fields that dependent slice segments do not have.
func (d *decoder) readSlice(r *bitReader, s *slice, nal int) error {
	sps, pps := d.sps, d.pps
	r.skip(pps.extraBits)
	switch kind := r.ue(); kind {
	case 0, 1:
		return unsupported(fmt.Sprintf("slices of type %c", "BP"[kind]))
	case 2:
	default:
		return damaged("a slice has type %d, expected at most 2", kind)
	}
	if pps.outputFlag {
		r.skip(1)
	}
	if nal != nalIDRWithRADL && nal != nalIDRNoLP {
		if err := sps.skipReferences(r); err != nil {
			return err
		}
	}
	if sps.sao {
		s.sao[0] = r.flag()
		if sps.chroma != 0 {
			s.sao[1] = r.flag()
			s.sao[2] = s.sao[1]
		}
	}
	s.qp = pps.qp + r.se()
	if least := -6 * (sps.depth[0] - 8); s.qp < least || s.qp > 51 {
		return damaged("a slice has a QP of %d, expected %d to 51", s.qp, least)
	}
	s.chromaQP = pps.chromaQP
	if pps.sliceChromaQP {
		s.chromaQP[1] += r.se()
		s.chromaQP[2] += r.se()
	}
	if s.chromaQP[1] < -12 || s.chromaQP[1] > 12 || s.chromaQP[2] < -12 || s.chromaQP[2] > 12 {
		return damaged("a slice has chroma QP offsets of %d and %d, expected -12 to 12", s.chromaQP[1], s.chromaQP[2])
	}
	s.chromaOffsets = pps.chromaOffsets && r.flag()
	if err := s.readFilters(r, pps); err != nil {
		return err
	}
	return nil
}

func (s *slice) readFilters(r *bitReader, pps *pps) error {
	s.deblockDisabled, s.beta, s.tc = pps.deblockDisabled, pps.beta, pps.tc
	if isOverridden := pps.overrideDeblock && r.flag(); isOverridden {
		if s.deblockDisabled = r.flag(); !s.deblockDisabled {
			var err error
			if s.beta, s.tc, err = readOffsets(r); err != nil {
				return err
			}
		}
	}
	s.filterAcross = pps.acrossSlices
	if s.filterAcross && (s.sao[0] || s.sao[1] || !s.deblockDisabled) {
		s.filterAcross = r.flag()
	}
	return nil
}

// skipReferences skips the reference picture sets, which I slices have unless the picture is IDR.
func (s *sps) skipReferences(r *bitReader) error {
	r.skip(s.pocBits)
	if count := len(s.shortTermSets); !r.flag() {
		if err := s.readShortTermSet(r, count, count); err != nil {
			return err
		}
	} else if count > 1 {
		r.skip(bitsFor(count))
	}
	if s.longTerm {
		if err := s.skipLongTerm(r); err != nil {
			return err
		}
	}
	if s.temporalMVP {
		r.skip(1)
	}
	return nil
}

func (s *sps) skipLongTerm(r *bitReader) error {
	fromSPS := 0
	if s.longTermCount > 0 {
		fromSPS = r.ue()
	}
	own := r.ue()
	if fromSPS > 32 || own > 32 {
		return damaged("a slice has %d and %d long-term reference pictures, expected at most 32", fromSPS, own)
	}
	for i := range fromSPS + own {
		if i >= fromSPS {
			r.skip(s.pocBits + 1)
		} else if s.longTermCount > 1 {
			r.skip(bitsFor(s.longTermCount))
		}
		if hasCycle := r.flag(); hasCycle {
			r.ue()
		}
	}
	return nil
}

// skipEntryPoints skips the entry points, because substreams are decoded in order, and the header extension.
func (d *decoder) skipEntryPoints(r *bitReader) error {
	if d.pps.tiles || d.pps.wavefront {
		count := r.ue()
		if count > len(d.ctbs) {
			return damaged("a slice has %d entry points, expected at most %d", count, len(d.ctbs))
		}
		if count > 0 {
			size := r.ue() + 1
			if size > 32 {
				return damaged("the entry points of a slice have %d bits, expected at most 32", size)
			}
			r.skip(count * size)
		}
	}
	if d.pps.headerExtension {
		size := r.ue()
		if size > 256 {
			return damaged("the extension of a slice header has %d bytes, expected at most 256", size)
		}
		r.skip(8 * size)
	}
	return nil
}
