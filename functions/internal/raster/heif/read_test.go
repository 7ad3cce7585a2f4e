package heif

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/iotest"

	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// shade is the level that pictures of the tests have at a pixel.
func shade(x, y int) int { return (7*x + 13*y) & 0xff }

// gridOf is a builder with a grid of gray tiles of 16x16 pixels, and an ispe property for what it shows.
func gridOf(columns, rows, width, height int) *builder {
	b := &builder{}
	r := raw{width: 16, height: 16, stored: gray8, meaning: cicp{full: true}}
	properties := []int{b.property(r.property()), b.property(fullBox("ispe", 0, 0, be32(16), be32(16)))}
	var ids []int
	for n := range columns * rows {
		left, top := n%columns*16, n/columns*16
		data := r.samples(func(_, x, y int) int { return shade(left+x, top+y) })
		ids = append(ids, b.add(&built{kind: "rawv", properties: properties, data: data}).id)
	}
	ispe := b.property(fullBox("ispe", 0, 0, be32(width), be32(height)))
	grid := b.add(&built{kind: "grid", properties: []int{ispe}, inIdat: true,
		data: join([]byte{0, 0, byte(rows - 1), byte(columns - 1)}, be16(width), be16(height))})
	b.refer("dimg", grid.id, ids...)
	b.primary = grid.id
	return b
}

// checkShades checks that a picture at its full size has the level of each pixel.
func checkShades(t *testing.T, m *plane.Image, left, top int) {
	t.Helper()
	p := m.Planes[0]
	if p.Width != m.Width || p.Height != m.Height {
		t.Fatalf("the plane has %dx%d samples, want %dx%d", p.Width, p.Height, m.Width, m.Height)
	}
	for y := range p.Height {
		for x, got := range p.Row(y) {
			if want := shade(left+x, top+y); int(got) != want {
				t.Fatalf("at %d, %d: got %d, want %d", x, y, got, want)
			}
		}
	}
}

func TestGrids(t *testing.T) {
	change := func(f func(b *builder)) *builder {
		b := gridOf(3, 2, 41, 30)
		f(b)
		return b
	}
	tests := []struct {
		name    string
		builder *builder
	}{
		{"3x2, tiles beyond the edges", gridOf(3, 2, 41, 30)},
		{"one column", gridOf(1, 3, 15, 40)},
		{"one row", gridOf(3, 1, 48, 16)},
		{"one tile", gridOf(1, 1, 9, 16)},
		{"meta box last", change(func(b *builder) { b.metaLast = true })},
		{"meta box to the end of the file", change(func(b *builder) { b.metaOpen = true })},
		{"numbers of 32 bits", change(func(b *builder) { b.wide = true })},
		{"data in three parts", change(func(b *builder) {
			for _, i := range b.items {
				i.parts = 3
			}
		})},
		{"data in the idat box", change(func(b *builder) {
			for _, i := range b.items {
				i.inIdat = true
			}
		})},
		{"data in another order", change(func(b *builder) { // items as before, but their places turned around
			n := len(b.items) - 1
			for i := range n / 2 {
				b.items[i], b.items[n-1-i] = b.items[n-1-i], b.items[i]
			}
		})},
		{"its description among the pictures", change(func(b *builder) { b.items[6].inIdat = false })},
		{"size of 32 bits", change(func(b *builder) {
			b.items[6].data = join([]byte{0, 1, 1, 2}, be32(41), be32(30))
		})},
		{"unknown boxes and properties", change(func(b *builder) {
			b.more = box("zzzz", []byte("anything"))
			b.before = box("free", make([]byte, 100000))
			b.items[6].properties = append(b.items[6].properties, b.property(box("wxyz", be32(1))), 0)
		})},
		{"primary item that is a thumbnail", change(func(b *builder) {
			r := raw{width: 8, height: 6, stored: gray8}
			i := b.add(&built{kind: "rawv", properties: []int{b.property(r.property())}, data: make([]byte, 48)})
			b.refer("thmb", i.id, b.primary)
			b.primary = i.id
		})},
		{"derived by iden", change(func(b *builder) {
			i := b.add(&built{kind: "iden"})
			b.refer("dimg", i.id, b.primary)
			b.primary = i.id
		})},
		{"derived by tmap", change(func(b *builder) {
			i := b.add(&built{kind: "tmap", data: []byte("tone map")})
			b.refer("dimg", i.id, b.primary, 1)
			b.primary = i.id
		})},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			file := test.builder.bytes()
			checkShades(t, decodeBuilt(t, file), 0, 0)
			f, err := open(iotest.OneByteReader(bytes.NewReader(file)), Name, rawCodecs)
			if err != nil {
				t.Fatalf("byte by byte: %v", err)
			}
			m, err := decode(f, f.Width, f.Height)
			if err != nil {
				t.Fatalf("byte by byte: %v", err)
			}
			checkShades(t, m, 0, 0)
		})
	}
}

// TestOverlay draws three layers: one that is partly outside, one that is turned to the left, and one with alpha
// over it.
func TestOverlay(t *testing.T) {
	const width, height = 20, 12
	b := &builder{}
	r := raw{width: 6, height: 4, stored: gray8, meaning: cicp{full: true}}
	plain := []int{b.property(r.property())}
	turned := append([]int{b.property(box("irot", []byte{1}))}, plain...)
	data := r.samples(func(_, x, y int) int { return shade(x, y) })
	ids := []int{
		b.add(&built{kind: "rawv", properties: plain, data: data}).id,
		b.add(&built{kind: "rawv", properties: turned, data: data}).id,
		b.add(&built{kind: "rawv", properties: plain, data: data}).id,
	}
	b.primary = ids[2]
	withAlpha(b, alphaURN, r, func(x, _ int) int { return 51 * x })
	b.primary = b.add(&built{kind: "iovl", inIdat: true, data: overlayData(nil, width, height, -2, 9, 10, 3, 11, 4)}).id
	b.refer("dimg", b.primary, ids...)

	want := make(values, height)
	for y := range want {
		want[y] = bytes.Repeat([]byte{0x40}, width)
	}
	layer := make(values, r.height)
	for y := range layer {
		layer[y] = data[r.width*y:][:r.width]
	}
	draw := func(v values, left, top int, alpha func(x int) int) {
		for y := range v {
			for x, level := range v[y] {
				if toX, toY := left+x, top+y; 0 <= toX && toX < width && 0 <= toY && toY < height {
					a := alpha(x)
					want[toY][toX] = uint8((int(level)*a + int(want[toY][toX])*(255-a) + 127) / 255)
				}
			}
		}
	}
	opaque := func(int) int { return 255 }
	draw(layer, -2, 9, opaque)
	draw(layer.left(), 10, 3, opaque)
	draw(layer, 11, 4, func(x int) int { return 51 * x })

	m := decodeBuilt(t, b.bytes())
	if m.Width != width || m.Height != height || m.HasAlpha() {
		t.Fatalf("got %dx%d, alpha %t, want %dx%d without", m.Width, m.Height, m.HasAlpha(), width, height)
	}
	for i, p := range m.Planes {
		for y, row := range want {
			for x, v := range row {
				if d := int(p.Row(y)[x]) - int(v); d < -1 || d > 1 {
					t.Fatalf("plane %d at %d, %d: got %d, want %d", i, x, y, p.Row(y)[x], v)
				}
			}
		}
	}
}

// TestReduction compares a copy with the average of the pixels that it stands for.
func TestReduction(t *testing.T) {
	f := openBuilt(t, gridOf(6, 6, 96, 96).bytes())
	m, err := decode(f, 8, 8)
	if err != nil {
		t.Fatal(err)
	}
	const factor = 4 // 96 to 8 is 12, of which 3 are kept
	if p := m.Planes[0]; p.Width != 96/factor || p.StepX != factor || p.StepY != factor {
		t.Fatalf("got a plane %d samples wide with steps of %gx%g pixels, want %d and %d",
			p.Width, p.StepX, p.StepY, 96/factor, factor)
	}
	for y := range 96 / factor {
		for x, got := range m.Planes[0].Row(y) {
			sum := 0
			for i := range factor * factor {
				sum += shade(factor*x+i%factor, factor*y+i/factor)
			}
			if want := (sum + factor*factor/2) / (factor * factor); int(got) != want {
				t.Fatalf("at %d, %d: got %d, want %d", x, y, got, want)
			}
		}
	}
}

// TestWindow looks at how much of a file is held.
func TestWindow(t *testing.T) {
	const columns, rows = 8, 64
	whole := columns * rows * 16 * 16 // bytes of data
	tests := []struct {
		name     string
		change   func(b *builder)
		isLittle bool
	}{
		{"in order", func(*builder) {}, true},
		{"behind what is not needed", func(b *builder) {
			b.items = append([]*built{{id: 9999, kind: "mime", data: make([]byte, whole)}}, b.items...)
		}, true},
		{"meta box last", func(b *builder) { b.metaLast = true }, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := gridOf(columns, rows, 16*columns, 16*rows)
			test.change(b)
			f := openBuilt(t, b.bytes())
			most := 0
			o := codec.Options{Width: 16, Height: 16, Show: func(plane.Frame) error { return nil }}
			o.Check = func() error {
				most = max(most, len(f.window.chunks)*chunkSize)
				return nil
			}
			if _, err := f.Decode(o); err != nil {
				t.Fatal(err)
			}
			if limit := 2 * chunkSize; test.isLittle && most > limit {
				t.Errorf("held %d bytes, want %d at most", most, limit)
			}
			if !test.isLittle && most < whole {
				t.Errorf("held %d bytes, want the %d of all pictures", most, whole)
			}
		})
	}
}

func TestThumbnail(t *testing.T) {
	// The thumbnail is all of one level, so that it shows which picture was decoded.
	withThumbnail := func(width, height int, properties ...[]byte) *builder {
		b := gridOf(6, 4, 96, 64)
		r := raw{width: width, height: height, stored: gray8, meaning: cicp{full: true}}
		thumb := b.add(&built{kind: "rawv", data: bytes.Repeat([]byte{200}, width*height)})
		for _, p := range append(properties, r.property()) {
			thumb.properties = append(thumb.properties, b.property(p))
		}
		b.refer("thmb", thumb.id, b.primary)
		return b
	}
	tests := []struct {
		name          string
		builder       *builder
		width, height int
		whole         bool
		isTaken       bool
	}{
		{"large enough", withThumbnail(24, 16), 24, 16, false, true},
		{"larger", withThumbnail(24, 16), 10, 5, false, true},
		{"too small", withThumbnail(24, 16), 25, 16, false, false},
		{"turned off", withThumbnail(24, 16), 10, 5, true, false},
		{"of the same sides but for a pixel", withThumbnail(24, 17), 12, 8, false, true},
		{"of other sides", withThumbnail(24, 19), 12, 8, false, false},
		{"turned", withThumbnail(24, 16, box("irot", []byte{2})), 12, 8, false, false},
		{"unreadable", withThumbnail(24, 16, box("clap", []byte{2})), 12, 8, false, false},
		{"as large as the picture", withThumbnail(96, 64), 12, 8, false, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := openBuilt(t, test.builder.bytes())
			m, err := decodeWith(f, codec.Options{Width: test.width, Height: test.height, IgnoreThumbnails: test.whole})
			if err != nil {
				t.Fatal(err)
			}
			p := m.Planes[0]
			if got := bytes.Count(p.Pix, []byte{200}) == len(p.Pix); got != test.isTaken {
				t.Errorf("thumbnail taken: got %t, want %t", got, test.isTaken)
			}
			if m.Width != 96 || m.Height != 64 {
				t.Errorf("the image is %dx%d, want 96x64", m.Width, m.Height)
			}
			if across, down := float64(p.Width)*p.StepX, float64(p.Height)*p.StepY; across != 96 || down != 64 {
				t.Errorf("the plane stands for %gx%g pixels, want 96x64", across, down)
			}
		})
	}
}

func TestThumbnailOfACutFile(t *testing.T) {
	b := gridOf(6, 4, 96, 64)
	r := raw{width: 24, height: 16, stored: gray8}
	thumb := &built{id: 100, kind: "rawv", properties: []int{b.property(r.property())}, data: make([]byte, 24*16)}
	b.items = append([]*built{thumb}, b.items...)
	b.refer("thmb", thumb.id, b.primary)
	file := b.bytes()
	f := openBuilt(t, file[:len(file)-1])
	if _, err := decode(f, 8, 8); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want %v: the thumbnail is there, but the picture is not", err, io.ErrUnexpectedEOF)
	}
}

func TestHeader(t *testing.T) {
	b := gridOf(3, 2, 41, 30)
	b.items[6].properties = append(b.items[6].properties,
		-b.property(clap(20, 1, 10, 1, 1, 2, 0, 1)), -b.property(box("irot", []byte{1})))
	f := openBuilt(t, b.bytes())
	if f.HasAlpha {
		t.Error("alpha that is not there is in the header")
	}
	want := codec.Header{Width: 20, Height: 10, Frames: 1, Orientation: 8, DecodedPixels: 41 * 30, Buffered: true}
	if got := f.Header(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	m, err := decode(f, 20, 10)
	if err != nil {
		t.Fatal(err)
	}
	checkShades(t, m, 11, 10)
}

func TestCheckEndsDecoding(t *testing.T) {
	f := openBuilt(t, gridOf(3, 2, 41, 30).bytes())
	calls := 0
	o := codec.Options{Width: 10, Height: 10, Show: func(plane.Frame) error { return nil }}
	o.Check = func() error {
		if calls++; calls == 4 {
			return io.ErrClosedPipe
		}
		return nil
	}
	if _, err := f.Decode(o); !errors.Is(err, io.ErrClosedPipe) || calls != 4 {
		t.Errorf("got %v after %d calls, want %v after 4", err, calls, io.ErrClosedPipe)
	}
}

func TestReaderThatFails(t *testing.T) {
	file := gridOf(3, 2, 41, 30).bytes()
	for _, n := range []int{0, 30, 500, len(file) - 10} {
		t.Run(fmt.Sprintf("after %d bytes", n), func(t *testing.T) {
			r := io.MultiReader(bytes.NewReader(file[:n]), iotest.ErrReader(io.ErrClosedPipe))
			f, err := open(r, Name, rawCodecs)
			if err == nil {
				_, err = decode(f, 10, 10)
			}
			if !errors.Is(err, io.ErrClosedPipe) {
				t.Errorf("got %v, want %v", err, io.ErrClosedPipe)
			}
		})
	}
}
