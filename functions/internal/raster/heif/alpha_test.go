package heif

import (
	"bytes"
	"fmt"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

const (
	alphaURN    = "urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\x00"
	alphaOfHEVC = "urn:mpeg:hevc:2015:auxid:1\x00"
	depthURN    = "urn:mpeg:hevc:2015:auxid:2\x00"
)

// withAlpha adds an auxiliary picture to the first item, of levels that go by the pixel.
func withAlpha(b *builder, urn string, r raw, at func(x, y int) int) *built {
	i := b.add(&built{kind: "rawv", data: r.samples(func(_, x, y int) int { return at(x, y) })})
	i.properties = []int{b.property(r.property()), -b.property(fullBox("auxC", 0, 0, []byte(urn)))}
	b.refer("auxl", i.id, b.primary)
	return i
}

func grayRaw(width, height int) raw {
	return raw{width: width, height: height, stored: gray8, meaning: cicp{full: true}}
}

func TestAlpha(t *testing.T) {
	rgb := [3]float64{0.9, 0.6, 0.2}
	const level = 128.0 / 255
	half := func(int, int) int { return 128 }
	for _, urn := range []string{alphaURN, alphaOfHEVC} {
		for _, steps := range [][2]int{{1, 1}, {2, 1}, {2, 2}} {
			for _, depth := range []int{8, 10} {
				for _, s := range []cicp{{matrix: 6, full: true}, {matrix: 9}, {matrix: 0}} {
					t.Run(fmt.Sprintf("%.20s, %d bits, steps %v, %v", urn, depth, steps, s), func(t *testing.T) {
						r := raw{width: 15, height: 9, meaning: s, stored: format{stepX: steps[0], stepY: steps[1], depth: depth}}
						b := painted(r, rgb)
						withAlpha(b, urn, grayRaw(15, 9), half)
						checkPaint(t, decodeBuilt(t, b.bytes()), [4]float64{0.9, 0.6, 0.2, level}, 4)
					})
				}
			}
		}
	}
	colour := raw{width: 12, height: 8, meaning: cicp{matrix: 6, full: true}, stored: format{stepX: 2, stepY: 2, depth: 8}}
	t.Run("of 10 bits", func(t *testing.T) {
		b := painted(colour, rgb)
		r := grayRaw(12, 8)
		r.stored.depth = 10
		withAlpha(b, alphaURN, r, func(int, int) int { return 514 })
		checkPaint(t, decodeBuilt(t, b.bytes()), [4]float64{0.9, 0.6, 0.2, level}, 4)
	})
	t.Run("of gray", func(t *testing.T) {
		b := painted(grayRaw(12, 8), [3]float64{0.6, 0.6, 0.6})
		withAlpha(b, alphaURN, grayRaw(12, 8), half)
		m := decodeBuilt(t, b.bytes())
		if m.Model != plane.Gray || len(m.Planes) != 2 {
			t.Fatalf("got %d planes of model %d, want two of gray", len(m.Planes), m.Model)
		}
		checkPaint(t, m, [4]float64{0.6, 0.6, 0.6, level}, 2)
	})
	t.Run("premultiplied", func(t *testing.T) {
		b := painted(colour, [3]float64{0.9 * level, 0.6 * level, 0.2 * level})
		i := withAlpha(b, alphaURN, grayRaw(12, 8), half)
		b.refer("prem", b.primary, i.id)
		checkPaint(t, decodeBuilt(t, b.bytes()), [4]float64{0.9, 0.6, 0.2, level}, 5)
	})
	t.Run("that is opaque", func(t *testing.T) {
		b := painted(colour, rgb)
		withAlpha(b, alphaURN, grayRaw(12, 8), func(int, int) int { return 255 })
		if m := decodeBuilt(t, b.bytes()); m.HasAlpha() || m.Model != plane.YCbCr {
			t.Errorf("got %d planes of model %d, want YCbCr without alpha", len(m.Planes), m.Model)
		}
	})
	t.Run("depth map", func(t *testing.T) {
		b := painted(colour, rgb)
		withAlpha(b, depthURN, grayRaw(12, 8), half)
		if f := openBuilt(t, b.bytes()); f.HasAlpha {
			t.Error("a depth map was taken for alpha")
		}
	})
}

// TestAlphaPlaces checks that each pixel has the alpha that is in its place, of pictures that are cut, turned, or of
// another size than their alpha.
func TestAlphaPlaces(t *testing.T) {
	level := func(x, y int) int { return 100 + 3*x + 5*y }
	colour := raw{width: 12, height: 8, meaning: cicp{matrix: 6, full: true}, stored: format{stepX: 2, stepY: 2, depth: 8}}
	cut := clap(7, 1, 5, 1, -1, 2, 1, 2)
	left := box("irot", []byte{1})
	tests := []struct {
		name     string
		alpha    raw
		ofColour [][]byte
		ofAlpha  [][]byte
		at       func(x, y int) (int, int) // where the alpha is of a pixel as it is stored, after it was cut
	}{
		{"plain", grayRaw(12, 8), nil, nil, func(x, y int) (int, int) { return x, y }},
		{"smaller", grayRaw(6, 4), nil, nil, func(x, y int) (int, int) { return x / 2, y / 2 }},
		{"larger", grayRaw(24, 16), nil, nil, func(x, y int) (int, int) { return 2*x + 1, 2*y + 1 }},
		{"both cut", grayRaw(12, 8), [][]byte{cut}, [][]byte{cut}, func(x, y int) (int, int) { return x + 2, y + 2 }},
		{"both turned", grayRaw(12, 8), [][]byte{left}, [][]byte{left}, func(x, y int) (int, int) { return x, y }},
		{
			"both cut and turned", grayRaw(12, 8), [][]byte{cut, left}, [][]byte{cut, left},
			func(x, y int) (int, int) { return x + 2, y + 2 },
		},
		{"turned like the colours, unsaid", grayRaw(12, 8), [][]byte{left}, nil, func(x, y int) (int, int) { return x, y }},
		{
			"cut like the colours, unsaid", grayRaw(12, 8), [][]byte{cut, left}, nil,
			func(x, y int) (int, int) { return x + 2, y + 2 },
		},
		{"stored turned", grayRaw(8, 12), [][]byte{left}, nil, func(x, y int) (int, int) { return y, 11 - x }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := painted(colour, [3]float64{1, 1, 1}, test.ofColour...)
			i := withAlpha(b, alphaURN, test.alpha, level)
			for _, p := range test.ofAlpha {
				i.properties = append(i.properties, b.property(p))
			}
			m := decodeBuilt(t, b.bytes())
			if !m.HasAlpha() {
				t.Fatal("the image has no alpha")
			}
			p := m.Planes[len(m.Planes)-1]
			for y := range p.Height {
				for x, got := range p.Row(y) {
					if want := level(test.at(x, y)); int(got) != want {
						t.Fatalf("at %d, %d: got %d, want %d", x, y, got, want)
					}
				}
			}
		})
	}
}

// TestAlphaOfTiles has an alpha for each tile of a grid, or for some.
func TestAlphaOfTiles(t *testing.T) {
	for _, have := range []int{6, 5} {
		b := gridOf(3, 2, 41, 30)
		for tile := range have {
			i := b.add(&built{kind: "rawv", data: bytes.Repeat([]byte{byte(100 + tile)}, 16*16)})
			auxC := fullBox("auxC", 0, 0, []byte(alphaURN))
			i.properties = []int{b.property(grayRaw(16, 16).property()), -b.property(auxC)}
			b.refer("auxl", i.id, int(b.references[0].to[tile]))
		}
		f := openBuilt(t, b.bytes())
		if want := have == 6; f.HasAlpha != want {
			t.Fatalf("%d of 6 tiles have alpha: got %t, want %t", have, f.HasAlpha, want)
		}
		if !f.HasAlpha {
			continue
		}
		m, err := decode(f, 41, 30)
		if err != nil {
			t.Fatal(err)
		}
		alpha := m.Planes[len(m.Planes)-1]
		for y := range 30 {
			for x, got := range alpha.Row(y) {
				if want := 100 + x/16 + y/16*3; int(got) != want {
					t.Fatalf("at %d, %d: got %d, want %d", x, y, got, want)
				}
			}
		}
	}
}

func TestAlphaOfAGrid(t *testing.T) {
	b := gridOf(3, 2, 41, 30)
	withAlpha(b, alphaURN, grayRaw(41, 30), func(x, y int) int { return 255 * (x / 20 % 2) })
	f := openBuilt(t, b.bytes())
	if !f.HasAlpha {
		t.Error("the alpha is not in the header")
	}
	m, err := decode(f, 41, 30)
	if err != nil {
		t.Fatal(err)
	}
	for y := range 30 {
		for x, got := range m.Planes[0].Row(y) {
			want := 0
			if x/20%2 == 1 {
				want = shade(x, y)
			}
			if int(got) != want {
				t.Fatalf("at %d, %d: got %d, want %d", x, y, got, want)
			}
		}
	}
}
