package heif

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/icc"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// stored are the levels of a colour by the equations of ITU-T H.273, section 8.3.
func stored(rgb [3]float64, s cicp, depth int) (levels [3]int) {
	kr, kb := 0.299, 0.114
	switch s.matrix {
	case 1:
		kr, kb = 0.2126, 0.0722
	case 9:
		kr, kb = 0.2627, 0.0593
	}
	luma := kr*rgb[0] + (1-kr-kb)*rgb[1] + kb*rgb[2]
	v := [3]float64{luma, (rgb[2] - luma) / (2 - 2*kb), (rgb[0] - luma) / (2 - 2*kr)}
	switch s.matrix {
	case 0:
		v = [3]float64{rgb[1], rgb[2], rgb[0]}
	case 8:
		v = [3]float64{rgb[1]/2 + (rgb[0]+rgb[2])/4, rgb[1]/2 - (rgb[0]+rgb[2])/4, (rgb[0] - rgb[2]) / 2}
	}
	scale, highest := float64(int(1)<<(depth-8)), float64(int(1)<<depth-1)
	for i := range v {
		level := v[i] * highest
		isLuma := i == 0 || s.matrix == 0
		switch {
		case s.full && !isLuma:
			level += (highest + 1) / 2
		case s.full:
		case isLuma:
			level = scale * (219*v[i] + 16)
		default:
			level = scale * (224*v[i] + 128)
		}
		levels[i] = int(math.Round(max(0, min(level, highest))))
	}
	return levels
}

var paints = [][3]float64{
	{0, 0, 0}, {1, 1, 1}, {0.5, 0.5, 0.5}, {1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {0.9, 0.6, 0.2}, {0.1, 0.4, 0.7},
}

// TestReversibleColours has levels by the integer equations of the matrix (ITU-T H.273, equations 57 to 60).
func TestReversibleColours(t *testing.T) {
	for _, depth := range []int{10, 12} {
		r := raw{width: 8, height: 8, meaning: cicp{matrix: 16, full: true},
			stored: format{stepX: 1, stepY: 1, depth: depth}}
		for _, rgb := range paints {
			highest := float64(int(1)<<(depth-2) - 1)
			red, green, blue := int(rgb[0]*highest), int(rgb[1]*highest), int(rgb[2]*highest)
			co := red - blue
			t0 := blue + co>>1
			cg := green - t0
			levels := [3]int{t0 + cg>>1, cg + 1<<(depth-1), co + 1<<(depth-1)}
			b := painted(r, rgb)
			b.items[0].data = r.samples(func(plane, _, _ int) int { return levels[plane] })
			checkPaint(t, decodeBuilt(t, b.bytes()), [4]float64{rgb[0], rgb[1], rgb[2], 1}, 3)
			withAlpha(b, alphaURN, grayRaw(8, 8), func(int, int) int { return 128 })
			checkPaint(t, decodeBuilt(t, b.bytes()), [4]float64{rgb[0], rgb[1], rgb[2], 128. / 255}, 4)
		}
	}
}

// painted is a file of one item that is all of one colour.
func painted(r raw, rgb [3]float64, properties ...[]byte) *builder {
	b := &builder{primary: 1}
	levels := stored(rgb, r.meaning, r.stored.depth)
	item := b.add(&built{kind: "rawv", data: r.samples(func(plane, _, _ int) int { return levels[plane] })})
	for _, p := range append(properties, r.property()) {
		item.properties = append(item.properties, b.property(p))
	}
	return b
}

// checkPaint checks the colour of the pixels of an image, that may be as far off as given.
func checkPaint(t *testing.T, m *plane.Image, want [4]float64, off int) {
	t.Helper()
	small := m.Resample(plane.View{
		Width: m.Width, Height: m.Height, Across: float64(m.Width), Down: float64(m.Height), Orientation: 1,
	})
	pixels := small.NRGBA().Pix
	for at := 0; at < len(pixels); at += 4 {
		for i, v := range want {
			if d := int(pixels[at+i]) - int(math.Round(255*v)); d < -off || d > off {
				t.Fatalf("pixel %d: got %v, want %.0f, %.0f, %.0f, %.0f", at/4, pixels[at:at+4],
					255*want[0], 255*want[1], 255*want[2], 255*want[3])
			}
		}
	}
}

func TestColours(t *testing.T) {
	for _, matrix := range []int{0, 1, 2, 5, 6, 8, 9} {
		for _, full := range []bool{true, false} {
			for _, depth := range []int{8, 10, 12} {
				for _, steps := range [][2]int{{1, 1}, {2, 1}, {2, 2}} {
					r := raw{width: 15, height: 9, meaning: cicp{matrix: matrix, full: full},
						stored: format{stepX: steps[0], stepY: steps[1], depth: depth}}
					t.Run(fmt.Sprintf("matrix %d, full range %t, %d bits, steps %v", matrix, full, depth, steps), func(t *testing.T) {
						for _, rgb := range paints {
							m := decodeBuilt(t, painted(r, rgb).bytes())
							checkPaint(t, m, [4]float64{rgb[0], rgb[1], rgb[2], 1}, 3)
						}
					})
				}
			}
		}
	}
}

func TestGrayLevels(t *testing.T) {
	for _, full := range []bool{true, false} {
		for _, depth := range []int{8, 10, 12} {
			t.Run(fmt.Sprintf("full range %t, %d bits", full, depth), func(t *testing.T) {
				for _, level := range []float64{0, 0.25, 0.5, 1} {
					r := raw{width: 5, height: 3, meaning: cicp{matrix: 6, full: full},
						stored: format{isGray: true, stepX: 1, stepY: 1, depth: depth}}
					m := decodeBuilt(t, painted(r, [3]float64{level, level, level}).bytes())
					if m.Model != plane.Gray || len(m.Planes) != 1 {
						t.Fatalf("got %d planes of model %d, want one of gray", len(m.Planes), m.Model)
					}
					checkPaint(t, m, [4]float64{level, level, level, 1}, 1)
				}
			})
		}
	}
}

// nclx is a colr property of numbers.
func nclx(primaries, transfer, matrix int, full bool) []byte {
	range_ := byte(0)
	if full {
		range_ = 0x80
	}
	return box("colr", []byte("nclx"), be16(primaries), be16(transfer), be16(matrix), []byte{range_})
}

// TestWhoseNumbersCount gives the levels of one meaning, and another one where it does not count.
func TestWhoseNumbersCount(t *testing.T) {
	right, wrong := cicp{matrix: 9}, cicp{matrix: 0, full: true}
	r := raw{width: 4, height: 4, meaning: right, stored: format{stepX: 1, stepY: 1, depth: 8}}
	rgb := [3]float64{0.9, 0.6, 0.2}
	levels := painted(r, rgb).items[0].data
	r.meaning = wrong
	t.Run("the property before the bitstream", func(t *testing.T) {
		b := painted(r, rgb, nclx(2, 2, 9, false))
		b.items[0].data = levels
		checkPaint(t, decodeBuilt(t, b.bytes()), [4]float64{0.9, 0.6, 0.2, 1}, 3)
	})
	t.Run("that of QuickTime", func(t *testing.T) {
		b := painted(r, rgb, box("colr", []byte("nclc"), be16(2), be16(2), be16(9)))
		b.items[0].data = levels
		checkPaint(t, decodeBuilt(t, b.bytes()), [4]float64{0.9, 0.6, 0.2, 1}, 3)
	})
	t.Run("that of the first tile for a grid without one", func(t *testing.T) {
		b := painted(r, rgb, nclx(2, 2, 9, false))
		b.items[0].data = levels
		b.primary = b.add(&built{kind: "grid", inIdat: true, data: join(make([]byte, 4), be16(4), be16(3))}).id
		b.refer("dimg", b.primary, 1)
		checkPaint(t, decodeBuilt(t, b.bytes()), [4]float64{0.9, 0.6, 0.2, 1}, 3)
	})
}

func TestProfiles(t *testing.T) {
	p3, ok := icc.FromCICP(12, 13)
	if !ok {
		t.Fatal("Display P3 has no profile")
	}
	r := raw{width: 4, height: 4, meaning: cicp{primaries: 9, transfer: 13, matrix: 6, full: true}, stored: gray8}
	bt2020, _ := icc.FromCICP(9, 13)
	profile := box("colr", []byte("prof"), []byte("a profile"))
	tests := []struct {
		name       string
		properties [][]byte
		want       []byte
	}{
		{"of the file", [][]byte{profile}, []byte("a profile")},
		{"of the file, restricted", [][]byte{box("colr", []byte("rICC"), []byte("a profile"))}, []byte("a profile")},
		{"of the file and by numbers", [][]byte{nclx(12, 13, 6, true), profile}, []byte("a profile")},
		{"by numbers", [][]byte{nclx(12, 13, 6, true)}, p3},
		{"by numbers that are sRGB", [][]byte{nclx(1, 13, 6, true)}, nil},
		{"by numbers that are not known", [][]byte{nclx(256+12, 13, 6, true)}, nil},
		{"by the bitstream", nil, bt2020},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := decodeBuilt(t, painted(r, [3]float64{1, 1, 1}, test.properties...).bytes())
			if !bytes.Equal(m.Profile, test.want) {
				t.Errorf("got a profile of %d bytes, want %d", len(m.Profile), len(test.want))
			}
		})
	}
}

// TestCutWithinChroma cuts a picture whose colours change from one sample of chroma to the next.
func TestCutWithinChroma(t *testing.T) {
	r := raw{width: 16, height: 12, meaning: cicp{matrix: 6, full: true}, stored: format{stepX: 2, stepY: 2, depth: 8}}
	at := func(plane, x, y int) int { return 20*plane + shade(x, y) }
	b := &builder{primary: 1}
	item := b.add(&built{kind: "rawv", data: r.samples(at), properties: []int{b.property(r.property())}})
	const left, top, width, height = 3, 5, 9, 5
	cut := clap(width, 1, height, 1, 2*left+width-16, 2, 2*top+height-12, 2)
	item.properties = append(item.properties, b.property(cut))
	m := decodeBuilt(t, b.bytes())
	for i, p := range m.Planes {
		if p.Width != width || p.Height != height || p.StepX != 1 || p.StepY != 1 {
			t.Fatalf("plane %d has %dx%d samples of %gx%g pixels, want %dx%d of one",
				i, p.Width, p.Height, p.StepX, p.StepY, width, height)
		}
		for y := range height {
			for x, got := range p.Row(y) {
				step := min(i, 1) + 1
				if want := at(i, (left+x)/step, (top+y)/step) & 0xff; int(got) != want {
					t.Fatalf("plane %d at %d, %d: got %d, want %d", i, x, y, got, want)
				}
			}
		}
	}
}
