package heif

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

// maxTested is the limit of pixels in tests, as the engine would have one.
const maxTested = 1 << 22

const (
	isDamaged     = imgerr.ReasonDamaged
	isUnsupported = imgerr.ReasonUnsupported
)

// tryAll opens and decodes a file, as the engine does.
func tryAll(file []byte, itemCodecs map[string]itemCodec) error {
	f, err := open(bytes.NewReader(file), Name, itemCodecs)
	if err != nil {
		return err
	}
	if f.DecodedPixels > maxTested {
		return &imgerr.Error{Reason: imgerr.ReasonTooManyPixels, Message: fmt.Sprintf("%d pixels", f.DecodedPixels)}
	}
	if _, err = decode(f, min(f.Width, 20), min(f.Height, 20)); err != nil {
		return err
	}
	if f, err = open(bytes.NewReader(file), Name, itemCodecs); err != nil {
		return err
	}
	_, err = decodePicture(f, min(f.Width, 20), min(f.Height, 20))
	return err
}

func TestRefusals(t *testing.T) {
	change := func(f func(b *builder)) *builder {
		b := gridOf(3, 2, 41, 30)
		f(b)
		return b
	}
	grid := func(description ...byte) *builder {
		return change(func(b *builder) { b.items[6].data = description })
	}
	item := func(kind string) *builder {
		return change(func(b *builder) { b.items[6].kind = kind })
	}
	property := func(n int, p []byte, essential int) *builder {
		return change(func(b *builder) {
			b.items[n].properties = append(b.items[n].properties, essential*b.property(p))
		})
	}
	tile := func(r raw) *builder {
		return change(func(b *builder) {
			b.items[4].properties = []int{b.property(r.property())}
			b.items[4].data = r.samples(func(int, int, int) int { return 0 })
		})
	}
	other := raw{width: 16, height: 16, stored: format{stepX: 1, stepY: 1, depth: 8}}
	tests := []struct {
		name    string
		builder *builder
		reason  imgerr.Reason
		message string
	}{
		{"AVIF", item("av01"), isUnsupported, "HEIC with AV1 pictures (av01)"},
		{"short overlay", item("iovl"), isDamaged, "overlay item 7 has 8 bytes"},
		{"overlay of another version", overlayOf([]byte{1}, 40, 30), isUnsupported, "version 1"},
		{"overlay without pixels", overlayOf(nil, 0, 30), isDamaged, "overlay is 0x30 pixels"},
		{"overlay with fewer positions than layers", overlayOf(nil, 40, 30, 1, 2), isDamaged, "for 2 layers"},
		{"overlay of itself", change(func(b *builder) {
			b.items[6].kind, b.items[6].data = "iovl", overlayData(nil, 40, 30, 0, 0)
			b.references = nil
			b.refer("dimg", 7, 7)
		}), isDamaged, "derived from each other"},
		{"overlay of overlays", change(func(b *builder) {
			b.items[6].kind, b.items[6].data = "iovl", overlayData(nil, 40, 30, 0, 0)
			b.references = nil
			i := b.add(&built{kind: "iovl", inIdat: true, data: overlayData(nil, 40, 30)})
			b.refer("dimg", 7, i.id)
		}), isUnsupported, "overlay of overlays"},
		{"H.264", item("avc1"), isUnsupported, "H.264"},
		{"JPEG", item("jpeg"), isUnsupported, "JPEG pictures"},
		{"JPEG 2000", item("j2k1"), isUnsupported, "j2k1"},
		{"layers", item("lhv1"), isUnsupported, "lhv1"},
		{"H.266", item("vvc1"), isUnsupported, "vvc1"},
		{"uncompressed", item("unci"), isUnsupported, "unci"},
		{"unknown type", item("abcd"), isUnsupported, `"abcd"`},
		{"Exif as primary item", item("Exif"), isUnsupported, `"Exif"`},
		{"essential property", property(6, box("wxyz", be32(0)), -1), isUnsupported, `essential property "wxyz"`},
		{"essential property of a tile", property(3, box("wxyz", be32(0)), -1), isUnsupported, `essential property "wxyz"`},
		{"other size in ispe", change(func(b *builder) {
			b.items[6].properties = []int{b.property(fullBox("ispe", 0, 0, be32(30), be32(41)))}
		}), isDamaged, "30x41 pixels, expected 41x30"},
		{"no such property", change(func(b *builder) { b.items[6].properties = []int{77} }), isDamaged, "property 77 of 3"},
		{"no configuration", change(func(b *builder) { b.items[2].properties = nil }), isDamaged, "no rawC property"},
		{
			"short configuration",
			change(func(b *builder) { b.items[2].properties = []int{b.property(box("rawC", be16(3)))} }),
			isDamaged, "rawC",
		},
		{
			"short ispe",
			change(func(b *builder) { b.items[6].properties = []int{b.property(box("ispe", be32(0)))} }),
			isDamaged, "ispe",
		},
		{"short irot", property(6, box("irot"), -1), isDamaged, "irot"},
		{"short imir", property(6, box("imir"), -1), isDamaged, "imir"},
		{"short clap", property(6, box("clap", be32(3)), -1), isDamaged, "clap"},
		{"short colr", property(6, box("colr", []byte("nclx")), 1), isDamaged, "colr"},
		{"clap of a fraction of nothing", property(6, clap(1, 0, 1, 1, 0, 1, 0, 1), -1), isDamaged, "1/0"},
		{"clap of nothing", property(6, clap(0, 1, 5, 1, 0, 1, 0, 1), -1), isDamaged, "cuts out nothing"},
		{"clap beyond the picture", property(6, clap(5, 1, 5, 1, 100, 1, 0, 1), -1), isDamaged, "cuts out nothing"},
		{
			"clap of large numbers",
			property(6, clap(-1, -1, -1, 1, math.MinInt32, 1, math.MaxInt32, 3), -1),
			isDamaged, "clap",
		},
		{"empty grid", grid(), isDamaged, "has 0 bytes"},
		{"short grid", grid(0, 0, 1, 2, 0, 41, 0), isDamaged, "has 7 bytes"},
		{"grid of another version", grid(1, 0, 1, 2, 0, 41, 0, 30), isUnsupported, "version 1"},
		{"grid without pixels", grid(0, 0, 1, 2, 0, 0, 0, 30), isDamaged, "0x30"},
		{"grid of more tiles", grid(0, 0, 255, 255, 0, 41, 0, 30), isDamaged, "256x256 tiles is derived from 6 items"},
		{"grid of other tiles", grid(0, 0, 5, 1, 0, 41, 0, 30), isDamaged, "derived from 6 items"},
		{"grid that is not covered", grid(0, 0, 1, 2, 0, 49, 0, 30), isDamaged, "do not cover 49x30"},
		{"grid larger than anything", grid(0, 1, 1, 2, 255, 255, 255, 255, 255, 255, 255, 255), isDamaged, "do not cover"},
		{"tiles of two sizes", tile(grayRaw(16, 8)), isDamaged, "16x16 and of 16x8"},
		{"tiles of two formats", tile(other), isUnsupported, "differ"},
		{"turned tile", property(2, box("irot", []byte{1}), -1), isUnsupported, "rotated"},
		{"odd tiles whose chroma is shared", oddTiles(), isUnsupported, "15x16"},
		{"grid of a grid", change(func(b *builder) {
			i := b.add(&built{kind: "grid", inIdat: true, data: []byte{0, 0, 0, 0, 0, 41, 0, 30}})
			b.refer("dimg", i.id, b.primary)
			b.primary = i.id
		}), isUnsupported, `"grid"`},
		{"grid of itself", change(func(b *builder) {
			b.references = nil
			b.refer("dimg", 7, 7, 7, 7, 7, 7, 7)
		}), isUnsupported, `"grid"`},
		{"no such tile", change(func(b *builder) {
			b.references = nil
			b.refer("dimg", 7, 1, 2, 3, 4, 5, 99)
		}), isDamaged, "item 99"},
		{"no such primary item", change(func(b *builder) { b.primary = 44 }), isDamaged, "item 44"},
		{"derived from nothing", change(func(b *builder) {
			b.items[6].kind, b.references = "iden", nil
		}), isDamaged, "derived from no item"},
		{"item twice", change(func(b *builder) { b.items[3].id = 1 }), isDamaged, "item 1 twice"},
		{"data cut short", change(func(b *builder) { b.items[5].data = b.items[5].data[:255] }), isDamaged, "cut short"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			checkRefusal(t, tryAll(test.builder.bytes(), rawCodecs), test.reason, test.message)
		})
	}
}

// overlayData is the data of an overlay that is filled with opaque gray of 0x40, with the positions of its layers.
func overlayData(start []byte, width, height int, positions ...int) []byte {
	data := join([]byte{0, 0}, be16(0x4000), be16(0x4000), be16(0x4000), be16(0xffff), be16(width), be16(height))
	copy(data, start)
	for _, v := range positions {
		data = append(data, be16(v)...)
	}
	return data
}

// overlayOf is a builder with an overlay of two layers, of which data starts in another way.
func overlayOf(start []byte, width, height int, positions ...int) *builder {
	b := gridOf(2, 1, 32, 16)
	b.items[2].kind, b.items[2].properties = "iovl", nil
	b.items[2].data = overlayData(start, width, height, positions...)
	return b
}

func oddTiles() *builder {
	b := gridOf(2, 1, 30, 16)
	r := raw{width: 15, height: 16, stored: format{stepX: 2, stepY: 2, depth: 8}}
	properties := []int{b.property(r.property())}
	for _, i := range b.items[:2] {
		i.properties, i.data = properties, r.samples(func(int, int, int) int { return 0 })
	}
	return b
}

func checkRefusal(t *testing.T, err error, reason imgerr.Reason, message string) {
	t.Helper()
	var refusal *imgerr.Error
	if !errors.As(err, &refusal) {
		t.Fatalf("got %v, want a refusal", err)
	}
	if refusal.Reason != reason || !strings.Contains(refusal.Message, message) {
		t.Errorf("got %s: %s, want %s and %q", refusal.Reason, refusal.Message, reason, message)
	}
}

// metaOf is a file that has a meta box of some boxes, after a hdlr box and a pitm box.
func metaOf(boxes ...[]byte) []byte {
	hdlr := fullBox("hdlr", 0, 0, be32(0), []byte("pict"), make([]byte, 13))
	pitm := fullBox("pitm", 0, 0, be16(1))
	return join(box("ftyp", []byte("heic"), be32(0)), fullBox("meta", 0, 0, hdlr, pitm, join(boxes...)))
}

func TestRefusedBoxes(t *testing.T) {
	ftyp := box("ftyp", []byte("heic"), be32(0))
	zeroSizes := func(version, items, extents int) []byte { // extents of no bytes each
		entry := join(be16(1), be16(0), be16(0), be16(extents))
		return fullBox("iloc", version, 0, be16(0), be16(items), bytes.Repeat(entry, items))
	}
	manyBoxes := bytes.Repeat(box("free"), maxBoxes)
	infe := func(id int) []byte { return fullBox("infe", 2, 0, be16(id), be16(0), []byte("hvc1"), []byte{0}) }
	var manyItems []byte
	for id := range maxItems + 1 {
		manyItems = append(manyItems, infe(id+1)...)
	}
	tests := []struct {
		name    string
		file    []byte
		reason  imgerr.Reason
		message string
	}{
		{"not a file of this kind", box("moov"), isDamaged, "does not start with an ftyp box"},
		{"no meta box", join(ftyp, box("mdat", make([]byte, 100))), isDamaged, "neither a meta box nor a moov box"},
		{
			"no meta box after one to the end",
			join(ftyp, be32(0), []byte("mdat"), make([]byte, 100)),
			isDamaged, "neither a meta box nor a moov box",
		},
		{"box smaller than its header", join(ftyp, be32(7), []byte("free")), isDamaged, `"free" box has a size of 7 bytes`},
		{"large box smaller than its header", join(ftyp, be32(1), []byte("free"), be32(0), be32(15)), isDamaged, "15 bytes"},
		{
			"box larger than anything",
			join(ftyp, be32(1), []byte("free"), be32(-1), be32(-1)),
			isDamaged, "18446744073709551615 bytes",
		},
		{
			"meta box larger than the limit",
			join(ftyp, be32(maxMeta+100), []byte("meta")),
			isUnsupported, "bytes in its meta box",
		},
		{
			"meta box to the end of a long file",
			join(ftyp, be32(0), []byte("meta"), make([]byte, maxMeta+1)),
			isUnsupported, "bytes in its meta box",
		},
		{"many boxes", join(ftyp, manyBoxes), isUnsupported, "boxes"},
		{
			"meta box of music",
			join(ftyp, fullBox("meta", 0, 0, fullBox("hdlr", 0, 0, be32(0), []byte("mdir")))),
			isUnsupported, `"mdir"`,
		},
		{
			"meta box without a primary item",
			join(ftyp, fullBox("meta", 0, 0, fullBox("hdlr", 0, 0, be32(0), []byte("pict")))),
			isUnsupported, "primary item",
		},
		{"empty meta box", join(ftyp, box("meta")), isDamaged, "meta box ends"},
		{"two iinf boxes", metaOf(fullBox("iinf", 0, 0, be16(0)), fullBox("iinf", 0, 0, be16(0))), isDamaged, "second iinf"},
		{"box larger than the meta box", metaOf(be32(100), []byte("iinf")), isDamaged, `"iinf" box of 100 bytes`},
		{"box of a negative size", metaOf(be32(1), []byte("iinf"), be32(-1), be32(-1)), isDamaged, `"iinf" box of`},
		{"half a box", metaOf(be32(100)), isDamaged, "meta box ends"},
		{"too many items", metaOf(fullBox("iinf", 0, 0, be16(9), manyItems)), isUnsupported, "items"},
		{"short item", metaOf(fullBox("iinf", 0, 0, be16(1), fullBox("infe", 2, 0, be16(1)))), isDamaged, "infe"},
		{
			"encrypted",
			metaOf(fullBox("iinf", 0, 0, be16(1), fullBox("infe", 2, 0, be16(1), be16(1), []byte("hvc1")))),
			isUnsupported, "encrypted",
		},
		{"iloc of a version that is not known", metaOf(fullBox("iloc", 3, 0, be16(0), be16(0))), isUnsupported, "version 3"},
		{"iloc with fields of 3 bytes", metaOf(fullBox("iloc", 0, 0, be16(0x4344), be16(0))), isDamaged, "3 bytes"},
		{"many extents of no bytes", metaOf(zeroSizes(1, 300, 65535)), isUnsupported, "extents"},
		{
			"more extents than there are bytes for",
			metaOf(fullBox("iloc", 2, 0, be16(0x4400), be32(-1), be32(1), be16(0), be16(0), be16(9000))),
			isDamaged, "iloc box ends",
		},
		{"2^32 items in iloc", metaOf(fullBox("iloc", 2, 0, be16(0), be32(-1))), isDamaged, "iloc box ends"},
		{"item twice in iloc", metaOf(zeroSizes(1, 2, 1)), isDamaged, "item 1 twice"},
		{
			"positions that overflow",
			metaOf(fullBox("iloc", 0, 0, be16(0x8880), be16(1), be16(1), be16(0), be32(-1), be32(-1), be16(1), be32(-1),
				be32(-1), be32(-1), be32(-1))),
			isDamaged, "item 1 at byte",
		},
		{"2^32 associations", metaOf(box("iprp", fullBox("ipma", 0, 0, be32(-1)))), isDamaged, "ipma"},
		{
			"many associations",
			metaOf(box("iprp", fullBox("ipma", 0, 0, be32(300), bytes.Repeat(join(be16(1), []byte{255}, make([]byte,
				255)), 300)))),
			isUnsupported, "associations",
		},
		{
			"many properties",
			metaOf(box("iprp", box("ipco", bytes.Repeat(box("free"), maxProperties+1)))),
			isUnsupported, "properties",
		},
		{
			"many references",
			metaOf(fullBox("iref", 0, 0, bytes.Repeat(box("dimg", be16(1), be16(9), make([]byte, 18)), 7000))),
			isUnsupported, "references",
		},
		{"short references", metaOf(fullBox("iref", 0, 0, box("dimg", be16(1), be16(9)))), isDamaged, "iref box ends"},
		{"nothing in the meta box", metaOf(), isDamaged, "item 1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			checkRefusal(t, tryAll(test.file, itemCodecs), test.reason, test.message)
		})
	}
}

func TestPlaces(t *testing.T) {
	location := func(construction, reference int) []byte {
		b := gridOf(1, 1, 9, 9)
		file := b.bytes()
		at := bytes.Index(file, []byte("iloc")) + 4 + 4 + 2 + 2 // the first entry
		copy(file[at:], join(be16(1), be16(construction), be16(reference)))
		return file
	}
	t.Run("in an item", func(t *testing.T) {
		checkRefusal(t, tryAll(location(2, 0), rawCodecs), isUnsupported, "within other items")
	})
	t.Run("in another file", func(t *testing.T) {
		checkRefusal(t, tryAll(location(0, 1), rawCodecs), isUnsupported, "another file")
	})
	t.Run("beyond the idat box", func(t *testing.T) {
		checkRefusal(t, tryAll(location(1, 0), rawCodecs), isDamaged, "idat")
	})
	t.Run("nowhere", func(t *testing.T) {
		file := gridOf(1, 1, 9, 9).bytes()
		copy(file[bytes.Index(file, []byte("iloc")):], "free")
		checkRefusal(t, tryAll(file, rawCodecs), isDamaged, "does not say where")
	})
}

// TestCutShort cuts a file at every byte.
func TestCutShort(t *testing.T) {
	for _, metaLast := range []bool{false, true} {
		b := gridOf(2, 2, 20, 20)
		b.metaLast = metaLast
		checkCuts(t, b.bytes())
	}
}

// checkCuts checks that no part of a file is decoded.
func checkCuts(t *testing.T, file []byte) {
	t.Helper()
	for n := range file {
		err := tryAll(file[:n], rawCodecs)
		var refusal *imgerr.Error
		isShort := errors.Is(err, io.EOF) && n < 8 || errors.Is(err, io.ErrUnexpectedEOF)
		isCut := isShort || errors.As(err, &refusal) && refusal.Reason == isDamaged
		if !isCut {
			t.Fatalf("%d of %d bytes: got %v, want the end of the file", n, len(file), err)
		}
	}
}

func TestBombs(t *testing.T) {
	tests := []struct {
		name    string
		build   func() *builder
		reason  imgerr.Reason
		message string
	}{
		{"one extent for too many tiles of a small picture", func() *builder {
			b := gridOf(1, 1, 16, 16)
			b.items[1].data = []byte{0, 0, 255, 255, 0, 16, 0, 16}
			b.references = nil
			b.refer("dimg", 2, bytesAsIDs(1<<16-1)...)
			return b
		}, isDamaged, "derived from 65535 items"},
		{"one extent for 4096 large tiles of a small picture", func() *builder {
			b := gridOf(1, 1, 16, 16)
			b.items[1].data = []byte{0, 0, 63, 63, 0, 16, 0, 16}
			b.items[0].properties = []int{b.property(grayRaw(2000, 2000).property())}
			b.references = nil
			b.refer("dimg", 2, bytesAsIDs(4096)...)
			return b
		}, isDamaged, "16384000000 pixels"},
		{"one large tile of a small picture", func() *builder {
			b := gridOf(1, 1, 16, 16)
			b.items[0].properties = []int{b.property(grayRaw(60000, 60000).property())}
			return b
		}, isDamaged, "3600000000 pixels"},
		{"large alpha of a small picture", func() *builder {
			b := gridOf(1, 1, 16, 16)
			i := withAlpha(b, alphaURN, grayRaw(1, 1), func(int, int) int { return 0 })
			i.properties[0] = b.property(grayRaw(60000, 60000).property())
			return b
		}, isDamaged, "alpha have 3600000000 pixels"},
		{"small part of a large picture", func() *builder {
			b := gridOf(1, 1, 16, 16)
			b.items[0].properties = []int{b.property(grayRaw(60000, 60000).property()), b.property(clap(1, 1, 1, 1, 0, 1, 0, 1))}
			b.primary = 1
			return b
		}, imgerr.ReasonTooManyPixels, "3600000000 pixels"},
		{"one extent for large data of many tiles", func() *builder {
			b := gridOf(60, 60, 960, 960)
			for _, i := range b.items[1:3600] {
				i.sameAs = 1
			}
			b.items[0].data = make([]byte, 1<<16) // of which 256 would do
			return b
		}, isDamaged, "share their data"},
		{"a thousand items, each derived from the next", func() *builder {
			b := gridOf(1, 1, 16, 16)
			b.items = nil
			for n := range 1000 {
				b.add(&built{kind: "iden"})
				b.refer("dimg", n+1, n+2)
			}
			b.primary = 1
			return b
		}, isDamaged, "derived from each other more than 8 times"},
		{"one item for many layers", func() *builder {
			b := overlayOf(nil, 40, 30, make([]int, 2*300)...)
			b.references = nil
			b.refer("dimg", 3, bytesAsIDs(300)...)
			return b
		}, isUnsupported, "layers"},
		{"large layers on a small canvas", func() *builder {
			b := overlayOf(nil, 40, 30, 0, 0, 0, 0)
			b.items[1].properties = []int{b.property(grayRaw(60000, 60000).property())}
			return b
		}, isDamaged, "3600000256 pixels"},
		{"item derived from itself", func() *builder {
			b := gridOf(1, 1, 16, 16)
			b.items[0].kind = "iden"
			b.refer("dimg", 1, 1)
			b.primary = 1
			return b
		}, isDamaged, "derived from each other"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := rawCodecs
			if test.message == "share their data" {
				c = map[string]itemCodec{"rawv": {name: Name, property: "rawC", configure: configureGreedy}}
			}
			checkRefusal(t, tryAll(test.build().bytes(), c), test.reason, test.message)
		})
	}
}

// bytesAsIDs is a list of n references to item 1.
func bytesAsIDs(n int) []int {
	ids := make([]int, n)
	for i := range ids {
		ids[i] = 1
	}
	return ids
}

// A greedy bitstream reads all of its data, which may be more than its samples.
type greedy struct{ raw }

func configureGreedy(b []byte, width, height int, layers selection) (bitstream, error) {
	r, err := configureRaw(b, width, height, layers)
	if err != nil {
		return nil, err
	}
	return greedy{r.(raw)}, nil
}

func (g greedy) decode(from io.Reader, o decodeOptions, show func(*rows) error) error {
	if err := g.raw.decode(from, o, show); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, from)
	return err
}
