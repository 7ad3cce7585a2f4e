package raster

import (
	"bytes"
	"flag"
	"image/color"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write the pictures of docs/reference/renditions.md")

// The pictures in the documentation are what the engine makes. With -update they are written.
func TestPicturesOfFits(t *testing.T) {
	original, err := os.ReadFile("testdata/fits/wide.png")
	if err != nil {
		t.Fatal(err)
	}
	for _, fit := range Fits() {
		t.Run(string(fit), func(t *testing.T) {
			path := "../../../docs/images/fit-" + string(fit) + ".png"
			target := Target{Box: Box{72, 72}, Fit: fit, Background: color.NRGBA{255, 136, 0, 255}, Enlarge: true}
			got := renderAll(t, original, target)[0].Bytes
			if *update {
				if err := os.WriteFile(path, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if want, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s is not what the engine makes, %v: run go test ./functions/internal/raster -run Pictures -update",
					path, err)
			}
		})
	}
	path := "../../../docs/images/fit-original.png"
	if *update {
		if err := os.WriteFile(path, original, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if shown, err := os.ReadFile(path); err != nil || !bytes.Equal(shown, original) {
		t.Errorf("%s is not the original, %v", path, err)
	}
}
