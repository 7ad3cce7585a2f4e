package jpeg

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// whole is a size for which nothing is reduced.
const whole = 1 << 16

func decode(tb testing.TB, file []byte, width, height int) *plane.Image {
	tb.Helper()
	f, err := Open(bytes.NewReader(file))
	if err != nil {
		tb.Fatal(err)
	}
	m, err := f.decodeImage(width, height)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// The same coefficients, however they are encoded, are the same samples at every scale; at full scale, those of
// image/jpeg except for rounding.
func TestProgressiveEqualsSequential(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			d := draw(rand.New(rand.NewPCG(seed, 1)), []int{1, 3, 4}[seed%3])
			d.rand = rand.New(rand.NewPCG(seed, 2))
			sequential := d.sequential()
			d.rand = rand.New(rand.NewPCG(seed, 2)) // for the same quantization
			progressive := d.progressive()
			for _, scale := range scales {
				width, height := max(1, d.width*scale/16), max(1, d.height*scale/16)
				if scale == 8 {
					width, height = whole, whole
				}
				same(t, decode(t, progressive, width, height), decode(t, sequential, width, height))
			}
			likeImageJPEG(t, sequential)
			likeImageJPEG(t, progressive)
		})
	}
}

func same(t *testing.T, got, want *plane.Image) {
	t.Helper()
	for i, p := range want.Planes {
		for y := range p.Height {
			if !bytes.Equal(got.Planes[i].Row(y), p.Row(y)) {
				t.Fatalf("plane %d of %d, %gx%g pixels a sample, row %d: %v, want %v", i, len(want.Planes), p.StepX, p.StepY, y,
					got.Planes[i].Row(y), p.Row(y))
			}
		}
	}
}

// likeImageJPEG compares with image/jpeg, if that can read the file.
func likeImageJPEG(t *testing.T, file []byte) (compared bool) {
	t.Helper()
	reference, err := jpeg.Decode(bytes.NewReader(file))
	if err != nil {
		return false
	}
	var planes []plane.Plane
	switch m := reference.(type) {
	case *image.Gray:
		planes = []plane.Plane{{Pix: m.Pix, Stride: m.Stride}}
	case *image.YCbCr:
		planes = []plane.Plane{{Pix: m.Y, Stride: m.YStride}, {Pix: m.Cb, Stride: m.CStride}, {Pix: m.Cr, Stride: m.CStride}}
	default:
		return false
	}
	got := decode(t, file, whole, whole)
	for i, want := range planes {
		for y := range got.Planes[i].Height {
			for x, v := range got.Planes[i].Row(y) {
				if d := int(v) - int(want.Pix[y*want.Stride+x]); d < -1 || d > 1 {
					t.Fatalf("plane %d, sample %d,%d: %d, want %d", i, x, y, v, int(v)-d)
				}
			}
		}
	}
	return true
}

func TestDecodeLikeImageJPEG(t *testing.T) {
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}/testdata", "image").Output()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "*.jpeg"))
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	compared := 0
	for _, name := range files {
		file, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if likeImageJPEG(t, file) {
			compared++
		}
	}
	if compared < 10 {
		t.Errorf("compared %d files, want 10 at least", compared)
	}
}
