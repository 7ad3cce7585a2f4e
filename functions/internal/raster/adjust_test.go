package raster

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"io"
	"testing"

	"github.com/disintegration/imaging"
)

// oriented is a JPEG of pixels as they are stored, with an orientation.
func oriented(tb testing.TB, m *image.NRGBA, orientation int) io.Reader {
	tb.Helper()
	return bytes.NewReader(afterSOI(encodeJPEG(tb, m), exifSegment(tiff(binary.BigEndian, orientation))))
}

// A rendition is adjusted as package imaging adjusts one that was not.
func TestAdjustments(t *testing.T) {
	file := encodePNG(t, painted(120, 90))
	box := Box{60, 45}
	plain := imaging.Clone(decode(t, renderAll(t, file, Target{Box: box})[0]))
	for _, test := range []struct {
		adjustments Adjustments
		want        *image.NRGBA
	}{
		{Adjustments{Grayscale: true}, imaging.Grayscale(plain)},
		{Adjustments{Brightness: 20}, imaging.AdjustBrightness(plain, 20)},
		{Adjustments{Contrast: -30}, imaging.AdjustContrast(plain, -30)},
		{Adjustments{Gamma: 2}, imaging.AdjustGamma(plain, 2)},
		{Adjustments{Blur: 3}, imaging.Blur(plain, 3)},
		{Adjustments{Sharpen: 1.5}, imaging.Sharpen(plain, 1.5)},
		{Adjustments{Grayscale: true, Brightness: -10, Blur: 1},
			imaging.Blur(imaging.AdjustBrightness(imaging.Grayscale(plain), -10), 1)},
	} {
		t.Run(fmt.Sprintf("%+v", test.adjustments), func(t *testing.T) {
			got := decode(t, renderAll(t, file, Target{Box: box, Adjustments: test.adjustments})[0])
			if mean, largest, _ := compare(got, test.want); mean > 0.5 || largest > 2 {
				t.Errorf("differs by %.2f in the mean, %.0f at most", mean, largest)
			}
			if mean, _, _ := compare(plain, test.want); mean < 1 {
				t.Error("the adjustment changes nothing")
			}
		})
	}
}

// A turn comes after the orientation of the image, and before the box.
func TestTurn(t *testing.T) {
	m := painted(120, 80)
	turns := map[int]func(image.Image) *image.NRGBA{
		Turn(90, false, false): imaging.Rotate270, Turn(180, false, false): imaging.Rotate180,
		Turn(270, false, false): imaging.Rotate90, Turn(0, true, false): imaging.FlipH, Turn(0, false, true): imaging.FlipV,
		Turn(90, true, false): func(m image.Image) *image.NRGBA { return imaging.FlipH(imaging.Rotate270(m)) },
		Turn(270, true, true): func(m image.Image) *image.NRGBA { return imaging.FlipV(imaging.FlipH(imaging.Rotate90(m))) },
	}
	for turn, turned := range turns {
		for orientation := 1; orientation <= 8; orientation++ {
			file, err := io.ReadAll(oriented(t, stored(m, orientation), orientation))
			if err != nil {
				t.Fatal(err)
			}
			r := renderAll(t, file, Target{Box: Box{60, 60}, Turn: turn, Format: PNG})[0]
			want := imaging.Fit(turned(m), 60, 60, imaging.Lanczos)
			if r.Width != want.Rect.Dx() || r.Height != want.Rect.Dy() || r.OriginalWidth != 120 {
				t.Fatalf("turn %d, orientation %d: got %dx%d of %d, want %v",
					turn, orientation, r.Width, r.Height, r.OriginalWidth, want.Rect)
			}
			if mean, _, _ := compare(decode(t, r), want); mean > 5 {
				t.Errorf("turn %d, orientation %d: differs by %.1f in the mean", turn, orientation, mean)
			}
		}
	}
}

// A watermark is drawn at its side, as wide as it should be, through which the image is seen.
func TestWatermark(t *testing.T) {
	mark := image.NewNRGBA(image.Rect(0, 0, 100, 50))
	for i := range mark.Pix {
		mark.Pix[i] = 255
	}
	dark := image.NewNRGBA(image.Rect(0, 0, 200, 100))
	for i := range dark.Pix {
		dark.Pix[i] = []uint8{0, 0, 0, 255}[i%4]
	}
	got := decode(t, renderAll(t, encodePNG(t, dark), Target{
		Box: Box{100, 100}, Watermark: &Watermark{Image: mark, Gravity: "southeast", Opacity: 0.5, Width: 0.2},
	})[0])
	for at, want := range map[image.Point]uint32{
		{X: 0, Y: 0}: 0, {X: 78, Y: 45}: 0, {X: 90, Y: 38}: 0, {X: 82, Y: 42}: 128, {X: 99, Y: 49}: 128,
	} {
		if r, _, _, a := got.At(at.X, at.Y).RGBA(); r>>8 < want-min(want, 2) || r>>8 > want+2 || a != 0xffff {
			t.Errorf("at %v the level is %d, want %d", at, r>>8, want)
		}
	}
}
