package palette

import (
	"image"
	"image/color"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestExpand(t *testing.T) {
	colors := color.Palette{color.RGBA{1, 2, 3, 255}, color.NRGBA{200, 100, 50, 128}, color.RGBA{}}
	m := image.NewPaletted(image.Rect(1, 1, 3, 2), colors)
	copy(m.Pix, []byte{1, 255})
	got := Expand(m, image.Rect(0, 0, 4, 3))
	want := image.NewNRGBA(image.Rect(0, 0, 4, 3))
	want.SetNRGBA(1, 1, color.NRGBA{200, 100, 50, 128})
	want.SetNRGBA(2, 1, color.NRGBA{A: 255}) // beyond the palette
	if !slices.Equal(got.Pix, want.Pix) || got.Rect != want.Rect {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestExpandLeavesOutWhatIsBesideTheScreen(t *testing.T) {
	m := image.NewPaletted(image.Rect(-1, 2, 3, 9), color.Palette{color.White})
	got := Expand(m, image.Rect(0, 0, 2, 4))
	for y := range 4 {
		for x := range 2 {
			if opaque := got.NRGBAAt(x, y).A == 255; opaque != (y >= 2) {
				t.Errorf("at %d,%d it is %v", x, y, got.NRGBAAt(x, y))
			}
		}
	}
}

// colored is an image of n colours, each as a pixel of its own.
func colored(n int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, n, 1))
	for i := range n {
		m.SetNRGBA(i, 0, color.NRGBA{uint8(i), uint8(i >> 4), 77, 255})
	}
	return m
}

func TestReduceKeepsFewColours(t *testing.T) {
	tests := map[string]*image.NRGBA{"one": colored(1), "two": colored(2), "256": colored(256)}
	transparent := colored(256)
	transparent.SetNRGBA(9, 0, color.NRGBA{})
	tests["255 and transparency"] = transparent
	tests["nothing but transparency"] = image.NewNRGBA(image.Rect(0, 0, 3, 3))
	for name, m := range tests {
		t.Run(name, func(t *testing.T) {
			reduced := Reduce(m)
			if n := len(reduced.Palette); n > 256 {
				t.Fatalf("%d colours, want 256 at most", n)
			}
			if got := Expand(reduced, m.Rect); !slices.Equal(got.Pix, m.Pix) {
				t.Errorf("got %v, want %v", got.Pix, m.Pix)
			}
		})
	}
}

func TestReduceManyColours(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	m := image.NewNRGBA(image.Rect(0, 0, 200, 150))
	for y := range 150 {
		for x := range 200 {
			noise := uint8(random.IntN(6))
			m.SetNRGBA(x, y, color.NRGBA{uint8(x) + noise, uint8(y) + noise, uint8(255-x) - noise, uint8(255 * (x / 10 % 2))})
		}
	}
	reduced := Reduce(m)
	if n := len(reduced.Palette); n != 256 {
		t.Errorf("%d colours, want 256", n)
	}
	got, sum := Expand(reduced, m.Rect), 0
	for i, v := range m.Pix {
		if i%4 == 3 {
			if got.Pix[i] != v {
				t.Fatalf("alpha of pixel %d is %d, want %d", i/4, got.Pix[i], v)
			}
		} else if m.Pix[i|3] == 255 {
			sum += max(int(v), int(got.Pix[i])) - min(int(v), int(got.Pix[i]))
		}
	}
	if mean := float64(sum) / (3 * 200 * 150 / 2); mean > 6 {
		t.Errorf("the colours differ by %.1f in the mean, want 6 at most", mean)
	}
	if again := Reduce(m); !slices.Equal(again.Pix, reduced.Pix) || !slices.Equal(again.Palette, reduced.Palette) {
		t.Error("the same image gets two palettes")
	}
}

func TestGray(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 3, 2))
	for i := range m.Pix {
		m.Pix[i] = uint8(i/4) | uint8(i%4/3*255)
	}
	gray, ok := Gray(m)
	if want := []byte{0, 1, 2, 3, 4, 5}; !ok || !slices.Equal(gray.Pix, want) {
		t.Errorf("got %v, %v, want %v", gray, ok, want)
	}
	for name, c := range map[string]color.NRGBA{"colour": {1, 2, 2, 255}, "transparency": {2, 2, 2, 254}} {
		m.SetNRGBA(2, 1, c)
		if _, ok := Gray(m); ok {
			t.Errorf("an image with %s is said to be gray", name)
		}
	}
}
