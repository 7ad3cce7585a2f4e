package jpeg

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// At 1/8, every sample is that of libjpeg-turbo: see testdata/djpeg.py.
func TestDecodeLikeDjpeg(t *testing.T) {
	references, err := filepath.Glob("testdata/djpeg/*.pgm")
	if err != nil || len(references) < 25 {
		t.Fatalf("there are %d references: %v", len(references), err)
	}
	compared := 0
	for _, name := range references {
		reference, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		original := strings.TrimSuffix(filepath.Base(name), ".pgm")
		t.Run(original, func(t *testing.T) {
			file, err := os.ReadFile(filepath.Join("../testdata/golden", original))
			if err != nil {
				t.Fatal(err)
			}
			got := decode(t, file, 1, 1)
			want := pgms(t, reference)
			got.Planes = got.Planes[:len(want)]
			for i, p := range want {
				if got := got.Planes[i]; got.Width != p.Width || got.Height != p.Height {
					t.Fatalf("plane %d is of %dx%d samples, want %dx%d", i, got.Width, got.Height, p.Width, p.Height)
				}
				compared++
			}
			same(t, got, &plane.Image{Planes: want})
		})
	}
	if compared < 60 {
		t.Errorf("compared %d planes, want 60 at least", compared)
	}
}

// pgms reads consecutive images.
func pgms(t *testing.T, file []byte) (planes []plane.Plane) {
	t.Helper()
	for r := bytes.NewReader(file); r.Len() > 0; {
		var width, height, most int
		if _, err := fmt.Fscanf(r, "P5\n%d %d\n%d\n", &width, &height, &most); err != nil {
			t.Fatal(err)
		}
		p := plane.New(width, height, 1, 1)
		if n, _ := r.Read(p.Pix); n < len(p.Pix) {
			t.Fatalf("a plane of %dx%d has %d samples", width, height, n)
		}
		planes = append(planes, p)
	}
	return planes
}
