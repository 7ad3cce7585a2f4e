package lossless

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/deepteams/webp"
	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
	"golang.org/x/image/vp8l"
)

// decode returns the pixels of a stream with a header, and whether they have alpha.
func decode(stream []byte, width, height int) ([]uint32, bool, error) {
	return decodeFrom(bytes.NewReader(stream), width, height)
}

func decodeFrom(r io.Reader, width, height int) (pixels []uint32, hasAlpha bool, err error) {
	hasAlpha, err = Decode(r, width, height, func(rows Rows) error {
		if len(rows.Pixels) != width || rows.Count < 1 {
			return fmt.Errorf("%d rows of %d pixels", rows.Count, len(rows.Pixels))
		}
		for range rows.Count {
			pixels = append(pixels, rows.Pixels...)
		}
		for i := len(pixels) - rows.Count*width; i < len(pixels) && rows.Opaque; i++ {
			pixels[i] |= black
		}
		return nil
	})
	if err == nil && len(pixels) != width*height {
		err = fmt.Errorf("%d pixels of %dx%d", len(pixels), width, height)
	}
	return pixels, hasAlpha, err
}

// reference returns the pixels that x/image decodes.
func reference(t *testing.T, stream []byte) []uint32 {
	t.Helper()
	m, err := vp8l.Decode(bytes.NewReader(stream))
	if err != nil {
		t.Fatal(err)
	}
	var pixels []uint32
	for p := m.(*image.NRGBA).Pix; len(p) > 0; p = p[4:] {
		pixels = append(pixels, uint32(p[3])<<24|uint32(p[0])<<16|uint32(p[1])<<8|uint32(p[2]))
	}
	return pixels
}

func compare(t *testing.T, got, want []uint32, width int) {
	t.Helper()
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("pixel %d,%d is %08x, want %08x", i%width, i/width, got[i], want[i])
		}
	}
}

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(1, seed)) }

func sizes(r *rand.Rand) (width, height int) {
	return 1 + r.IntN([]int{4, 40, 300}[r.IntN(3)]), 1 + r.IntN([]int{4, 40, 100}[r.IntN(3)])
}

func TestDecodeRandomStreams(t *testing.T) {
	for seed := range uint64(120) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := random(seed)
			width, height := sizes(r)
			stream := withHeader(randomStream(r, width, height), width, height, true)
			got, hasAlpha, err := decode(stream, width, height)
			if err != nil || !hasAlpha {
				t.Fatalf("alpha %v, %v", hasAlpha, err)
			}
			compare(t, got, reference(t, stream), width)
		})
	}
}

// Pixels that take no bits are filled in, and rows of them repeated, also where copies refer to them.
func TestDecodeEven(t *testing.T) {
	repeated := 0
	for seed := range uint64(400) {
		r := random(seed)
		width, height := 1+r.IntN(60), 1+r.IntN(120)
		if seed < 6 { // larger than the ring
			width, height = 1000+r.IntN(100), 1100
		}
		stream := withHeader((&streamWriter{Rand: r, even: true}).stream(width, height), width, height, true)
		got, _, err := decode(stream, width, height)
		if err != nil {
			t.Fatal(err)
		}
		compare(t, got, reference(t, stream), width)
		_, err = Decode(bytes.NewReader(stream), width, height, func(rows Rows) error {
			repeated += rows.Count - 1
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if repeated < 1000 {
		t.Errorf("%d rows were repeated, want 1000 or more", repeated)
	}
}

// Without the alpha bit of the header nothing is transparent, whatever the pixels are.
func TestDecodeOpaque(t *testing.T) {
	for seed := range uint64(20) {
		r := random(seed)
		width, height := sizes(r)
		stream := randomStream(r, width, height)
		want := reference(t, withHeader(stream, width, height, true))
		got, hasAlpha, err := decode(withHeader(stream, width, height, false), width, height)
		if err != nil || hasAlpha {
			t.Fatalf("alpha %v, %v", hasAlpha, err)
		}
		for i := range want {
			want[i] |= 0xff000000
		}
		compare(t, got, want, width)
	}
}

func TestDecodeAlpha(t *testing.T) {
	for seed := range uint64(20) {
		r := random(seed)
		width, height := sizes(r)
		stream := randomStream(r, width, height)
		want := reference(t, withHeader(stream, width, height, true))
		err := DecodeAlpha(bytes.NewReader(stream), width, height, func(y int, alpha []uint8) error {
			for x, a := range alpha {
				if want := uint8(want[y*width+x] >> 8); a != want {
					return fmt.Errorf("alpha at %d,%d is %d, want %d", x, y, a, want)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Copies reach to the largest distance, in an image larger than that, and in rows that wrap around the end of the ring.
func TestDecodeFarCopies(t *testing.T) {
	const width, height = 1021, 2100
	v := &streamWriter{Rand: random(0)}
	v.bits(0, 1) // no transform
	v.bits(0, 1) // no colour cache
	v.bits(0, 1) // no tiles
	m := &randomImage{streamWriter: v, pixels: make([]uint32, 0, width*height), width: width}
	alphabets := [5][]int{{7, 250, numLiterals + 20, numLiterals + numLengthCodes - 1}, {1, 2, 3, 4}, {5, 6}, {255},
		{1, 30, 38, 39}}
	for i, symbols := range alphabets {
		g := v.treeOf(symbols, len(symbols), maxCodeLength)
		v.write(&g, []int{numLiterals + numLengthCodes, numLiterals, numLiterals, numLiterals, numDistanceCodes}[i])
		m.groups = append(m.groups, [5]tree{})
		m.groups[0][i] = g
	}
	for len(m.pixels) < cap(m.pixels) {
		m.next(m.groups[0])
	}
	v.bits(0, 7)
	got, _, err := decode(withHeader(v.bytes, width, height, true), width, height)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, got, m.pixels, width)
}

// Each tile has another code group.
func TestDecodeManyGroups(t *testing.T) {
	const width, height, tiles = 64, 32, 64 / 4 * 32 / 4
	v := &streamWriter{Rand: random(0)}
	v.bits(0, 1) // no transform
	v.bits(1, 1)
	v.bits(maxCacheBits, 4)
	v.bits(1, 1) // tiles
	v.bits(0, 3) // of 4x4 pixels
	v.bits(0, 1)
	for _, symbols := range []int{numLiterals, 1, 1, 1, 1} {
		v.writeFlat(symbols)
	}
	for tile := range tiles {
		v.bits(reversed(tile, 8), 8)
	}
	for range tiles {
		for _, symbols := range []int{1 << maxCacheBits, numLiterals, numLiterals, numLiterals, 1} {
			v.writeFlat(symbols)
		}
	}
	want := make([]uint32, width*height)
	for i := range want {
		want[i] = v.Uint32()
		v.bits(reversed(int(want[i]>>8&0xff), maxCacheBits), maxCacheBits)
		for _, shift := range []int{16, 0, 24} {
			v.bits(reversed(int(want[i]>>shift&0xff), 8), 8)
		}
	}
	v.bits(0, 7)
	d := &decoder{}
	d.in.reset(bytes.NewReader(v.bytes))
	var got []uint32
	err := d.decode(width, height, func(_, _ int, argb []uint32) error {
		got = append(got, argb...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	compare(t, got, want, width)
}

// A file with more code groups than any encoder writes is rejected before they are read.
func TestDecodeTooManyGroups(t *testing.T) {
	v := &streamWriter{Rand: random(0)}
	v.bits(0, 1) // no transform
	v.bits(0, 1) // no cache
	v.bits(1, 1) // tiles
	v.bits(0, 3) // of 4x4 pixels
	v.bits(0, 1)
	for _, symbol := range []int{maxGroups & 0xff, maxGroups >> 8, 0, 0, 0} { // of all pixels: green, red
		v.bits(1, 1) // a code of one symbol, of 8 bits
		v.bits(0, 1)
		v.bits(1, 1)
		v.bits(symbol, 8)
	}
	v.bits(0, 7) // the last byte is whole
	d := &decoder{}
	d.in.reset(bytes.NewReader(v.bytes))
	err := d.decode(64, 32, func(_, _ int, _ []uint32) error { return nil })
	var imgErr *imgerr.Error
	if !errors.As(err, &imgErr) || imgErr.Reason != imgerr.ReasonUnsupported || imgErr.Found != maxGroups+1 {
		t.Errorf("got %v, want %d groups to be rejected", err, maxGroups+1)
	}
}

func TestDecodeFiles(t *testing.T) {
	for _, m := range []image.Image{photo(120, 90), screenshot(120, 90), flat(33, 21)} {
		for _, method := range []int{0, 4, 6} {
			stream := encode(t, m, method)
			width, height := m.Bounds().Dx(), m.Bounds().Dy()
			got, _, err := decode(stream, width, height)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, got, reference(t, stream), width)
		}
	}
}

// encode returns the bitstream of a lossless file.
func encode(tb testing.TB, m image.Image, method int) []byte {
	tb.Helper()
	options := webp.DefaultOptions()
	options.Lossless, options.Method = true, method
	var file bytes.Buffer
	if err := webp.Encode(&file, m, options); err != nil {
		tb.Fatal(err)
	}
	const header = 8
	at := bytes.Index(file.Bytes(), []byte("VP8L"))
	return file.Bytes()[at+header:]
}

func photo(width, height int) image.Image {
	r := random(0)
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			noise := uint8(r.IntN(9))
			m.SetNRGBA(x, y, color.NRGBA{uint8(x+y/3) + noise, uint8(2*y) + noise, uint8(x*y/64) - noise, 255})
		}
	}
	return m
}

func screenshot(width, height int) image.Image {
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.SetNRGBA(x, y, color.NRGBA{uint8(x / 16 * 31), uint8(y / 8 * 77), uint8(x/16 ^ y/8), uint8(255 - x/32*9)})
		}
	}
	return m
}

func flat(width, height int) image.Image {
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.SetNRGBA(x, y, []color.NRGBA{{0, 0, 0, 255}, {9, 200, 30, 255}, {255, 255, 255, 128}}[(x/3*y/2)%3])
		}
	}
	return m
}

func TestDecodeReaders(t *testing.T) {
	r := random(7)
	stream := withHeader(randomStream(r, 50, 40), 50, 40, true)
	want := reference(t, stream)
	broken := errors.New("broken")
	for name, reader := range map[string]io.Reader{
		"one byte at a time": iotest.OneByteReader(bytes.NewReader(stream)),
		"the end with data":  iotest.DataErrReader(bytes.NewReader(stream)),
		"more after the end": bytes.NewReader(append(slices.Clone(stream), 1, 2, 3)),
		"broken after it":    io.MultiReader(bytes.NewReader(stream), iotest.ErrReader(broken)),
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := decodeFrom(reader, 50, 40)
			if err != nil {
				t.Fatalf("%v", err)
			}
			compare(t, got, want, 50)
		})
	}
	reader := io.MultiReader(bytes.NewReader(stream[:len(stream)/2]), iotest.ErrReader(broken))
	if _, _, err := decodeFrom(reader, 50, 40); !errors.Is(err, broken) {
		t.Errorf("got %v, want the error of the reader", err)
	}
	_, err := Decode(bytes.NewReader(stream), 50, 40, func(Rows) error { return broken })
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want the error of the rows", err)
	}
}

func TestDecodeTruncated(t *testing.T) {
	for seed := range uint64(8) {
		r := random(seed)
		stream := withHeader(randomStream(r, 20, 15), 20, 15, true)
		for n := range stream {
			if n > 20 && n%17 != 0 && n < len(stream)-20 {
				continue
			}
			if _, _, err := decode(stream[:n], 20, 15); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("seed %d, %d bytes of %d: got %v, want an unexpected end", seed, n, len(stream), err)
			}
		}
	}
}

func TestDecodeDamaged(t *testing.T) {
	stream := withHeader(randomStream(random(3), 20, 15), 20, 15, true)
	bits := func(pairs ...int) []byte {
		v := new(streamWriter)
		for ; len(pairs) > 0; pairs = pairs[2:] {
			v.bits(pairs[0], pairs[1])
		}
		return withHeader(append(v.bytes, make([]byte, 99)...), 20, 15, false)
	}
	for name, stream := range map[string][]byte{
		"signature":         append([]byte{0x2e}, stream[1:]...),
		"width":             withHeader(stream[5:], 21, 15, true),
		"height":            withHeader(stream[5:], 20, 14, true),
		"version":           append(slices.Concat(stream[:4], []byte{stream[4] | 0x20}), stream[5:]...),
		"transform twice":   bits(1, 1, subtractGreenTransform, 2, 1, 1, subtractGreenTransform, 2, 0, 8),
		"cache of no bits":  bits(0, 1, 1, 1, 0, 4, 0, 8),
		"cache of 12 bits":  bits(0, 1, 1, 1, 12, 4, 0, 8),
		"code of no symbol": bits(0, 3, 0, 1, 0, 32, 0, 32),
		"incomplete code":   bits(0, 3, 0, 1, 0, 4, 1, 3, 2, 3, 0, 32),
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := decode(stream, 20, 15)
			if imgErr := (*imgerr.Error)(nil); !errors.As(err, &imgErr) || imgErr.Reason != imgerr.ReasonDamaged {
				t.Errorf("got %v, want reason damaged", err)
			}
		})
	}
}

// check decodes possibly broken bytes, and checks the error.
func check(t *testing.T, stream []byte, width, height int) {
	t.Helper()
	_, _, err := decode(stream, width, height)
	if imgErr := (*imgerr.Error)(nil); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.As(err, &imgErr) {
		t.Errorf("got %v, want an *imgerr.Error or io.ErrUnexpectedEOF", err)
	}
}

func TestDecodeMutated(t *testing.T) {
	for seed := range uint64(60) {
		r := random(seed)
		stream := withHeader(randomStream(r, 30, 20), 30, 20, true)
		for range 10 {
			mutated := slices.Clone(stream)
			for range 1 + r.IntN(3) {
				mutated[5+r.IntN(min(len(mutated)-5, 1+r.IntN(len(mutated))))] ^= 1 << r.IntN(8)
			}
			check(t, mutated, 30, 20)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for seed := range uint64(10) {
		f.Add(randomStream(random(seed), 12, 9), uint8(12), uint8(9))
	}
	f.Fuzz(func(t *testing.T, stream []byte, width, height uint8) {
		w, h := 1+int(width), 1+int(height)
		check(t, withHeader(stream, w, h, true), w, h)
	})
}

func BenchmarkDecode(b *testing.B) {
	const width, height = 640, 480
	images := map[string]image.Image{"photo": photo(width, height), "screenshot": screenshot(width, height),
		"flat": flat(width, height)}
	for name, m := range images {
		stream := encode(b, m, 4)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(width * height)
			for b.Loop() {
				if _, err := Decode(bytes.NewReader(stream), width, height, func(Rows) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/x", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(width * height)
			for b.Loop() {
				if _, err := vp8l.Decode(bytes.NewReader(stream)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
