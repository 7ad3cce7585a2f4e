package jpeg

import (
	"bytes"
	"image"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// photo returns planes with edges, gradients and noise; noise is of 255.
func photo(width, height, noise int, model plane.Model) *plane.Image {
	r := rand.New(rand.NewPCG(uint64(width), uint64(height)))
	m := &plane.Image{Width: width, Height: height, Model: model}
	for i := range model.Channels() {
		part := min(i, 1) + 1
		p := plane.New((width+part-1)/part, (height+part-1)/part, float64(part), float64(part))
		for y := range p.Height {
			row := p.Row(y)
			for x := range row {
				v := 128 + 70*math.Sin(float64(x*part)/11+float64(i)) + 50*math.Sin(float64(y*part)/7) +
					float64(r.IntN(noise+1)-noise/2)
				row[x] = uint8(max(0, min(v, 255)))
			}
		}
		m.Planes = append(m.Planes, p)
	}
	return m
}

// ycbcr returns the same image for image/jpeg.
func ycbcr(m *plane.Image) image.Image {
	rect := image.Rect(0, 0, m.Width, m.Height)
	if m.Model == plane.Gray {
		return &image.Gray{Pix: m.Planes[0].Pix, Stride: m.Planes[0].Stride, Rect: rect}
	}
	return &image.YCbCr{
		Y: m.Planes[0].Pix, Cb: m.Planes[1].Pix, Cr: m.Planes[2].Pix, YStride: m.Planes[0].Stride,
		CStride:        m.Planes[1].Stride,
		SubsampleRatio: image.YCbCrSubsampleRatio420, Rect: rect,
	}
}

// squares is the sum of the squared differences of a file from m, decoded by image/jpeg.
func squares(t *testing.T, file []byte, m *plane.Image) float64 {
	t.Helper()
	got, err := jpeg.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if got.Bounds().Dx() != m.Width || got.Bounds().Dy() != m.Height {
		t.Fatalf("%v, want %dx%d", got.Bounds(), m.Width, m.Height)
	}
	planes, strides := [][]uint8{}, []int{}
	switch got := got.(type) {
	case *image.Gray:
		planes, strides = [][]uint8{got.Pix}, []int{got.Stride}
	case *image.YCbCr:
		planes, strides = [][]uint8{got.Y, got.Cb, got.Cr}, []int{got.YStride, got.CStride, got.CStride}
	}
	if len(planes) != len(m.Planes) {
		t.Fatalf("%d planes, want %d", len(planes), len(m.Planes))
	}
	sum, n := 0.0, 0.0
	for i, p := range m.Planes {
		for y := range p.Height {
			for x, want := range p.Row(y) {
				d := float64(planes[i][y*strides[i]+x]) - float64(want)
				sum += d * d
				n++
			}
		}
	}
	return sum / n
}

// The encoder is as good as image/jpeg's at the same quality, in as many bytes.
func TestEncodeLikeImageJPEG(t *testing.T) {
	for _, model := range []plane.Model{plane.Gray, plane.YCbCr} {
		for _, noise := range []int{0, 30, 500} {
			for _, size := range [][2]int{{1, 1}, {2, 3}, {7, 9}, {8, 8}, {15, 17}, {16, 16}, {17, 33}, {200, 149}, {133, 200}} {
				m := photo(size[0], size[1], noise, model)
				var ours, reference bytes.Buffer
				if err := Encode(&ours, m, 0); err != nil {
					t.Fatal(err)
				}
				if err := jpeg.Encode(&reference, ycbcr(m), &jpeg.Options{Quality: Quality}); err != nil {
					t.Fatal(err)
				}
				got, want := squares(t, ours.Bytes(), m), squares(t, reference.Bytes(), m)
				if got > 1.02*want+20/float64(size[0]*size[1]) { // a few pixels may have bad luck
					t.Errorf("%v, noise %d, %d planes: mean square error %.2f, image/jpeg's %.2f", size, noise, len(m.Planes), got,
						want)
				}
				if ours.Len() > reference.Len()*102/100+50 {
					t.Errorf("%v, noise %d, %d planes: %d bytes, image/jpeg's %d", size, noise, len(m.Planes), ours.Len(),
						reference.Len())
				}
			}
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	m := photo(200, 150, 30, plane.YCbCr)
	var file bytes.Buffer
	b.ReportAllocs()
	for b.Loop() {
		file.Reset()
		if err := Encode(&file, m, 0); err != nil {
			b.Fatal(err)
		}
	}
}

func TestEncodeQualities(t *testing.T) {
	m := photo(120, 90, 60, plane.YCbCr)
	for _, quality := range []int{1, 10, 49, 50, 75, 95, 100} {
		var ours, reference bytes.Buffer
		if err := Encode(&ours, m, quality); err != nil {
			t.Fatal(err)
		}
		if err := jpeg.Encode(&reference, ycbcr(m), &jpeg.Options{Quality: quality}); err != nil {
			t.Fatal(err)
		}
		if got, want := squares(t, ours.Bytes(), m), squares(t, reference.Bytes(), m); got > 1.02*want+0.1 {
			t.Errorf("quality %d: mean square error %.2f, image/jpeg's %.2f", quality, got, want)
		}
		if ours.Len() > reference.Len()*102/100+50 {
			t.Errorf("quality %d: %d bytes, image/jpeg's %d", quality, ours.Len(), reference.Len())
		}
	}
}
