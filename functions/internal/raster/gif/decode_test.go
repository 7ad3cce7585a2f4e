package gif

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/iotest"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// decode returns the first frames of a file in full size.
func decode(r io.Reader, frames int) (*File, []plane.Frame, error) {
	f, err := Open(r)
	if err != nil {
		return nil, nil, err
	}
	var all []plane.Frame
	show := func(m plane.Frame) error {
		all = append(all, m)
		return nil
	}
	err = f.decodeFrames(codec.Options{Width: f.Width, Height: f.Height, Frames: frames, Show: show})
	return f, all, err
}

func mustDecode(tb testing.TB, file []byte, frames int) (*File, []plane.Frame) {
	tb.Helper()
	f, all, err := decode(bytes.NewReader(file), frames)
	if err != nil {
		tb.Fatal(err)
	}
	return f, all
}

func same(tb testing.TB, what string, got, want *image.NRGBA) {
	tb.Helper()
	if got.Rect != want.Rect {
		tb.Fatalf("%s is %v, want %v", what, got.Rect, want.Rect)
	}
	for i := range want.Pix {
		if got.Pix[i] != want.Pix[i] {
			tb.Fatalf("%s: byte %d of pixel %d is %d, want %d", what, i%4, i/4, got.Pix[i], want.Pix[i])
		}
	}
}

// screens are the frames of an animation of image/gif as they are shown.
func screens(g *gif.GIF) (all []*image.NRGBA) {
	screen := image.NewNRGBA(image.Rect(0, 0, g.Config.Width, g.Config.Height))
	for i, m := range g.Image {
		before := slices.Clone(screen.Pix)
		drawOn(screen, m)
		shown := image.NewNRGBA(screen.Rect)
		copy(shown.Pix, screen.Pix)
		all = append(all, shown)
		switch g.Disposal[i] {
		case gif.DisposalBackground:
			for y := m.Rect.Min.Y; y < m.Rect.Max.Y; y++ {
				clear(screen.Pix[screen.PixOffset(m.Rect.Min.X, y):][:4*m.Rect.Dx()])
			}
		case gif.DisposalPrevious:
			copy(screen.Pix, before)
		}
	}
	return all
}

// However a file is written, it is decoded like image/gif does.
func TestDecodeRandomEncodings(t *testing.T) {
	for seed := range uint64(100) {
		file := random(seed, 1+int(seed%4))
		g, err := gif.DecodeAll(bytes.NewReader(file))
		if err != nil {
			t.Fatalf("seed %d: the reference reads %v", seed, err)
		}
		want := screens(g)
		_, frames := mustDecode(t, file, len(want)+1)
		if len(frames) != len(want) {
			t.Fatalf("seed %d: %d frames, want %d", seed, len(frames), len(want))
		}
		for i, frame := range frames {
			same(t, fmt.Sprintf("seed %d, frame %d", seed, i), frame.NRGBA(), want[i])
			if delay := time.Duration(g.Delay[i]) * 10 * time.Millisecond; frame.Delay != delay {
				t.Errorf("seed %d, frame %d is shown for %v, want %v", seed, i, frame.Delay, delay)
			}
		}
		_, first := mustDecode(t, file, 1)
		same(t, fmt.Sprintf("seed %d, first frame", seed), first[0].NRGBA(), want[0])
	}
}

// A frame is reduced as plane.Reducer reduces its pixels.
func TestDecodeReduces(t *testing.T) {
	for seed := range uint64(30) {
		file := random(seed, 1)
		f, whole := mustDecode(t, file, 2)
		pixels, r := whole[0].NRGBA(), plane.NewReducer(f.Width, f.Height, 4, plane.ReductionFactor(float64(f.Width)/5),
			plane.ReductionFactor(float64(f.Height)/7))
		for y := range f.Height {
			row := slices.Clone(pixels.Pix[y*pixels.Stride:][:4*f.Width])
			plane.Premultiply(row)
			r.Add(row)
		}
		want := r.Planes()
		for _, frames := range []int{1, 2} {
			f, err := Open(bytes.NewReader(file))
			if err != nil {
				t.Fatal(err)
			}
			var got *plane.Image
			show := func(m plane.Frame) error { got = m.Image; return nil }
			if err := f.decodeFrames(codec.Options{Width: 5, Height: 7, Frames: frames, Show: show}); err != nil {
				t.Fatal(err)
			}
			for i, p := range got.Planes {
				if p.StepX != want[i].StepX || p.StepY != want[i].StepY || !slices.Equal(p.Pix, want[i].Pix) {
					t.Fatalf("seed %d, %d frames: plane %d is %v, want %v", seed, frames, i, p, want[i])
				}
			}
		}
	}
}

// flat is a file of one frame with the global colours red and blue, which are indexes 0 and 1.
func flat(screen image.Point, bounds image.Rectangle, index byte) []byte {
	e := newEncoding(1)
	e.screen(screen.X, screen.Y, 1)
	copy(e.file[13:], []byte{255, 0, 0, 0, 0, 255})
	e.frame(bounds, bytes.Repeat([]byte{index}, bounds.Dx()*bounds.Dy()), 1, false, false)
	return append(e.file, 0x3b)
}

func TestScreenSize(t *testing.T) {
	tests := []struct {
		screen image.Point
		bounds image.Rectangle
		want   image.Point
	}{
		{image.Pt(0, 0), image.Rect(0, 0, 5, 4), image.Pt(5, 4)},
		{image.Pt(3, 9), image.Rect(0, 0, 5, 4), image.Pt(5, 9)},
		{image.Pt(3, 3), image.Rect(2, 3, 5, 4), image.Pt(5, 4)},
		{image.Pt(8, 8), image.Rect(2, 3, 5, 4), image.Pt(8, 8)},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("frame %v on screen %v", test.bounds, test.screen), func(t *testing.T) {
			f, frames := mustDecode(t, flat(test.screen, test.bounds, 1), 1)
			if got := image.Pt(f.Width, f.Height); got != test.want || frames[0].Width != got.X || frames[0].Height != got.Y {
				t.Errorf("%v on %v: %v, want %v", test.bounds, test.screen, got, test.want)
			}
			m := frames[0].NRGBA()
			for y := range test.want.Y {
				for x := range test.want.X {
					if shown := m.NRGBAAt(x, y).A == 255; shown != image.Pt(x, y).In(test.bounds) {
						t.Errorf("%v on %v: %v at %d,%d", test.bounds, test.screen, m.NRGBAAt(x, y), x, y)
					}
				}
			}
		})
	}
}

func TestLaterFramesAreClipped(t *testing.T) {
	file := flat(image.Pt(4, 4), image.Rect(0, 0, 4, 4), 0)
	e := &encoding{Rand: rand.New(rand.NewPCG(1, 1)), file: file[:len(file)-1]}
	for _, bounds := range []image.Rectangle{image.Rect(2, 3, 9, 9), image.Rect(7, 7, 9, 9), image.Rect(1, 1, 1, 5)} {
		e.frame(bounds, bytes.Repeat([]byte{1}, bounds.Dx()*bounds.Dy()), 1, false, true)
	}
	_, frames := mustDecode(t, append(e.file, 0x3b), 9)
	if len(frames) != 4 {
		t.Fatalf("%d frames, want 4", len(frames))
	}
	for i, frame := range frames {
		m := frame.NRGBA()
		for y := range 4 {
			for x := range 4 {
				want := uint8(255)
				if i > 0 && x >= 2 && y >= 3 {
					want = 0
				}
				if got := m.NRGBAAt(x, y); got.R != want || got.B != 255-want {
					t.Errorf("frame %d: %v at %d,%d", i, got, x, y)
				}
			}
		}
	}
}

func TestColorTables(t *testing.T) {
	gray := newEncoding(1)
	gray.screen(2, 1, 0)
	gray.frame(image.Rect(0, 0, 2, 1), []byte{7, 200}, 8, false, false)
	_, frames := mustDecode(t, append(gray.file, 0x3b), 1)
	if m := frames[0]; m.Model != plane.Gray || !slices.Equal(m.Planes[0].Pix, []byte{7, 200}) {
		t.Errorf("without a table: %+v, want levels of gray", m.Image)
	}
	beyond := newEncoding(1)
	beyond.screen(2, 1, 1)
	beyond.frame(image.Rect(0, 0, 2, 1), []byte{1, 3}, 2, false, false)
	_, frames = mustDecode(t, append(beyond.file, 0x3b), 1)
	if got := frames[0].NRGBA().NRGBAAt(1, 0); got.R|got.G|got.B != 0 || got.A != 255 {
		t.Errorf("beyond the table it is %v, want black", got)
	}
}

func TestLoops(t *testing.T) {
	tests := []struct {
		name, extension string
		want            int
	}{
		{"no extension", "", 1},
		{"without end", "\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00", 0},
		{"258 repetitions", "\x21\xff\x0bNETSCAPE2.0\x03\x01\x02\x01\x00", 0x103},
		{"ANIMEXTS, one repetition", "\x21\xff\x0bANIMEXTS1.0\x03\x01\x01\x00\x00", 2},
		{"another application", "\x21\xff\x0bSOMETHING00\x03\x01\x01\x00\x00", 1},
		{"another sub-block", "\x21\xff\x0bNETSCAPE2.0\x05\x02\x01\x00\x00\x00\x00", 1},
		{"no sub-block", "\x21\xff\x0bNETSCAPE2.0\x00", 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			file := flat(image.Pt(2, 2), image.Rect(0, 0, 2, 2), 0)
			file = slices.Concat(file[:19], []byte(test.extension), file[19:])
			if f, _ := mustDecode(t, file, 1); f.Loops != test.want {
				t.Errorf("got %d loops, want %d", f.Loops, test.want)
			}
		})
	}
}

// A file that ends where a block may begin is complete, except after a graphic control extension.
func TestTruncated(t *testing.T) {
	for seed := range uint64(2) {
		file := random(seed, 2)
		for n := range file {
			for _, frames := range []int{1, 2} {
				_, shown, err := decode(bytes.NewReader(file[:n]), frames)
				if err == nil && (len(shown) == 0 || file[n-1] != 0 || file[n] != 0x21 && file[n] != 0x2c && file[n] != 0x3b) {
					t.Fatalf("seed %d: cut to %d of %d bytes, %d frames and no error", seed, n, len(file), len(shown))
				}
				var imgErr *imgerr.Error
				if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.As(err, &imgErr) {
					t.Fatalf("seed %d: cut to %d of %d bytes: %v", seed, n, len(file), err)
				}
			}
		}
	}
}

func TestGraphicControlWithoutFrame(t *testing.T) {
	file := flat(image.Pt(2, 2), image.Rect(0, 0, 2, 2), 0)
	file = append(file[:len(file)-1], 0x21, 0xf9, 4, 0, 0, 0, 0, 0)
	if _, _, err := decode(bytes.NewReader(file), 1); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want %v", err, io.ErrUnexpectedEOF)
	}
}

// Browsers show nothing of a frame without pixels.
func TestFrameWithoutPixels(t *testing.T) {
	whole := flat(image.Pt(40, 30), image.Rect(0, 0, 40, 30), 0)
	at := bytes.IndexByte(whole, 0x2c)
	for name, file := range map[string][]byte{
		"no width":    slices.Concat(whole[:at+5], []byte{0, 0}, whole[at+7:]),
		"no height":   slices.Concat(whole[:at+7], []byte{0, 0}, whole[at+9:]),
		"no data":     slices.Concat(whole[:at+10], []byte{2, 0, 0x3b}),
		"an end code": slices.Concat(whole[:at+10], []byte{2, 1, 0b101_100, 0, 0x3b}),
	} {
		t.Run(name, func(t *testing.T) {
			for _, frames := range []int{1, 2} {
				_, shown := mustDecode(t, file, frames)
				m := shown[0]
				if m.Width != 40 || m.Height != 30 || !m.HasAlpha() || slices.Max(m.Planes[len(m.Planes)-1].Pix) > 0 {
					t.Errorf("of %d frames, the first is %dx%d, or not transparent, want 40x30", frames, m.Width, m.Height)
				}
			}
		})
	}
}

func TestDamagedFiles(t *testing.T) {
	whole := flat(image.Pt(40, 40), image.Rect(0, 0, 40, 40), 0)
	descriptor := bytes.IndexByte(whole, 0x2c)
	changed := func(at int, with ...byte) []byte {
		file := slices.Clone(whole)
		copy(file[at:], with)
		return file
	}
	packed := func(codes ...byte) []byte {
		file := append(slices.Clone(whole[:descriptor+10]), 2, byte(len(codes)))
		return append(append(file, codes...), 0, 0x3b)
	}
	for name, file := range map[string][]byte{
		"nothing on no screen":        slices.Concat(whole[:6], []byte{0, 0, 0, 0}, changed(descriptor+5, 0, 0)[10:]),
		"too few pixels":              changed(descriptor+7, 41),
		"codes of 13 bits":            changed(descriptor+10, 12),
		"nothing but clear codes":     packed(0b00_100_100, 0b1_100_100_1),
		"an end code too early":       packed(0b01_000_100, 0b1),
		"a code that is not there":    packed(0b11_000_100, 0b1),
		"a string after a clear code": packed(0b00_110_100),
		"no frame":                    append(slices.Clone(whole[:descriptor]), 0x3b),
	} {
		t.Run(name, func(t *testing.T) {
			for _, frames := range []int{1, 2} {
				var imgErr *imgerr.Error
				if _, _, err := decode(bytes.NewReader(file), frames); !errors.As(err, &imgErr) ||
					imgErr.Reason != imgerr.ReasonDamaged {
					t.Errorf("got %v, want reason damaged", err)
				}
			}
		})
	}
}

// A frame that is far larger than the screen would take time for pixels that are not shown.
func TestOversizedLaterFrame(t *testing.T) {
	file := flat(image.Pt(2, 2), image.Rect(0, 0, 2, 2), 0)
	file = append(file[:len(file)-1], 0x2c, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 2, 1, 0x44, 0, 0x3b)
	if _, frames := mustDecode(t, file, 1); len(frames) != 1 {
		t.Errorf("%d frames, want 1", len(frames))
	}
	var imgErr *imgerr.Error
	if _, _, err := decode(bytes.NewReader(file), 2); !errors.As(err, &imgErr) {
		t.Errorf("got %v, want an error", err)
	}
}

func TestShortReads(t *testing.T) {
	file := random(3, 3)
	_, want := mustDecode(t, file, 3)
	_, got, err := decode(iotest.OneByteReader(bytes.NewReader(file)), 3)
	if err != nil || len(got) != len(want) {
		t.Fatalf("%d frames, %v, want %d", len(got), err, len(want))
	}
	for i := range got {
		same(t, fmt.Sprint("frame ", i), got[i].NRGBA(), want[i].NRGBA())
	}
}

func TestMutations(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for seed := range uint64(20) {
		file := random(seed, 3)
		for range 20 {
			broken := slices.Clone(file)
			for range 1 + r.IntN(4) {
				broken[r.IntN(len(broken))] = byte(r.Uint32())
			}
			check(t, broken)
		}
	}
}

// check decodes any bytes, and expects frames of the right size or an error of the right type.
func check(t *testing.T, file []byte) {
	t.Helper()
	for _, frames := range []int{1, 4} {
		f, err := Open(bytes.NewReader(file))
		if err == nil && f.Width*f.Height > 1<<16 {
			return // which the caller would refuse
		}
		shown := 0
		if err == nil {
			show := func(m plane.Frame) error {
				if shown++; m.Width != f.Width || m.Height != f.Height {
					t.Errorf("a frame is %dx%d on a screen of %dx%d", m.Width, m.Height, f.Width, f.Height)
				}
				return nil
			}
			err = f.decodeFrames(codec.Options{Width: 20, Height: 20, Frames: frames, Show: show})
		}
		var imgErr *imgerr.Error
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.As(err, &imgErr) {
			t.Errorf("got %v, want an *imgerr.Error or a truncated file", err)
		}
		if err == nil && (shown == 0 || shown > frames) {
			t.Errorf("%d frames were shown of %d", shown, frames)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for seed := range uint64(4) {
		f.Add(random(seed, 2))
	}
	f.Fuzz(check)
}

// Files that image/gif decodes are decoded to the same pixels.
func FuzzDecodeLikeImageGIF(f *testing.F) {
	for seed := range uint64(4) {
		f.Add(random(seed, 1))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		g, err := gif.DecodeAll(bytes.NewReader(file))
		if err != nil || g.Config.Width*g.Config.Height > 1<<16 {
			return
		}
		want := screens(g)
		_, got, err := decode(bytes.NewReader(file), 1)
		if err != nil || got[0].Width != want[0].Rect.Dx() || got[0].Height != want[0].Rect.Dy() {
			t.Fatalf("got %v, %v, want no error", got, err)
		}
		same(t, "the first frame", got[0].NRGBA(), want[0])
	})
}

func BenchmarkDecode(b *testing.B) {
	e := newEncoding(1)
	e.screen(1280, 960, 8)
	e.frame(image.Rect(0, 0, 1280, 960), e.indexes(1280*960, 8), 8, false, false)
	file := append(e.file, 0x3b)
	b.ReportAllocs()
	b.SetBytes(1280 * 960)
	for b.Loop() {
		f, err := Open(bytes.NewReader(file))
		if err != nil {
			b.Fatal(err)
		}
		show := func(plane.Frame) error { return nil }
		if err := f.decodeFrames(codec.Options{Width: 200, Height: 150, Frames: 1, Show: show}); err != nil {
			b.Fatal(err)
		}
	}
}
