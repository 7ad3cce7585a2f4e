package raster

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"os"
	"testing"
)

// The reference implementation's hashes; see testdata/thumbhash.mjs.
func TestThumbHash(t *testing.T) {
	file, err := os.Open("testdata/thumbhash.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	count := 0
	for lines := bufio.NewScanner(file); lines.Scan(); count++ {
		var width, height, variant int
		var want string
		if _, err := fmt.Sscan(lines.Text(), &width, &height, &variant, &want); err != nil {
			t.Fatal(err)
		}
		got := ThumbHash(formula(width, height, variant))
		if !sameHash(t, got, want) {
			t.Errorf("%dx%d, variant %d: got %s, want %s", width, height, variant, base64.StdEncoding.EncodeToString(got), want)
		}
	}
	if count != 60 {
		t.Errorf("compared %d images, want 60", count)
	}
}

// sameHash reports whether a hash is that of the reference, but for terms that are zero: they are 7.5 on their scale,
// and the cosines of Go and JavaScript differ in their last bits.
func sameHash(tb testing.TB, got []byte, text string) bool {
	tb.Helper()
	want, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		tb.Fatal(err)
	}
	if len(got) != len(want) {
		return false
	}
	for i := range got {
		for _, shift := range []int{0, 4} {
			a, b := got[i]>>shift&15, want[i]>>shift&15
			if a != b && (i < 5 || min(a, b) != 7 || max(a, b) != 8) {
				return false
			}
		}
	}
	return true
}

// formula is an image of testdata/thumbhash.mjs.
func formula(width, height, variant int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			c := color.NRGBA{128, 0, uint8(x*y + variant*40), 255}
			if variant != 0 {
				c.R = uint8(x*(variant+2) + y*y)
			}
			if variant != 1 {
				c.G = uint8((x*x + y*(variant+1)) >> 3)
			}
			switch {
			case variant == 3:
				c.A = uint8(x*9 + y*5)
			case variant == 4:
				c.A = 0
			case variant == 5 && 2*x >= width:
				c.A = 64
			}
			m.SetNRGBA(x, y, c)
		}
	}
	return m
}

// A sample is upright, and of the decode that made the renditions.
func TestSample(t *testing.T) {
	m := painted(300, 200)
	for _, orientation := range []int{1, 6} {
		file := oriented(t, stored(m, orientation), orientation)
		picture, err := Open(file, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := picture.Sample(SampleBox); err == nil {
			t.Error("a sample without a decode has no error")
		}
		if _, err := picture.Render(t.Context(), Target{Box: Box{200, 200}}); err != nil {
			t.Fatal(err)
		}
		sample, err := picture.Sample(SampleBox)
		if err != nil || sample.Rect.Size() != image.Pt(100, 67) {
			t.Fatalf("Sample() = %v, %v; want 100x67", sample.Rect, err)
		}
		want := decode(t, renderAll(t, encodePNG(t, m), Target{Box: SampleBox})[0])
		if mean, _, _ := compare(sample, want); mean > 4 {
			t.Errorf("orientation %d: the sample differs by %.1f in the mean", orientation, mean)
		}
	}
}

func TestDominantColor(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 10, 10))
	if got := FormatColor(DominantColor(m)); got != "" {
		t.Errorf("of a transparent image it is %q, want none", got)
	}
	for i := range 60 {
		m.SetNRGBA(i%10, i/10, color.NRGBA{uint8(200 + i%3), 100, 5, 255})
	}
	for i := 60; i < 100; i++ {
		m.SetNRGBA(i%10, i/10, color.NRGBA{uint8(i), 255, 255, 255})
	}
	if got := FormatColor(DominantColor(m)); got != "#c96405" {
		t.Errorf("it is %q, want #c96405", got)
	}
}
