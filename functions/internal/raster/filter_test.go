package raster

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"testing"
)

// Each pixel of a rendition with the nearest filter is the one that has the middle of what it stands for, as with
// Pillow's NEAREST: none is mixed.
func TestNearest(t *testing.T) {
	drawn := paletted(97, 61, 0)
	files := map[string][]byte{
		"PNG":          encodePNG(t, nrgba(drawn)),
		"indexed PNG":  encodePNG(t, drawn),
		"GIF":          encodeFrames(t, drawn),
		"animated GIF": encodeFrames(t, drawn, paletted(97, 61, 7)),
		"half alpha":   encodePNG(t, halved50(drawn)),
	}
	const exact, near = 0, 1 // how far from the nearest pixel a picked one may be
	for name, file := range files {
		for _, test := range []struct {
			target Target
			size   image.Point
			at     func(x, y int) (float64, float64) // of the image, for the middle of a pixel of the rendition
			off    int
		}{
			{Target{Box: Box{20, 20}}, image.Pt(20, 13), scaled(97.0/20, 61.0/13, 0, 0), exact},
			{Target{Box: Box{60, 60}}, image.Pt(60, 38), scaled(97.0/60, 61.0/38, 0, 0), exact},
			{Target{Box: Box{97, 61}}, image.Pt(97, 61), scaled(1, 1, 0, 0), exact},
			{Target{Box: Box{291, 183}, Enlarge: true}, image.Pt(291, 183), scaled(1.0/3, 1.0/3, 0, 0), exact},
			{Target{Box: Box{31, 17}, Fit: FitFill}, image.Pt(31, 17), scaled(97.0/31, 61.0/17, 0, 0), near},
			{Target{Box: Box{20, 20}, Fit: FitCover, Gravity: "east"}, image.Pt(20, 20), scaled(61.0/20, 61.0/20, 36, 0), near},
		} {
			t.Run(fmt.Sprintf("%s to %v %s", name, test.target.Box, test.target.Fit), func(t *testing.T) {
				test.target.Filter, test.target.Format = FilterNearest, PNG
				source := decodePNGOrGIF(t, file)
				r := renderAll(t, file, test.target)[0]
				if got := image.Pt(r.Width, r.Height); got != test.size {
					t.Fatalf("got %v, want %v", got, test.size)
				}
				got := decode(t, r)
				for y := range r.Height {
					for x := range r.Width {
						sourceX, sourceY := test.at(x, y)
						if c := got.At(x, y); !isWithin(source, int(sourceX), int(sourceY), test.off, c) {
							t.Fatalf("pixel %d, %d is %v, want that of %.1f, %.1f", x, y, c, sourceX, sourceY)
						}
					}
				}
			})
		}
	}
}

// With a rendition that weighs pixels beside it, the nearest ones are of the same decode, and in several sizes.
func TestNearestBesideOthers(t *testing.T) {
	file := encodePNG(t, paletted(400, 300, 0))
	renditions := renderAll(t, file, Target{Box: Box{400, 400}}, Target{Box: Box{40, 40}, Filter: FilterNearest})
	alone := renderAll(t, file, Target{Box: Box{40, 40}, Filter: FilterNearest})
	if !bytes.Equal(renditions[1].Bytes, alone[0].Bytes) {
		t.Error("beside another rendition, the nearest pixels are others than alone")
	}
}

// All frames of an animation are picked, and its palette is that of the file.
func TestNearestAnimation(t *testing.T) {
	first, second := paletted(97, 61, 0), paletted(97, 61, 7)
	target := Target{Box: Box{20, 20}, Filter: FilterNearest, Frames: 9}
	r := renderAll(t, encodeFrames(t, first, second), target)[0]
	all, err := gif.DecodeAll(bytes.NewReader(r.Bytes))
	if err != nil || len(all.Image) != 2 {
		t.Fatalf("got %d frames, %v; want 2", len(all.Image), err)
	}
	shown := image.NewNRGBA(image.Rect(0, 0, 20, 13))
	for i, source := range []image.Image{first, second} {
		draw.Draw(shown, all.Image[i].Rect, all.Image[i], all.Image[i].Rect.Min, draw.Over)
		for y := range 13 {
			for x := range 20 {
				want := color.NRGBAModel.Convert(source.At(int((float64(x)+0.5)*97/20), int((float64(y)+0.5)*61/13)))
				if got := shown.NRGBAAt(x, y); got != want {
					t.Fatalf("frame %d, pixel %d, %d is %v, want %v", i, x, y, got, want)
				}
			}
		}
	}
}

// isWithin reports whether an image has a colour at most off pixels away from x, y, across and down.
func isWithin(m image.Image, x, y, off int, c color.Color) bool {
	for dy := -off; dy <= off; dy++ {
		for dx := -off; dx <= off; dx++ {
			at := image.Pt(x+dx, y+dy)
			if at.In(m.Bounds()) && color.NRGBAModel.Convert(m.At(at.X, at.Y)) == color.NRGBAModel.Convert(c) {
				return true
			}
		}
	}
	return false
}

// scaled maps pixels of a rendition to the image.
func scaled(stepX, stepY, left, top float64) func(x, y int) (float64, float64) {
	return func(x, y int) (float64, float64) {
		return left + (float64(x)+0.5)*stepX, top + (float64(y)+0.5)*stepY
	}
}

// paletted is an image of 64 colours in which neighbours always differ.
func paletted(width, height, shift int) *image.Paletted {
	var colors color.Palette
	for i := range 64 {
		colors = append(colors, color.NRGBA{uint8(i * 4), uint8(255 - i*3), uint8(i * i), 255})
	}
	m := image.NewPaletted(image.Rect(0, 0, width, height), colors)
	for i := range m.Pix {
		m.Pix[i] = uint8((i%width*5 + i/width*11 + shift) % 64)
	}
	return m
}

func nrgba(m image.Image) *image.NRGBA {
	copied := image.NewNRGBA(m.Bounds())
	draw.Draw(copied, copied.Rect, m, image.Point{}, draw.Src)
	return copied
}

// halved50 is an image of which every second row is transparent.
func halved50(m image.Image) *image.NRGBA {
	copied := nrgba(m)
	for y := 1; y < copied.Rect.Dy(); y += 2 {
		clear(copied.Pix[y*copied.Stride:][:copied.Stride])
	}
	return copied
}

func encodeFrames(t *testing.T, frames ...*image.Paletted) []byte {
	t.Helper()
	var file bytes.Buffer
	if err := gif.EncodeAll(&file, &gif.GIF{Image: frames, Delay: make([]int, len(frames))}); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func decodePNGOrGIF(t *testing.T, file []byte) image.Image {
	t.Helper()
	m, _, err := image.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return m
}
