package heif

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane/planetest"
)

// TestReferences compares the files of testdata with what libheif shows of them, as they are and reduced.
func TestReferences(t *testing.T) {
	names, err := filepath.Glob("testdata/*.heic")
	if err != nil || len(names) < 20 {
		t.Fatalf("found %d files, %v; expected 20 or more", len(names), err)
	}
	for _, name := range names {
		file, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		want := readPNG(t, strings.TrimSuffix(name, ".heic")+".png")
		t.Run(filepath.Base(name), func(t *testing.T) {
			compare(t, shown(t, file, 1), want, 8)
			got := shown(t, file, 6)
			size, whole := got.Bounds().Size(), want.Bounds().Size()
			view := plane.View{Width: size.X, Height: size.Y, Across: float64(whole.X), Down: float64(whole.Y), Orientation: 1}
			compare(t, got, planetest.Of(want, size.X, size.Y).Resample(view).NRGBA(), 8)
		})
	}
}

func readPNG(t *testing.T, name string) image.Image {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := png.Decode(f)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return m
}

// shown is what a viewer shows of a file, some times smaller. Profiles are not applied.
func shown(t *testing.T, file []byte, times int) *image.NRGBA {
	t.Helper()
	f, err := Open(bytes.NewReader(file))
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	m, err := decodePicture(f, (f.Width+times-1)/times, (f.Height+times-1)/times)
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	view := plane.View{Width: (f.Width + times - 1) / times, Height: (f.Height + times - 1) / times,
		Across: float64(f.Width), Down: float64(f.Height), Orientation: f.Orientation}
	if f.Orientation >= 5 {
		view.Width, view.Height, view.Across, view.Down = view.Height, view.Width, view.Down, view.Across
	}
	return m.Resample(view).NRGBA()
}

// compare compares averages of so many parts across and down, for edges are not resampled alike.
func compare(t *testing.T, got, want image.Image, parts int) {
	t.Helper()
	sum, most := 0.0, 0.0
	for y := range parts {
		for x := range parts {
			a, b := average(got, x, y, parts), average(want, x, y, parts)
			for i := range a {
				off := max(a[i]-b[i], b[i]-a[i])
				sum, most = sum+off, max(most, off)
			}
		}
	}
	if mean := sum / float64(4*parts*parts); mean > 0.8 || most > 6 {
		t.Errorf("%v: off by %.2f of 255 on average and %.1f at most, want 0.8 and 6", got.Bounds().Size(), mean, most)
	}
}

// average is that of a part of a picture, premultiplied. Pixels at its edges count for what is within.
func average(m image.Image, x, y, parts int) (sums [4]float64) {
	size := m.Bounds().Size()
	across, down := float64(size.X)/float64(parts), float64(size.Y)/float64(parts)
	for i := int(float64(y) * down); i < size.Y && float64(i) < float64(y+1)*down; i++ {
		for j := int(float64(x) * across); j < size.X && float64(j) < float64(x+1)*across; j++ {
			share := within(j, float64(x)*across, across) * within(i, float64(y)*down, down) / (across * down)
			c := color.RGBAModel.Convert(m.At(j, i)).(color.RGBA)
			for n, v := range []uint8{c.R, c.G, c.B, c.A} {
				sums[n] += share * float64(v)
			}
		}
	}
	return sums
}

// within is how much of a pixel is in a part that starts somewhere and is so long.
func within(pixel int, start, length float64) float64 {
	return max(0, min(float64(pixel+1), start+length)-max(float64(pixel), start))
}
