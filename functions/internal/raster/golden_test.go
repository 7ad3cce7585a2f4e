package raster

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// Pillow and littlecms, from all pixels of a file, are the reference for what its thumbnail shows: testdata/golden.py
// makes both.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*.*")
	if err != nil || len(files) < 90 {
		t.Fatalf("there are %d files: %v", len(files), err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			want := decodePNG(t, read(t, filepath.Join("testdata/golden/want", filepath.Base(name)+".png")))
			picture, err := Open(bytes.NewReader(read(t, name)), Limits{})
			if err != nil {
				t.Fatal(err)
			}
			renditions, err := picture.Render(t.Context(), Target{Box: Box{24, 24}, Format: PNG})
			if err != nil {
				t.Fatal(err)
			}
			// Most where colours are beyond sRGB: Pillow cuts them off before it makes them few, and the engine after that.
			if mean, largest, _ := compare(decode(t, renditions[0]), want); mean > 1.5 || largest > 36 {
				t.Errorf("it differs by %.2f of 255 in the mean, %.0f at most", mean, largest)
			}
		})
	}
}

func read(tb testing.TB, name string) []byte {
	tb.Helper()
	file, err := os.ReadFile(name)
	if err != nil {
		tb.Fatal(err)
	}
	return file
}
