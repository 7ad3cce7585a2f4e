package palette

import (
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// expand looks up the colours of an image.
func expand(m *image.Paletted) *image.NRGBA {
	expanded := image.NewNRGBA(m.Rect)
	for i, index := range m.Pix {
		c := m.Palette[index].(color.NRGBA)
		copy(expanded.Pix[4*i:], []uint8{c.R, c.G, c.B, c.A})
	}
	return expanded
}

// colored is an image of n pixels, all of different colours.
func colored(n int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, n, 1))
	for i := range n {
		m.SetNRGBA(i, 0, color.NRGBA{uint8(i), uint8(i >> 4), 77, 255})
	}
	return m
}

func TestReduceKeepsFewColors(t *testing.T) {
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
			if got := expand(reduced); !slices.Equal(got.Pix, m.Pix) {
				t.Errorf("got %v, want %v", got.Pix, m.Pix)
			}
		})
	}
}

func TestReduceManyColors(t *testing.T) {
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
	got, sum := expand(reduced), 0
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

// Opaque pixels are compared perceptually, and transparent ones stay transparent.
func TestReduceError(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	tests := map[string]struct {
		at   func(x, y int) color.NRGBA
		want float64 // dB of PSNR
	}{
		"all hues": {func(x, y int) color.NRGBA { return color.NRGBA{uint8(x), uint8(y), uint8(x * y / 200), 255} }, 33},
		"dark": {func(x,
			y int) color.NRGBA {
			return color.NRGBA{uint8(x / 6), uint8(y / 5), uint8((x + y) / 9), 255}
		}, 46},
		"a few levels": {func(x, y int) color.NRGBA { return color.NRGBA{90 + uint8(x%20), 60 + uint8(y%20), 50, 255} }, 50},
		"noise": {func(int, int) color.NRGBA {
			n := random.Uint32()
			return color.NRGBA{uint8(n), uint8(n >> 8), uint8(n >> 16), 255}
		}, 24},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := image.NewNRGBA(image.Rect(0, 0, 200, 160))
			for y := range 160 {
				for x := range 200 {
					m.SetNRGBA(x, y, test.at(x, y))
				}
			}
			got, sum := expand(Reduce(m)), 0.0
			for i, v := range m.Pix {
				d := float64(v) - float64(got.Pix[i])
				sum += d * d
			}
			if psnr := 10 * math.Log10(255*255*float64(3*200*160)/sum); psnr < test.want {
				t.Errorf("%.1f dB, want %.0f at least", psnr, test.want)
			}
		})
	}
}

func TestSharedPalette(t *testing.T) {
	first, second := colored(100), image.NewNRGBA(image.Rect(3, 4, 153, 5))
	for i := range 150 {
		second.SetNRGBA(3+i, 4, color.NRGBA{uint8(i), 200, 3, 255})
	}
	r := New(first, second)
	one, two := r.Reduce(first), r.Reduce(second)
	if !slices.Equal(one.Palette, two.Palette) || len(one.Palette) != 250 {
		t.Errorf("%d and %d colours, want the same 250", len(one.Palette), len(two.Palette))
	}
	if !slices.Equal(expand(one).Pix, first.Pix) || !slices.Equal(expand(two).Pix, second.Pix) || two.Rect != second.Rect {
		t.Error("the colours are not those of the images")
	}
}

func TestAsGray(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 3, 2))
	for i := range m.Pix {
		m.Pix[i] = uint8(i/4) | uint8(i%4/3*255)
	}
	gray, ok := AsGray(m)
	if want := []byte{0, 1, 2, 3, 4, 5}; !ok || !slices.Equal(gray.Pix, want) {
		t.Errorf("got %v, %v, want %v", gray, ok, want)
	}
	for name, c := range map[string]color.NRGBA{"colour": {1, 2, 2, 255}, "transparency": {2, 2, 2, 254}} {
		t.Run(name, func(t *testing.T) {
			m.SetNRGBA(2, 1, c)
			if _, ok := AsGray(m); ok {
				t.Errorf("an image with %s is said to be gray", name)
			}
		})
	}
}

func BenchmarkReduce(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	m := image.NewNRGBA(image.Rect(0, 0, 200, 150))
	for y := range 150 {
		for x := range 200 {
			noise := uint8(random.IntN(20))
			m.SetNRGBA(x, y, color.NRGBA{uint8(x) + noise, uint8(y) + noise, uint8((x+y)/2) + noise, 255})
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		Reduce(m)
	}
}
