package raster

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"math"
	"slices"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/palette"
)

var thumbnail = Box{Width: 200, Height: 200}

func TestRenderEverySample(t *testing.T) {
	files := images(t)
	for _, name := range names(files) {
		t.Run(name, func(t *testing.T) {
			header, err := Probe(t.Context(), bytes.NewReader(files[name]))
			if err != nil {
				t.Fatal(err)
			}
			rendition := render(t, files[name], thumbnail)
			width, height := header.Displayed()
			if rendition.Format != header.Format || rendition.OriginalWidth != width || rendition.OriginalHeight != height {
				t.Errorf("the rendition is of a %s of %dx%d, want %s of %dx%d", rendition.Format,
					rendition.OriginalWidth, rendition.OriginalHeight, header.Format, width, height)
			}
			if wantWidth, wantHeight := thumbnail.Fit(width, height); rendition.Width != wantWidth ||
				rendition.Height != wantHeight {
				t.Errorf("the rendition is %dx%d, want %dx%d", rendition.Width, rendition.Height, wantWidth, wantHeight)
			}
			decode(t, rendition)
			if again := render(t, files[name], thumbnail); !bytes.Equal(again.Bytes, rendition.Bytes) {
				t.Error("the same image gives two renditions")
			}
		})
	}
}

// Apart from its sharpness, a thumbnail is the mean of the pixels that it stands for.
func TestRenderIsMeanOfPixels(t *testing.T) {
	for _, name := range []string{"imaging/flowers_small.png", "x/yellow_rose.png"} {
		file := sample(t, name)
		original := decodePNG(t, file)
		for _, factor := range []int{2, 5, 9} {
			size := original.Bounds().Size().Div(factor)
			cropped := image.NewNRGBA(image.Rectangle{Max: size.Mul(factor)})
			draw.Draw(cropped, cropped.Rect, original, original.Bounds().Min, draw.Src)
			got := decode(t, render(t, encodePNG(t, cropped), Box{size.X, size.Y}))
			if psnr := psnr(got, means(cropped, factor)); psnr < 27 {
				t.Errorf("%s shrunk to 1/%d is %.1f dB from the means, want 27 at least", name, factor, psnr)
			}
		}
	}
}

func means(m *image.NRGBA, factor int) *image.NRGBA {
	size := m.Rect.Size().Div(factor)
	small := image.NewNRGBA(image.Rectangle{Max: size})
	for y := range size.Y {
		for x := range size.X {
			var sum [4]int
			for i := range factor * factor {
				c := m.NRGBAAt(x*factor+i%factor, y*factor+i/factor)
				for channel, v := range []uint8{c.R, c.G, c.B, c.A} {
					sum[channel] += int(v)
				}
			}
			n := factor * factor
			small.SetNRGBA(x, y, color.NRGBA{uint8(sum[0] / n), uint8(sum[1] / n), uint8(sum[2] / n), uint8(sum[3] / n)})
		}
	}
	return small
}

// compare returns the mean and the largest difference of the channels of two images of one size, premultiplied.
func compare(got, want image.Image) (mean, largest, squares float64) {
	size := want.Bounds().Size()
	if got.Bounds().Size() != size {
		return math.Inf(1), math.Inf(1), math.Inf(1)
	}
	for y := range size.Y {
		for x := range size.X {
			g := color.RGBAModel.Convert(got.At(got.Bounds().Min.X+x, got.Bounds().Min.Y+y)).(color.RGBA)
			w := color.RGBAModel.Convert(want.At(want.Bounds().Min.X+x, want.Bounds().Min.Y+y)).(color.RGBA)
			for channel, v := range []uint8{g.R, g.G, g.B, g.A} {
				d := math.Abs(float64(v) - float64([]uint8{w.R, w.G, w.B, w.A}[channel]))
				mean, largest, squares = mean+d, max(largest, d), squares+d*d
			}
		}
	}
	n := float64(4 * size.X * size.Y)
	return mean / n, largest, squares / n
}

func psnr(got, want image.Image) float64 {
	_, _, squares := compare(got, want)
	return 10 * math.Log10(255*255/max(squares, 1e-9))
}

func checkSimilar(t *testing.T, got, want image.Image, mean float64) {
	t.Helper()
	if is, largest, _ := compare(got, want); is > mean {
		t.Errorf("the images differ by %.1f of 255 in the mean, %.0f at most; want %.1f at most in the mean", is, largest,
			mean)
	}
}

func decodePNG(t *testing.T, file []byte) image.Image {
	t.Helper()
	header, err := Probe(t.Context(), bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, Rendition{Format: PNG, Bytes: file, Width: header.Width, Height: header.Height})
}

// stored transforms an image to how a file of an orientation stores it: the inverse of the table of the EXIF standard.
func stored(m *image.NRGBA, orientation int) *image.NRGBA {
	right, bottom := m.Rect.Dx()-1, m.Rect.Dy()-1
	width, height := orientedSize(m.Rect.Dx(), m.Rect.Dy(), orientation)
	turned := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range m.Rect.Dy() {
		for x := range m.Rect.Dx() {
			at := map[int]image.Point{
				1: {x, y}, 2: {right - x, y}, 3: {right - x, bottom - y}, 4: {x, bottom - y},
				5: {y, x}, 6: {y, right - x}, 7: {bottom - y, right - x}, 8: {bottom - y, x},
			}[orientation]
			turned.SetNRGBA(at.X, at.Y, m.NRGBAAt(x, y))
		}
	}
	return turned
}

func TestRenderOrientation(t *testing.T) {
	box := Box{80, 80}
	upright := painted(160, 90)
	want := decode(t, render(t, encodePNG(t, upright), box))
	exif := func(orientation int) []byte { return tiff(binary.BigEndian, orientation) }
	files := map[string]func(m image.Image, orientation int) []byte{
		"JPEG": func(m image.Image, o int) []byte {
			return afterSOI(encodeJPEG(t, m), exifSegment(exif(o)))
		},
		"PNG": func(m image.Image, o int) []byte { return afterIHDR(encodePNG(t, m), pngChunk("eXIf", exif(o))) },
		"PNG, after the pixels": func(m image.Image, o int) []byte {
			return beforeIEND(encodePNG(t, m), pngChunk("tIME", make([]byte, 7)), pngChunk("eXIf", exif(o)))
		},
		"lossless WebP": func(m image.Image, o int) []byte {
			size := m.Bounds().Size()
			return riff(vp8x(vp8xExif, size.X, size.Y), bitstream(encodeWebP(t, m, true)), riffChunk("EXIF", exif(o)))
		},
		"lossy WebP": func(m image.Image, o int) []byte {
			size := m.Bounds().Size()
			lossy, other := bitstream(encodeWebP(t, m, false)), riffChunk("XYZ ", []byte{1})
			return riff(vp8x(vp8xExif, size.X, size.Y), lossy, other, riffChunk("EXIF", exif(o)))
		},
		"animated WebP": func(m image.Image, o int) []byte {
			size := m.Bounds().Size()
			frame := anmf(0, 0, size.X, size.Y, bitstream(encodeWebP(t, m, true)))
			return riff(vp8x(vp8xExif|vp8xAnimation, size.X, size.Y), anim(), frame, frame, riffChunk("EXIF", exif(o)))
		},
	}
	for name, file := range files {
		for orientation := 1; orientation <= 8; orientation++ {
			t.Run(fmt.Sprintf("%s %d", name, orientation), func(t *testing.T) {
				rendition := render(t, file(stored(upright, orientation), orientation), box)
				if rendition.OriginalWidth != 160 || rendition.OriginalHeight != 90 {
					t.Errorf("the original is %dx%d, want 160x90", rendition.OriginalWidth, rendition.OriginalHeight)
				}
				checkSimilar(t, decode(t, rendition), want, 8)
			})
		}
	}
}

func TestRenderOrientationOfSamples(t *testing.T) {
	want := decode(t, render(t, sample(t, "imaging/orientation_1.jpg"), thumbnail))
	files := samples(t, "imaging/orientation_*.jpg")
	for _, name := range names(files) {
		t.Run(name, func(t *testing.T) { checkSimilar(t, decode(t, render(t, files[name], thumbnail)), want, 3) })
	}
}

func TestRenderIgnoresUnannouncedWebPOrientation(t *testing.T) {
	file := riff(vp8x(0, 40, 30), bitstream(encodeWebP(t, painted(40, 30), true)),
		riffChunk("EXIF", tiff(binary.BigEndian, 6)))
	if got := render(t, file, thumbnail); got.Width != 40 || got.Height != 30 {
		t.Errorf("got %dx%d, want 40x30", got.Width, got.Height)
	}
}

func TestRenderNeverEnlarges(t *testing.T) {
	m := painted(64, 48)
	paletted := palette.Reduce(m)
	files := map[string][]byte{
		"JPEG": encodeJPEG(t, m), "PNG": encodePNG(t, m), "WebP": encodeWebP(t, m, true),
		"GIF": encodeGIF(t, 64, 48, paletted),
	}
	for name, file := range files {
		t.Run(name, func(t *testing.T) {
			got := render(t, file, thumbnail)
			if got.Width != 64 || got.Height != 48 {
				t.Errorf("got %dx%d, want 64x48", got.Width, got.Height)
			}
			checkSimilar(t, decode(t, got), m, 8)
		})
	}
}

func TestRenderOnePixel(t *testing.T) {
	for _, size := range []image.Point{{1, 1}, {1, 500}, {500, 1}, {7, 3}, {300, 2}} {
		m := painted(size.X, size.Y)
		for name, file := range map[string][]byte{
			"JPEG": encodeJPEG(t, m), "PNG": encodePNG(t, m), "WebP": encodeWebP(t, m, false),
			"GIF": encodeGIF(t, size.X, size.Y, palette.Reduce(m)),
		} {
			t.Run(fmt.Sprintf("%s of %v", name, size), func(t *testing.T) {
				got := render(t, file, Box{1, 1})
				if got.Width != 1 || got.Height != 1 {
					t.Errorf("got %dx%d, want 1x1", got.Width, got.Height)
				}
				decode(t, got)
			})
		}
	}
}

// The test data of Go has the same image in many encodings of JPEG and GIF.
func TestRenderEncodingsOfOneImage(t *testing.T) {
	want := decode(t, render(t, sample(t, "go/video-001.png"), Box{75, 75}))
	gray := decode(t, render(t, sample(t, "go/video-005.gray.png"), Box{75, 75}))
	cmyk := decode(t, render(t, sample(t, "go/video-001.cmyk.png"), Box{75, 75}))
	files := samples(t, "go/video-00*.jpeg", "go/video-001.gif", "go/video-001.interlaced.gif", "x/video-001.lossy.webp")
	for _, name := range names(files) {
		t.Run(name, func(t *testing.T) {
			want := want
			switch {
			case strings.Contains(name, "gray"):
				want = gray
			case strings.Contains(name, "cmyk"):
				want = cmyk
			case strings.Contains(name, "truncated"):
				return
			}
			checkSimilar(t, decode(t, render(t, files[name], Box{75, 75})), want, 6)
		})
	}
}

func TestRenderCMYKWithoutAdobeMarker(t *testing.T) {
	file := sample(t, "go/video-001.cmyk.jpeg")
	want := render(t, file, thumbnail)
	adobe := bytes.Index(file, []byte("\xff\xee\x00\x0eAdobe"))
	if adobe < 0 {
		t.Fatal("the sample has no Adobe segment")
	}
	got := render(t, slices.Delete(bytes.Clone(file), adobe, adobe+16), thumbnail)
	// The sample is inverted CMYK, like all files of Adobe, so it should look the same without the segment.
	checkSimilar(t, decode(t, got), decode(t, want), 1)
}

// PngSuite has one image in all colour types and depths; image/png, which reads them all, is the reference.
func TestRenderPNGTypes(t *testing.T) {
	files := samples(t, "png/pngsuite/*.png", "png/gray*.png", "x/*bpp.png")
	for _, name := range names(files) {
		t.Run(name, func(t *testing.T) {
			original := decodePNG(t, files[name])
			checkSimilar(t, decode(t, render(t, files[name], Box{1000, 1000})), original, 0.5)
		})
	}
}

func TestRenderInterlacedPNG(t *testing.T) {
	tests := map[string]string{
		"png/gray-gradient.interlaced.png": "png/gray-gradient.png",
		"png/benchRGB-interlace.png":       "png/benchRGB.png",
		"go/video-001.interlaced.gif":      "go/video-001.gif",
	}
	for interlaced, plain := range tests {
		got, want := render(t, sample(t, interlaced), Box{30, 30}), render(t, sample(t, plain), Box{30, 30})
		if !bytes.Equal(got.Bytes, want.Bytes) {
			t.Errorf("%s and %s differ", interlaced, plain)
		}
	}
}

// The image is red and opaque on the left, green and transparent on the right: no green may show between.
func TestRenderTransparentColorsDoNotBleed(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 403, 300))
	draw.Draw(m, image.Rect(0, 0, 201, 300), image.NewUniform(color.NRGBA{255, 0, 0, 255}), image.Point{}, draw.Src)
	draw.Draw(m, image.Rect(201, 0, 403, 300), image.NewUniform(color.NRGBA{0, 255, 0, 0}), image.Point{}, draw.Src)
	for name, file := range map[string][]byte{"PNG": encodePNG(t, m), "WebP": encodeWebP(t, m, true)} {
		t.Run(name, func(t *testing.T) {
			got := decode(t, render(t, file, thumbnail))
			for x := range got.Bounds().Dx() {
				c := color.NRGBAModel.Convert(got.At(x, 70)).(color.NRGBA)
				if c.A > 8 && (c.G > 40 || c.R < 200) {
					t.Errorf("at %d it is %v, want red", x, c)
				}
				if wantOpaque, wantClear := x < 96, x > 104; wantOpaque && c.A < 250 || wantClear && c.A > 5 {
					t.Errorf("at %d the alpha is %d", x, c.A)
				}
			}
		})
	}
}

func TestRenderKeepsAlpha(t *testing.T) {
	m := painted(300, 300)
	for i := 3; i < len(m.Pix); i += 4 {
		m.Pix[i] = uint8(i / m.Stride * 255 / 299)
	}
	want := decode(t, render(t, encodePNG(t, m), Box{100, 100}))
	t.Run("lossless WebP", func(t *testing.T) {
		checkSimilar(t, decode(t, render(t, encodeWebP(t, m, true), Box{100, 100})), want, 5)
	})
	t.Run("samples", func(t *testing.T) {
		lossy := render(t, sample(t, "x/yellow_rose.lossy-with-alpha.webp"), thumbnail)
		checkSimilar(t, decode(t, lossy), decode(t, render(t, sample(t, "x/yellow_rose.png"), thumbnail)), 5)
	})
	t.Run("GIF", func(t *testing.T) {
		file := encodeGIF(t, 300, 300, palette.Reduce(m))
		got := decode(t, render(t, file, Box{100, 100}))
		for y, wantClear := range map[int]bool{5: true, 40: true, 60: false, 95: false} {
			if _, _, _, a := got.At(50, y).RGBA(); (a == 0) != wantClear {
				t.Errorf("in row %d alpha is %#x, want transparent: %v", y, a, wantClear)
			}
		}
	})
}

func TestRenderPNGTransparency(t *testing.T) {
	pixels := pngChunk("IDAT", deflated(t, bytes.Repeat([]byte{0, 0x12, 0x12, 0x12, 0x7f, 0x7f, 0x7f}, 4)))
	files := map[string][]byte{
		"palette": slices.Concat(pngHeader(6, 4, 8, 3), pngChunk("PLTE", bytes.Repeat([]byte{9, 9, 9}, 256)),
			pngChunk("tRNS", make([]byte, 0x13)), pixels, pngChunk("IEND", nil)),
		"gray": slices.Concat(pngHeader(6, 4, 8, 0), pngChunk("tRNS", []byte{0, 0x12}), pixels, pngChunk("IEND", nil)),
		"colour": slices.Concat(pngHeader(2, 4, 8, 2), pngChunk("tRNS", bytes.Repeat([]byte{0, 0x12}, 3)), pixels,
			pngChunk("IEND", nil)),
		"gray with a useless palette": slices.Concat(pngHeader(6, 4, 8, 0), pngChunk("PLTE", make([]byte, 6)),
			pngChunk("tRNS", []byte{0, 0x12}), pixels, pngChunk("IEND", nil)),
	}
	for name, file := range files {
		t.Run(name, func(t *testing.T) {
			got := decode(t, render(t, file, thumbnail))
			_, _, _, left := got.At(0, 0).RGBA()
			_, _, _, right := got.At(got.Bounds().Dx()-1, 3).RGBA()
			if left != 0 || right != 0xffff {
				t.Errorf("alpha is %#x at the left and %#x at the right, want 0 and 0xffff", left, right)
			}
		})
	}
}

func TestRenderFirstFrame(t *testing.T) {
	frame, second := painted(40, 30), image.NewNRGBA(image.Rect(0, 0, 40, 30))
	screen := image.NewNRGBA(image.Rect(0, 0, 60, 50))
	draw.Draw(screen, image.Rect(12, 16, 52, 46), frame, image.Point{}, draw.Src)

	inPlace := palette.Reduce(frame)
	inPlace.Rect = inPlace.Rect.Add(image.Pt(12, 16))
	alpha := image.NewNRGBA(frame.Rect)
	copy(alpha.Pix, frame.Pix)
	alpha.SetNRGBA(0, 0, color.NRGBA{})
	files := map[string][]byte{
		"GIF": encodeGIF(t, 60, 50, inPlace, palette.Reduce(second)),
		"lossless WebP": riff(vp8x(vp8xAnimation|vp8xAlpha, 60, 50), anim(),
			anmf(12, 16, 40, 30, bitstream(encodeWebP(t, frame, true))),
			anmf(0, 0, 40, 30, bitstream(encodeWebP(t, second, true)))),
		"lossy WebP": riff(vp8x(vp8xAnimation|vp8xAlpha, 60, 50), anim(),
			anmf(12, 16, 40, 30, riffChunk("odd ", []byte{1}), bitstream(encodeWebP(t, frame, false)))),
		"lossy WebP with alpha": riff(vp8x(vp8xAnimation|vp8xAlpha, 60, 50), anim(),
			anmf(12, 16, 40, 30, bitstream(render(t, encodeWebP(t, alpha, true), thumbnail).Bytes))),
	}
	for name, file := range files {
		t.Run(name, func(t *testing.T) {
			got := render(t, file, thumbnail)
			if got.OriginalWidth != 60 || got.OriginalHeight != 50 {
				t.Errorf("the original is %dx%d, want 60x50", got.OriginalWidth, got.OriginalHeight)
			}
			checkSimilar(t, decode(t, got), screen, 8)
		})
	}
}

func TestRenderRemovesMetadata(t *testing.T) {
	const secret = "54.3233N 10.1228E"
	m := painted(300, 200)
	exif := append(tiff(binary.LittleEndian, 1), secret...)
	gifFile := encodeGIF(t, 300, 200, palette.Reduce(m))
	comment := slices.Concat([]byte{0x21, 0xfe, byte(len(secret))}, []byte(secret), []byte{0})
	files := map[string][]byte{
		"JPEG": afterSOI(encodeJPEG(t, m), exifSegment(exif), segment(0xe2, []byte("ICC_PROFILE\x00"+secret)),
			segment(0xed, []byte(secret)), segment(0xfe, []byte(secret))),
		"PNG": afterIHDR(encodePNG(t, m), pngChunk("eXIf", exif), pngChunk("tEXt", []byte("GPS\x00"+secret))),
		"WebP": riff(vp8x(vp8xExif, 300, 200), riffChunk("ICCP", []byte(secret)), bitstream(encodeWebP(t, m, true)),
			riffChunk("EXIF", exif), riffChunk("XMP ", []byte(secret))),
		"GIF": append(append(bytes.Clone(gifFile[:len(gifFile)-1]), comment...), 0x3b),
	}
	for name, file := range files {
		t.Run(name, func(t *testing.T) {
			if !bytes.Contains(file, []byte(secret)) {
				t.Fatal("the file has no metadata")
			}
			got := render(t, file, thumbnail).Bytes
			for _, trace := range []string{secret, "Exif", "eXIf", "EXIF", "ICC", "XMP", "tEXt", "\x21\xfe"} {
				if bytes.Contains(got, []byte(trace)) {
					t.Errorf("the rendition contains %q", trace)
				}
			}
		})
	}
}

func TestRenderKeepsGray(t *testing.T) {
	for _, name := range []string{"go/video-005.gray.jpeg", "go/video-005.gray.png"} {
		if got := decode(t, render(t, sample(t, name), Box{50, 50})).ColorModel(); got != color.GrayModel {
			t.Errorf("the rendition of %s is not gray", name)
		}
	}
}

func TestRenderTwice(t *testing.T) {
	picture, err := Open(bytes.NewReader(encodePNG(t, painted(4, 4))), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if h := picture.Header(); h.Format != PNG || h.Width != 4 || h.Height != 4 || h.Frames != 1 || h.Orientation != 1 {
		t.Errorf("header is %+v, want that of a PNG of 4x4 pixels", h)
	}
	if _, err := picture.Render(t.Context(), Target{Box: thumbnail}); err != nil {
		t.Fatal(err)
	}
	if _, err := picture.Render(t.Context(), Target{Box: thumbnail}); err == nil {
		t.Error("it was rendered twice")
	}
}

// Equal frames become one, which is shown for as long. The Rendition describes what is in the file.
func TestRenditionFrames(t *testing.T) {
	colors := color.Palette{color.Black, color.White}
	black, white := image.NewPaletted(image.Rect(0, 0, 9, 6), colors), image.NewPaletted(image.Rect(0, 0, 9, 6), colors)
	for i := range white.Pix {
		white.Pix[i] = 1
	}
	for _, test := range []struct {
		frames []*image.Paletted
		want   int
	}{
		{[]*image.Paletted{black, black, white, white, black}, 3},
		{[]*image.Paletted{black, black}, 1},
	} {
		r := renderAll(t, encodeGIF(t, 9, 6, test.frames...), Target{Box: thumbnail, Frames: 9})[0]
		file, err := gif.DecodeAll(bytes.NewReader(r.Bytes))
		if err != nil {
			t.Fatal(err)
		}
		if r.Frames != test.want || len(file.Image) != test.want {
			t.Errorf("%d frames become %d, in the file %d, want %d", len(test.frames), r.Frames, len(file.Image), test.want)
		}
	}
}
