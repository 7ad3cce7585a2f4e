package png

import (
	"bytes"
	"cmp"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane/planetest"
)

var layouts = []layout{
	{gray, 1}, {gray, 2}, {gray, 4}, {gray, 8}, {gray, 16}, {rgb, 8}, {rgb, 16}, {indexed, 1}, {indexed, 2}, {indexed, 4},
	{indexed, 8}, {grayAlpha, 8}, {grayAlpha, 16}, {rgba, 8}, {rgba, 16},
}

// A drawing is a PNG before it is encoded.
type drawing struct {
	layout
	width, height int
	interlaced    bool
	palette       []uint8
	alpha         []uint8 // of tRNS
	rows          []uint8 // with their filters, as they are packed
	idat          int     // bytes of an IDAT chunk; 0 for one chunk
}

func (d drawing) String() string {
	return fmt.Sprintf("type %d of %d bits, %dx%d, interlaced: %v, tRNS: %v", d.colorType, d.depth, d.width, d.height,
		d.interlaced, d.alpha)
}

// length is the number of bytes of all rows.
func (d drawing) length() int {
	if !d.interlaced {
		return d.height * (1 + d.rowBytes(d.width))
	}
	length := 0
	for _, p := range passes {
		width, height := (d.width-p.x+p.stepX-1)/p.stepX, (d.height-p.y+p.stepY-1)/p.stepY
		if width > 0 {
			length += height * (1 + d.rowBytes(width))
		}
	}
	return length
}

// noisy fills the rows with noise, which is a valid image with any filter types.
func (d drawing) noisy(random *rand.Rand, opaque bool) drawing {
	d.rows = make([]uint8, d.length())
	next := 0
	noise := func(width, height int) {
		for range height {
			row := d.rows[next:][:1+d.rowBytes(width)]
			row[0] = uint8(random.IntN(5))
			for i := range row[1:] {
				row[1+i] = uint8(random.Uint32())
			}
			if opaque { // with a filter that leaves it so
				row[0] = filterNone
				channels, size := d.colorType.channels(), d.bytesPerPixel()
				for i := range row[1:] {
					if i%size >= size/channels*(channels-1) {
						row[1+i] = 0xff
					}
				}
			}
			next += len(row)
		}
	}
	if !d.interlaced {
		noise(d.width, d.height)
		return d
	}
	for _, p := range passes {
		width, height := (d.width-p.x+p.stepX-1)/p.stepX, (d.height-p.y+p.stepY-1)/p.stepY
		if width > 0 {
			noise(width, height)
		}
	}
	return d
}

func chunkOf(name string, payload []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(payload)))
	b = append(append(b, name...), payload...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

// packer is reused, because creating one takes longer than using it.
var packer = zlib.NewWriter(nil)

func pack(tb testing.TB, b []byte) []byte {
	tb.Helper()
	var packed bytes.Buffer
	packer.Reset(&packed)
	packer.Write(b)
	if err := packer.Close(); err != nil {
		tb.Fatal(err)
	}
	return packed.Bytes()
}

// start is the file up to its pixels.
func (d drawing) start() []byte {
	ihdr := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(d.width)), uint32(d.height))
	ihdr = append(ihdr, byte(d.depth), byte(d.colorType), 0, 0, 0)
	if d.interlaced {
		ihdr[12] = 1
	}
	file := append([]byte(signature), chunkOf("IHDR", ihdr)...)
	if d.palette != nil {
		file = append(file, chunkOf("PLTE", d.palette)...)
	}
	if d.alpha != nil {
		file = append(file, chunkOf("tRNS", d.alpha)...)
	}
	return file
}

func (d drawing) file(tb testing.TB) []byte {
	tb.Helper()
	file, packed := d.start(), pack(tb, d.rows)
	for part := range slices.Chunk(packed, cmp.Or(d.idat, len(packed))) {
		file = append(file, chunkOf("IDAT", part)...)
	}
	return append(file, chunkOf("IEND", nil)...)
}

func decode(tb testing.TB, file []byte, width, height int) *plane.Image {
	tb.Helper()
	f, err := Open(bytes.NewReader(file))
	if err != nil {
		tb.Fatalf("open: %v", err)
	}
	m, err := f.decodeImage(codec.Options{Width: width, Height: height})
	if err != nil {
		tb.Fatalf("decode: %v", err)
	}
	return m
}

// rowOf is a row of an image of package image as premultiplied RGBA of 8 bits.
func rowOf(m image.Image, y int) []uint8 {
	var row []uint8
	for x := range m.Bounds().Dx() {
		switch c := m.At(x, y).(type) {
		case color.NRGBA:
			row = append(row, c.R, c.G, c.B, c.A)
		case color.NRGBA64:
			row = append(row, uint8(c.R>>8), uint8(c.G>>8), uint8(c.B>>8), uint8(c.A>>8))
		default: // opaque
			r, g, b, _ := c.RGBA()
			row = append(row, uint8(r>>8), uint8(g>>8), uint8(b>>8), 0xff)
		}
	}
	plane.Premultiply(row)
	return row
}

// rowIn is a row of planes as RGBA.
func rowIn(m *plane.Image, y int) []uint8 {
	var row []uint8
	for x := range m.Planes[0].Width {
		pixel := []uint8{0, 0, 0, 0xff}
		for i := range 3 {
			pixel[i] = m.Planes[min(i, m.Model.Channels()-1)].Row(y)[x]
		}
		if m.HasAlpha() {
			pixel[3] = m.Planes[len(m.Planes)-1].Row(y)[x]
		}
		row = append(row, pixel...)
	}
	return row
}

// difference describes where planes differ from the image of image/png.
func difference(got *plane.Image, want image.Image) string {
	size := want.Bounds().Size()
	if got.Width != size.X || got.Height != size.Y || got.Planes[0].Width != size.X || got.Planes[0].Height != size.Y {
		return fmt.Sprintf("it is %dx%d, of a plane of %dx%d, want %v", got.Width, got.Height,
			got.Planes[0].Width, got.Planes[0].Height, size)
	}
	transparent := false
	for y := range size.Y {
		row := rowOf(want, y)
		if is := rowIn(got, y); !slices.Equal(is, row) {
			return fmt.Sprintf("row %d is %v, want %v", y, is, row)
		}
		transparent = transparent || !isOpaque(row)
	}
	if got.HasAlpha() != transparent {
		return fmt.Sprintf("it has alpha: %v, want %v", got.HasAlpha(), transparent)
	}
	return ""
}

func TestDecodeLikeImagePNG(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	noise := func(n int) []uint8 {
		b := make([]uint8, n)
		for i := range b {
			b[i] = uint8(random.Uint32())
		}
		return b
	}
	check := func(d drawing) {
		t.Helper()
		file := d.file(t)
		want, err := png.Decode(bytes.NewReader(file))
		if err != nil {
			t.Fatalf("%v: image/png says %v", d, err)
		}
		if wrong := difference(decode(t, file, d.width, d.height), want); wrong != "" {
			t.Fatalf("%v: %s", d, wrong)
		}
	}
	for _, l := range layouts {
		for _, interlaced := range []bool{false, true} {
			for i := range 17 * 5 {
				d := drawing{layout: l, width: 1 + i%17, height: 1 + i*7%17, interlaced: interlaced, idat: i % 5 * 20}
				if l.colorType == indexed {
					d.palette = noise(3 * (1 + random.IntN(1<<l.depth))) // possibly less than there are indexes
				}
				d = d.noisy(random, false)
				check(d)
				switch l.colorType {
				case gray, rgb:
					d.rows[0] = filterNone // so that the colour occurs
					d.alpha = key(d)
					check(d)
				case indexed:
					d.alpha = noise(1 + random.IntN(len(d.palette)/3))
					check(d)
				default:
					check(d.noisy(random, true))
				}
			}
		}
	}
}

// key makes the colour of the first pixel the transparent one.
func key(d drawing) []uint8 {
	switch {
	case d.depth == 16:
		return bytes.Clone(d.rows[1:][:d.bytesPerPixel()])
	case d.colorType == rgb:
		return []uint8{0, d.rows[1], 0, d.rows[2], 0, d.rows[3]}
	default:
		return []uint8{0, d.rows[1] >> (8 - d.depth)}
	}
}

func TestDecodeReducesLikeImagePNG(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, l := range []layout{{rgb, 8}, {rgb, 16}, {rgba, 8}} {
		for _, interlaced := range []bool{false, true} {
			file := drawing{layout: l, width: 133, height: 101, interlaced: interlaced}.noisy(random, false).file(t)
			want, err := png.Decode(bytes.NewReader(file))
			if err != nil {
				t.Fatal(err)
			}
			got, reduced := decode(t, file, 10, 8), planetest.Of(want, 10, 8)
			for i, p := range got.Planes {
				if other := reduced.Planes[i]; !slices.Equal(p.Pix, other.Pix) || p.Width == 133 || p.StepX != other.StepX {
					t.Errorf("type %d of %d bits, interlaced: %v: plane %d differs", l.colorType, l.depth, interlaced, i)
				}
			}
		}
	}
}

func TestModels(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for _, l := range layouts {
		opaque := drawing{layout: l, width: 9, height: 5, palette: make([]uint8, 3)}.noisy(random, l.colorType > indexed)
		m := decode(t, opaque.file(t), 9, 5)
		wantGray := l.colorType == gray || l.colorType == grayAlpha
		if isGray := m.Model == plane.Gray; isGray != wantGray || m.HasAlpha() {
			t.Errorf("type %d of %d bits: gray: %v, want %v; alpha: %v, want none", l.colorType, l.depth, isGray, wantGray,
				m.HasAlpha())
		}
	}
}

// flipped is a file with one bit flipped, in a byte counted from its end.
func flipped(file []byte, fromEnd int) []byte {
	file = bytes.Clone(file)
	file[len(file)-fromEnd] ^= 1
	return file
}

// wrong is a chunk of 6 bytes with a wrong CRC.
func wrong(name string) []byte { return flipped(chunkOf(name, make([]byte, 6)), 1) }

func TestToleratedFiles(t *testing.T) {
	d := drawing{layout: layout{rgb, 8}, width: 7, height: 5}.noisy(rand.New(rand.NewPCG(7, 8)), false)
	want := decode(t, d.file(t), 7, 5)
	packed, end := pack(t, d.rows), chunkOf("IEND", nil)
	half := len(packed) / 2
	tests := map[string][]byte{
		"an empty chunk of pixels": slices.Concat(d.start(), chunkOf("IDAT", nil), chunkOf("IDAT", packed),
			end),
		"another chunk among those of the pixels": slices.Concat(d.start(), chunkOf("IDAT", packed[:half]),
			chunkOf("tIME", make([]byte, 7)), chunkOf("IDAT", packed[half:]), end),
		"bytes after the packed pixels": slices.Concat(d.start(),
			chunkOf("IDAT", append(bytes.Clone(packed), "garbage"...)), end),
		"a chunk of pixels too many": slices.Concat(d.start(), chunkOf("IDAT", packed),
			chunkOf("IDAT", []byte("garbage")), end),
		"a palette that is not needed": slices.Concat(d.start(), chunkOf("PLTE", make([]byte, 30)),
			chunkOf("IDAT", packed), end),
		"a chunk of unknown type": slices.Concat(d.start(), chunkOf("ABCD", nil), chunkOf("IDAT", packed),
			end),
		"a wrong sum that does not matter": slices.Concat(d.start(), wrong("gAMA"), chunkOf("IDAT", packed), end),
		"a wrong sum among those of the pixels": slices.Concat(d.start(), chunkOf("IDAT", packed[:half]), wrong("tEXt"),
			chunkOf("IDAT", packed[half:]), end),
		"more pixels than the header says": slices.Concat(d.start(),
			chunkOf("IDAT", pack(t, append(bytes.Clone(d.rows), d.rows...))), end),
		"a wrong sum after the pixels":       slices.Concat(d.start(), chunkOf("IDAT", packed), wrong("ABCD"), end),
		"a wrong sum of the end":             flipped(d.file(t), 1),
		"no end":                             slices.Concat(d.start(), chunkOf("IDAT", packed)),
		"no sum of the last chunk of pixels": bytes.TrimSuffix(d.file(t), d.file(t)[len(d.file(t))-16:]),
		"zeros for an end":                   slices.Concat(d.start(), chunkOf("IDAT", packed), make([]byte, 50)),
		"bytes after the end":                slices.Concat(d.start(), chunkOf("IDAT", packed), end, []byte("garbage")),
	}
	for name, file := range tests {
		t.Run(name, func(t *testing.T) {
			m := decode(t, file, 7, 5)
			for i, p := range m.Planes {
				if !slices.Equal(p.Pix, want.Planes[i].Pix) {
					t.Errorf("plane %d differs", i)
				}
			}
		})
	}
}

func TestRejectedFiles(t *testing.T) {
	d := drawing{layout: layout{rgb, 8}, width: 7, height: 5}.noisy(rand.New(rand.NewPCG(9, 10)), false)
	packed, end := pack(t, d.rows), chunkOf("IEND", nil)
	with := func(change func(rows []uint8) []uint8) []byte {
		return slices.Concat(d.start(), chunkOf("IDAT", pack(t, change(bytes.Clone(d.rows)))), end)
	}
	wrongSum := slices.Concat(d.start(), chunkOf("IDAT", flipped(packed, 1)), end)
	header := func(at int, value byte) []byte {
		ihdr := bytes.Clone(d.start()[16:29])
		ihdr[at] = value
		return slices.Concat([]byte(signature), chunkOf("IHDR", ihdr), chunkOf("IDAT", packed), end)
	}
	keyed := func(length int) []byte {
		return slices.Concat(d.start(), chunkOf("tRNS", make([]byte, length)), chunkOf("IDAT", packed), end)
	}
	paletted := drawing{layout: layout{indexed, 8}, width: 1, height: 1, palette: make([]byte, 4), rows: []byte{0, 0}}
	tests := []struct {
		name string
		file []byte
		want string
	}{
		{"a row less", with(func(rows []uint8) []uint8 { return rows[:len(rows)-22] }), "fewer pixels"},
		{"a byte less", with(func(rows []uint8) []uint8 { return rows[:len(rows)-1] }), "fewer pixels"},
		{"half of the pixels and a broken chunk",
			slices.Concat(d.start(), chunkOf("IDAT", packed[:len(packed)/2]), make([]byte, 8)), "a chunk has type"},
		{"an orientation that is cut short",
			slices.Concat(d.start(), chunkOf("IDAT", packed), chunkOf("eXIf", make([]byte, 9))[:12]), "cut short in its eXIf"},
		{"an unknown filter", with(func(rows []uint8) []uint8 { rows[22] = 5; return rows }), "filter type 5"},
		{"no end of the packed pixels", slices.Concat(d.start(), chunkOf("IDAT", packed[:len(packed)-1]), end),
			"before its last pixels"},
		{"half of the packed pixels", slices.Concat(d.start(), chunkOf("IDAT", packed[:len(packed)/2]), end),
			"before its last pixels"},
		{"a wrong sum of the pixels", wrongSum, "checksum of its pixels"},
		{"a wrong sum of a chunk of pixels", flipped(d.file(t), 13), "checksum of its IDAT chunk"},
		{"a wrong sum of a chunk of unknown type", slices.Concat(d.start(), wrong("ABCD"), chunkOf("IDAT", packed), end),
			"checksum of its ABCD chunk"},
		{"a wrong sum of the transparent colour", slices.Concat(d.start(), wrong("tRNS"), chunkOf("IDAT", packed), end),
			"checksum of its tRNS chunk"},
		{"a transparent colour of 5 bytes", keyed(5), "transparent colour has 5 bytes"},
		{"a palette of 4 bytes", paletted.file(t), "palette has 4 bytes"},
		{"an unknown depth", header(8, 5), "with 5 bits"},
		{"an unknown colour type", header(9, 5), "colour type 5"},
		{"an unknown compression", header(10, 1), "compression method 1"},
		{"an unknown filter method", header(11, 64), "filter method 64"},
		{"an unknown interlacing", header(12, 2), "interlace method 2"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f, err := Open(bytes.NewReader(test.file))
			if err == nil {
				_, err = f.decodeImage(codec.Options{Width: 7, Height: 5})
			}
			var imgErr *imgerr.Error
			if !errors.As(err, &imgErr) || !strings.Contains(imgErr.Message, test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
}

// An image of 12 megabytes takes far less memory than its pixels.
func TestDecodeMemory(t *testing.T) {
	d := drawing{layout: layout{rgb, 8}, width: 2000, height: 2000}
	d.rows = make([]uint8, d.length())
	file := d.file(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	decode(t, file, 40, 40)
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 2<<20 {
		t.Errorf("it takes %d bytes of memory, want 2 MiB at most", got)
	}
}

// Decode returns an error, or the pixels of image/png.
func FuzzDecode(f *testing.F) {
	random := rand.New(rand.NewPCG(11, 12))
	for _, l := range layouts {
		for _, interlaced := range []bool{false, true} {
			d := drawing{layout: l, width: 7, height: 5, interlaced: interlaced, palette: make([]uint8, 3)}
			f.Add(d.noisy(random, false).file(f))
		}
	}
	f.Add(drawing{layout: layout{indexed, 2}, width: 3, height: 2, palette: []uint8{1, 2, 3, 4, 5, 6}, alpha: []uint8{9}}.
		noisy(random, false).file(f))
	f.Fuzz(func(t *testing.T, file []byte) {
		correctSums(file)
		const most = 1 << 10
		if config, err := png.DecodeConfig(bytes.NewReader(file)); err == nil && max(config.Width, config.Height) > most {
			return
		}
		opened, err := Open(bytes.NewReader(file))
		var m *plane.Image
		if err == nil {
			if max(opened.Width, opened.Height) > most {
				return
			}
			m, err = opened.decodeImage(codec.Options{Width: opened.Width, Height: opened.Height})
		}
		var imgErr *imgerr.Error
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.As(err, &imgErr) {
			t.Errorf("got %v, want an *imgerr.Error or the end of the file", err)
		}
		want, wantErr := png.Decode(bytes.NewReader(file))
		switch {
		case wantErr != nil: // of more than we do
		case err != nil && !strings.Contains(err.Error(), "a chunk has type"):
			t.Errorf("got %v, but image/png reads it", err)
		case err == nil:
			if wrong := difference(m, want); wrong != "" {
				t.Error(wrong)
			}
		}
	})
}

// correctSums corrects the CRCs of chunks, which no fuzzer would guess.
func correctSums(file []byte) {
	for rest := file[min(len(signature), len(file)):]; len(rest) >= 12; {
		length := int(binary.BigEndian.Uint32(rest))
		if length > len(rest)-12 {
			return
		}
		binary.BigEndian.PutUint32(rest[8+length:], crc32.ChecksumIEEE(rest[4:8+length]))
		rest = rest[12+length:]
	}
}

// BenchmarkDecode decodes 2 megapixels: of a photograph, and of a drawing with a palette.
func BenchmarkDecode(b *testing.B) {
	random := rand.New(rand.NewPCG(13, 14))
	for name, d := range map[string]drawing{
		"RGB":        {layout: layout{rgb, 8}, width: 2000, height: 1000},
		"RGBA":       {layout: layout{rgba, 8}, width: 2000, height: 1000},
		"interlaced": {layout: layout{rgb, 8}, width: 2000, height: 1000, interlaced: true},
		"palette":    {layout: layout{indexed, 8}, width: 2000, height: 1000, palette: make([]uint8, 768)},
	} {
		d = d.noisy(random, false)
		if !d.interlaced {
			for i, row := 0, 1+d.rowBytes(d.width); i < len(d.rows); i++ {
				if i%row > 0 {
					d.rows[i] = uint8(int8(random.NormFloat64() * 5))
				}
			}
		}
		file := d.file(b)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				decode(b, file, 200, 100)
			}
			b.ReportMetric(2*float64(b.N)/b.Elapsed().Seconds(), "MP/s")
		})
	}
}

// A copy of an image with a palette has one if it is smaller with it, and is never larger than its original.
func TestEncodeIndexed(t *testing.T) {
	tests := []struct {
		name    string
		draw    func(m *image.NRGBA)
		indexed bool
	}{
		{"two grays", func(m *image.NRGBA) { stripes(m, color.NRGBA{A: 255}, color.NRGBA{250, 250, 250, 255}) }, true},
		{"three colours", func(m *image.NRGBA) {
			stripes(m, color.NRGBA{200, 0, 0, 255}, color.NRGBA{0, 90, 0, 255}, color.NRGBA{0, 0, 90, 255})
		}, true},
		{"partly transparent", func(m *image.NRGBA) {
			stripes(m, color.NRGBA{200, 0, 0, 255}, color.NRGBA{0, 90, 0, 99})
		}, true},
		{"many colours", noise, true},
		{"an even gradient", func(m *image.NRGBA) { gradient(m, 255) }, false},
		{"many colours that are partly transparent", func(m *image.NRGBA) { gradient(m, 128) }, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := image.NewNRGBA(image.Rect(0, 0, 60, 40))
			test.draw(m)
			image := planetest.Of(m, 60, 40)
			var plain, file bytes.Buffer
			if err := Encode(&plain, image); err != nil {
				t.Fatal(err)
			}
			image.Indexed = true
			if err := Encode(&file, image); err != nil {
				t.Fatal(err)
			}
			const atColorType = len(signature) + chunkHeaderLength + 9
			if got := file.Bytes()[atColorType] == byte(indexed); got != test.indexed {
				t.Errorf("indexed: %v, want %v", got, test.indexed)
			}
			if file.Len() > plain.Len() {
				t.Errorf("the file has %d bytes, more than %d without a palette", file.Len(), plain.Len())
			}
			decoded, err := png.Decode(&file)
			if err != nil {
				t.Fatal(err)
			}
			for y := range 40 {
				for x := range 60 {
					got, want := color.NRGBAModel.Convert(decoded.At(x, y)).(color.NRGBA), m.NRGBAAt(x, y)
					if !near(got.R, want.R) || !near(got.G, want.G) || !near(got.B, want.B) || got.A != want.A {
						t.Fatalf("the pixel at %d,%d is %v, want %v", x, y, got, want)
					}
				}
			}
		})
	}
}

// near allows for a palette of fewer colours.
func near(a, b uint8) bool { return max(a, b)-min(a, b) <= 24 }

func noise(m *image.NRGBA) {
	r := rand.New(rand.NewPCG(5, 6))
	for y := range m.Rect.Dy() {
		for x := range m.Rect.Dx() {
			v := uint8(4*x + r.IntN(4))
			m.SetNRGBA(x, y, color.NRGBA{v + uint8(r.IntN(6)), v + uint8(r.IntN(6)), uint8(90 + r.IntN(4)), 255})
		}
	}
}

func stripes(m *image.NRGBA, colors ...color.NRGBA) {
	for y := range m.Rect.Dy() {
		for x := range m.Rect.Dx() {
			m.SetNRGBA(x, y, colors[(x/3+y)%len(colors)])
		}
	}
}

func gradient(m *image.NRGBA, alpha uint8) {
	for y := range m.Rect.Dy() {
		for x := range m.Rect.Dx() {
			m.SetNRGBA(x, y, color.NRGBA{uint8(4 * x), uint8(4 * y), uint8(2 * (x + y)), alpha - uint8(x%2)*(255-alpha)/4})
		}
	}
}
