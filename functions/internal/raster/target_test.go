package raster

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"strings"
	"testing"

	"github.com/disintegration/imaging"
	"gitlab.com/yourorg/image-service/functions/internal/raster/palette"
)

// renderAll makes several renditions in one decode.
func renderAll(tb testing.TB, file []byte, targets ...Target) []Rendition {
	tb.Helper()
	picture, err := Open(bytes.NewReader(file), Limits{})
	if err != nil {
		tb.Fatalf("open: %v", err)
	}
	renditions, err := picture.Render(tb.Context(), targets...)
	if err != nil {
		tb.Fatalf("render: %v", err)
	}
	return renditions
}

func TestTargetView(t *testing.T) {
	tests := []struct {
		width, height, orientation int
		target                     Target
		wantWidth, wantHeight      int
		wantAcross, wantDown       float64
	}{
		{4000, 3000, 1, Target{Box: Box{200, 200}}, 200, 150, 4000, 3000},
		{4000, 3000, 6, Target{Box: Box{200, 200}}, 150, 200, 3000, 4000},
		{4000, 3000, 1, Target{Box: Box{200, 200}, Fit: FitCover}, 200, 200, 3000, 3000},
		{3000, 4000, 1, Target{Box: Box{200, 100}, Fit: FitCover}, 200, 100, 3000, 1500},
		{3000, 4000, 8, Target{Box: Box{200, 100}, Fit: FitCover}, 200, 100, 4000, 2000},
		{100, 50, 1, Target{Box: Box{200, 200}, Fit: FitCover}, 100, 50, 100, 50},
		{1000, 50, 1, Target{Box: Box{200, 200}, Fit: FitCover}, 200, 50, 200, 50},
		{1, 65535, 1, Target{Box: Box{200, 200}, Fit: FitCover}, 1, 200, 1, 200},
		{100, 50, 1, Target{Box: Box{200, 200}, Fit: FitCover, Enlarge: true}, 200, 200, 50, 50},
		{100, 50, 6, Target{Box: Box{200, 200}, Enlarge: true}, 100, 200, 50, 100},
		{100, 50, 1, Target{Box: Box{200, 200}, Fit: FitContain}, 100, 50, 100, 50},
		{400, 200, 1, Target{Box: Box{200, 200}, Fit: FitContain}, 200, 100, 400, 200},
		{100, 500, 1, Target{Box: Box{200, 200}, Fit: FitFill}, 100, 200, 100, 500},
		{100, 500, 5, Target{Box: Box{200, 200}, Fit: FitFill, Enlarge: true}, 200, 200, 500, 100},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%dx%d, orientation %d, %+v", test.width, test.height, test.orientation, test.target),
			func(t *testing.T) {
				v := test.target.view(test.width, test.height, test.orientation, position{})
				if v.Width != test.wantWidth || v.Height != test.wantHeight || v.Across != test.wantAcross ||
					v.Down != test.wantDown {
					t.Errorf("%+v of %dx%d, orientation %d, shows %+v, want %gx%g as %dx%d", test.target, test.width, test.height,
						test.orientation, v, test.wantAcross, test.wantDown, test.wantWidth, test.wantHeight)
				}
			})
	}
}

// A filled box shows the part that package imaging crops.
func TestRenderFills(t *testing.T) {
	boxes := []Box{{60, 60}, {110, 20}, {20, 110}, {119, 120}}
	for _, size := range []image.Point{{240, 161}, {161, 240}} {
		m := painted(size.X, size.Y)
		for orientation := 1; orientation <= 8; orientation++ {
			file := afterSOI(encodeJPEG(t, stored(m, orientation)), exifSegment(tiff(binary.BigEndian, orientation)))
			var targets []Target
			for _, box := range boxes {
				targets = append(targets, Target{Box: box, Fit: FitCover, Format: PNG})
			}
			for i, got := range renderAll(t, file, targets...) {
				if got.Width != boxes[i].Width || got.Height != boxes[i].Height {
					t.Fatalf("%v fills %v with %dx%d", size, boxes[i], got.Width, got.Height)
				}
				want := imaging.Fill(m, got.Width, got.Height, imaging.Center, imaging.Lanczos)
				if mean, _, _ := compare(decode(t, got), want); mean > 5 {
					t.Errorf("%v in %v, orientation %d: %.1f of 255 from imaging's in the mean", size, boxes[i], orientation, mean)
				}
			}
		}
	}
}

// A rendition looks the same whether it is made alone or together with others.
func TestRenderSeveral(t *testing.T) {
	m := painted(360, 280)
	files := map[string][]byte{
		"JPEG": encodeJPEG(t, m), "PNG": encodePNG(t, m), "GIF": encodeGIF(t, 360, 280, palette.Reduce(m)),
		"lossy WebP": encodeWebP(t, m, false), "lossless WebP": encodeWebP(t, m, true),
	}
	targets := []Target{
		{Box: Box{20, 20}}, {Box: Box{150, 100}}, {Box: Box{32, 32}, Fit: FitCover},
		{Box: Box{50, 50}, Format: JPEG, Quality: 95},
		{Box: Box{50, 50}, Format: PNG}, {Box: Box{50, 50}, Format: GIF}, {Box: Box{50, 50}, Format: WebP, Quality: 30},
	}
	for _, name := range names(files) {
		t.Run(name, func(t *testing.T) {
			for i, got := range renderAll(t, files[name], targets...) {
				alone := renderAll(t, files[name], targets[i])[0]
				if got.Format != alone.Format || got.Width != alone.Width || got.Height != alone.Height {
					t.Errorf("%+v gives a %s of %dx%d, alone %s of %dx%d", targets[i],
						got.Format, got.Width, got.Height, alone.Format, alone.Width, alone.Height)
				}
				if want := targets[i].Format; want != "" && got.Format != want {
					t.Errorf("%+v gives a %s", targets[i], got.Format)
				}
				checkSimilar(t, decode(t, got), decode(t, alone), 4)
			}
		})
	}
}

func TestRenderQuality(t *testing.T) {
	file := encodePNG(t, painted(400, 300))
	for _, format := range []Format{JPEG, WebP} {
		poor, medium, good := Target{Box: thumbnail, Format: format, Quality: 10}, Target{Box: thumbnail, Format: format},
			Target{Box: thumbnail, Format: format, Quality: 98}
		r := renderAll(t, file, poor, medium, good)
		if a, b, c := len(r[0].Bytes), len(r[1].Bytes), len(r[2].Bytes); a >= b || b >= c {
			t.Errorf("%s of quality 10, default and 98 has %d, %d and %d bytes", format, a, b, c)
		}
	}
}

// JPEG has no alpha: transparent pixels are shown on white.
func TestRenderAlphaAsJPEG(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 300, 200))
	draw.Draw(m, image.Rect(0, 0, 150, 200), image.NewUniform(color.NRGBA{0, 0, 255, 255}), image.Point{}, draw.Src)
	draw.Draw(m, image.Rect(0, 100, 150, 200), image.NewUniform(color.NRGBA{0, 0, 255, 128}), image.Point{}, draw.Src)
	for name, file := range map[string][]byte{"PNG": encodePNG(t, m), "WebP": encodeWebP(t, m, true)} {
		t.Run(name, func(t *testing.T) {
			got := decode(t, renderAll(t, file, Target{Box: Box{60, 40}, Format: JPEG})[0])
			for at, want := range map[image.Point]color.NRGBA{
				{10, 8}: {0, 0, 255, 255}, {10, 32}: {127, 127, 255, 255}, {50, 20}: {255, 255, 255, 255},
			} {
				c := color.NRGBAModel.Convert(got.At(at.X, at.Y)).(color.NRGBA)
				if d := max(diff(c.R, want.R), diff(c.G, want.G), diff(c.B, want.B)); d > 6 {
					t.Errorf("at %v it is %v, want %v", at, c, want)
				}
			}
		})
	}
}

func diff(a, b uint8) int { return max(int(a), int(b)) - min(int(a), int(b)) }

func TestRenderInvalidTargets(t *testing.T) {
	for want, target := range map[string]Target{
		"a box of 0x5 pixels":  {Box: Box{0, 5}},
		"a quality of 101":     {Box: thumbnail, Quality: 101},
		"-1 frames":            {Box: thumbnail, Frames: -1},
		"a format \"tiff\"":    {Box: thumbnail, Format: "tiff"},
		"a box of 7x-1 pixels": {Box: Box{7, -1}},
	} {
		t.Run(want, func(t *testing.T) {
			picture, err := Open(bytes.NewReader(encodePNG(t, painted(4, 4))), Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := picture.Render(t.Context(), target); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v gives %v, want %s", target, err, want)
			}
		})
	}
}

func BenchmarkRenderSeveral(b *testing.B) {
	file := encodeJPEG(b, painted(4000, 3000))
	for n := 1; n <= 4; n++ {
		b.Run(fmt.Sprintf("%d of 12 megapixels", n), func(b *testing.B) {
			targets := []Target{{Box: thumbnail}, {Box: Box{400, 400}}, {Box: Box{150, 150}, Fit: FitCover}, {Box: Box{64, 64}}}
			b.ReportAllocs()
			for b.Loop() {
				renderAll(b, file, targets[:n]...)
			}
		})
	}
}
