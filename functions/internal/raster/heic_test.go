package raster

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"testing"
)

// heic returns a file of the tests of package heif.
func heic(tb testing.TB, name string) []byte {
	tb.Helper()
	return read(tb, filepath.Join("heif", "testdata", name+".heic"))
}

func TestHEIC(t *testing.T) {
	tests := []struct {
		name   string
		want   Header
		format Format // of a rendition that names none
	}{
		{"420", Header{HEIC, 128, 96, 1, 1, 128 * 96, true, Cost{}}, JPEG},
		{"gray", Header{HEIC, 128, 96, 1, 1, 128 * 96, true, Cost{}}, JPEG},
		{"444_12", Header{HEIC, 128, 96, 1, 1, 128 * 96, true, Cost{}}, JPEG},
		{"p3", Header{HEIC, 128, 96, 1, 1, 128 * 96, true, Cost{}}, JPEG},
		{"alpha", Header{HEIC, 128, 96, 1, 1, 128 * 96, true, Cost{}}, PNG},
		{"grid", Header{HEIC, 200, 150, 1, 1, 200 * 150, true, Cost{}}, JPEG},
		{"grid_turned", Header{HEIC, 150, 110, 1, 6, 150 * 110, true, Cost{}}, JPEG},
		{"grid_alpha", Header{HEIC, 192, 144, 1, 2, 192 * 144, true, Cost{}}, PNG},
		{"cut_turned", Header{HEIC, 80, 60, 1, 5, 128 * 96, true, Cost{}}, JPEG},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			file := heic(t, test.name)
			header, err := Probe(t.Context(), bytes.NewReader(file))
			header.Cost = Cost{}
			if err != nil || header != test.want {
				t.Fatalf("got %+v, %v, want %+v", header, err, test.want)
			}
			renditions := renderAll(t, file, Target{Box: Box{30, 30}}, Target{Box: Box{30, 30}, Format: WebP, Frames: 5},
				Target{Box: Box{20, 10}, Fit: FitCover, Format: GIF})
			width, height := Box{30, 30}.Fit(header.Displayed())
			for i, want := range []Rendition{
				{Format: test.format, Width: width, Height: height},
				{Format: WebP, Width: width, Height: height},
				{Format: GIF, Width: 20, Height: 10},
			} {
				got := renditions[i]
				if got.Format != want.Format || got.Width != want.Width || got.Height != want.Height || got.Frames != 1 {
					t.Errorf("got a %s of %dx%d and %d frames, want a %s of %dx%d and one", got.Format, got.Width, got.Height,
						got.Frames, want.Format, want.Width, want.Height)
				}
				decode(t, got)
			}
		})
	}
}

// TestHEICColours compares a rendition in sRGB with those of the same scene whose colours are stored in other ways.
func TestHEICColours(t *testing.T) {
	target := Target{Box: Box{64, 48}, Format: PNG}
	want := decode(t, renderAll(t, heic(t, "444"), target)[0])
	for _, name := range []string{
		"420", "422", "420_10", "444_12", "rgb", "bt709", "bt709_limited", "bt601_limited", "nothing_said",
	} {
		t.Run(name, func(t *testing.T) {
			got := decode(t, renderAll(t, heic(t, name), target)[0])
			if psnr := psnr(got, want); psnr < 30 {
				t.Errorf("%.1f dB from 4:4:4, want 30 at least", psnr)
			}
		})
	}
	t.Run("p3 is converted", func(t *testing.T) {
		got := decode(t, renderAll(t, heic(t, "p3"), target)[0])
		if psnr := psnr(got, want); psnr > 30 {
			t.Errorf("%.1f dB from the same levels in sRGB, want less than 30", psnr)
		}
	})
}

func TestHEICErrors(t *testing.T) {
	file := heic(t, "grid")
	tests := []struct {
		name   string
		file   []byte
		limits Limits
		reason Reason
	}{
		{"cut short in its header", file[:100], Limits{}, ReasonDamaged},
		{"cut short", file[:len(file)/2], Limits{}, ReasonDamaged},
		{"too many pixels", file, Limits{Pixels: 200*150 - 1}, ReasonTooManyPixels},
		{"too many pixels before it is cropped", heic(t, "cut"), Limits{Pixels: 128*96 - 1}, ReasonTooManyPixels},
		{"codec that is not read", bytes.ReplaceAll(file, []byte("hvc1"), []byte("av01")), Limits{}, ReasonUnsupported},
		{"image sequence of sound", []byte("\x00\x00\x00\x18ftypmsf1\x00\x00\x00\x00msf1hevc\x00\x00\x00\x08moov"),
			Limits{}, ReasonUnsupported},
		{"no codec named", []byte("\x00\x00\x00\x14ftypmif1\x00\x00\x00\x00mif1"), Limits{}, ReasonDamaged},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := tryRender(t.Context(), bytes.NewReader(test.file), test.limits)
			var broken *Error
			if !errors.As(err, &broken) || broken.Reason != test.reason {
				t.Errorf("got %v, want an error for the reason %s", err, test.reason)
			}
		})
	}
}

func TestHEICCancelled(t *testing.T) {
	file := heic(t, "grid")
	picture, err := Open(bytes.NewReader(file), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := picture.Render(ctx, Target{Box: Box{10, 10}}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// The header of a HEIC is its meta box, which may come behind the pixels.
func TestProbeOfHEICReadsNoFurtherThanItMust(t *testing.T) {
	for _, name := range []string{"420", "grid", "grid_turned", "alpha"} {
		checkProbeReadsEnough(t, name, heic(t, name))
	}
}
