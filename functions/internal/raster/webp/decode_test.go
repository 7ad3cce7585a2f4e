package webp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	deepteams "github.com/deepteams/webp"
	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/icc"
	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane/planetest"
	"golang.org/x/image/webp"
)

// file is a file with a VP8X chunk.
func file(flags byte, width, height int, chunks ...[]byte) []byte {
	size := append(append([]byte{flags, 0, 0, 0}, uint24Of(width-1)...), uint24Of(height-1)...)
	body := appendChunk([]byte("WEBP"), "VP8X", size)
	body = append(body, bytes.Join(chunks, nil)...)
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
}

func chunkOf(name string, payload ...byte) []byte { return appendChunk(nil, name, payload) }

// bitstream is the chunks of the pixels of an image.
func bitstream(tb testing.TB, m *image.NRGBA, isLossless bool) []byte {
	tb.Helper()
	if !isLossless {
		chunks, err := encodeLossy(planetest.Of(m, m.Rect.Dx(), m.Rect.Dy()), 75)
		if err != nil {
			tb.Fatal(err)
		}
		return chunks
	}
	var b bytes.Buffer
	options := deepteams.DefaultOptions()
	options.Lossless, options.Quality = true, 75
	if err := deepteams.Encode(&b, m, options); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()[12:]
}

func painted(r *rand.Rand, width, height int, opaque bool) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	red, green, blue := r.IntN(200), r.IntN(200), r.IntN(200)
	for y := range height {
		for x := range width {
			c := color.NRGBA{uint8(red + x%50), uint8(green + y%50), uint8(blue + (x+y)%50), uint8(r.IntN(4) * 85)}
			if opaque {
				c.A = 255
			}
			m.SetNRGBA(x, y, c)
		}
	}
	return m
}

// decode returns frames in full size.
func decode(b []byte, frames int) (*File, []plane.Frame, error) {
	f, err := Open(bytes.NewReader(b))
	if err != nil {
		return nil, nil, err
	}
	var shown []plane.Frame
	show := func(frame plane.Frame) error {
		shown = append(shown, frame)
		return nil
	}
	err = f.decodeFrames(codec.Options{Width: f.Width, Height: f.Height, Frames: frames, Show: show})
	return f, shown, err
}

// pixels are the pixels of an image as premultiplied RGBA.
func pixels(m *plane.Image) []uint8 {
	all := make([]uint8, 0, 4*m.Width*m.Height)
	for y := range m.Height {
		for x := range m.Width {
			alpha := uint8(255)
			if m.HasAlpha() {
				alpha = m.Planes[3].Row(y)[x]
			}
			all = append(all, m.Planes[0].Row(y)[x], m.Planes[1].Row(y)[x], m.Planes[2].Row(y)[x], alpha)
		}
	}
	return all
}

func checkPixels(t *testing.T, name string, got, want []uint8, most int) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d samples, want %d", name, len(got), len(want))
	}
	for i, v := range got {
		if d := int(v) - int(want[i]); d < -most || d > most {
			t.Fatalf("%s: sample %d is %d, want %d", name, i, v, want[i])
		}
	}
}

// Alpha is decoded like x/image does, with every filter.
func TestDecodeAlpha(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 40 {
		width, height := 1+r.IntN(50), 1+r.IntN(50)
		lossy := bitstream(t, painted(r, width, height, true), false)
		alpha := []byte{byte(i%4<<2 | i/4%2<<4)}
		for range width * height {
			alpha = append(alpha, byte(r.IntN(256)>>r.IntN(8)))
		}
		chunks := append(chunkOf("ALPH", alpha...), lossy...)
		if i >= 20 {
			chunks = bitstream(t, painted(r, width, height, false), false)
		}
		b := file(flagAlpha, width, height, chunks)
		_, frames, err := decode(b, 1)
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := webp.Decode(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		want, ok := decoded.(*image.NYCbCrA)
		if !ok || !frames[0].HasAlpha() {
			continue // the encoder has found no pixel that is transparent
		}
		for y := range height {
			if got, want := frames[0].Planes[3].Row(y), want.A[y*want.AStride:][:width]; !slices.Equal(got, want) {
				t.Fatalf("row %d of alpha of %dx%d with header %#x is %v, want %v", y, width, height, chunks[8], got, want)
			}
		}
	}
}

// Colours are converted by ITU-R BT.601, those of transparent pixels included.
func TestDecodeColors(t *testing.T) {
	for _, c := range []color.NRGBA{{255, 0, 0, 255}, {0, 255, 0, 255}, {0, 0, 255, 255}, {255, 255, 255, 255},
		{0, 0, 0, 255}, {90, 120, 30, 255}} {
		m := image.NewNRGBA(image.Rect(0, 0, 40, 30))
		for i := range 40 * 30 {
			copy(m.Pix[4*i:], []uint8{c.R, c.G, c.B, c.A})
		}
		lossy := bitstream(t, m, false)
		opaque := chunkOf("ALPH", append([]byte{0}, bytes.Repeat([]byte{255}, 40*30)...)...)
		_, planes, err := decode(file(0, 40, 30, lossy), 1)
		if err != nil {
			t.Fatal(err)
		}
		small := planes[0].Resample(plane.View{Width: 40, Height: 30, Across: 40, Down: 30, Orientation: 1})
		checkPixels(t, "planes", small.NRGBA().Pix, m.Pix, 8)
		_, rows, err := decode(file(flagAlpha, 40, 30, opaque, lossy), 1)
		if err != nil {
			t.Fatal(err)
		}
		checkPixels(t, "rows", pixels(rows[0].Image), m.Pix, 8)
	}
}

// A step is a frame of an animation before it is encoded.
type step struct {
	m                  *image.NRGBA
	left, top          int
	replaces, disposes bool
}

func (s step) chunk(tb testing.TB, delay int) []byte {
	tb.Helper()
	size := s.m.Rect.Size()
	var b []byte
	for _, v := range []int{s.left / 2, s.top / 2, size.X - 1, size.Y - 1, delay} {
		b = append(b, uint24Of(v)...)
	}
	flags := byte(0)
	if s.replaces {
		flags |= 2
	}
	if s.disposes {
		flags |= 1
	}
	return chunkOf("ANMF", append(append(b, flags), bitstream(tb, s.m, true)...)...)
}

// shown composes the steps, each on the result of the previous ones, in floating point.
func shown(steps []step, width, height int) (all [][]uint8) {
	canvas := make([]float64, 4*width*height)
	for _, s := range steps {
		size := s.m.Rect.Size()
		each := func(change func(pixel []float64, c color.NRGBA)) {
			for y := range size.Y {
				for x := range size.X {
					change(canvas[4*((s.top+y)*width+s.left+x):][:4], s.m.NRGBAAt(x, y))
				}
			}
		}
		each(func(pixel []float64, c color.NRGBA) {
			alpha := float64(c.A) / 255
			through := 1 - alpha
			if s.replaces {
				through = 0
			}
			for i, v := range []float64{float64(c.R) * alpha, float64(c.G) * alpha, float64(c.B) * alpha, float64(c.A)} {
				pixel[i] = v + pixel[i]*through
			}
		})
		frame := make([]uint8, len(canvas))
		for i, v := range canvas {
			frame[i] = uint8(v + 0.5)
		}
		all = append(all, frame)
		if s.disposes {
			each(func(pixel []float64, _ color.NRGBA) { clear(pixel) })
		}
	}
	return all
}

func animation(tb testing.TB, r *rand.Rand, width, height, frames int) ([]byte, []step) {
	tb.Helper()
	chunks := [][]byte{chunkOf("ANIM", 1, 2, 3, 4, 7, 1)}
	var steps []step
	for i := range frames {
		left, top := 2*r.IntN(width/2), 2*r.IntN(height/2)
		m := painted(r, 1+r.IntN(width-left), 1+r.IntN(height-top), r.IntN(3) == 0)
		steps = append(steps, step{m, left, top, r.IntN(2) == 0, r.IntN(2) == 0})
		chunks = append(chunks, steps[i].chunk(tb, 10*i), chunkOf("else", 1, 2, 3))
	}
	return file(flagAnimation|flagAlpha, width, height, chunks...), steps
}

func TestDecodeAnimation(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 10 {
		width, height := 2+r.IntN(40), 2+r.IntN(40)
		b, steps := animation(t, r, width, height, 6)
		want := shown(steps, width, height)
		for _, most := range []int{1, 4, 100} {
			f, frames, err := decode(b, most)
			if err != nil || len(frames) != min(most, len(steps)) || f.Loops != 1<<8|7 {
				t.Fatalf("%d frames, %d loops, %v", len(frames), f.Loops, err)
			}
			for i, frame := range frames {
				if want := time.Duration(10*i) * time.Millisecond; frame.Delay != want {
					t.Errorf("frame %d is shown for %v, want %v", i, frame.Delay, want)
				}
				checkPixels(t, "frame", pixels(frame.Image), want[i], 2)
			}
		}
	}
}

// Decode reads what an Animation writes.
func TestAnimation(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, opaque := range []bool{true, false} {
		var frames []plane.Frame
		a := Animation{Quality: 100}
		for i := range 4 {
			m := painted(r, 60, 45, opaque)
			frames = append(frames, plane.Frame{Image: planetest.Of(m, 60, 45), Delay: time.Duration(40+i) * time.Millisecond})
			if err := a.Add(frames[i]); err != nil {
				t.Fatal(err)
			}
		}
		var b bytes.Buffer
		if err := a.Encode(&b, 3); err != nil || a.Frames() != len(frames) {
			t.Fatalf("%d frames: %v", a.Frames(), err)
		}
		f, got, err := decode(b.Bytes(), 100)
		if err != nil || f.Loops != 3 || len(got) != len(frames) {
			t.Fatalf("%d frames, %d loops, %v", len(got), f.Loops, err)
		}
		for i, frame := range got {
			if frame.Delay != frames[i].Delay {
				t.Errorf("frame %d is shown for %v, want %v", i, frame.Delay, frames[i].Delay)
			}
			if !slices.Equal(frame.Planes[3].Pix, frames[i].Planes[3].Pix) {
				t.Errorf("frame %d has another alpha", i)
			}
		}
	}
}

func TestDecodeProfile(t *testing.T) {
	lossless := bitstream(t, painted(rand.New(rand.NewPCG(7, 8)), 20, 10, true), true)
	profile := bytes.Repeat([]byte("profile"), 1000)
	for _, test := range []struct {
		name    string
		flags   byte
		profile []byte
		want    []byte
	}{
		{"announced", flagProfile, profile, profile},
		{"not announced", 0, profile, nil},
		{"too large", flagProfile, make([]byte, icc.MaxSize+1), nil},
	} {
		_, frames, err := decode(file(test.flags, 20, 10, chunkOf("ICCP", test.profile...), lossless), 1)
		if err != nil || !bytes.Equal(frames[0].Profile, test.want) {
			t.Errorf("%s: a profile of %d bytes, want %d: %v", test.name, len(frames[0].Profile), len(test.want), err)
		}
	}
}

// files are small files of every kind.
func files(tb testing.TB) map[string][]byte {
	tb.Helper()
	r := rand.New(rand.NewPCG(9, 10))
	opaque, transparent := painted(r, 24, 17, true), painted(r, 24, 17, false)
	anim, _ := animation(tb, r, 20, 16, 3)
	raw := chunkOf("ALPH", append([]byte{0x0c}, make([]byte, 24*17)...)...)
	return map[string][]byte{
		"lossy":                file(0, 24, 17, bitstream(tb, opaque, false)),
		"lossy with alpha":     file(flagAlpha, 24, 17, bitstream(tb, transparent, false)),
		"lossy with raw alpha": file(flagAlpha, 24, 17, raw, bitstream(tb, opaque, false)),
		"lossless":             file(flagAlpha, 24, 17, bitstream(tb, transparent, true)),
		"animation":            anim,
	}
}

func TestDecodeTruncated(t *testing.T) {
	for name, b := range files(t) {
		if _, _, err := decode(b, 9); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for n := range b {
			if _, _, err := decode(b[:n], 9); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) &&
				!isImageError(err) {
				t.Errorf("%s, cut to %d of %d bytes: got %v", name, n, len(b), err)
			}
		}
	}
}

func isImageError(err error) bool {
	var imgErr *imgerr.Error
	return errors.As(err, &imgErr)
}

func TestDecodeMutated(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for name, b := range files(t) {
		for range 100 {
			mutated := bytes.Clone(b)
			for range 1 + r.IntN(4) {
				mutated[30+r.IntN(len(b)-30)] = byte(r.IntN(256))
			}
			if _, _, err := decode(mutated, 9); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) &&
				!isImageError(err) {
				t.Errorf("%s: got %v", name, err)
			}
		}
	}
}

// Decode returns frames of one size, or an *imgerr.Error.
func FuzzDecode(f *testing.F) {
	for _, b := range files(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		header, err := Open(bytes.NewReader(b))
		if err != nil || header.Width*header.Height > 1<<16 {
			return
		}
		_, frames, err := decode(b, 9)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !isImageError(err) {
			t.Fatalf("got %v, want an *imgerr.Error", err)
		}
		for _, frame := range frames {
			if frame.Width != header.Width || frame.Height != header.Height || len(frame.Planes) < 3 {
				t.Errorf("a frame of %dx%d and %d planes", frame.Width, frame.Height, len(frame.Planes))
			}
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	m := painted(rand.New(rand.NewPCG(13, 14)), 800, 600, false)
	alpha := file(flagAlpha, 800, 600, bitstream(b, m, false))
	b.ReportAllocs()
	for b.Loop() {
		f, err := Open(bytes.NewReader(alpha))
		if err == nil {
			show := func(plane.Frame) error { return nil }
			err = f.decodeFrames(codec.Options{Width: 200, Height: 150, Frames: 1, Show: show})
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
