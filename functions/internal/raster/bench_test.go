package raster

import (
	"bytes"
	"image"
	"image/draw"
	"io"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/disintegration/imaging"
	"gitlab.com/yourorg/image-service/functions/internal/raster/palette"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// photographs are encodings of one image in every format, of 1.3 megapixels (the GIF of 0.2).
func photographs(b *testing.B) map[string][]byte {
	b.Helper()
	branches := Rendition{Format: PNG, Bytes: sample(b, "imaging/branches.png"), Width: 600, Height: 400}
	photo := tiled(decode(b, branches), 1480, 880)
	alpha := tiled(photo, 1480, 880)
	for i := 3; i < len(alpha.Pix); i += 4 {
		alpha.Pix[i] = uint8(i / alpha.Stride)
	}
	return map[string][]byte{
		"JPEG": encodeJPEG(b, photo), "PNG": encodePNG(b, photo), "PNG-alpha": encodePNG(b, alpha),
		"GIF": encodeGIF(b, 600, 400, palette.Reduce(tiled(photo, 600, 400))), "WebP-lossy": encodeWebP(b, photo, false),
		"WebP-lossless": encodeWebP(b, photo, true),
	}
}

func tiled(m image.Image, width, height int) *image.NRGBA {
	screen := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := 0; y < height; y += m.Bounds().Dy() {
		for x := 0; x < width; x += m.Bounds().Dx() {
			draw.Draw(screen, m.Bounds().Add(image.Pt(x, y)), m, image.Point{}, draw.Src)
		}
	}
	return screen
}

func BenchmarkProbe(b *testing.B) {
	files := photographs(b)
	for _, name := range names(files) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Probe(b.Context(), bytes.NewReader(files[name])); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRender(b *testing.B) {
	files := photographs(b)
	for _, name := range names(files) {
		b.Run(name, func(b *testing.B) {
			header, err := Probe(b.Context(), bytes.NewReader(files[name]))
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				render(b, files[name], thumbnail)
			}
			b.ReportMetric(float64(header.Pixels())*float64(b.N)/b.Elapsed().Seconds()/1e6, "MP/s")
		})
	}
}

// cpuTime is that of the process, which other processes on the machine do not change as much as they change time.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// Renditions of one decode: the largest alone, with two and with seven smaller ones; decodes of their own; and the
// encoding of the smaller ones alone.
func BenchmarkRenditions(b *testing.B) {
	branches := Rendition{Format: PNG, Bytes: sample(b, "imaging/branches.png"), Width: 600, Height: 400}
	file := encodeJPEG(b, tiled(decode(b, branches), 4000, 3000))
	var targets []Target
	for _, side := range []int{1600, 640, 200, 480, 320, 160, 100, 64} {
		targets = append(targets, Target{Box: Box{side, side}})
	}
	run := func(name string, calls ...[]Target) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			before := cpuTime(b)
			for b.Loop() {
				for _, targets := range calls {
					renderAll(b, file, targets...)
				}
			}
			b.ReportMetric(float64((cpuTime(b)-before).Milliseconds())/float64(b.N), "cpu-ms/op")
		})
	}
	run("1", targets[:1])
	run("3", targets[:3])
	run("8", targets)
	var alone [][]Target
	for _, t := range targets {
		alone = append(alone, []Target{t})
	}
	run("8-decodes", alone...)
	run("7-smallest-alone", targets[1:])

	var smaller []*plane.Image
	for _, r := range renderAll(b, file, targets[1:]...) {
		smaller = append(smaller, plane.FromNRGBA(imaging.Clone(decode(b, r))).To420())
	}
	for _, n := range []int{2, 7} {
		b.Run(strconv.Itoa(n)+"-encodes", func(b *testing.B) {
			before := cpuTime(b)
			for b.Loop() {
				for _, m := range smaller[:n] {
					if err := formats.find(JPEG).encode(io.Discard, m, 0); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric((cpuTime(b)-before).Seconds()*1e3/float64(b.N), "cpu-ms/op")
		})
	}
}
