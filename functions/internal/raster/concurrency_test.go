package raster

import (
	"bytes"
	"slices"
	"sync"
	"testing"
)

// Concurrent renditions are the same as those made alone: no pooled buffer is shared by two decoders, or reused while a
// frame refers to it.
func TestRenderConcurrently(t *testing.T) {
	files := small(t)
	files["AVIF"] = avif(t, "grid_alpha")
	targets := []Target{
		{Box: Box{24, 24}, Format: JPEG}, {Box: thumbnail, Format: PNG},
		{Box: Box{20, 90}, Format: GIF, Frames: 9}, {Box: Box{90, 20}, Format: WebP, Frames: 9},
	}
	alone := map[string][]Rendition{}
	for name, file := range files {
		alone[name] = renderAll(t, file, targets...)
	}
	var all sync.WaitGroup
	for range 3 {
		for name, file := range files {
			all.Go(func() {
				picture, err := Open(bytes.NewReader(file), Limits{})
				if err != nil {
					t.Error(err)
					return
				}
				got, err := picture.Render(t.Context(), targets...)
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				for i, r := range got {
					if !slices.Equal(r.Bytes, alone[name][i].Bytes) {
						t.Errorf("%s: the %s differs", name, r.Format)
					}
				}
			})
		}
	}
	all.Wait()
}
