package heif

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// Files are built here box by box, with items of a codec of the tests: uncompressed samples. So what the container does
// is known exactly, and every box can be wrong.

func be16(v int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(v)) }

func be32(v int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(v)) }

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func box(kind string, parts ...[]byte) []byte {
	body := join(parts...)
	return join(be32(8+len(body)), []byte(kind), body)
}

func fullBox(kind string, version, flags int, parts ...[]byte) []byte {
	return box(kind, be32(version<<24|flags), join(parts...))
}

// A builder makes a file.
type builder struct {
	primary    int
	items      []*built
	references []reference
	properties [][]byte
	idat       []byte
	wide       bool // 32-bit numbers of items, wide associations
	metaLast   bool
	metaOpen   bool   // the meta box states no size, and is last
	more       []byte // boxes in the meta box
	before     []byte // boxes before the meta box
}

// A built is an item. Its data is in the mdat box, but for that in the idat box.
type built struct {
	id         int
	kind       string
	properties []int // from 1; essential ones are negative
	data       []byte
	parts      int // extents of the data
	inIdat     bool
	sameAs     int // the item that has the same data, from 1
}

// property adds a property and returns its index.
func (b *builder) property(p []byte) int {
	b.properties = append(b.properties, p)
	return len(b.properties)
}

func (b *builder) add(i *built) *built {
	b.items = append(b.items, i)
	if i.id == 0 {
		i.id = len(b.items)
	}
	return i
}

func (b *builder) id(v int) []byte {
	if b.wide {
		return be32(v)
	}
	return be16(v)
}

func (b *builder) version() int {
	if b.wide {
		return 1
	}
	return 0
}

func (b *builder) refer(kind string, from int, to ...int) {
	r := reference{kind: kind, from: uint32(from)}
	for _, id := range to {
		r.to = append(r.to, uint32(id))
	}
	b.references = append(b.references, r)
}

func (b *builder) irefs() []byte {
	var all []byte
	for _, r := range b.references {
		ids := be16(len(r.to))
		for _, id := range r.to {
			ids = append(ids, b.id(int(id))...)
		}
		all = append(all, box(r.kind, b.id(int(r.from)), ids)...)
	}
	return fullBox("iref", b.version(), 0, all)
}

func (b *builder) infes() []byte {
	var all []byte
	for _, i := range b.items {
		all = append(all, fullBox("infe", 2+b.version(), 0, b.id(i.id), be16(0), []byte(i.kind), []byte{0})...)
	}
	return fullBox("iinf", 0, 0, be16(len(b.items)), all)
}

func (b *builder) associations() []byte {
	var all []byte
	count := 0
	for _, i := range b.items {
		all = append(all, join(b.id(i.id), []byte{byte(len(i.properties))})...)
		for _, p := range i.properties {
			essential := 0
			if p < 0 {
				p, essential = -p, 1
			}
			if b.wide {
				all = append(all, be16(p|essential<<15)...)
			} else {
				all = append(all, byte(p|essential<<7))
			}
		}
		count++
	}
	return fullBox("ipma", b.version(), b.version(), be32(count), all)
}

// locations is an iloc box of version 1 or 2, for an mdat box whose payload starts at a position.
func (b *builder) locations(start int) []byte {
	var all []byte
	at, inIdat := start, 0
	places := map[int]int{}
	for n, i := range b.items {
		construction, from := 0, at
		switch {
		case i.inIdat:
			construction, from = 1, inIdat
			inIdat += len(i.data)
		case i.sameAs > 0:
			from = places[i.sameAs]
		default:
			at += len(i.data)
		}
		places[n+1] = from
		data := i.data
		if i.sameAs > 0 {
			data = b.items[i.sameAs-1].data
		}
		parts := max(1, i.parts)
		all = append(all, join(b.id(i.id), be16(construction), be16(0), be32(from), be16(parts))...)
		for p := range parts {
			first, end := p*len(data)/parts, (p+1)*len(data)/parts
			all = append(all, join(be32(first), be32(end-first))...)
		}
	}
	return fullBox("iloc", 1+b.version(), 0, be16(0x4440), b.id(len(b.items)), all)
}

func (b *builder) meta(start int) []byte {
	hdlr := fullBox("hdlr", 0, 0, be32(0), []byte("pict"), make([]byte, 13))
	idat := b.idat
	for _, i := range b.items {
		if i.inIdat {
			idat = append(idat, i.data...)
		}
	}
	return fullBox("meta", 0, 0, hdlr, fullBox("pitm", b.version(), 0, b.id(b.primary)), b.infes(), b.locations(start),
		b.irefs(), box("iprp", box("ipco", b.properties...), b.associations()),
		box("idat", idat), b.more)
}

func (b *builder) bytes() []byte {
	head := append(box("ftyp", []byte("mif1"), be32(0), []byte("mif1")), b.before...)
	var data []byte
	for _, i := range b.items {
		if !i.inIdat && i.sameAs == 0 {
			data = append(data, i.data...)
		}
	}
	mdat := box("mdat", data)
	if b.metaLast || b.metaOpen {
		meta := b.meta(len(head) + 8)
		if b.metaOpen {
			copy(meta, be32(0))
		}
		return join(head, mdat, meta)
	}
	return join(head, b.meta(len(head)+len(b.meta(0))+8), mdat)
}

// A raw is a bitstream of the tests: planes of samples as they are, 16 bits for those of more than 8.
type raw struct {
	width, height int
	stored        format
	meaning       cicp
}

func (r raw) size() (int, int) { return r.width, r.height }

func (r raw) format() format { return r.stored }

func (r raw) cicp() cicp { return r.meaning }

// property is the rawC property of the bitstream.
func (r raw) property() []byte {
	isGray, full := 0, 0
	if r.stored.isGray {
		isGray = 1
	}
	if r.meaning.full {
		full = 1
	}
	return box("rawC", be16(r.width), be16(r.height), []byte{byte(isGray), byte(r.stored.stepX), byte(r.stored.stepY),
		byte(r.stored.depth), byte(r.meaning.matrix), byte(full), byte(r.meaning.primaries), byte(r.meaning.transfer)})
}

func configureRaw(b []byte, _, _ int, _ selection) (bitstream, error) {
	c := &cursor{box: "rawC", b: b}
	r := raw{width: c.uint16(), height: c.uint16()}
	r.stored = format{isGray: c.uint8() == 1, stepX: c.uint8(), stepY: c.uint8(), depth: c.uint8()}
	r.stored.chromaDepth = r.stored.depth
	r.meaning = cicp{matrix: c.uint8(), full: c.uint8() == 1, primaries: c.uint8(), transfer: c.uint8()}
	isStep := func(v int) bool { return v == 1 || v == 2 }
	if c.err == nil && (r.width == 0 || r.height == 0 || !isStep(r.stored.stepX) || !isStep(r.stored.stepY) ||
		r.stored.depth < 8 || r.stored.depth > 16) {
		return nil, damaged("its rawC property makes no sense")
	}
	return r, c.err
}

// rowsAtOnce is how many rows of luma the codec of the tests shows at once.
const rowsAtOnce = 6

func (r raw) decode(from io.Reader, o decodeOptions, show func(*rows) error) error {
	var all rows
	for i := range r.stored.planes() {
		stepX, stepY := r.stored.steps(i)
		p := plane.New((r.width+stepX-1)/stepX, (r.height+stepY-1)/stepY, 1, 1)
		for n := range p.Pix {
			var b [2]byte
			size := (r.stored.depth + 7) / 8
			if _, err := io.ReadFull(from, b[2-size:]); err != nil {
				return damaged("a raw picture is cut short")
			}
			v := binary.BigEndian.Uint16(b[:])
			if levels := o.levels[i]; levels != nil {
				v = uint16(levels[int(v)&(len(levels)-1)])
			}
			p.Pix[n] = byte(v)
		}
		all[i] = p
	}
	for y := 0; y < r.height; y += rowsAtOnce {
		var some rows
		for i := range r.stored.planes() {
			_, stepY := r.stored.steps(i)
			some[i] = all[i]
			some[i].Pix = all[i].Pix[y/stepY*all[i].Stride:]
			some[i].Height = min(all[i].Height, (y+rowsAtOnce)/stepY) - y/stepY
		}
		if err := show(&some); err != nil {
			return err
		}
	}
	return nil
}

var rawCodecs = map[string]itemCodec{
	"rawv": {name: Name, property: "rawC", configure: configureRaw},
	"av01": itemCodecs["av01"],
}

// samples makes the data of a bitstream of what each plane has at a place, in samples.
func (r raw) samples(at func(plane, x, y int) int) []byte {
	var b []byte
	for i := range r.stored.planes() {
		stepX, stepY := r.stored.steps(i)
		for y := range (r.height + stepY - 1) / stepY {
			for x := range (r.width + stepX - 1) / stepX {
				if r.stored.depth > 8 {
					b = append(b, be16(at(i, x, y))...)
				} else {
					b = append(b, byte(at(i, x, y)))
				}
			}
		}
	}
	return b
}

var gray8 = format{isGray: true, stepX: 1, stepY: 1, depth: 8, chromaDepth: 8}

// openBuilt opens a file that is expected to be all right.
func openBuilt(t *testing.T, file []byte) *File {
	t.Helper()
	f, err := open(bytes.NewReader(file), Name, rawCodecs)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return f
}

// decode decodes a file for copies of a size.
func decode(f *File, width, height int) (*plane.Image, error) {
	return decodeWith(f, codec.Options{Width: width, Height: height})
}

// decodePicture decodes the picture even if there is a thumbnail item.
func decodePicture(f *File, width, height int) (*plane.Image, error) {
	return decodeWith(f, codec.Options{Width: width, Height: height, IgnoreThumbnails: true})
}

func decodeWith(f *File, o codec.Options) (*plane.Image, error) {
	var shown *plane.Image
	o.Frames = 1
	o.Show = func(frame plane.Frame) error {
		shown = frame.Image
		return nil
	}
	_, err := f.Decode(o)
	return shown, err
}

// decodeBuilt decodes a file at its full size.
func decodeBuilt(t *testing.T, file []byte) *plane.Image {
	t.Helper()
	f := openBuilt(t, file)
	m, err := decode(f, f.Width, f.Height)
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	return m
}
