package heif

// Limits on the content of a meta box. Phones write a few KiB and fewer than 100 items; a picture of 50 megapixels in
// tiles of 256x256 pixels has fewer than 1000.
const (
	maxMeta         = 4 << 20 // bytes
	maxItems        = 4096
	maxProperties   = 4096
	maxAssociations = 1 << 16
	maxReferences   = 1 << 16
	maxExtents      = 1 << 14
)

// A meta is the content of a meta box (ISO/IEC 14496-12, section 8.11): the items of a file, their types, properties,
// references and locations.
type meta struct {
	handler    string
	primary    uint32
	hasPrimary bool
	items      map[uint32]*item
	references []reference
	properties []property
	idat       []byte

	locations    map[uint32]location
	associations map[uint32][]association
	counts       struct{ extents, associations, references int }
}

// An item is a picture, or metadata.
type item struct {
	id         uint32
	kind       string // such as "hvc1" or "grid"
	protected  bool
	location   *location // nil if the iloc box has none
	properties []association
}

// A location states where the data of an item is (section 8.11.3).
type location struct {
	construction int // the construction method
	reference    int // the data reference: 0 for this file
	extents      []extent
}

// Construction methods.
const (
	inFile = 0
	inBox  = 1 // the idat box
)

// An association links an item with a property.
type association struct {
	index     int // in the ipco box, from 1; 0 means no property
	essential bool
}

// A property describes items. Its body is parsed when an item that has it is read.
type property struct {
	kind string
	body []byte
}

// A reference is a typed link from one item to others, in order.
type reference struct {
	kind string
	from uint32
	to   []uint32
}

// metaBoxReaders parse the boxes of a meta box. Other boxes are ignored.
var metaBoxReaders = map[string]func(*meta, *cursor) error{
	"hdlr": (*meta).readHandler,
	"pitm": (*meta).readPrimary,
	"iinf": (*meta).readItems,
	"iloc": (*meta).readLocations,
	"iref": (*meta).readReferences,
	"iprp": (*meta).readProperties,
	"idat": (*meta).readData,
}

func newMeta() *meta {
	return &meta{items: map[uint32]*item{}, locations: map[uint32]location{}, associations: map[uint32][]association{}}
}

// parseMeta parses the payload of a meta box.
func parseMeta(payload []byte) (*meta, error) {
	m := newMeta()
	c := &cursor{box: "meta", b: payload}
	c.full()
	seen := map[string]bool{}
	err := c.boxes(func(kind string, body *cursor) error {
		read, ok := metaBoxReaders[kind]
		if !ok {
			return nil
		}
		if seen[kind] {
			return damaged("its meta box has a second %s box", kind)
		}
		seen[kind] = true
		return read(m, body)
	})
	if err != nil {
		return nil, err
	}
	return m, m.link()
}

// link gives the items their locations and properties. The boxes may come in any order, and may name items that the
// iinf box does not have.
func (m *meta) link() error {
	if m.handler != "pict" {
		return unsupported("%s whose meta box is for %q instead of pictures", m.handler)
	}
	if !m.hasPrimary {
		return unsupported("%s without a primary item")
	}
	if m.items[m.primary] == nil {
		return damaged("its primary item %d is not in its iinf box", m.primary)
	}
	for id, i := range m.items {
		if l, ok := m.locations[id]; ok {
			i.location = &l
		}
		i.properties = m.associations[id]
	}
	return nil
}

func (m *meta) readHandler(c *cursor) error {
	c.full()
	c.take(4)
	m.handler = c.fourcc()
	return nil
}

func (m *meta) readPrimary(c *cursor) error {
	version, _ := c.full()
	m.primary, m.hasPrimary = c.id(version > 0), true
	return nil
}

func (m *meta) readData(c *cursor) error {
	m.idat = c.b
	return nil
}

// readItems reads an iinf box (section 8.11.6). The count of entries is ignored.
func (m *meta) readItems(c *cursor) error {
	if version, _ := c.full(); version == 0 {
		c.take(2)
	} else {
		c.take(4)
	}
	return c.boxes(func(kind string, body *cursor) error {
		if kind != "infe" {
			return nil
		}
		version, _ := body.full()
		i := &item{id: body.id(version >= 3)}
		i.protected = body.uint16() != 0
		if version >= 2 { // earlier versions have a media type instead
			i.kind = body.fourcc()
		}
		if m.items[i.id] != nil {
			return damaged("its iinf box has item %d twice", i.id)
		}
		m.items[i.id] = i
		if len(m.items) > maxItems {
			return tooMany("items", maxItems)
		}
		return nil
	})
}

// readLocations reads an iloc box (section 8.11.3).
func (m *meta) readLocations(c *cursor) error {
	version, _ := c.full()
	if version > 2 {
		return unsupported("%s with an iloc box of version %d", version)
	}
	sizes := c.uint16()
	offsetSize, lengthSize, baseSize, indexSize := sizes>>12, sizes>>8&15, sizes>>4&15, sizes&15
	if version == 0 {
		indexSize = 0
	}
	for _, size := range []int{offsetSize, lengthSize, baseSize, indexSize} {
		if size != 0 && size != 4 && size != 8 {
			return damaged("its iloc box has fields of %d bytes, expected 0, 4 or 8", size)
		}
	}
	count := c.id(version == 2)
	for ; count > 0 && c.err == nil; count-- {
		id := c.id(version == 2)
		var l location
		if version > 0 {
			l.construction = c.uint16() & 15
		}
		l.reference = c.uint16()
		base := c.number(baseSize)
		extents := c.uint16()
		if m.counts.extents += extents; m.counts.extents > maxExtents {
			return tooMany("extents", maxExtents)
		}
		for range extents {
			c.take(indexSize)
			at, length := c.number(offsetSize), c.number(lengthSize)
			const limit = 1 << 60 // of each, so that sums do not overflow
			if base > limit || at > limit || length > limit {
				return damaged("its iloc box has item %d at byte %d + %d, %d bytes long", id, base, at, length)
			}
			if length == 0 {
				length = toEnd
			}
			l.extents = append(l.extents, extent{int64(base + at), int64(length)})
		}
		if _, ok := m.locations[id]; ok {
			return damaged("its iloc box has item %d twice", id)
		}
		m.locations[id] = l
		if len(m.locations) > maxItems {
			return tooMany("items", maxItems)
		}
	}
	return nil
}

// readReferences reads an iref box (section 8.11.12).
func (m *meta) readReferences(c *cursor) error {
	version, _ := c.full()
	return c.boxes(func(kind string, body *cursor) error {
		body.box = "iref" // not the reference type, which the file chooses
		r := reference{kind: kind, from: body.id(version > 0)}
		count := body.uint16()
		if m.counts.references += count + 1; m.counts.references > maxReferences {
			return tooMany("references", maxReferences)
		}
		for range count {
			r.to = append(r.to, body.id(version > 0))
		}
		m.references = append(m.references, r)
		return nil
	})
}

// readProperties reads an iprp box (ISO/IEC 23008-12, section 9.3).
func (m *meta) readProperties(c *cursor) error {
	return c.boxes(func(kind string, body *cursor) error {
		switch kind {
		case "ipco":
			return body.boxes(func(kind string, body *cursor) error {
				m.properties = append(m.properties, property{kind, body.b})
				if len(m.properties) > maxProperties {
					return tooMany("properties", maxProperties)
				}
				return nil
			})
		case "ipma":
			return m.readAssociations(body)
		}
		return nil
	})
}

func (m *meta) readAssociations(c *cursor) error {
	version, flags := c.full()
	isWide := flags&1 != 0
	for count := c.uint32(); count > 0 && c.err == nil; count-- {
		id, n := c.id(version > 0), c.uint8()
		if m.counts.associations += n + 1; m.counts.associations > maxAssociations {
			return tooMany("associations of properties", maxAssociations)
		}
		list := m.associations[id]
		for range n {
			var a association
			if isWide {
				v := c.uint16()
				a = association{v & 0x7fff, v&0x8000 != 0}
			} else {
				v := c.uint8()
				a = association{v & 0x7f, v&0x80 != 0}
			}
			list = append(list, a)
		}
		m.associations[id] = list
	}
	return nil
}

// targets returns the items that an item refers to.
func (m *meta) targets(kind string, from uint32) []uint32 {
	for _, r := range m.references {
		if r.kind == kind && r.from == from {
			return r.to
		}
	}
	return nil
}

// sources returns the items that refer to an item.
func (m *meta) sources(kind string, to uint32) []uint32 {
	var from []uint32
	for _, r := range m.references {
		for _, id := range r.to {
			if r.kind == kind && id == to {
				from = append(from, r.from)
				break
			}
		}
	}
	return from
}
