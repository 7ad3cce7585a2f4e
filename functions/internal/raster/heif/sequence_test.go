package heif

import (
	"bytes"
	"math"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

// A builtTrack is a track of an image sequence. Its samples are in chunks of two.
type builtTrack struct {
	id       int
	disabled bool
	handler  string
	kind     string // of its sample entries
	entries  [][]byte
	samples  [][]byte
	sync     []int // sync samples, from 1; none means that all are
	matrix   []int // a, b, c and d
	refs     []byte
	wide     bool              // 64-bit times and positions
	equal    bool              // all samples have the same size, which is stated once
	change   map[string][]byte // boxes to replace
}

const samplesPerChunk = 2

func (b *builtTrack) boxOf(kind string, made []byte) []byte {
	if changed, ok := b.change[kind]; ok {
		return changed
	}
	return made
}

func (b *builtTrack) tkhd() []byte {
	flags, version, times := 1, 0, make([]byte, 8)
	if b.disabled {
		flags = 0
	}
	if b.wide {
		version, times = 1, make([]byte, 16)
	}
	m := b.matrix
	if m == nil {
		m = []int{1, 0, 0, 1}
	}
	const one = 1 << 16
	matrix := join(be32(m[0]*one), be32(m[1]*one), be32(0), be32(m[2]*one), be32(m[3]*one), be32(0), be32(0), be32(0),
		be32(1<<30))
	return fullBox("tkhd", version, flags, times, be32(b.id), be32(0), times[:len(times)/2], make([]byte, 16), matrix,
		be32(16<<16), be32(16<<16))
}

// trak is the box of the track, whose samples start at a position.
func (b *builtTrack) trak(start int) []byte {
	var sizes, chunks, entries []byte
	for i, s := range b.samples {
		if i%samplesPerChunk == 0 {
			chunks = append(chunks, be32(start)...)
			if b.wide {
				chunks = append(chunks[:len(chunks)-4], join(be32(0), be32(start))...)
			}
		}
		sizes = append(sizes, be32(len(s))...)
		start += len(s)
	}
	stsz := fullBox("stsz", 0, 0, be32(0), be32(len(b.samples)), sizes)
	if b.equal {
		stsz = fullBox("stsz", 0, 0, be32(len(b.samples[0])), be32(len(b.samples)))
	}
	count := (len(b.samples) + samplesPerChunk - 1) / samplesPerChunk
	offsets := fullBox("stco", 0, 0, be32(count), chunks)
	if b.wide {
		offsets = fullBox("co64", 0, 0, be32(count), chunks)
	}
	stsc := fullBox("stsc", 0, 0, be32(1), be32(1), be32(samplesPerChunk), be32(1))
	if len(b.entries) > 1 { // every chunk has the next one
		stsc = nil
		for i := range count {
			stsc = append(stsc, join(be32(i+1), be32(samplesPerChunk), be32(i+1))...)
		}
		stsc = fullBox("stsc", 0, 0, be32(count), stsc)
	}
	for _, e := range b.entries {
		entries = append(entries, box(b.kind, make([]byte, 6), be16(1), make([]byte, 16), be16(16), be16(16),
			make([]byte, 50), e)...)
	}
	var stss []byte
	if b.sync != nil {
		stss = be32(len(b.sync))
		for _, n := range b.sync {
			stss = append(stss, be32(n)...)
		}
		stss = fullBox("stss", 0, 0, stss)
	}
	dref := fullBox("dref", 0, 0, be32(1), fullBox("url ", 0, 1))
	stbl := box("stbl", b.boxOf("stsd", fullBox("stsd", 0, 0, be32(len(b.entries)), entries)), b.boxOf("stsz", stsz),
		b.boxOf("stsc", stsc), b.boxOf("stco", offsets), b.boxOf("stss", stss))
	return box("trak", b.boxOf("tkhd", b.tkhd()), box("tref", b.refs), box("mdia",
		b.boxOf("hdlr", fullBox("hdlr", 0, 0, be32(0), []byte(b.handler), make([]byte, 13))),
		box("minf", box("dinf", b.boxOf("dref", dref)), stbl)))
}

// A builtSequence is a file of tracks, without a still picture.
type builtSequence struct {
	tracks    []*builtTrack
	moovFirst bool
	brands    string
	before    []byte // boxes before all others but ftyp
	after     []byte
}

func (b *builtSequence) moov(start int) []byte {
	moov := fullBox("mvhd", 0, 0, make([]byte, 96))
	for _, t := range b.tracks {
		moov = append(moov, t.trak(start)...)
		start += len(join(t.samples...))
	}
	return box("moov", moov)
}

func (b *builtSequence) bytes() []byte {
	brands := b.brands
	if brands == "" {
		brands = "msf1hevc"
	}
	head := join(box("ftyp", []byte("msf1"), be32(0), []byte(brands)), b.before)
	var data []byte
	for _, t := range b.tracks {
		data = append(data, join(t.samples...)...)
	}
	if b.moovFirst {
		start := len(head) + len(b.moov(0)) + 8
		return join(head, b.moov(start), box("mdat", data), b.after)
	}
	return join(head, box("mdat", data), b.moov(len(head)+8), b.after)
}

// shadedTrack is a track of five samples, of which one has the levels that checkShades expects, of 16x16 pixels.
func shadedTrack(id, shaded int) *builtTrack {
	r := grayRaw(16, 16)
	t := &builtTrack{id: id, handler: "pict", kind: "rawv", entries: [][]byte{r.property()}}
	for n := range 5 {
		t.samples = append(t.samples, r.samples(func(_, x, y int) int {
			if n+1 == shaded {
				return shade(x, y)
			}
			return 99
		}))
	}
	return t
}

// A trackOf is a track that refers to others.
func trackOf(kind string, from *builtTrack, to ...int) *builtTrack {
	ids := []byte{}
	for _, id := range to {
		ids = append(ids, be32(id)...)
	}
	from.refs = append(from.refs, box(kind, ids)...)
	return from
}

func sequenceOf(tracks ...*builtTrack) *builtSequence { return &builtSequence{tracks: tracks} }

func TestSequences(t *testing.T) {
	change := func(shaded int, f func(b *builtTrack)) *builtSequence {
		b := shadedTrack(1, shaded)
		f(b)
		return sequenceOf(b)
	}
	sound := &builtTrack{id: 9, handler: "soun", change: map[string][]byte{"stsz": {}, "stsc": {}}}
	first := sequenceOf(shadedTrack(1, 1))
	first.moovFirst = true
	withMeta := sequenceOf(shadedTrack(1, 1))
	withMeta.brands = "mif1heicmsf1hevc"
	useless := sequenceOf(shadedTrack(1, 1))
	useless.brands = "mif1heicmsf1hevc"
	useless.before = fullBox("meta", 0, 0, fullBox("hdlr", 0, 0, be32(0), []byte("pict")))
	music := sequenceOf(shadedTrack(1, 1))
	music.before = fullBox("meta", 0, 0, fullBox("hdlr", 0, 0, be32(0), []byte("mdir")))
	disabled := shadedTrack(1, 0)
	disabled.disabled = true
	tests := []struct {
		name string
		file *builtSequence
	}{
		{"moov box last", sequenceOf(shadedTrack(1, 1))},
		{"moov box first", first},
		{"moov box first, and brands of a still picture", withMeta},
		{"meta box without a primary item", useless},
		{"meta box of music", music},
		{"64 bits", change(1, func(b *builtTrack) { b.wide = true })},
		{"samples of one size", change(4, func(b *builtTrack) { b.equal, b.sync = true, []int{4} })},
		{"first sync sample", change(4, func(b *builtTrack) { b.sync = []int{4, 5} })},
		{"no sync samples", change(1, func(b *builtTrack) { b.sync = []int{} })},
		{"sample entry of another chunk", change(3, func(b *builtTrack) {
			b.entries, b.sync = [][]byte{grayRaw(8, 8).property(), b.entries[0], nil}, []int{3}
		})},
		{"handler of videos", change(1, func(b *builtTrack) { b.handler = "vide" })},
		{"disabled track first", sequenceOf(disabled, shadedTrack(2, 1))},
		{"no enabled track", change(1, func(b *builtTrack) { b.disabled = true })},
		{"sound first", sequenceOf(sound, shadedTrack(1, 1))},
		{"thumbnails first", sequenceOf(trackOf("thmb", shadedTrack(2, 0), 1), shadedTrack(1, 1))},
		{"broken thumbnails", sequenceOf(shadedTrack(1, 1), trackOf("thmb", &builtTrack{id: 2, handler: "pict"}, 1))},
		{"other boxes", change(1, func(b *builtTrack) { b.entries[0] = join(b.entries[0], box("ccst", be32(0), be32(0))) })},
		{"no data references", change(1, func(b *builtTrack) { b.change = map[string][]byte{"dref": nil} })},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { checkShades(t, decodeBuilt(t, test.file.bytes()), 0, 0) })
	}
}

// The still picture of a file with both is in its meta box, wherever its moov box is.
func TestStillBesideSequence(t *testing.T) {
	still := gridOf(2, 2, 20, 20)
	still.before = sequenceOf(shadedTrack(1, 0)).moov(0)
	for _, metaLast := range []bool{false, true} {
		still.metaLast = metaLast
		checkShades(t, decodeBuilt(t, still.bytes()), 0, 0)
	}
}

func TestSequenceIsTurned(t *testing.T) {
	tests := []struct {
		matrix []int
		want   int
	}{
		{[]int{1, 0, 0, 1}, 1},
		{[]int{-1, 0, 0, 1}, 2},
		{[]int{-1, 0, 0, -1}, 3},
		{[]int{1, 0, 0, -1}, 4},
		{[]int{0, 1, 1, 0}, 5},
		{[]int{0, 1, -1, 0}, 6}, // as phones write it: a quarter turn to the right
		{[]int{0, -1, -1, 0}, 7},
		{[]int{0, -1, 1, 0}, 8},
		{[]int{1, 1, 1, 1}, 1}, // which turns by no quarters
		{[]int{0, 0, 0, 0}, 1},
	}
	for _, test := range tests {
		b := shadedTrack(1, 1)
		b.matrix = test.matrix
		f := openBuilt(t, sequenceOf(b).bytes())
		if f.Orientation != test.want {
			t.Errorf("%v: got orientation %d, want %d", test.matrix, f.Orientation, test.want)
		}
	}
}

func TestAlphaOfSequence(t *testing.T) {
	pictures, levels := shadedTrack(1, 1), shadedTrack(2, 0)
	levels.handler = "auxv"
	levels.entries[0] = join(levels.entries[0], fullBox("auxi", 0, 0, []byte(alphaURN), []byte{0}))
	f := openBuilt(t, sequenceOf(trackOf("auxl", levels, 1), trackOf("prem", pictures, 2)).bytes())
	if !f.HasAlpha || !f.primary.alpha.isPremultiplied {
		t.Fatalf("got alpha %t, want premultiplied alpha", f.HasAlpha)
	}
	m, err := decode(f, 16, 16)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range m.Planes[1].Pix {
		if v != 99 {
			t.Fatalf("sample %d of alpha is %d, want 99", i, v)
		}
	}
}

func TestRefusedSequences(t *testing.T) {
	change := func(f func(b *builtTrack)) *builtSequence {
		b := shadedTrack(1, 1)
		f(b)
		return sequenceOf(b)
	}
	replace := func(kind string, parts ...[]byte) *builtSequence {
		return change(func(b *builtTrack) { b.change = map[string][]byte{kind: fullBox(kind, 0, 0, parts...)} })
	}
	without := func(kind string) *builtSequence {
		return change(func(b *builtTrack) { b.change = map[string][]byte{kind: nil} })
	}
	var many []*builtTrack
	for id := range maxTracks + 1 {
		many = append(many, shadedTrack(id+1, 1))
	}
	zeros := func(n int) []byte { return make([]byte, n) }
	tests := []struct {
		name    string
		file    *builtSequence
		reason  imgerr.Reason
		message string
	}{
		{"no track", sequenceOf(), isUnsupported, "without a track of pictures"},
		{"sound only", change(func(b *builtTrack) { b.handler = "soun" }), isUnsupported, "without a track of pictures"},
		{"thumbnails only", sequenceOf(trackOf("thmb", shadedTrack(1, 1), 1)), isUnsupported, "without a track of pictures"},
		{"too many tracks", sequenceOf(many...), isUnsupported, "more than 64 tracks"},
		{"another codec", change(func(b *builtTrack) { b.kind = "avc1" }), isUnsupported, "H.264"},
		{"encrypted", change(func(b *builtTrack) { b.kind = "encv" }), isUnsupported, "encrypted"},
		{"no tkhd box", without("tkhd"), isDamaged, "no tkhd box"},
		{"no hdlr box", without("hdlr"), isDamaged, "no hdlr box"},
		{"no stsd box", without("stsd"), isDamaged, "no stsd box"},
		{"no stsz box", without("stsz"), isDamaged, "no stsz box"},
		{"no stsc box", without("stsc"), isDamaged, "no stsc box"},
		{"no stco box", without("stco"), isDamaged, "no stco box"},
		{"short tkhd box", replace("tkhd", zeros(30)), isDamaged, "tkhd box ends"},
		{"short hdlr box", replace("hdlr", zeros(3)), isDamaged, "hdlr box ends"},
		{"no sample entry", replace("stsd", be32(0)), isDamaged, "no entry 1"},
		{"short sample entry", replace("stsd", be32(1), box("rawv", zeros(77))), isDamaged, "rawv box ends"},
		{"sample entry without a configuration", replace("stsd", be32(1), box("rawv", zeros(78))), isDamaged, "no rawC"},
		{"many boxes in a sample entry", replace("stsd", be32(1), box("rawv", zeros(78), bytes.Repeat(box("free"),
			maxProperties+1))), isUnsupported, "more than 4096 properties"},
		{"in another file", replace("dref", be32(1), fullBox("url ", 0, 0)), isUnsupported, "another file"},
		{"in fragments", replace("stsz", be32(0), be32(0)), isUnsupported, "in fragments"},
		{"no sample sizes", replace("stsz", be32(0), be32(5)), isDamaged, "stsz box ends"},
		{"sample beyond the end", replace("stsz", be32(1<<30), be32(5)), "", ""},
		{"compact sizes", change(func(b *builtTrack) {
			b.change = map[string][]byte{"stsz": fullBox("stz2", 0, 0, be32(8), be32(5), zeros(5))}
		}), isUnsupported, "stz2"},
		{"sample of no bytes", replace("stsz", be32(0), be32(1), be32(0)), isDamaged, "cut short"},
		{"4294967295 samples", change(func(b *builtTrack) {
			b.change = map[string][]byte{
				"stsz": fullBox("stsz", 0, 0, be32(math.MaxUint32), be32(math.MaxUint32)),
				"stsc": fullBox("stsc", 0, 0, be32(1), be32(1), be32(math.MaxUint32), be32(1)),
				"stss": fullBox("stss", 0, 0, be32(1), be32(math.MaxUint32)),
			}
		}), isDamaged, "first picture is at byte"},
		{"4294967295 samples without sizes", change(func(b *builtTrack) {
			b.change = map[string][]byte{
				"stsz": fullBox("stsz", 0, 0, be32(0), be32(math.MaxUint32)),
				"stsc": fullBox("stsc", 0, 0, be32(1), be32(1), be32(math.MaxUint32), be32(1)),
				"stss": fullBox("stss", 0, 0, be32(1), be32(math.MaxUint32)),
			}
		}), isDamaged, "stsz box ends"},
		{"sync sample beyond the last", replace("stss", be32(1), be32(6)), isDamaged, "sample 6 of 5"},
		{"sync sample 0", replace("stss", be32(1), be32(0)), isDamaged, "sample 0 of 5"},
		{"short stss box", replace("stss", be32(1)), isDamaged, "stss box ends"},
		{"empty stsc box", replace("stsc", be32(0)), isDamaged, "stsc box ends"},
		{"chunk 0", replace("stsc", be32(1), be32(0), be32(1), be32(1)), isDamaged, "1 samples in chunk 0"},
		{"chunks of no samples", replace("stsc", be32(1), be32(1), be32(0), be32(1)), isDamaged, "0 samples in chunk 1"},
		{"chunks backward", change(func(b *builtTrack) {
			b.sync = []int{4}
			b.change = map[string][]byte{"stsc": fullBox("stsc", 0, 0, be32(2), be32(2), be32(1), be32(1), be32(2), be32(1),
				be32(1))}
		}), isDamaged, "chunk 2 after chunk 2"},
		{"no such chunk", replace("stco", be32(0)), isDamaged, "chunk 1 of 0"},
		{"short stco box", replace("stco", be32(1)), isDamaged, "stco box ends"},
		{"same track twice", sequenceOf(shadedTrack(1, 1), trackOf("auxl", shadedTrack(1, 1), 1)), isDamaged, "1 twice"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := tryAll(test.file.bytes(), rawCodecs); test.message != "" {
				checkRefusal(t, err, test.reason, test.message)
			} else {
				checkFuzzed(t, err)
			}
		})
	}
}

// TestDeepTrack nests boxes as deep as a moov box has bytes for.
func TestDeepTrack(t *testing.T) {
	for _, kind := range []string{"trak", "mdia", "minf", "stbl"} {
		moov := make([]byte, 0, maxMeta)
		for size := maxMeta; size >= 8; size -= 8 {
			moov = append(append(moov, be32(size)...), kind...)
		}
		if err := tryAll(join(box("ftyp", []byte("msf1"), be32(0)), box("moov", moov)), rawCodecs); err == nil {
			t.Errorf("%s: got no error", kind)
		} else {
			checkFuzzed(t, err)
		}
	}
	large := join(box("ftyp", []byte("msf1"), be32(0)), be32(maxMeta+9), []byte("moov"))
	checkRefusal(t, tryAll(large, rawCodecs), isUnsupported, "bytes in its moov box")
}

// TestSequenceCutShort cuts a file at every byte.
func TestSequenceCutShort(t *testing.T) {
	for _, moovFirst := range []bool{false, true} {
		b := sequenceOf(shadedTrack(1, 5))
		b.tracks[0].sync = []int{5}
		b.moovFirst = moovFirst
		checkCuts(t, b.bytes())
	}
}
