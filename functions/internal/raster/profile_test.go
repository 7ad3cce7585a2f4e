package raster

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"os"
	"slices"
	"testing"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/jpeg"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane/planetest"
	"gitlab.com/yourorg/image-service/functions/internal/raster/png"
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

// tables is a profile that is not applied, because it consists of lookup tables.
func tables() []byte {
	profile := make([]byte, 128+4+12+100)
	copy(profile[16:], "RGB Lab ")
	copy(profile[36:], "acsp")
	binary.BigEndian.PutUint32(profile[128:], 1)
	copy(profile[132:], "A2B0")
	binary.BigEndian.PutUint32(profile[136:], 144)
	binary.BigEndian.PutUint32(profile[140:], 100)
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

func TestRenderCarriesTableProfiles(t *testing.T) {
	want := tables()
	gray := image.NewGray(image.Rect(0, 0, 60, 40))
	for _, m := range []image.Image{painted(60, 40), gray} {
		for name, file := range profiled(t, m, want) {
			for _, format := range []Format{JPEG, PNG, GIF, WebP} {
				rendition := renderAs(t, file, format)
				var got []byte
				switch r := bytes.NewReader(rendition.Bytes); format {
				case JPEG:
					got = jpegProfile(t, r)
				case PNG:
					got = pngProfile(t, r)
				case GIF:
					if bytes.Contains(rendition.Bytes, []byte("acsp")) {
						t.Errorf("a GIF made of a %s has a profile", name)
					}
					continue
				case WebP:
					got = webpProfile(rendition.Bytes)
				}
				if !bytes.Equal(got, want) {
					t.Errorf("a %s made of a %s of %T has a profile of %d bytes, want that of its original, %d", format, name, m,
						len(got), len(want))
				}
				decode(t, rendition)
			}
		}
	}
}

func jpegProfile(t *testing.T, r *bytes.Reader) []byte {
	t.Helper()
	f, err := jpeg.Open(r)
	if err != nil {
		t.Fatal(err)
	}
	return decodedProfile(t, f)
}

func pngProfile(t *testing.T, r *bytes.Reader) []byte {
	t.Helper()
	f, err := png.Open(r)
	if err != nil {
		t.Fatal(err)
	}
	return decodedProfile(t, f)
}

// decodedProfile returns the colour profile of an image's first frame.
func decodedProfile(t *testing.T, f codec.File) (profile []byte) {
	t.Helper()
	show := func(m plane.Frame) error {
		profile = m.Profile
		return nil
	}
	if _, err := f.Decode(codec.Options{Width: 30, Height: 20, Frames: 1, Show: show}); err != nil {
		t.Fatal(err)
	}
	return profile
}

// webpProfile is the ICCP chunk of a file that announces one, if it follows the header.
func webpProfile(file []byte) []byte {
	const header, flag = 12 + 8 + 10, 0x20
	if len(file) < header+8 || string(file[12:16]) != "VP8X" || file[20]&flag == 0 || string(file[header:][:4]) != "ICCP" {
		return nil
	}
	return file[header+8:][:binary.LittleEndian.Uint32(file[header+4:])]
}

// Each frame of an animation is converted, and a profile that is carried is written once.
func TestRenderAnimationProfiles(t *testing.T) {
	for name, profile := range map[string][]byte{"Display P3": p3(t), "tables": tables()} {
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
				is, want := bytes.Count(renditions[0].Bytes, []byte("acsp")), 0
				if name == "tables" && format == WebP {
					want = 1
				}
				if is != want || renditions[0].Frames != 2 {
					t.Errorf("a %s of %d frames has %d profiles, want 2 and %d", format, renditions[0].Frames, is, want)
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
