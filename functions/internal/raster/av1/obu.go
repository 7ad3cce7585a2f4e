package av1

import "reflect"

// OBU types (section 6.2.2).
const (
	obuSequenceHeader = 1
	obuFrameHeader    = 3
	obuTileGroup      = 4
	obuFrame          = 6
	obuTileList       = 8
)

// An obuReader reads the OBUs of an item or of a configuration.
type obuReader struct {
	config   *Config // nil for the OBUs of a configuration
	sequence *sequence
	headers  int           // sequence headers that were found
	frames   int           // the same of frames
	current  *codedFrame   // the last one, unless all its tiles were found
	slots    frameSlots    // the reference frames
	decoded  []*codedFrame // all frames with tiles, in their order
	shown    *codedFrame   // the last one that is shown
}

// A codedFrame is a frame with the data of its tiles.
type codedFrame struct {
	header *frameHeader
	tiles  [][]byte               // in the order of the frame, as many as were found
	refs   [frameRefs]*codedFrame // those that an inter frame refers to

	// users is the number of frames that refer to this one and are still to be decoded.
	users  int
	stored *reference // what they need, once the frame is decoded
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
		if !hasExtension || kind == obuSequenceHeader || r.selects(temporal, spatial) {
			if err := r.readOBU(kind, temporal, spatial, b[:size]); err != nil {
				return err
			}
		}
		b = b[size:]
	}
	return nil
}

// selects reports whether a layer is to be decoded.
func (r *obuReader) selects(temporal, spatial int) bool {
	if r.sequence == nil || r.config == nil {
		return true
	}
	return spatial <= r.config.layer && r.sequence.points[r.config.point].includes(temporal, spatial)
}

func (r *obuReader) readOBU(kind, temporal, spatial int, payload []byte) error {
	switch kind {
	case obuSequenceHeader:
		return r.readSequence(payload)
	case obuFrame, obuFrameHeader:
		return r.readFrame(kind, payload, temporal, spatial)
	case obuTileGroup:
		if r.current == nil {
			return nil // of a frame that is not decoded
		}
		return r.readTiles(payload)
	case obuTileList:
		return unsupported("tile lists")
	default:
		return nil
	}
}

// readSequence reads a sequence header. It must be that of the configuration if that has one, and may be repeated for
// each frame. Without a limit, each 2 MB of them would take a second of CPU time.
func (r *obuReader) readSequence(payload []byte) error {
	const most = 2 * maxFrames
	if r.headers++; r.headers > most {
		return damaged("it has more than %d sequence headers, expected one", most)
	}
	s, err := parseSequence(payload)
	if err != nil {
		return err
	}
	if r.config != nil && s.Format != r.config.Format {
		return damaged("its sequence header has samples of %v, expected %v, as its av1C property says", s.Format,
			r.config.Format)
	}
	if r.config != nil {
		if err := r.config.checkPoint(s); err != nil {
			return err
		}
	}
	if r.sequence != nil && !reflect.DeepEqual(s, r.sequence) {
		return damaged("it has two sequence headers that differ")
	}
	r.sequence = s
	return nil
}

// readFrame reads the header of a frame, and the tiles that follow it in the same OBU.
func (r *obuReader) readFrame(kind int, payload []byte, temporal, spatial int) error {
	switch {
	case r.sequence == nil:
		return damaged("it has a frame before its sequence header")
	case r.current != nil && kind == obuFrameHeader:
		return nil // the same again
	}
	header, rest, err := r.sequence.parseFrame(payload, temporal, spatial, r.slots)
	if err != nil {
		return err
	}
	if r.frames++; r.frames > maxFrames {
		return damaged("it has more than %d frames, expected one for each layer", maxFrames)
	}
	if header.showsExisting {
		r.showExisting(header.existing)
		return nil
	}
	r.current = &codedFrame{header: header}
	r.decoded = append(r.decoded, r.current)
	if !header.isIntra() {
		for i, slot := range header.inter.slots {
			r.current.refs[i] = r.slots[slot]
		}
	}
	for i := range r.slots {
		if header.refresh>>i&1 != 0 {
			r.slots[i] = r.current
		}
	}
	if header.isShown {
		r.shown = r.current
	}
	if kind == obuFrame {
		return r.readTiles(rest)
	}
	return nil
}

// showExisting shows a frame that is in a slot. A key frame then replaces all references (section 7.21).
func (r *obuReader) showExisting(slot int) {
	f := r.slots[slot]
	r.shown = f
	if f == nil || f.header.kind != keyFrame {
		return
	}
	for i := range r.slots {
		r.slots[i] = f
	}
}

// readTiles reads a tile group (section 5.11.1).
func (r *obuReader) readTiles(payload []byte) error {
	f := r.current
	t, b := &f.header.tiles, &bits{b: payload}
	count := t.columns() * t.rows()
	first, last := 0, count-1
	if count > 1 && b.flag() {
		n := t.columnsLog2 + t.rowsLog2
		first, last = b.read(n), b.read(n)
	}
	if first != len(f.tiles) || last < first || last >= count {
		return damaged("it has the tiles %d to %d after the first %d of %d", first, last, len(f.tiles), count)
	}
	payload = b.align()
	for i := first; i <= last; i++ {
		size := len(payload)
		if i < last {
			size = 0
			for j := range min(t.sizeBytes, len(payload)) {
				size |= int(payload[j]) << (8 * j)
			}
			size++
			payload = payload[min(t.sizeBytes, len(payload)):]
		}
		if size > len(payload) || size == 0 {
			return damaged("its tile %d ends after %d bytes, within its data", i, len(payload))
		}
		f.tiles = append(f.tiles, payload[:size:size])
		payload = payload[size:]
	}
	if last == count-1 {
		r.current = nil
	}
	return nil
}
