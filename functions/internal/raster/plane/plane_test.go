package plane

import (
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/disintegration/imaging"
)

// waves is a plane without sharp edges, with a little noise.
func waves(width, height int, seed uint64) Plane {
	r := rand.New(rand.NewPCG(seed, 7))
	p := New(width, height, 1, 1)
	for y := range height {
		row := p.Row(y)
		for x := range row {
			v := 128 + 60*math.Sin(float64(x)/17) + 50*math.Cos(float64(y)/23) + 20*r.Float64()
			row[x] = uint8(max(0, min(v, 255)))
		}
	}
	return p
}

func grayOf(p Plane) *image.Gray {
	return &image.Gray{Pix: p.Pix, Stride: p.Stride, Rect: image.Rect(0, 0, p.Width, p.Height)}
}

// difference is the mean and the largest difference of the samples of two planes of one size.
func difference(t *testing.T, got, want Plane) (mean float64, largest int) {
	t.Helper()
	if got.Width != want.Width || got.Height != want.Height {
		t.Fatalf("%dx%d samples, want %dx%d", got.Width, got.Height, want.Width, want.Height)
	}
	for y := range got.Height {
		for x, v := range got.Row(y) {
			d := int(v) - int(want.Row(y)[x])
			mean += math.Abs(float64(d))
			largest = max(largest, d, -d)
		}
	}
	return mean / float64(got.Width*got.Height), largest
}

func thumbnail(p Plane, width, height int) Plane {
	return p.Resize(axis(p.Width, width, float64(p.Width), 1, false), axis(p.Height, height, float64(p.Height), 1, false))
}

// whole is the view of a whole image.
func whole(m *Image, width, height, orientation int) View {
	v := View{
		Width: width, Height: height, Across: float64(m.Width), Down: float64(m.Height), Orientation: orientation,
	}
	if SwapsSides(orientation) {
		v.Across, v.Down = v.Down, v.Across
	}
	return v
}

// The reference is the Lanczos filter of package imaging, in floating point and without a reduction before it.
func TestResizeLikeLanczos3(t *testing.T) {
	for _, size := range [][4]int{{300, 200, 299, 199}, {300, 200, 200, 133}, {300, 200, 151, 77}, {300, 200, 100, 67},
		{1200, 900, 200, 150}, {4000, 1000, 200, 50}, {37, 1000, 7, 200}, {31, 29, 1, 1}} {
		p := waves(size[0], size[1], 1)
		got := thumbnail(p, size[2], size[3])
		exact := imaging.Resize(grayOf(p), size[2], size[3], imaging.Lanczos)
		want := New(size[2], size[3], 1, 1)
		for i := range want.Pix {
			want.Pix[i] = exact.Pix[4*i]
		}
		mean, largest := difference(t, got, want)
		if mean > 0.7 || largest > 4 {
			t.Errorf("%v: differs by %.2f in the mean, %d at most", size, mean, largest)
		}
	}
}

func TestResizeKeepsEvenSurface(t *testing.T) {
	for _, level := range []uint8{0, 1, 127, 254, 255} {
		p := New(701, 333, 1, 1)
		for i := range p.Pix {
			p.Pix[i] = level
		}
		for _, size := range [][2]int{{700, 332}, {200, 95}, {7, 3}, {1, 1}} {
			for i, v := range thumbnail(p, size[0], size[1]).Pix {
				if v != level {
					t.Fatalf("%v: sample %d of an even %d is %d", size, i, level, v)
				}
			}
		}
	}
}

// The hardest edges make the filter overshoot; no sample may wrap around.
func TestResizeOfExtremes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		width, height := 1+r.IntN(60), 1+r.IntN(60)
		p := New(width, height, 1, 1)
		for i := range p.Pix {
			p.Pix[i] = uint8(255 * r.IntN(2))
		}
		small := thumbnail(p, 1+r.IntN(width), 1+r.IntN(height))
		if width >= 2*minOversampling*small.Width || height >= 2*minOversampling*small.Height {
			continue // reduced in advance, which is another filter
		}
		for i, want := range exactly(p, small.Width, small.Height) {
			if got := float64(small.Pix[i]); math.Abs(got-want) > 1 {
				t.Fatalf("%dx%d to %dx%d: sample %d is %g, want %.2f", width, height, small.Width, small.Height, i, got, want)
			}
		}
	}
}

// exactly resamples in floating point, across and down at once.
func exactly(p Plane, width, height int) (samples []float64) {
	weights := func(from, to, at int) map[int]float64 {
		ratio, sum, all := float64(from)/float64(to), 0.0, map[int]float64{}
		for i := range from {
			if w := lanczos3((float64(i) + 0.5 - (float64(at)+0.5)*ratio) / max(1, ratio)); w != 0 {
				all[i] = w
				sum += w
			}
		}
		for i := range all {
			all[i] /= sum
		}
		return all
	}
	for y := range height {
		down := weights(p.Height, height, y)
		for x := range width {
			sum := 0.0
			for u, across := range weights(p.Width, width, x) {
				for v, w := range down {
					sum += across * w * float64(p.Row(v)[u])
				}
			}
			samples = append(samples, max(0, min(sum, 255)))
		}
	}
	return samples
}

// Samples are the means of boxes, including incomplete ones.
func TestReducer(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		width, height, channels := 1+r.IntN(70), 1+r.IntN(70), 1+r.IntN(4)
		factorX, factorY := 1+r.IntN(12), 1+r.IntN(12)
		rows := make([]uint8, width*height*channels)
		for i := range rows {
			rows[i] = uint8(r.IntN(256))
		}
		reducer := NewReducer(width, height, channels, factorX, factorY)
		for y := range height {
			reducer.Add(rows[y*width*channels:][:width*channels])
		}
		for c, p := range reducer.Planes() {
			if p.StepX != float64(factorX) || p.StepY != float64(factorY) {
				t.Fatalf("a sample stands for %gx%g pixels, want %dx%d", p.StepX, p.StepY, factorX, factorY)
			}
			for y := range p.Height {
				for x, got := range p.Row(y) {
					sum, n := 0, 0
					for v := y * factorY; v < min(height, (y+1)*factorY); v++ {
						for u := x * factorX; u < min(width, (x+1)*factorX); u++ {
							sum += int(rows[(v*width+u)*channels+c])
							n++
						}
					}
					if want := float64(sum) / float64(n); math.Abs(float64(got)-want) > 0.5 {
						t.Fatalf("%dx%d by %dx%d: sample %d,%d of channel %d is %d, want %.2f", width, height, factorX, factorY, x, y, c,
							got, want)
					}
				}
			}
		}
	}
}

// Halves of a plane are what a Reducer makes of its rows.
func TestReduceByTwo(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		p := New(1+r.IntN(70), 1+r.IntN(70), 1, 2)
		reducer := NewReducer(p.Width, p.Height, 1, 2, 2)
		for y := range p.Height {
			for x := range p.Row(y) {
				p.Row(y)[x] = uint8(r.IntN(256))
			}
			reducer.Add(p.Row(y))
		}
		got, want := p.Reduce(2, 2), reducer.Planes()[0]
		if got.StepX != 2 || got.StepY != 4 || got.Width != want.Width || !slices.Equal(got.Pix, want.Pix) {
			t.Fatalf("%dx%d: got %+v, want %+v", p.Width, p.Height, got, want)
		}
	}
}

// Equal rows can be added at once.
func TestReducerAddEqual(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	for range 100 {
		width, channels, factorX, factorY := 1+r.IntN(70), 1+r.IntN(4), 1+r.IntN(5), 1+r.IntN(40)
		height := 1 + r.IntN(200)
		one := NewReducer(width, height, channels, factorX, factorY)
		all := NewReducer(width, height, channels, factorX, factorY)
		for y := 0; y < height; {
			row := make([]uint8, width*channels)
			for i := range row {
				row[i] = uint8(r.IntN(256))
			}
			count := 1 + r.IntN(height-y)
			all.AddEqual(row, count)
			for range count {
				one.Add(row)
			}
			y += count
		}
		for i, want := range one.Planes() {
			if got := all.Planes()[i]; !slices.Equal(got.Pix, want.Pix) {
				t.Fatalf("%dx%d by %dx%d: got %d, want %d", width, height, factorX, factorY, got.Pix, want.Pix)
			}
		}
	}
}

func TestReducerLargestFactor(t *testing.T) {
	r := NewReducer(300, 600, 1, maxFactor, maxFactor)
	row := make([]uint8, 300)
	for i := range row {
		row[i] = 255
	}
	for range 600 {
		r.Add(row)
	}
	for i, v := range r.Planes()[0].Pix {
		if v != 255 {
			t.Errorf("sample %d is %d", i, v)
		}
	}
}

// Resample with an orientation equals package imaging's transform of Resample without it.
func TestUpright(t *testing.T) {
	m := &Image{Width: 90, Height: 60, Model: Gray, Planes: []Plane{waves(90, 60, 2)}}
	upright := map[int]func(image.Image) *image.NRGBA{
		1: imaging.Clone, 2: imaging.FlipH, 3: imaging.Rotate180, 4: imaging.FlipV,
		5: imaging.Transpose, 6: imaging.Rotate270, 7: imaging.Transverse, 8: imaging.Rotate90,
	}
	want := m.Resample(whole(m, 31, 21, 1))
	for orientation, turn := range upright {
		width, height := 31, 21
		if SwapsSides(orientation) {
			width, height = height, width
		}
		got, turned := m.Resample(whole(m, width, height, orientation)), turn(grayOf(want.Planes[0]))
		if got.Width != width || got.Height != height || turned.Rect.Dx() != width {
			t.Fatalf("orientation %d: %dx%d", orientation, got.Width, got.Height)
		}
		for i, v := range got.Planes[0].Pix {
			if d := int(v) - int(turned.Pix[4*i]); d < -1 || d > 1 {
				t.Fatalf("orientation %d: sample %d is %d, want %d", orientation, i, v, turned.Pix[4*i])
			}
		}
	}
}

// Chroma samples stay in the middle of their pixels, on whichever side the image is cropped.
func TestResample420Siting(t *testing.T) {
	for orientation := 1; orientation <= 8; orientation++ {
		for _, size := range [][2]int{{99, 75}, {100, 74}} {
			ramp := New(400, 300, 1, 1)
			for y := range 300 {
				for x := range ramp.Row(y) {
					ramp.Row(y)[x] = uint8((x + y) * 255 / 700)
				}
			}
			width, height := size[0], size[1]
			if SwapsSides(orientation) {
				width, height = height, width
			}
			m := &Image{Width: 400, Height: 300, Model: YCbCr, Planes: []Plane{ramp, ramp, ramp}}
			halved := m.Resample420(whole(m, width, height, orientation))
			luma, blue := halved.Planes[0], halved.Planes[1]
			if blue.Width != (width+1)/2 || blue.Height != (height+1)/2 || blue.StepX != 2 {
				t.Fatalf("the colours are %dx%d, a sample %g pixels", blue.Width, blue.Height, blue.StepX)
			}
			for y := 2; y < height/2-2; y++ {
				for x := 2; x < width/2-2; x++ {
					want := float64(int(luma.Row(2 * y)[2*x])+int(luma.Row(2 * y)[2*x+1])+int(luma.Row(2*y +
						1)[2*x])+int(luma.Row(2*y + 1)[2*x+1])) / 4
					if got := float64(blue.Row(y)[x]); math.Abs(got-want) > 1 {
						t.Fatalf("orientation %d, %v: colour %d,%d is %g, the luma of its pixels %g", orientation, size, x, y, got, want)
					}
				}
			}
		}
	}
}

// Colours survive a conversion to each model and back.
func TestModels(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 1000 {
		c := color.NRGBA{uint8(r.IntN(256)), uint8(r.IntN(256)), uint8(r.IntN(256)), 255}
		pixel := func(level uint8) Plane { return Plane{[]uint8{level}, 1, 1, 1, 1, 1} }
		rgb := &Image{Width: 1, Height: 1, Model: RGB, Planes: []Plane{pixel(c.R), pixel(c.G), pixel(c.B)}}
		if got := rgb.NRGBA().NRGBAAt(0, 0); got != c {
			t.Fatalf("%v became %v", c, got)
		}
		y, cb, cr := color.RGBToYCbCr(c.R, c.G, c.B)
		halved := rgb.Resample420(whole(rgb, 1, 1, 1))
		for i, want := range []uint8{y, cb, cr} {
			if d := int(halved.Planes[i].Pix[0]) - int(want); d < -1 || d > 1 {
				t.Fatalf("%v became %v, want %d %d %d", c, halved.Planes, y, cb, cr)
			}
		}
		back := (&Image{Width: 1, Height: 1, Model: YCbCr,
			Planes: []Plane{pixel(y), pixel(cb), pixel(cr)}}).NRGBA().NRGBAAt(0, 0)
		wantR, wantG, wantB := color.YCbCrToRGB(y, cb, cr)
		if want := (color.NRGBA{wantR, wantG, wantB, 255}); far(back, want) {
			t.Fatalf("%d %d %d became %v, want %v", y, cb, cr, back, want)
		}
		k := uint8(r.IntN(256))
		ink := (&Image{Width: 1, Height: 1, Model: CMYK,
			Planes: []Plane{pixel(c.R), pixel(c.G), pixel(c.B), pixel(k)}}).NRGBA().NRGBAAt(0, 0)
		wantR, wantG, wantB = color.CMYKToRGB(255-c.R, 255-c.G, 255-c.B, 255-k)
		if want := (color.NRGBA{wantR, wantG, wantB, 255}); far(ink, want) {
			t.Fatalf("%v and %d became %v, want %v", c, k, ink, want)
		}
		// In YCCK, libjpeg and image/jpeg take the result of the YCbCr conversion for ink, not for light.
		ink = (&Image{Width: 1, Height: 1, Model: YCCK,
			Planes: []Plane{pixel(y), pixel(cb), pixel(cr), pixel(k)}}).NRGBA().NRGBAAt(0, 0)
		wantR, wantG, wantB = color.CMYKToRGB(back.R, back.G, back.B, 255-k)
		if want := (color.NRGBA{wantR, wantG, wantB, 255}); far(ink, want) {
			t.Fatalf("%d %d %d and %d became %v, want %v", y, cb, cr, k, ink, want)
		}
	}
}

func far(a, b color.NRGBA) bool {
	d := max(int(a.R)-int(b.R), int(b.R)-int(a.R), int(a.G)-int(b.G), int(b.G)-int(a.G), int(a.B)-int(b.B),
		int(b.B)-int(a.B))
	return d > 1 || a.A != b.A
}

// Transparent pixels have no visible colour.
func TestPremultiply(t *testing.T) {
	row := make([]uint8, 4*40)
	for i := range 40 {
		if i%2 == 0 {
			copy(row[4*i:], []uint8{255, 0, 0, 255})
		} else {
			copy(row[4*i:], []uint8{0, 255, 0, 0})
		}
	}
	Premultiply(row)
	r := NewReducer(40, 40, 4, 1, 1)
	for range 40 {
		r.Add(row)
	}
	is := &Image{Width: 40, Height: 40, Model: RGB, Planes: r.Planes()}
	small := is.Resample(whole(is, 10, 10, 1)).NRGBA()
	for i := range 100 {
		if c := small.Pix[4*i : 4*i+4]; c[0] < 250 || c[1] > 2 || c[3] < 115 || c[3] > 140 {
			t.Fatalf("pixel %d is %v, want red, half there", i, c)
		}
	}
}

func BenchmarkResize(b *testing.B) {
	p := waves(600, 450, 1)
	b.ReportAllocs()
	for b.Loop() {
		thumbnail(p, 200, 150)
	}
}

func BenchmarkReduce(b *testing.B) {
	p := waves(4000, 3000, 1)
	for _, factor := range []int{2, 6} {
		b.Run(strconv.Itoa(factor), func(b *testing.B) {
			b.SetBytes(int64(len(p.Pix)))
			b.ReportAllocs()
			for b.Loop() {
				p.Reduce(factor, factor)
			}
		})
	}
}

// Every level with every alpha, in rows of every length.
func TestPremultiplyIsRounded(t *testing.T) {
	for alpha := range 256 {
		var row []uint8
		for level := range 255 - alpha%7 {
			row = append(row, uint8(level), uint8(255-level), uint8(level*alpha), uint8(alpha))
		}
		got := slices.Clone(row)
		Premultiply(got)
		for i, v := range row {
			want := uint8(alpha)
			if i%4 < 3 {
				want = uint8((2*int(v)*alpha + 255) / 510)
			}
			if got[i] != want {
				t.Fatalf("level %d with alpha %d became %d, want %d", v, alpha, got[i], want)
			}
		}
	}
}
