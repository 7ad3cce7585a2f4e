package raster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/avifworker"
	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// avif returns a file of the tests of package heif.
func avif(tb testing.TB, name string) []byte {
	tb.Helper()
	return read(tb, filepath.Join("heif", "testdata", "avif", name+".avif"))
}

// A painter is an AV1 decoder that paints every picture gray.
type painter struct{}

func (painter) Decode(ctx context.Context, p codec.AV1Picture, show func([3]plane.Plane) error) error {
	for range p.Height {
		var row [3]plane.Plane
		for i := range row {
			row[i] = plane.New(p.Width, 1, 1, 1)
			row[i].Pix = bytes.Repeat([]byte{128}, p.Width)
			if p.Gray {
				break
			}
		}
		if err := show(row); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// A broken decoder fails.
type broken struct{ err error }

func (b broken) Decode(context.Context, codec.AV1Picture, func([3]plane.Plane) error) error {
	return b.err
}

func TestAVIF(t *testing.T) {
	workers := avifworker.NewPool(DefaultAV1Memory)
	t.Cleanup(workers.Close)
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
			picture, err := Open(bytes.NewReader(avif(t, test.name)), Limits{AV1: workers})
			if err != nil {
				t.Fatal(err)
			}
			h := picture.Header()
			if h.Format != AVIF || h.Width != test.width || h.Height != test.height || h.Orientation != test.orientation ||
				h.Frames != 1 || h.AV1Memory < 8<<20 || h.AV1Memory > 10<<20 {
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
	bug := &codec.Fault{Err: errors.New("a bug")}
	tests := []struct {
		name   string
		file   []byte
		limits Limits
		reason Reason // "" for an error after which another attempt may succeed
		want   string
	}{
		{"cut short", cut, Limits{AV1: painter{}}, ReasonDamaged, "cut short after"},
		{"too many pixels", file, Limits{Pixels: 128*96 - 1, AV1: painter{}}, ReasonTooManyPixels, "128x96"},
		{"too much memory", file, Limits{AV1Memory: 8 << 20, AV1: painter{}}, ReasonTooManyPixels,
			"takes about 9 MB of memory to decode, more than the limit of 8 MB"},
		{"without a decoder", file, Limits{}, "", "no decoder"},
		{"with a broken decoder", file, Limits{AV1: broken{bug}}, "", "a bug"},
		{"with a decoder that stops early", file, Limits{AV1: broken{}}, ReasonDamaged, "0 rows, expected 96"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			picture, err := Open(bytes.NewReader(test.file), test.limits)
			if err == nil {
				_, err = picture.Render(t.Context(), Target{Box: Box{20, 20}})
			}
			var refusal *Error
			if isRefusal := errors.As(err, &refusal); isRefusal != (test.reason != "") {
				t.Fatalf("got %v, want a refusal: %v", err, test.reason != "")
			}
			if test.reason != "" && refusal.Reason != test.reason || !strings.Contains(fmt.Sprint(err), test.want) {
				t.Errorf("got %v, want one for the reason %q that says %q", err, test.reason, test.want)
			}
		})
	}
}

func TestAVIFCancelled(t *testing.T) {
	workers := avifworker.NewPool(DefaultAV1Memory)
	t.Cleanup(workers.Close)
	picture, err := Open(bytes.NewReader(avif(t, "420_8")), Limits{AV1: workers})
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
