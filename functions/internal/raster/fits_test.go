package raster

import (
	"fmt"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every fit and gravity is Pillow's: the size to the pixel but for the rule for halves, the pixels to what one more
// filter step makes of them. See testdata/fits.py.
func TestFitsLikePillow(t *testing.T) {
	files, err := filepath.Glob("testdata/fits/*_*.png")
	if err != nil || len(files) != 124 {
		t.Fatalf("found %d files, %v; want 124", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".png")
		t.Run(name, func(t *testing.T) {
			var target Target
			parts := strings.Split(name, "_")
			if _, err := fmt.Sscanf(parts[3], "%dx%d", &target.Box.Width, &target.Box.Height); err != nil {
				t.Fatal(err)
			}
			target.Fit, target.Gravity, target.Enlarge = Fit(parts[1]), Gravity(parts[2]), true
			target.Background = color.NRGBA{255, 136, 0, 255}
			want := readPNG(t, file)
			original, err := os.ReadFile("testdata/fits/" + parts[0] + ".png")
			if err != nil {
				t.Fatal(err)
			}
			got := renderAll(t, original, target)[0]
			if got.Width != want.Bounds().Dx() || got.Height != want.Bounds().Dy() {
				t.Fatalf("got %dx%d, want %v", got.Width, got.Height, want.Bounds())
			}
			if mean, largest, _ := compare(decode(t, got), want); mean > 1.5 || largest > 40 {
				t.Errorf("differs by %.2f of 255 in the mean, %.0f at most", mean, largest)
			}
		})
	}
}

func readPNG(tb testing.TB, path string) image.Image {
	tb.Helper()
	file, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close()
	m, _, err := image.Decode(file)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}
