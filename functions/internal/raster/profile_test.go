package raster

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"os"
	"slices"
	"testing"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane/planetest"
)

// p3 is a Display P3 profile.
func p3(tb testing.TB) []byte {
	tb.Helper()
	profile, err := os.ReadFile("icc/testdata/p3.icc")
	if err != nil {
		tb.Fatal(err)
	}
	return profile
}

// even is an image of one colour.
func even(c color.NRGBA) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, 60, 40))
	for i := range m.Pix {
		m.Pix[i] = []uint8{c.R, c.G, c.B, c.A}[i%4]
	}
	return m
}

// profiled is an image with a profile in all formats that can have one.
func profiled(t *testing.T, m image.Image, profile []byte) map[string][]byte {
	t.Helper()
	part := append([]byte("ICC_PROFILE\x00\x01\x01"), profile...)
	packed := slices.Concat([]byte("icc\x00\x00"), deflated(t, profile))
	return map[string][]byte{
		"JPEG": afterSOI(encodeJPEG(t, m), segment(0xe2, part)),
		"PNG":  afterIHDR(encodePNG(t, m), pngChunk("iCCP", packed)),
	}
}

// renderAs renders to another format.
func renderAs(t *testing.T, file []byte, format Format) Rendition {
	t.Helper()
	picture, err := Open(bytes.NewReader(file), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	renditions, err := picture.Render(t.Context(), Target{Box: Box{30, 20}, Format: format, Quality: 100})
	if err != nil {
		t.Fatal(err)
	}
	return renditions[0]
}

// Phones write Display P3: colours must look the same after the profile is removed.
func TestRenderAppliesProfiles(t *testing.T) {
	tests := []struct{ of, want color.NRGBA }{
		{color.NRGBA{200, 100, 50, 255}, color.NRGBA{215, 93, 31, 255}}, // by littlecms
		{color.NRGBA{64, 128, 200, 255}, color.NRGBA{32, 130, 206, 255}},
		{color.NRGBA{90, 90, 90, 255}, color.NRGBA{90, 90, 90, 255}},
		{color.NRGBA{200, 100, 50, 128}, color.NRGBA{215, 93, 31, 128}},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.of), func(t *testing.T) {
			for name, file := range profiled(t, even(test.of), p3(t)) {
				for _, format := range []Format{JPEG, PNG, GIF, WebP} {
					if test.of.A < 255 && (name == "JPEG" || format == JPEG || format == GIF) {
						continue
					}
					got := renderAs(t, file, format)
					checkSimilar(t, decode(t, got), even(test.want).SubImage(image.Rect(0, 0, 30, 20)), 2.5)
					if bytes.Contains(got.Bytes, []byte("acsp")) || bytes.Contains(got.Bytes, []byte("iCCP")) {
						t.Errorf("a %s made of a %s has a profile", format, name)
					}
				}
			}
		})
	}
}

// Profiles of lookup tables are applied, too.
func TestRenderAppliesTableProfiles(t *testing.T) {
	profile := read(t, "icc/testdata/rgb8.lut")
	of := color.NRGBA{128, 128, 255, 255}
	want := color.NRGBA{140, 143, 252, 255} // by littlecms
	for name, file := range profiled(t, even(of), profile) {
		for _, format := range []Format{JPEG, PNG, GIF, WebP} {
			t.Run(fmt.Sprintf("%s to %s", name, format), func(t *testing.T) {
				got := renderAs(t, file, format)
				checkSimilar(t, decode(t, got), even(want).SubImage(image.Rect(0, 0, 30, 20)), 2.5)
			})
		}
	}
}

// Each frame of an animation is converted.
func TestRenderAnimationProfiles(t *testing.T) {
	for name, profile := range map[string][]byte{"Display P3": p3(t), "broken tables": []byte("acsp")} {
		t.Run(name, func(t *testing.T) {
			for _, format := range []Format{GIF, WebP} {
				target := Target{Box: Box{30, 20}, Format: format, Frames: 2}
				header := Header{Format: WebP, Width: 60, Height: 40, Orientation: 1}
				r := renderer{
					header:         header,
					checkCancelled: func() error { return nil },
					outputs:        []output{newOutput(target, header, formats.find(WebP), formats)},
					result:         codec.Result{Orientation: 1},
				}
				for _, blue := range []uint8{50, 90} {
					frame := planetest.Of(even(color.NRGBA{200, 100, blue, 255}), 60, 40)
					frame.Profile = profile
					if err := r.addFrame(plane.Frame{Image: frame, Delay: time.Second}); err != nil {
						t.Fatal(err)
					}
				}
				renditions, err := r.renditions()
				if err != nil {
					t.Fatal(err)
				}
				if n := bytes.Count(renditions[0].Bytes, []byte("acsp")); n > 0 || renditions[0].Frames != 2 {
					t.Errorf("a %s of %d frames has %d profiles, want 2 and none", format, renditions[0].Frames, n)
				}
				if want := "Display P3"; name == want {
					red, _, _, _ := decode(t, renderAs(t, renditions[0].Bytes, PNG)).At(3, 3).RGBA()
					if diff(uint8(red>>8), 215) > 2 {
						t.Errorf("red is %d in a %s, want 215", red>>8, format)
					}
				}
			}
		})
	}
}
