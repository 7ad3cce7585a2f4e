package av1

// OBU types (section 6.2.2).
const (
	obuSequenceHeader = 1
	obuFrameHeader    = 3
	obuFrame          = 6
	obuTileList       = 8
)

// An obuReader reads the OBUs of an item or of a configuration.
type obuReader struct {
	config        *Config
	sequence      *sequence
	frames        int
	width, height int // of the last frame
}

// readAll reads a sequence of OBUs (section 5.3). The last one may have no size field.
func (r *obuReader) readAll(b []byte) error {
	for len(b) > 0 {
		header := b[0]
		kind, hasExtension, hasSize := int(header>>3&15), header&4 != 0, header&2 != 0
		if header&0x80 != 0 {
			return damaged("it has an OBU that starts with %#x, whose first bit is reserved", header)
		}
		b = b[1:]
		temporal, spatial := 0, 0
		if hasExtension {
			if len(b) == 0 {
				return damaged("it ends within the header of an OBU")
			}
			temporal, spatial = int(b[0]>>5), int(b[0]>>3&3)
			b = b[1:]
		}
		size := len(b)
		if hasSize {
			if size, b = leb128(b); size < 0 || size > len(b) {
				return damaged("it has an OBU of type %d that ends after %d bytes, within its data", kind, len(b))
			}
		}
		if err := r.readOBU(kind, temporal, spatial, b[:size]); err != nil {
			return err
		}
		b = b[size:]
	}
	return nil
}

func (r *obuReader) readOBU(kind, temporal, spatial int, payload []byte) error {
	switch kind {
	case obuSequenceHeader:
		return r.readSequence(payload)
	case obuFrame, obuFrameHeader:
		return r.readFrame(payload, temporal, spatial)
	case obuTileList:
		return unsupported("tile lists")
	default:
		return nil
	}
}

// readSequence reads a sequence header. It must be that of the configuration if that has one, and may be repeated.
func (r *obuReader) readSequence(payload []byte) error {
	s, err := parseSequence(payload)
	if err != nil {
		return err
	}
	if s.Format != r.config.Format {
		return damaged("its sequence header has samples of %v, expected %v, as its av1C property says", s.Format,
			r.config.Format)
	}
	if r.sequence != nil && !s.equal(r.sequence) {
		return damaged("it has two sequence headers that differ")
	}
	r.sequence = s
	return nil
}

// readFrame reads the header of a frame. Frame headers that are repeated count as frames.
func (r *obuReader) readFrame(payload []byte, temporal, spatial int) error {
	if r.sequence == nil {
		return damaged("it has a frame before its sequence header")
	}
	f, err := r.sequence.parseFrame(payload, temporal, spatial)
	if err != nil {
		return err
	}
	if r.frames++; r.frames > maxFrames {
		return damaged("it has more than %d frames, expected one for each layer", maxFrames)
	}
	if r.frames == 1 && !f.isKey {
		return damaged("its first frame depends on others")
	}
	r.width, r.height = f.width, f.height
	return nil
}
