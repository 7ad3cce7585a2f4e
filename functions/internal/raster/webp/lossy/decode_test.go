package lossy

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"math/rand/v2"
	"testing"

	"github.com/deepteams/webp"
	"golang.org/x/image/vp8"
)

// frame is the VP8 chunk of a file that an encoder made.
func frame(tb testing.TB, m image.Image, options *webp.EncoderOptions) []byte {
	tb.Helper()
	var file bytes.Buffer
	if err := webp.Encode(&file, m, options); err != nil {
		tb.Fatal(err)
	}
	b := file.Bytes()
	if string(b[12:16]) != "VP8 " {
		tb.Fatalf("the encoder made a chunk called %q", b[12:16])
	}
	return b[20:][:binary.LittleEndian.Uint32(b[16:])]
}

// painted has edges, smooth surfaces, and some noise.
func painted(r *rand.Rand, width, height int) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	noise, tile := r.IntN(40)+1, r.IntN(40)+3
	var colours [8][3]int
	for i := range colours {
		colours[i] = [3]int{r.IntN(256), r.IntN(256), r.IntN(256)}
	}
	for y := range height {
		for x := range width {
			c := colours[(x/tile+3*(y/tile)+(x+y)/50)%len(colours)]
			level := func(v int) uint8 { return uint8(max(0, min(v+(x+y)%60+r.IntN(noise)-noise/2, 255))) }
			m.SetRGBA(x, y, color.RGBA{level(c[0]), level(c[1]), level(c[2]), 255})
		}
	}
	return m
}

// decode puts the rows of a frame together.
func decode(vp8 []byte, width, height int, smooth bool) (*image.YCbCr, error) {
	m := image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420)
	y := 0
	err := Decode(bytes.NewReader(vp8), int64(len(vp8)), width, height, smooth, func(rows *Rows) error {
		for i := range rows[0].Height {
			copy(m.Y[(y+i)*m.YStride:][:width], rows[0].Row(i))
		}
		for i := range rows[1].Height {
			copy(m.Cb[(y/2+i)*m.CStride:][:m.CStride], rows[1].Row(i))
			copy(m.Cr[(y/2+i)*m.CStride:][:m.CStride], rows[2].Row(i))
		}
		y += rows[0].Height
		return nil
	})
	return m, err
}

// reference is what x/image makes of a frame.
func reference(tb testing.TB, b []byte) (*image.YCbCr, error) {
	tb.Helper()
	d := vp8.NewDecoder()
	d.Init(bytes.NewReader(b), len(b))
	if _, err := d.DecodeFrameHeader(); err != nil {
		return nil, err
	}
	return d.DecodeFrame()
}

func check(t *testing.T, b []byte, width, height int) {
	t.Helper()
	want, err := reference(t, b)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decode(b, width, height, true)
	if err != nil {
		t.Fatal(err)
	}
	for y := range height {
		for x := range width {
			if got, want := got.YCbCrAt(x, y), want.YCbCrAt(x, y); got != want {
				t.Fatalf("pixel %d,%d of %dx%d is %v, want %v", x, y, width, height, got, want)
			}
		}
	}
}

// Every pixel is what x/image makes of it, however it was encoded.
func TestDecodeIsExact(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		width, height := 1+r.IntN(90), 1+r.IntN(90)
		options := webp.DefaultOptions()
		options.Quality, options.Method = float32(r.IntN(101)), r.IntN(7)
		options.Segments, options.Partitions = 1+r.IntN(4), r.IntN(4)
		options.FilterType, options.FilterStrength, options.FilterSharpness = r.IntN(2), r.IntN(101), r.IntN(8)
		options.SNSStrength = r.IntN(101)
		check(t, frame(t, painted(r, width, height), options), width, height)
	}
}
