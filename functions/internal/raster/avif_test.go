package raster

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

// avif returns a file of the tests of package heif.
func avif(tb testing.TB, name string) []byte {
	tb.Helper()
	return read(tb, filepath.Join("heif", "testdata", "avif", name+".avif"))
}

func TestAVIF(t *testing.T) {
	tests := []struct {
		name          string
		width, height int
		orientation   int
		format        Format // of a rendition that names none
	}{
		{"420_8", 128, 96, 1, JPEG},
		{"444_12", 128, 96, 1, JPEG},
		{"gray_10", 128, 96, 1, JPEG},
		{"alpha", 128, 96, 1, PNG},
		{"grid", 192, 128, 1, JPEG},
		{"grid_alpha", 192, 128, 1, PNG},
		{"turned", 128, 96, 8, JPEG},
		{"cut", 80, 60, 1, JPEG},
		{"sequence", 128, 96, 1, JPEG},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			picture, err := Open(bytes.NewReader(avif(t, test.name)), Limits{})
			if err != nil {
				t.Fatal(err)
			}
			h := picture.Header()
			if h.Format != AVIF || h.Width != test.width || h.Height != test.height || h.Orientation != test.orientation ||
				h.Frames != 1 {
				t.Errorf("the header is %+v, want %+v", h, test)
			}
			renditions, err := picture.Render(t.Context(), Target{Box: Box{30, 30}}, Target{Box: Box{40, 40}, Format: WebP})
			if err != nil {
				t.Fatal(err)
			}
			width, height := Box{30, 30}.Fit(h.Displayed())
			if r := renditions[0]; r.Format != test.format || r.Width != width || r.Height != height {
				t.Errorf("got a %s of %dx%d, want a %s of %dx%d", r.Format, r.Width, r.Height, test.format, width, height)
			}
			for _, r := range renditions {
				decode(t, r)
			}
		})
	}
}

func TestAVIFErrors(t *testing.T) {
	file := avif(t, "420_8")
	cut := avif(t, "420_8")
	cut = cut[:len(cut)-1]
	tests := []struct {
		name   string
		file   []byte
		limits Limits
		reason Reason
		want   string
	}{
		{"cut short", cut, Limits{}, ReasonDamaged, "cut short after"},
		{"too many pixels", file, Limits{Pixels: 128*96 - 1}, ReasonTooManyPixels, "128x96"},
		{"too much memory", file, Limits{Memory: 4 << 20}, ReasonTooManyPixels, "more than the limit of 4 MB"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			picture, err := Open(bytes.NewReader(test.file), test.limits)
			if err == nil {
				_, err = picture.Render(t.Context(), Target{Box: Box{20, 20}})
			}
			var refusal *Error
			if !errors.As(err, &refusal) || refusal.Reason != test.reason || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want one for the reason %q that says %q", err, test.reason, test.want)
			}
		})
	}
}

func TestAVIFCancelled(t *testing.T) {
	picture, err := Open(bytes.NewReader(avif(t, "420_8")), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := picture.Render(ctx, Target{Box: Box{20, 20}}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// Opening an AVIF reads its meta box only.
func TestProbeOfAVIFReadsNoFurtherThanItMust(t *testing.T) {
	for _, name := range []string{"420_8", "alpha", "grid"} {
		checkProbeReadsEnough(t, name, avif(t, name))
	}
}
