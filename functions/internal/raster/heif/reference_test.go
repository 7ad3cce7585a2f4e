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
			compare(t, shown(t, file, 1), want)
			compare(t, shown(t, file, 3), want)
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
	f.Whole = true
	m, err := f.Decode((f.Width+times-1)/times, (f.Height+times-1)/times)
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	view := plane.View{Width: (f.Width + times - 1) / times, Height: (f.Height + times - 1) / times,
		Across: float64(f.Width), Down: float64(f.Height), Orientation: f.Orientation}
	if f.Orientation >= 5 {
		view.Width, view.Height, view.Across, view.Down = view.Height, view.Width, view.Down, view.Across
	}
	return m.Small(view).NRGBA()
}

// compare compares averages of parts of 16ths of two pictures, for edges are not resampled alike.
func compare(t *testing.T, got, want image.Image) {
	t.Helper()
	const parts = 16
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
	if mean := sum / (4 * parts * parts); mean > 0.8 || most > 6 {
		t.Errorf("%v: off by %.2f of 255 on average and %.1f at most, want 0.8 and 6", got.Bounds().Size(), mean, most)
	}
}

// average is that of a part of a picture, premultiplied.
func average(m image.Image, x, y, parts int) (sums [4]float64) {
	size := m.Bounds().Size()
	left, right, top, bottom := x*size.X/parts, (x+1)*size.X/parts, y*size.Y/parts, (y+1)*size.Y/parts
	for y := top; y < bottom; y++ {
		for x := left; x < right; x++ {
			c := color.RGBAModel.Convert(m.At(x, y)).(color.RGBA)
			for i, v := range []uint8{c.R, c.G, c.B, c.A} {
				sums[i] += float64(v) / float64((right-left)*(bottom-top))
			}
		}
	}
	return sums
}
