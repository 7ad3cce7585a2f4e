package av1

// A reference is a frame that others refer to, without its header (section 7.20).
type reference struct {
	planes   [3]storedPlane
	contexts savedContexts
	segments []uint8       // nil if all are 0
	motion   []savedMotion // by 8x8 luma samples; nil unless it is used
}

// A storedPlane has the samples of one colour component of a reference: one of pix8 and pix16, as in Samples.
type storedPlane struct {
	pix8          []uint8
	pix16         []uint16
	width, height int
}

// newReference returns a reference with room for its samples.
func newReference(s *sequence, h *frameHeader) *reference {
	r := new(reference)
	for i := range s.planeCount() {
		w, height := h.upscaledWidth, h.height
		if i > 0 {
			w, height = (w+s.StepX-1)/s.StepX, (height+s.StepY-1)/s.StepY
		}
		if s.Depth == 8 {
			r.planes[i].pix8 = make([]uint8, 0, w*height)
		} else {
			r.planes[i].pix16 = make([]uint16, 0, w*height)
		}
	}
	return r
}

// add adds a band of rows.
func (r *reference) add(rows *Rows) error {
	for i := range rows {
		r.planes[i].add(&rows[i])
	}
	return nil
}

func (p *storedPlane) add(s *Samples) {
	for y := range s.Height {
		if s.Pix8 != nil {
			p.pix8 = append(p.pix8, s.Pix8[y*s.Stride:][:s.Width]...)
		} else {
			p.pix16 = append(p.pix16, s.Pix16[y*s.Stride:][:s.Width]...)
		}
	}
	p.width = s.Width
	p.height += s.Height
}

// samples returns n samples from a position on. Those outside are copies of the nearest ones.
func (p *storedPlane) samples(x, y, n int, buffer *[maxRows + 8]uint16) []uint16 {
	to := buffer[:n]
	at := max(0, min(y, p.height-1)) * p.width
	left, right := min(max(-x, 0), n), min(max(p.width-x, 0), n) // of those that are inside
	if left >= right {
		fill(to, p.sample(at+max(0, min(x, p.width-1))))
		return to
	}
	if p.pix8 == nil {
		if left == 0 && right == n {
			return p.pix16[at+x:][:n]
		}
		copy(to[left:right], p.pix16[at+x+left:])
	} else {
		inside := to[left:right]
		for i, v := range p.pix8[at+x+left:][:len(inside)] {
			inside[i] = uint16(v)
		}
	}
	fill(to[:left], to[left])
	fill(to[right:], to[right-1])
	return to
}

func (p *storedPlane) sample(at int) uint16 {
	if p.pix8 != nil {
		return uint16(p.pix8[at])
	}
	return p.pix16[at]
}

// savedContexts are all distribution functions (save_cdfs).
type savedContexts struct {
	contexts     contexts
	interSymbols interContexts
	coefficients coefficientContexts
}

// A savedMotion is a motion vector for the motion field of later frames (section 7.19).
type savedMotion struct {
	vector
	ref int8 // noFrame if there is none
}

// require finds the frames that the one to show depends on. The cost of decoding them is bounded: they are few, and
// none is larger.
func (r *obuReader) require() error {
	r.shown.require()
	size := func(f *codedFrame) int { return f.header.upscaledWidth * f.header.height }
	for _, f := range r.decoded {
		if f.users > 0 && size(f) > size(r.shown) {
			return unsupported("a layer that is predicted from a larger one")
		}
	}
	return nil
}

// needed returns the number of frames that are decoded.
func (r *obuReader) needed() int {
	n := 0
	for _, f := range r.decoded {
		if f.users > 0 {
			n++
		}
	}
	return n
}

// require counts the users of a frame and of those that it depends on.
func (f *codedFrame) require() {
	if f.users++; f.users > 1 {
		return
	}
	for _, ref := range f.distinctRefs() {
		ref.require()
	}
}

// distinctRefs returns the frames that a frame refers to, each once.
func (f *codedFrame) distinctRefs() []*codedFrame {
	var all []*codedFrame
	seen := map[*codedFrame]bool{nil: true}
	for _, ref := range f.refs {
		if !seen[ref] {
			seen[ref] = true
			all = append(all, ref)
		}
	}
	return all
}

// memory returns the bytes that decoding the frames takes at most: samples of references, those of the current frame,
// and how its blocks are predicted. It is 0 if no frame refers to another one.
func (r *obuReader) memory() int64 {
	users := map[*codedFrame]int{}
	most, stored := int64(0), int64(0)
	for _, f := range r.decoded {
		if f.users == 0 {
			continue
		}
		users[f] = f.users
		h := f.header
		pixels := int64(h.upscaledWidth) * int64(h.height)
		current := r.sequence.sampleBytes(int64(h.upscaledWidth)*int64(min(h.height, heldRows)), 2)
		if !h.isIntra() {
			current += pixels * motionBytes
		}
		if f != r.shown || !h.isIntra() {
			most = max(most, stored+current)
		}
		for _, ref := range f.distinctRefs() {
			if users[ref]--; users[ref] == 0 {
				stored -= r.storedBytes(ref)
			}
		}
		stored += r.storedBytes(f)
		if f == r.shown {
			break
		}
	}
	return most
}

// motionBytes is the size of a motionBlock for each pixel, of which it is for 16.
const motionBytes = 1

// storedBytes is how many bytes a reference takes.
func (r *obuReader) storedBytes(f *codedFrame) int64 {
	bytes := int64(2)
	if r.sequence.Depth == 8 {
		bytes = 1
	}
	return r.sequence.sampleBytes(int64(f.header.upscaledWidth)*int64(f.header.height), bytes)
}

// sampleBytes returns how many bytes all planes take, if those of luma have a number of samples.
func (s *sequence) sampleBytes(luma, bytes int64) int64 {
	if s.Gray {
		return bytes * luma
	}
	return bytes * (luma + 2*luma/int64(s.StepX*s.StepY))
}

// decodeAll decodes the frame to show, after those that it depends on. References are dropped when nothing refers to
// them any longer.
func (d *decoder) decodeAll(r *obuReader, o Options, emit func(*Rows) error) error {
	for _, f := range r.decoded {
		switch {
		case f.users == 0:
			continue
		case f == r.shown:
			return d.decode(r.sequence, f, o, emit)
		}
		f.stored = newReference(r.sequence, f.header)
		if err := d.decode(r.sequence, f, Options{Check: o.Check}, f.stored.add); err != nil {
			return err
		}
		d.store(f)
		for _, ref := range f.distinctRefs() {
			if ref.users--; ref.users == 0 {
				ref.stored = nil
			}
		}
	}
	return nil
}

// store stores what later frames need of the frame that was decoded, beside its samples.
func (d *decoder) store(f *codedFrame) {
	s := &f.header.segmentation
	switch {
	case s.enabled && s.updatesMap:
		f.stored.segments, d.segments = d.segments, nil
	case s.enabled:
		f.stored.segments = d.inter.segments
	}
	if d.motion != nil && d.sequence.enableRefMVs {
		f.stored.motion = d.saveMotion()
	}
}

// startContexts loads the distribution functions that a tile starts with.
func (d *decoder) startContexts() {
	if d.initial != nil {
		d.savedContexts = *d.initial
		return
	}
	d.contexts = d.tables.contexts
	d.coefficients = d.tables.coefficients[coefficientRange(d.header.quantizer.base)]
	if d.isReference || !d.header.isIntra() {
		d.interSymbols = d.tables.inter
	}
}
