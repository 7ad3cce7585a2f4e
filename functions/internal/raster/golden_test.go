package raster

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// The reference for thumbnails is Pillow with littlecms, from all pixels of a file: testdata/golden.py makes both.
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
			// The difference is largest for colours outside sRGB: Pillow clips them before it resamples, the engine after that.
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
