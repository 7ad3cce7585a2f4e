package raster

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"testing"
)

// engineSum is the SHA-256 of the renditions of TestEngine. Other processors round some of the pixels differently.
const engineSum = "90d968ae1b580e6dedf7491c82345817f935e2e845af5ab0176c9e1a88042b2c"

// What this version of the engine makes of the golden files. If it changes on purpose, raise Engine by one, unless that
// was done since the last release, and write down the new sum: otherwise nobody can have the old renditions made again.
func TestEngine(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*.*")
	if err != nil || len(files) < 90 {
		t.Fatalf("there are %d files: %v", len(files), err)
	}
	sum := sha256.New()
	for _, name := range files {
		picture, err := Open(bytes.NewReader(read(t, name)), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		renditions, err := picture.Render(t.Context(),
			Target{Box: Box{24, 24}, Frames: 3},
			Target{Box: Box{20, 20}, Fit: FitCover, Gravity: GravitySmart, Format: JPEG},
			Target{Box: Box{16, 16}, Fit: FitContain, Format: WebP, Quality: 60, Adjustments: Adjustments{Sharpen: 1}},
			Target{Box: Box{30, 30}, Fit: FitFill, Enlarge: true, Format: PNG},
		)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range renditions {
			sum.Write(r.Bytes)
		}
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != engineSum {
		t.Errorf("the renditions have the sum %s, want %s of version %d", got, engineSum, Engine)
	}
}
