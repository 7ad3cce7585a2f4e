package raster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color/palette"
	"math/rand/v2"
	"testing"

	"github.com/disintegration/imaging"
)

func goOn() error { return nil }

// noise has pixels of every opacity, and of none.
func noise(width, height int) *image.NRGBA {
	random := rand.New(rand.NewPCG(1, 2))
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for i := range m.Pix {
		m.Pix[i] = uint8(random.UintN(256)) * uint8(random.UintN(2))
	}
	return m
}

// The pixels are those of package imaging, to the bit.
func TestBlurAndSharpen(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {1, 50}, {50, 1}, {40, 30}} {
		for _, sigma := range []float64{0.1, 1, 7.3, 50} {
			m := noise(size[0], size[1])
			t.Run(fmt.Sprintf("%dx%d by %v", size[0], size[1], sigma), func(t *testing.T) {
				blurred, err := gaussian(m, sigma, goOn)
				if want := imaging.Blur(m, sigma); err != nil || !bytes.Equal(blurred.Pix, want.Pix) || blurred.Rect != want.Rect {
					t.Errorf("gaussian() is not imaging.Blur (error %v)", err)
				}
				sharpened, err := sharpen(m, sigma, goOn)
				if want := imaging.Sharpen(m, sigma); err != nil || !bytes.Equal(sharpened.Pix, want.Pix) {
					t.Errorf("sharpen() is not imaging.Sharpen (error %v)", err)
				}
			})
		}
	}
}

// Cancellation ends an adjustment at any row.
func TestBlurIsCancelled(t *testing.T) {
	const width, height = 30, 20
	for name, adjustments := range map[string]Adjustments{"blur": {Blur: 2}, "sharpen": {Sharpen: 2}} {
		t.Run(name, func(t *testing.T) {
			for last := range width + height {
				asked := 0
				_, err := adjustments.apply(noise(width, height), func() error {
					if asked++; asked > last {
						return context.Canceled
					}
					return nil
				})
				if !errors.Is(err, context.Canceled) || asked != last+1 {
					t.Errorf("cancelled after %d rows: got error %v after %d", last, err, asked-1)
				}
			}
		})
	}
}

// A still rendition and an animation stop while they are adjusted.
func TestRenderStopsInAdjustments(t *testing.T) {
	screen := image.Rect(0, 0, 64, 48)
	for name, file := range map[string][]byte{
		"still":     encodePNG(t, painted(64, 48)),
		"animation": encodeGIF(t, 64, 48, image.NewPaletted(screen, palette.Plan9), image.NewPaletted(screen, palette.Plan9)),
	} {
		t.Run(name, func(t *testing.T) {
			target := Target{Box: Box{64, 48}, Format: WebP, Frames: 2}
			without := checks(t, file, target)
			target.Adjustments.Blur = 2
			if with := checks(t, file, target); with < without+64+48 {
				t.Errorf("the context is checked %d times, and %d times without blur; want a check for each row", with, without)
			}
		})
	}
}

// A counting context counts how often it is checked.
type counting struct {
	context.Context
	checks *int
}

func (c counting) Err() error {
	*c.checks++
	return c.Context.Err()
}

func checks(t *testing.T, file []byte, target Target) (count int) {
	t.Helper()
	picture, err := Open(bytes.NewReader(file), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := picture.Render(counting{t.Context(), &count}, target); err != nil {
		t.Fatal(err)
	}
	return count
}

func BenchmarkBlur(b *testing.B) {
	m := noise(1024, 1024)
	for b.Loop() {
		if _, err := gaussian(m, 50, goOn); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBlurByImaging uses all cores.
func BenchmarkBlurByImaging(b *testing.B) {
	m := noise(1024, 1024)
	for b.Loop() {
		imaging.Blur(m, 50)
	}
}
