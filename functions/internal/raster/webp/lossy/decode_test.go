package lossy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/deepteams/webp"
	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
	"golang.org/x/image/vp8"
)

// frame is the VP8 chunk of a file that an encoder wrote.
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

// decode assembles the rows of a frame.
func decode(vp8 []byte, width, height int, smooth bool) (*image.YCbCr, error) {
	return decodeFrom(bytes.NewReader(vp8), int64(len(vp8)), width, height, smooth)
}

func decodeFrom(r io.Reader, size int64, width, height int, smooth bool) (*image.YCbCr, error) {
	m := image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420)
	y := 0
	err := Decode(r, size, width, height, smooth, func(rows *Rows) error {
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

// reference is the frame that x/image decodes.
func reference(tb testing.TB, b []byte) (*image.YCbCr, error) {
	tb.Helper()
	d := vp8.NewDecoder()
	d.Init(bytes.NewReader(b), len(b))
	if _, err := d.DecodeFrameHeader(); err != nil {
		return nil, err
	}
	return d.DecodeFrame()
}

// overflows reports whether x/image, which adds filter levels up in 8 bits, gets one wrong.
func overflows(b []byte) bool {
	p, h := new(partition), new(header)
	p.reset(bytes.NewReader(b[tagSize:]), int64(len(b)-tagSize))
	if err := p.load(); err != nil {
		return false
	}
	h.parse(p)
	for _, s := range h.segments {
		base := h.level
		if h.segmented {
			base = s.level
			if !s.absolute {
				base += h.level
			}
		}
		for _, delta := range h.levelDelta {
			if level := base + delta; int(int8(level)) != level {
				return true
			}
		}
	}
	return false
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

func encoded(tb testing.TB, r *rand.Rand, width, height int) []byte {
	tb.Helper()
	options := webp.DefaultOptions()
	options.Quality, options.Method = float32(r.IntN(101)), r.IntN(7)
	options.Segments, options.Partitions = 1+r.IntN(4), r.IntN(4)
	options.FilterType, options.FilterStrength, options.FilterSharpness = r.IntN(2), r.IntN(101), r.IntN(8)
	options.SNSStrength = r.IntN(101)
	return frame(tb, painted(r, width, height), options)
}

// Every pixel is that of x/image, however it was encoded.
func TestDecodeIsExact(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		width, height := 1+r.IntN(90), 1+r.IntN(90)
		check(t, encoded(t, r, width, height), width, height)
	}
}

// randomFrame is a frame of random bytes, all of which are valid: with segments, filters and modes that no encoder
// would use.
func randomFrame(r *rand.Rand, width, height int) []byte {
	const first = 4000
	tag := 1<<4 | r.IntN(4)<<1 | first<<5
	b := []byte{byte(tag), byte(tag >> 8), byte(tag >> 16), 0x9d, 0x01, 0x2a}
	b = binary.LittleEndian.AppendUint16(b, uint16(width))
	b = binary.LittleEndian.AppendUint16(b, uint16(height))
	for range first {
		b = append(b, byte(r.IntN(256)))
	}
	for range maxPartitions - 1 { // the sizes of partitions, if there are as many
		b = append(b, 0, 0x10, 0)
	}
	for range 40_000 {
		b = append(b, byte(r.IntN(256))>>r.IntN(8))
	}
	return b
}

func TestDecodeRandomStreams(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 80 {
		width, height := 1+r.IntN(60), 1+r.IntN(60)
		if b := randomFrame(r, width, height); !overflows(b) {
			check(t, b, width, height)
		}
	}
}

// Without the loop filter, an image is nearly the same.
func TestDecodeWithoutFilter(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	options := webp.DefaultOptions()
	options.Quality, options.Segments, options.FilterStrength = 60, 1, 60
	b := frame(t, painted(r, 200, 150), options)
	smooth, err := decode(b, 200, 150, true)
	if err != nil {
		t.Fatal(err)
	}
	rough, err := decode(b, 200, 150, false)
	if err != nil {
		t.Fatal(err)
	}
	sum, different := 0, 0
	for i, v := range smooth.Y {
		d := abs(int(v) - int(rough.Y[i]))
		sum += d
		different += min(d, 1)
	}
	if mean := float64(sum) / float64(len(smooth.Y)); different == 0 || mean > 2 {
		t.Errorf("%d samples differ, by %g at the mean, want some, by 2 at most", different, mean)
	}
}

func TestDecodeShortReads(t *testing.T) {
	b := encoded(t, rand.New(rand.NewPCG(7, 8)), 70, 50)
	want, err := decode(b, 70, 50, true)
	if err != nil {
		t.Fatal(err)
	}
	for name, slow := range map[string]func(io.Reader) io.Reader{
		"one byte": iotest.OneByteReader, "half": iotest.HalfReader, "data with error": iotest.DataErrReader,
	} {
		got, err := decodeFrom(slow(bytes.NewReader(b)), int64(len(b)), 70, 50, true)
		if err != nil || !slices.Equal(got.Y, want.Y) {
			t.Errorf("%s: other pixels, or %v", name, err)
		}
	}
}

func TestDecodeLargestFrame(t *testing.T) {
	for _, size := range [][2]int{{16383, 1}, {1, 16383}} {
		check(t, encoded(t, rand.New(rand.NewPCG(9, 10)), size[0], size[1]), size[0], size[1])
	}
}

// A frame that ends early anywhere is truncated, because it states its length.
func TestDecodeTruncated(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for range 2 {
		b := encoded(t, r, 30, 30)
		for n := range b {
			_, err := decodeFrom(bytes.NewReader(b[:n]), int64(len(b)), 30, 30, true)
			if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("cut to %d of %d bytes: got %v", n, len(b), err)
			}
			if err == nil && n < len(b)-2 { // the last bytes may not be needed
				t.Fatalf("cut to %d of %d bytes: got no error", n, len(b))
			}
		}
	}
}

func TestDecodeDamaged(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	whole := randomFrame(r, 30, 20)
	set := func(i int, v byte) []byte {
		b := bytes.Clone(whole)
		b[i] = v
		return b
	}
	for name, b := range map[string][]byte{
		"another size":        set(6, 31),
		"no key frame":        set(0, whole[0]|1),
		"no signature":        set(3, 0),
		"not to be shown":     set(0, whole[0]&^0x10),
		"version 7":           set(0, whole[0]|0x0e),
		"a long partition":    set(2, 0xff),
		"a short partition":   append(bytes.Clone(whole[:tagSize]), make([]byte, 4000)...),
		"no tokens":           whole[:tagSize+4000],
		"nothing but its tag": whole[:tagSize],
		"nothing":             nil,
	} {
		_, err := decode(b, 30, 20, true)
		var imgErr *imgerr.Error
		if !errors.As(err, &imgErr) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: got %v, want an *imgerr.Error", name, err)
		}
	}
}

// Partitions far longer than the frame needs cost no memory.
func TestDecodeLongPartitions(t *testing.T) {
	const length = 1<<24 - 1
	r := rand.New(rand.NewPCG(17, 18))
	first := make([]byte, 4000)
	for first[1] = byte(r.Uint32()); ; first[1]++ { // until it tells of 8 partitions
		p := new(partition)
		p.reset(bytes.NewReader(first), int64(len(first)))
		if err := p.load(); err != nil {
			t.Fatal(err)
		}
		if new(header).parse(p) == maxPartitions {
			break
		}
	}
	tag := len(first)<<5 | 0x10
	b := append([]byte{byte(tag), byte(tag >> 8), byte(tag >> 16), 0x9d, 1, 0x2a, 1, 0, 1, 0}, first...)
	b = append(b, bytes.Repeat([]byte{0xff}, 3*(maxPartitions-1))...)
	endless := io.MultiReader(bytes.NewReader(b), iotest.HalfReader(zeros{}))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := decodeFrom(endless, int64(len(b))+maxPartitions*length, 1, 1, true)
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; err != nil || got > 1<<20 {
		t.Errorf("it took %d bytes of memory: %v", got, err)
	}
}

// zeros is an endless reader.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// Errors of the reader and of show are returned.
func TestDecodeErrors(t *testing.T) {
	b := encoded(t, rand.New(rand.NewPCG(15, 16)), 40, 40)
	want := errors.New("fault")
	for n := range b {
		_, err := decodeFrom(io.MultiReader(bytes.NewReader(b[:n]), iotest.ErrReader(want)), int64(len(b)), 40, 40, true)
		if !errors.Is(err, want) && n < len(b)-2 {
			t.Fatalf("an error after %d of %d bytes: got %v", n, len(b), err)
		}
	}
	err := Decode(bytes.NewReader(b), int64(len(b)), 40, 40, true, func(*Rows) error { return want })
	if !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

// Decode returns an error, or the pixels of x/image.
func FuzzDecode(f *testing.F) {
	r := rand.New(rand.NewPCG(17, 18))
	for range 4 {
		f.Add(encoded(f, r, 16, 16), true)
		f.Add(encoded(f, r, 33, 20), false)
		f.Add(randomFrame(r, 20, 20)[:6000], true)
	}
	f.Fuzz(func(t *testing.T, b []byte, smooth bool) {
		if len(b) < tagSize {
			return
		}
		width, height := int(binary.LittleEndian.Uint16(b[6:])&0x3fff), int(binary.LittleEndian.Uint16(b[8:])&0x3fff)
		if width == 0 || height == 0 || width*height > 1<<16 {
			return
		}
		got, err := decode(b, width, height, smooth)
		var imgErr *imgerr.Error
		if err != nil && !errors.As(err, &imgErr) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("got %v, want an *imgerr.Error", err)
		}
		want, wantErr := reference(t, b)
		if err != nil || wantErr != nil || !smooth || overflows(b) {
			return
		}
		for y := range height {
			for x := range width {
				if got, want := got.YCbCrAt(x, y), want.YCbCrAt(x, y); got != want {
					t.Fatalf("pixel %d,%d of %dx%d is %v, want %v", x, y, width, height, got, want)
				}
			}
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	options := webp.DefaultOptions()
	options.Quality, options.Segments, options.FilterType, options.FilterStrength = 80, 1, 1, 60
	vp8 := frame(b, painted(rand.New(rand.NewPCG(19, 20)), 800, 600), options)
	for name, smooth := range map[string]bool{"smooth": true, "rough": false} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				err := Decode(bytes.NewReader(vp8), int64(len(vp8)), 800, 600, smooth, func(*Rows) error { return nil })
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(800*600*float64(b.N)/b.Elapsed().Seconds()/1e6, "MP/s")
		})
	}
}
