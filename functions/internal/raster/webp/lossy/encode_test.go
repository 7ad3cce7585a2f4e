package lossy

import (
	"bytes"
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
	"golang.org/x/image/vp8"
)

// planesOf converts an image to planes of a frame.
func planesOf(m image.Image) *[3]plane.Plane {
	width, height := m.Bounds().Dx(), m.Bounds().Dy()
	blue, red := plane.New((width+1)/2, (height+1)/2, 2, 2), plane.New((width+1)/2, (height+1)/2, 2, 2)
	planes := [3]plane.Plane{plane.New(width, height, 1, 1), blue, red}
	for y := range height {
		for x := range width {
			c := color.YCbCrModel.Convert(m.At(x, y)).(color.YCbCr)
			planes[0].Row(y)[x] = 16 + uint8(int(c.Y)*219/255)
			planes[1].Row(y / 2)[x/2], planes[2].Row(y / 2)[x/2] = c.Cb, c.Cr
		}
	}
	return &planes
}

// psnr is that of luma, in dB.
func psnr(got *image.YCbCr, want *plane.Plane) float64 {
	sum := 0.0
	for y := range want.Height {
		for x, v := range want.Row(y) {
			d := float64(v) - float64(got.Y[y*got.YStride+x])
			sum += d * d
		}
	}
	return 10 * math.Log10(255*255*float64(want.Width*want.Height)/sum)
}

// Decoders see what the encoder has predicted from: the pixels before the loop filter are the same. What x/image
// decodes, with the filter, is as close to the image as the quality promises.
func TestEncode(t *testing.T) {
	r := rand.New(rand.NewPCG(23, 24))
	for range 60 {
		width, height, quality := 1+r.IntN(90), 1+r.IntN(90), 1+r.IntN(100)
		planes := planesOf(painted(r, width, height))
		e := newEncoder(planes, quality)
		var want [3][]uint8
		for y := range e.down {
			e.encodeRow(y)
			for i, rows := range e.rows {
				for n := range min(macroblockSize(i), planes[i].Height-y*macroblockSize(i)) {
					want[i] = append(want[i], rows.Pix[n*rows.Stride:][:planes[i].Width]...)
				}
			}
		}
		frame, err := e.frame()
		if err != nil {
			t.Fatal(err)
		}
		got, err := decode(frame, width, height, false)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Y, want[0]) || !slices.Equal(got.Cb, want[1]) || !slices.Equal(got.Cr, want[2]) {
			t.Fatalf("%dx%d of quality %d: decoded pixels are other than encoded ones", width, height, quality)
		}
		filtered, err := reference(t, frame)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := psnr(filtered, &planes[0]), 18+0.2*float64(quality); got < want {
			t.Errorf("%dx%d of quality %d has a PSNR of %.1f dB, want %.1f or more", width, height, quality, got, want)
		}
	}
}

// One encoder makes the same frame as another, and a higher quality has more bytes and a higher PSNR.
func TestEncodeQuality(t *testing.T) {
	planes := planesOf(painted(rand.New(rand.NewPCG(25, 26)), 120, 90))
	size, closeness := 0, 0.0
	for quality := 10; quality <= 100; quality += 15 {
		frame, err := Encode(planes, quality)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Encode(planes, quality)
		if err != nil || !bytes.Equal(frame, again) {
			t.Errorf("quality %d: the same image is another frame, or %v", quality, err)
		}
		m, err := reference(t, frame)
		if err != nil {
			t.Fatal(err)
		}
		if got := psnr(m, &planes[0]); len(frame) <= size || got <= closeness {
			t.Errorf("quality %d has %d bytes and %.1f dB; the one before has %d and %.1f",
				quality, len(frame), got, size, closeness)
		} else {
			size, closeness = len(frame), got
		}
	}
}

// Pixels that are hardest to code are decoded as they were, nearly.
func TestEncodeExtremes(t *testing.T) {
	r := rand.New(rand.NewPCG(27, 28))
	for name, level := range map[string]func(x, y int) uint8{
		"black":        func(int, int) uint8 { return 0 },
		"white":        func(int, int) uint8 { return 255 },
		"noise":        func(int, int) uint8 { return uint8(r.IntN(256)) },
		"black, white": func(int, int) uint8 { return uint8(r.IntN(2) * 255) },
		"columns":      func(x, _ int) uint8 { return uint8(x % 2 * 255) },
		"checks":       func(x, y int) uint8 { return uint8((x + y) % 2 * 255) },
		"large checks": func(x, y int) uint8 { return uint8((x/4 + y/4) % 2 * 255) },
	} {
		planes := [3]plane.Plane{plane.New(70, 50, 1, 1), plane.New(35, 25, 2, 2), plane.New(35, 25, 2, 2)}
		for _, p := range planes {
			for i := range p.Pix {
				p.Pix[i] = level(i%p.Width, i/p.Width)
			}
		}
		for _, quality := range []int{1, 50, 100} {
			frame, err := Encode(&planes, quality)
			if err != nil {
				t.Fatal(err)
			}
			m, err := reference(t, frame)
			if err != nil {
				t.Fatalf("%s, quality %d: %v", name, quality, err)
			}
			if got := psnr(m, &planes[0]); quality == 100 && got < 42 {
				t.Errorf("%s, quality 100: %.1f dB, want 42 or more", name, got)
			}
		}
	}
}

func TestEncodeTooLarge(t *testing.T) {
	planes := [3]plane.Plane{plane.New(maxSide+1, 1, 1, 1), plane.New(1<<13, 1, 2, 2), plane.New(1<<13, 1, 2, 2)}
	if _, err := Encode(&planes, 80); err == nil {
		t.Error("a frame of 16384 pixels has no error")
	}
	planes[0] = plane.New(maxSide, 1, 1, 1)
	frame, err := Encode(&planes, 80)
	if err != nil {
		t.Fatal(err)
	}
	d := vp8.NewDecoder()
	d.Init(bytes.NewReader(frame), len(frame))
	if h, err := d.DecodeFrameHeader(); err != nil || h.Width != maxSide {
		t.Errorf("got a width of %d, %v", h.Width, err)
	}
}

// Modes of subblocks that the first partition has no space for are left out.
func TestEncodeWithoutSpaceForModes(t *testing.T) {
	e := newEncoder(planesOf(painted(rand.New(rand.NewPCG(29, 30)), 120, 90)), 80)
	e.maxModeRate = 1 << 16
	for y := range e.down {
		e.encodeRow(y)
	}
	const last = 16 * 10 * 256 // the macroblock that exceeds it
	if e.modeRate <= e.maxModeRate || e.modeRate > e.maxModeRate+last {
		t.Errorf("modes take %d/256 bits, want %d to %d", e.modeRate, e.maxModeRate, e.maxModeRate+last)
	}
	frame, err := e.frame()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reference(t, frame); err != nil {
		t.Error(err)
	}
}

func TestBoolEncoder(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 32))
	for _, count := range []int{0, 1, 7, 8, 9, 1000, 50_000} {
		w := newBoolEncoder(0)
		bools, probs := make([]bool, count), make([]uint8, count)
		for i := range bools {
			probs[i] = uint8(1 + r.IntN(255))
			bools[i] = r.IntN(256) >= int(probs[i])
			if count%2 == 1 { // carries
				bools[i] = true
			}
			w.putBool(bools[i], probs[i])
		}
		written := w.finish()
		p := new(partition)
		p.reset(bytes.NewReader(written), int64(len(written)))
		for i, want := range bools {
			if err := p.ensureMacroblock(); err != nil {
				t.Fatal(err)
			}
			if got := p.readBool(probs[i]); got != want {
				t.Fatalf("bool %d of %d is %v, want %v", i, count, got, want)
			}
		}
	}
}

// The transforms are the inverse of those that decoders do.
func TestForwardTransforms(t *testing.T) {
	r := rand.New(rand.NewPCG(33, 34))
	for range 1000 {
		var source, predicted [blockSpan]uint8
		for y := range 4 {
			for x := range 4 {
				source[y*stride+x], predicted[y*stride+x] = uint8(r.IntN(256)), uint8(r.IntN(256))
			}
		}
		var coefs [16]int32
		forwardDCT(source[:], predicted[:], &coefs)
		var b block
		for i, v := range coefs {
			b[i] = int16(v)
		}
		b.addIDCT(&predicted)
		for i := range source {
			if d := int(source[i]) - int(predicted[i]); abs(d) > 1 {
				t.Fatalf("pixel %d is %d, want %d", i, predicted[i], source[i])
			}
		}

		var blocks [16][16]int32
		for i := range blocks {
			blocks[i][0] = int32(r.IntN(4000) - 2000)
		}
		var second [16]int32
		forwardWHT(&blocks, &second)
		for i, v := range second {
			b[i] = int16(v)
		}
		var residue residue
		b.inverseWHT(&residue)
		for i := range blocks {
			if d := int(blocks[i][0]) - int(residue.blocks[i][0]); abs(d) > 1 {
				t.Fatalf("the first coefficient of block %d is %d, want %d", i, residue.blocks[i][0], blocks[i][0])
			}
		}
	}
}

func TestHadamard(t *testing.T) {
	r := rand.New(rand.NewPCG(35, 36))
	signs := [4][4]int{{1, 1, 1, 1}, {1, 1, -1, -1}, {1, -1, -1, 1}, {1, -1, 1, -1}}
	for range 1000 {
		var source, predicted predictionBuffer
		for i := range source {
			source[i], predicted[i] = uint8(r.IntN(2)*r.IntN(256)), uint8(r.IntN(256)*r.IntN(2))
		}
		want, across, down := 0, 1+r.IntN(4), 1+r.IntN(4)
		transform := func(at int, rows, columns [4]int) (sum int) {
			for y, rowSign := range rows {
				for x, columnSign := range columns {
					i := at + y*stride + x
					sum += (int(source[i]) - int(predicted[i])) * rowSign * columnSign
				}
			}
			return sum
		}
		for i := range across * down * 16 {
			at := lumaAt + 4*(i/16%across) + 4*stride*(i/16/across)
			want += abs(transform(at, signs[i/4%4], signs[i%4]))
		}
		got := hadamard(source[lumaAt:], predicted[lumaAt:], across, down)
		inGo := hadamardBlocks(source[lumaAt:], predicted[lumaAt:], across, down)
		if int(got) != want || int(inGo) != want {
			t.Fatalf("%dx%d blocks: got %d, in Go %d, want %d", across, down, got, inGo, want)
		}
	}
}

// The rates of tokens are what the encoder of bools takes for them.
func TestRates(t *testing.T) {
	var rates rateTable
	rates.set(&defaultProbs)
	r := rand.New(rand.NewPCG(37, 38))
	for range 500 {
		kind, n, context := r.IntN(4), r.IntN(15), r.IntN(3)
		level := int32(r.IntN(1 << r.IntN(11)))
		node := nodeIndex(kind, n, context)
		want := int32(0)
		for _, t := range append(appendLevel(nil, node, level), tokenOfBool(treeProbs+evenProb, true)) {
			p := uint8(int(t)/2 - treeProbs)
			if i := int(t)/2 - node; i < 11 {
				p = defaultProbs[kind][bands[n]][context][i]
			}
			want += rateOf(t&1 == 1, p)
		}
		if level == 0 {
			want -= rateOf(true, evenProb)
		}
		if got := rates[kind][n][context].after[symbolOf(level)] + int32(extraRates[level]); got != want {
			t.Fatalf("level %d costs %d, want %d", level, got, want)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	planes := planesOf(painted(rand.New(rand.NewPCG(39, 40)), 200, 150))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Encode(planes, 80); err != nil {
			b.Fatal(err)
		}
	}
}
