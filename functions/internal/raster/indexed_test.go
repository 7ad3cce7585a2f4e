package raster

import (
	"path/filepath"
	"testing"
)

// A PNG with a palette never becomes larger by being copied at its own size.
func TestIndexedPNGDoesNotGrow(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/palette-*.png")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are %d files: %v", len(files), err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			file := read(t, name)
			r := render(t, file, Box{1000, 1000})
			if len(r.Bytes) > len(file) {
				t.Errorf("the rendition of %d bytes is larger than the original of %d", len(r.Bytes), len(file))
			}
			checkSimilar(t, decode(t, r), decodePNG(t, file), 1)
		})
	}
}
