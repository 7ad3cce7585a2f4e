package heif

import (
	"math"
	"slices"
)

// maxTracks is the largest number of tracks of an image sequence. One with alpha and thumbnails has three.
const maxTracks = 64

// A track is a track of an image sequence or of a video (ISO/IEC 14496-12, section 8.3). Its boxes are parsed when the
// track is used.
type track struct {
	boxes      map[string][]byte
	id         uint32
	enabled    bool
	handler    string
	matrix     []byte
	references []reference
}

// parseMovie parses the payload of a moov box as if its first pictures were items: the first sync sample of the first
// enabled track of pictures is the primary item, and those of the tracks with its alpha and its thumbnails are, too.
// The number of an item is that of its track.
func parseMovie(payload []byte) (*meta, error) {
	tracks, err := readTracks(payload)
	if err != nil {
		return nil, err
	}
	primary := firstPictures(tracks)
	if primary == nil {
		return nil, unsupported("%s without a track of pictures")
	}
	m := newMeta()
	m.handler, m.primary, m.hasPrimary = "pict", primary.id, true
	for _, t := range tracks {
		isThumbnail := t.refersTo("thmb", primary.id)
		if t != primary && !isThumbnail && !t.refersTo("auxl", primary.id) {
			continue
		}
		if err := m.addTrack(t); err != nil && !isThumbnail {
			return nil, err
		}
		m.references = append(m.references, t.references...)
	}
	return m, m.link()
}

func readTracks(payload []byte) ([]*track, error) {
	var tracks []*track
	c := &cursor{box: "moov", b: payload}
	err := c.boxes(func(kind string, body *cursor) error {
		if kind != "trak" {
			return nil
		}
		t := &track{boxes: map[string][]byte{}}
		if tracks = append(tracks, t); len(tracks) > maxTracks {
			return tooMany("tracks", maxTracks)
		}
		return t.read(body)
	})
	return tracks, err
}

// firstPictures returns the first track of pictures that is neither alpha nor thumbnails of another, if possible an
// enabled one, or nil.
func firstPictures(tracks []*track) *track {
	find := func(least bool) int {
		return slices.IndexFunc(tracks, func(t *track) bool {
			isHelper := slices.ContainsFunc(t.references, func(r reference) bool { return r.kind == "auxl" || r.kind == "thmb" })
			return (t.handler == "pict" || t.handler == "vide") && !isHelper && (t.enabled || !least)
		})
	}
	for _, enabled := range []bool{true, false} {
		if i := find(enabled); i >= 0 {
			return tracks[i]
		}
	}
	return nil
}

func (t *track) refersTo(kind string, id uint32) bool {
	return slices.ContainsFunc(t.references, func(r reference) bool { return r.kind == kind && slices.Contains(r.to, id) })
}

// read reads the boxes of a track, and parses those that all tracks have.
func (t *track) read(c *cursor) error {
	if err := t.collect(c); err != nil {
		return err
	}
	for _, read := range []func() error{t.readHeader, t.readHandler, t.readReferences} {
		if err := read(); err != nil {
			return err
		}
	}
	return nil
}

// collect finds the boxes within the containers of a track. Of two of a kind, the last counts.
func (t *track) collect(c *cursor) error {
	return c.boxes(func(kind string, body *cursor) error {
		switch c.box + "/" + kind {
		case "trak/mdia", "mdia/minf", "minf/dinf", "minf/stbl":
			return t.collect(body)
		}
		t.boxes[kind] = body.b
		return nil
	})
}

// open returns a cursor after the version and flags of a full box of the track, which may be missing.
func (t *track) open(kind string) (c *cursor, version int, flags uint32) {
	c = &cursor{box: kind, b: t.boxes[kind]}
	if c.b == nil {
		c.err = damaged("its track %d has no %s box", t.id, kind)
	}
	version, flags = c.full()
	return c, version, flags
}

func (t *track) readHeader() error {
	c, version, flags := t.open("tkhd")
	const isEnabled, times, matrixSize = 1, 2, 36
	t.enabled = flags&isEnabled != 0
	sizeOfTime := 4 + 4*min(version, 1)
	c.take(times * sizeOfTime)
	t.id = c.uint32()
	c.take(4 + sizeOfTime + 8 + 8)
	t.matrix = c.take(matrixSize)
	return c.err
}

func (t *track) readHandler() error {
	c, _, _ := t.open("hdlr")
	c.take(4)
	t.handler = c.fourcc()
	return c.err
}

// readReferences reads a tref box (section 8.3.3).
func (t *track) readReferences() error {
	c := &cursor{box: "tref", b: t.boxes["tref"]}
	return c.boxes(func(kind string, body *cursor) error {
		r := reference{kind: kind, from: t.id}
		for len(body.b) > 0 && body.err == nil {
			r.to = append(r.to, body.uint32())
		}
		t.references = append(t.references, r)
		return nil
	})
}

// addTrack adds the first sync sample of a track as an item.
func (m *meta) addTrack(t *track) error {
	if m.items[t.id] != nil {
		return damaged("it has track %d twice", t.id)
	}
	sample, entry, err := t.firstSync()
	if err != nil {
		return err
	}
	i := &item{id: t.id}
	l := location{extents: []extent{sample}}
	c, _, _ := t.open("stsd")
	c.take(4)
	n := 0
	err = c.boxes(func(kind string, body *cursor) error {
		if n++; n != entry {
			return nil
		}
		i.kind, i.protected = kind, kind == "encv"
		if kind == "hev1" { // whose parameter sets may be in the samples, too
			i.kind = "hvc1"
		}
		return m.readSampleEntry(t, body, &l)
	})
	switch {
	case err != nil:
		return err
	case i.kind == "":
		return damaged("its stsd box has no entry %d for the first picture of track %d", entry, t.id)
	}
	m.items[i.id], m.locations[i.id] = i, l
	return nil
}

// readSampleEntry makes the properties of an item of a VisualSampleEntry (section 12.1.3): its size, its boxes, and
// what the track header says of the orientation.
func (m *meta) readSampleEntry(t *track, c *cursor, l *location) error {
	c.take(6)
	l.reference = t.dataReference(c.uint16())
	c.take(16)
	size := append(make([]byte, 4), 0, 0) // version and flags, and 32 bits each for width and height
	size = append(size, c.take(2)...)
	size = append(append(size, 0, 0), c.take(2)...)
	c.take(50)
	add := func(p property) {
		m.properties = append(m.properties, p)
		m.associations[t.id] = append(m.associations[t.id], association{index: len(m.properties)})
	}
	add(property{"ispe", size})
	err := c.boxes(func(kind string, body *cursor) error {
		if kind == "auxi" { // AuxiliaryTypeInfoBox, which has the same content
			kind = "auxC"
		}
		add(property{kind, body.b})
		if len(m.properties) > maxProperties {
			return tooMany("properties", maxProperties)
		}
		return nil
	})
	add(property{trackMatrix, t.matrix})
	return err
}

// dataReference returns a data reference as in an iloc box: 0 for this file.
func (t *track) dataReference(index int) int {
	c := &cursor{box: "dref", b: t.boxes["dref"]}
	if c.b == nil {
		return 0
	}
	c.take(8)
	n, isElsewhere := 0, false
	_ = c.boxes(func(_ string, body *cursor) error { // what is missing is in this file
		const isSelfContained = 1
		_, flags := body.full()
		if n++; n == index {
			isElsewhere = flags&isSelfContained == 0
		}
		return nil
	})
	if isElsewhere {
		return index
	}
	return 0
}

// firstSync returns where the first sync sample is, and the number of its sample entry.
func (t *track) firstSync() (sample extent, entry int, err error) {
	number, err := t.firstSyncNumber()
	if err != nil {
		return extent{}, 0, err
	}
	chunk, before, entry, err := t.chunkOf(number)
	if err != nil {
		return extent{}, 0, err
	}
	at, err := t.chunkStart(chunk)
	if err != nil {
		return extent{}, 0, err
	}
	skipped, size, err := t.sampleSizes(number, before)
	if at += skipped; err == nil && at > maxPosition {
		err = damaged("its first picture is at byte %d", at)
	}
	return extent{int64(at), int64(size)}, entry, err
}

// maxPosition is the largest position in a file, so that sums do not overflow.
const maxPosition = 1 << 60

// firstSyncNumber returns the number of the first sync sample, from 1 (section 8.6.2).
func (t *track) firstSyncNumber() (uint64, error) {
	number := uint64(1)
	if t.boxes["stss"] != nil { // otherwise all are sync samples
		c, _, _ := t.open("stss")
		if count := c.uint32(); count > 0 {
			number = uint64(c.uint32())
		}
		if c.err != nil {
			return 0, c.err
		}
	}
	if t.boxes["stz2"] != nil {
		return 0, unsupported("%s image sequence with compact sample sizes (stz2)")
	}
	c, _, _ := t.open("stsz")
	c.take(4)
	switch count := uint64(c.uint32()); {
	case c.err != nil:
		return 0, c.err
	case count == 0:
		return 0, unsupported("%s image sequence in fragments")
	case number < 1 || number > count:
		return 0, damaged("its first sync sample is sample %d of %d", number, count)
	}
	return number, nil
}

// sampleSizes returns the size of a sample, and that of so many samples before it (section 8.7.3).
func (t *track) sampleSizes(number, before uint64) (skipped, size uint64, err error) {
	c, _, _ := t.open("stsz")
	size = uint64(c.uint32())
	c.take(4)
	if size > 0 { // of all
		return min(size*before, maxPosition), size, nil
	}
	c.take(int(4 * (number - 1 - before)))
	for range before {
		if skipped += uint64(c.uint32()); c.err != nil {
			break
		}
	}
	return skipped, uint64(c.uint32()), c.err
}

// chunkOf returns the chunk of a sample, both counted from 1, how many samples of the chunk are before it, and the
// number of its sample entry (section 8.7.4).
func (t *track) chunkOf(sample uint64) (chunk, before uint64, entry int, err error) {
	c, _, _ := t.open("stsc")
	left, count := sample-1, c.uint32()
	first, perChunk, entry := uint64(c.uint32()), uint64(c.uint32()), int(c.uint32())
	for n := uint32(1); c.err == nil; n++ {
		if perChunk == 0 || first == 0 {
			return 0, 0, 0, damaged("its stsc box has %d samples in chunk %d", perChunk, first)
		}
		next := uint64(math.MaxUint32) + 1 // the last entry is for all further chunks
		if n < count {
			next = uint64(c.uint32())
		}
		samples := (next - first) * perChunk
		switch {
		case next <= first:
			return 0, 0, 0, damaged("its stsc box has chunk %d after chunk %d", next, first)
		case left < samples || n >= count:
			return first + left/perChunk, left % perChunk, entry, c.err
		}
		left -= samples
		first, perChunk, entry = next, uint64(c.uint32()), int(c.uint32())
	}
	return 0, 0, 0, c.err
}

// chunkStart returns the position of a chunk in the file (section 8.7.5).
func (t *track) chunkStart(chunk uint64) (uint64, error) {
	kind, size := "stco", 4
	if t.boxes["co64"] != nil {
		kind, size = "co64", 8
	}
	c, _, _ := t.open(kind)
	if count := uint64(c.uint32()); c.err == nil && chunk > count {
		return 0, damaged("its first picture is in chunk %d of %d", chunk, count)
	}
	c.take(int(chunk-1) * size)
	return min(c.number(size), maxPosition), c.err
}
