package main

import (
	"bytes"
	"image/jpeg"
	"testing"
)

// A photograph has as many pixels as it is called after, and about as many bits for each as one of a phone: 12
// megapixels have 3 to 5 MB.
func TestPhotograph(t *testing.T) {
	t.Parallel()
	const megapixels = 0.5
	file := photograph(megapixels)
	config, err := jpeg.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if got := float64(config.Width*config.Height) / 1e6; got < 0.97*megapixels || got > 1.03*megapixels {
		t.Errorf("got %dx%d, want %g megapixels", config.Width, config.Height, megapixels)
	}
	if got := float64(len(file)) * 12 / megapixels; got < 3e6 || got > 5e6 {
		t.Errorf("12 megapixels have %.0f bytes, want 3 to 5 MB", got)
	}
	if !bytes.Equal(file, photograph(megapixels)) {
		t.Error("the next one differs")
	}
}
