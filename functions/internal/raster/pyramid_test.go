package raster

import (
	"testing"

	"github.com/disintegration/imaging"
)

// Small renditions beside large ones are as good as alone, in every orientation and from every format.
func TestRenditionsBesideLargeOnes(t *testing.T) {
	m := painted(1200, 801)
	small := []Target{
		{Box: Box{60, 60}, Format: PNG}, {Box: Box{60, 60}, Fit: FitCover, Gravity: "east", Format: PNG},
		{Box: Box{40, 40}, Fit: FitFill, Format: JPEG}, {Box: Box{200, 200}, Format: PNG},
	}
	for _, file := range [][]byte{encodeJPEG(t, m), encodePNG(t, m), encodePNG(t, imaging.Grayscale(m))} {
		all := renderAll(t, file, append([]Target{{Box: Box{1200, 1200}}}, small...)...)
		for i, target := range small {
			alone := renderAll(t, file, target)[0]
			got := all[i+1]
			if got.Width != alone.Width || got.Height != alone.Height {
				t.Fatalf("%+v: got %dx%d, want %dx%d", target, got.Width, got.Height, alone.Width, alone.Height)
			}
			if mean, largest, _ := compare(decode(t, got), decode(t, alone)); mean > 2 || largest > 32 {
				t.Errorf("%+v: differs by %.2f in the mean, %.0f at most", target, mean, largest)
			}
		}
	}
}
