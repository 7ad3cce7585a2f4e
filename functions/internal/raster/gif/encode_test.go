package gif

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane/planetest"
)

// planesOf returns an image in the form that encoders take.
func planesOf(m *image.NRGBA) *plane.Image { return planetest.Of(m, m.Rect.Dx(), m.Rect.Dy()) }

// noise has a limited number of colours, in runs.
func noise(r *rand.Rand, width, height, colors int) *image.NRGBA {
	m, table := image.NewNRGBA(image.Rect(0, 0, width, height)), make([]color.NRGBA, colors)
	for i := range table {
		table[i] = color.NRGBA{uint8(r.Uint32()), uint8(r.Uint32()), uint8(r.Uint32()), 255}
	}
	runs, index := 1+r.IntN(30), 0
	for i := range width * height {
		if r.IntN(runs) == 0 {
			index = r.IntN(colors)
		}
		m.SetNRGBA(i%width, i/width, table[index])
	}
	return m
}

func read(tb testing.TB, file []byte) *gif.GIF {
	tb.Helper()
	g, err := gif.DecodeAll(bytes.NewReader(file))
	if err != nil {
		tb.Fatalf("the reference reads %v", err)
	}
	return g
}

// Few colours survive exactly at every size, in image/gif's decoder and in this package's.
func TestEncodeKeepsFewColors(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 40 {
		m := noise(r, 1+r.IntN(300), 1+r.IntN(200), 1+r.IntN(255))
		if i%2 == 0 {
			for range r.IntN(1000) {
				m.SetNRGBA(r.IntN(m.Rect.Dx()), r.IntN(m.Rect.Dy()), color.NRGBA{})
			}
		}
		var file bytes.Buffer
		if err := Encode(&file, planesOf(m)); err != nil {
			t.Fatal(err)
		}
		same(t, fmt.Sprint("image ", i), screens(read(t, file.Bytes()))[0], m)
		_, frames := mustDecode(t, file.Bytes(), 1)
		same(t, fmt.Sprint("image ", i), frames[0].NRGBA(), m)
	}
}

func TestEncodePartialTransparency(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 2, 1))
	copy(m.Pix, []byte{200, 100, 50, 127, 200, 100, 50, 128})
	var file bytes.Buffer
	if err := Encode(&file, planesOf(m)); err != nil {
		t.Fatal(err)
	}
	got := screens(read(t, file.Bytes()))[0]
	if left, right := got.NRGBAAt(0, 0).A, got.NRGBAAt(1, 0).A; left != 0 || right != 255 {
		t.Errorf("alpha is %d and %d, want 0 and 255", left, right)
	}
}

// animation returns frames each of which differs from the previous one in a rectangle.
func animation(r *rand.Rand, n int, clears bool) (frames []plane.Frame, pixels []*image.NRGBA) {
	m := noise(r, 2+r.IntN(60), 2+r.IntN(60), 20)
	for range n {
		next := image.NewNRGBA(m.Rect)
		copy(next.Pix, m.Pix)
		patch := noise(r, 1+r.IntN(m.Rect.Dx()), 1+r.IntN(m.Rect.Dy()), 5)
		x, y := r.IntN(m.Rect.Dx()), r.IntN(m.Rect.Dy())
		for i := range len(patch.Pix) / 4 {
			c := patch.NRGBAAt(i%patch.Rect.Dx(), i/patch.Rect.Dx())
			if clears && i%7 == 0 {
				c = color.NRGBA{}
			}
			next.SetNRGBA(x+i%patch.Rect.Dx(), y+i/patch.Rect.Dx(), c)
		}
		pixels = append(pixels, next)
		frames = append(frames,
			plane.Frame{Image: planesOf(next), Delay: time.Duration(2+r.IntN(90)) * 10 * time.Millisecond})
		m = next
	}
	return frames, pixels
}

func animate(w io.Writer, frames []plane.Frame, loops int) error {
	var a Animation
	for _, f := range frames {
		if err := a.Add(f); err != nil {
			return err
		}
	}
	return a.Encode(w, loops)
}

func TestAnimation(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 40 {
		frames, want := animation(r, 2+r.IntN(5), i%2 == 0)
		var file bytes.Buffer
		if err := animate(&file, frames, i%4); err != nil {
			t.Fatal(err)
		}
		g := read(t, file.Bytes())
		if len(g.Image) != len(frames) {
			t.Fatalf("animation %d has %d frames, want %d", i, len(g.Image), len(frames))
		}
		f, own := mustDecode(t, file.Bytes(), len(frames))
		if f.Loops != i%4 {
			t.Errorf("animation %d is shown %d times, want %d", i, f.Loops, i%4)
		}
		for j, got := range screens(g) {
			same(t, fmt.Sprintf("animation %d, frame %d", i, j), got, want[j])
			same(t, fmt.Sprintf("animation %d, frame %d of ours", i, j), own[j].NRGBA(), want[j])
			if delay := time.Duration(g.Delay[j]) * 10 * time.Millisecond; delay != frames[j].Delay {
				t.Errorf("animation %d, frame %d is shown for %v, want %v", i, j, delay, frames[j].Delay)
			}
		}
	}
}

func TestAnimationDrawsChangesOnly(t *testing.T) {
	first := noise(rand.New(rand.NewPCG(5, 6)), 60, 40, 30)
	second := image.NewNRGBA(first.Rect)
	copy(second.Pix, first.Pix)
	for _, at := range []image.Point{{10, 20}, {14, 22}} {
		second.SetNRGBA(at.X, at.Y, color.NRGBA{1, 2, 3, 255})
	}
	frame := func(m *image.NRGBA, milliseconds int) plane.Frame {
		return plane.Frame{Image: planesOf(m), Delay: time.Duration(milliseconds) * time.Millisecond}
	}
	var file bytes.Buffer
	frames := []plane.Frame{frame(first, 50), frame(first, 0), frame(second, 70), frame(second, 30)}
	if err := animate(&file, frames, 0); err != nil {
		t.Fatal(err)
	}
	g := read(t, file.Bytes())
	if want := []int{15, 10}; !slices.Equal(g.Delay, want) {
		t.Errorf("delays are %v, want %v", g.Delay, want)
	}
	if want := image.Rect(10, 20, 15, 23); g.Image[1].Rect != want {
		t.Errorf("the second frame is %v, want %v", g.Image[1].Rect, want)
	}
}

// Pillow fills the parts that the first frame leaves out, and later ones do not cover, with a colour.
func TestAnimationDrawsWholeFirstFrame(t *testing.T) {
	first, second := image.NewNRGBA(image.Rect(0, 0, 9, 8)), image.NewNRGBA(image.Rect(0, 0, 9, 8))
	first.SetNRGBA(3, 4, color.NRGBA{1, 2, 3, 255})
	second.SetNRGBA(5, 6, color.NRGBA{4, 5, 6, 255})
	var file bytes.Buffer
	if err := animate(&file, []plane.Frame{{Image: planesOf(first)}, {Image: planesOf(second)}}, 0); err != nil {
		t.Fatal(err)
	}
	g := read(t, file.Bytes())
	if got := g.Image[0].Rect; got != first.Rect {
		t.Errorf("the first frame is %v, want %v", got, first.Rect)
	}
	same(t, "the first frame", screens(g)[0], first)
	same(t, "the second frame", screens(g)[1], second)
}

// Delays have a unit of 10 ms, and browsers show a delay of less than 20 ms as 100 ms.
func TestAnimationRoundsDelays(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	var frames []plane.Frame
	for _, delay := range []int{16, 33, 0, 1004, 900_000} {
		frames = append(frames,
			plane.Frame{Image: planesOf(noise(r, 4, 3, 5)), Delay: time.Duration(delay) * time.Millisecond})
	}
	var file bytes.Buffer
	if err := animate(&file, frames, 0); err != nil {
		t.Fatal(err)
	}
	if got, want := read(t, file.Bytes()).Delay, []int{2, 3, 0, 100, 1<<16 - 1}; !slices.Equal(got, want) {
		t.Errorf("delays are %v, want %v", got, want)
	}
}

// An animation of many colours has local palettes if a shared one is not good enough.
func TestAnimationManyColors(t *testing.T) {
	var frames []plane.Frame
	var want []*image.NRGBA
	for i := range 3 {
		m := image.NewNRGBA(image.Rect(0, 0, 100, 80))
		for y := range 80 {
			for x := range 100 {
				c := color.NRGBA{uint8(2 * x), uint8(3 * y), uint8(x + y), 255}
				if i > 0 {
					c.R, c.G, c.B = c.B, 255-c.R, uint8(i*100)+c.G/4
				}
				m.SetNRGBA(x, y, c)
			}
		}
		frames, want = append(frames, plane.Frame{Image: planesOf(m)}), append(want, m)
	}
	var file bytes.Buffer
	if err := animate(&file, frames, 1); err != nil {
		t.Fatal(err)
	}
	for i, got := range screens(read(t, file.Bytes())) {
		sum := 0
		for j, v := range want[i].Pix {
			d := int(v) - int(got.Pix[j])
			sum += d * d
		}
		if mean := float64(sum) / float64(len(got.Pix)); mean > maxMeanSquaredError {
			t.Errorf("frame %d: the squared differences are %.1f in the mean, want %d at most", i, mean, maxMeanSquaredError)
		}
	}
}

func TestAnimationOfOneFrame(t *testing.T) {
	m := noise(rand.New(rand.NewPCG(7, 8)), 30, 20, 9)
	var file bytes.Buffer
	if err := animate(&file, []plane.Frame{{Image: planesOf(m)}, {Image: planesOf(m)}}, 0); err != nil {
		t.Fatal(err)
	}
	if g := read(t, file.Bytes()); len(g.Image) != 1 || bytes.Contains(file.Bytes(), []byte("NETSCAPE")) {
		t.Errorf("two frames that are equal became %d", len(g.Image))
	}
}

func BenchmarkEncode(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	m := image.NewNRGBA(image.Rect(0, 0, 200, 150))
	for i := range len(m.Pix) / 4 {
		x, y := i%200, i/200
		n := uint8(r.IntN(8))
		m.SetNRGBA(x, y, color.NRGBA{uint8(x) + n, uint8(y) + n, uint8(x+y)/2 + n, 255})
	}
	planes := planesOf(m)
	b.ReportAllocs()
	for b.Loop() {
		if err := Encode(new(bytes.Buffer), planes); err != nil {
			b.Fatal(err)
		}
	}
}
