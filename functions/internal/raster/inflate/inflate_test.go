package inflate

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"errors"
	"io"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/iotest"

	"gitlab.com/yourorg/image-service/functions/internal/raster/lz/lztest"
)

func pack(tb testing.TB, b []byte, level int) []byte {
	tb.Helper()
	var packed bytes.Buffer
	w, err := zlib.NewWriterLevel(&packed, level)
	if err != nil {
		tb.Fatal(err)
	}
	for part := range slices.Chunk(b, 70_000) {
		w.Write(part)
		w.Flush() // which makes a stored block of no bytes, too
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return packed.Bytes()
}

// unpacker is shared by all streams, so that state left by one would break the next.
var unpacker Reader

func unpack(r io.Reader) ([]byte, error) {
	unpacker.Reset(r)
	return io.ReadAll(&unpacker)
}

func TestReadRoundTrip(t *testing.T) {
	for name, text := range lztest.Texts() {
		for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, 1, 6} {
			got, err := unpack(bytes.NewReader(append(pack(t, text, level), "behind"...)))
			if err != nil || !bytes.Equal(got, text) {
				t.Errorf("%s at level %d: got %d bytes, %v, want %d bytes, the same", name, level, len(got), err, len(text))
			}
		}
	}
}

// A bitWriter writes bits in the order of DEFLATE.
type bitWriter struct {
	bytes []byte
	n     int // bits
}

func (w *bitWriter) write(v uint64, n int) {
	for i := range n {
		if w.n%8 == 0 {
			w.bytes = append(w.bytes, 0)
		}
		w.bytes[w.n/8] |= byte(v>>i&1) << (w.n % 8)
		w.n++
	}
}

// randomCode is a code of some of the symbols, including the given one. The more it is skewed, the more the lengths
// differ.
func randomCode(random *rand.Rand, symbols, always int, skewed bool) (lengths []uint8) {
	leaves := []uint8{0}
	for range 1 + random.IntN(symbols-1) {
		i := random.IntN(len(leaves))
		if skewed {
			i = random.IntN(min(len(leaves), 3))
		}
		if leaves[i] < maxCodeLength {
			leaves[i]++
			leaves = append(leaves, leaves[i])
		}
	}
	lengths = make([]uint8, symbols)
	for i, symbol := range random.Perm(symbols)[:len(leaves)] {
		lengths[symbol] = leaves[i]
	}
	if lengths[always] == 0 {
		i := slices.IndexFunc(lengths, func(l uint8) bool { return l > 0 })
		lengths[i], lengths[always] = 0, lengths[i]
	}
	return lengths
}

// longLiterals is a code whose literals all have as many bits as the index of the table.
func longLiterals() []uint8 {
	lengths := bytes.Repeat([]uint8{lengthIndexBits}, maxLengths)
	clear(lengths[endOfBlockSymbol:])
	lengths[endOfBlockSymbol], lengths[endOfBlockSymbol+1], lengths[endOfBlockSymbol+2] = 3, 1, 2
	return lengths
}

// randomBlock writes the last block of a stream: random symbols of a code, with random distances.
func randomBlock(random *rand.Rand, lengths []uint8) []byte {
	w := new(bitWriter)
	w.write(1|2<<1, 3)
	w.write(maxLengths-257, 5)
	w.write(maxDistances-1, 5)
	w.write(maxCodeLengths-4, 4)
	for _, symbol := range codeLengthOrder { // lengths of codes are written with 4 bits each
		w.write(map[bool]uint64{true: 4}[symbol < 16], 3)
	}
	distances := randomCode(random, maxDistances, 0, random.IntN(2) == 0)
	for _, l := range slices.Concat(lengths, distances) {
		w.write(uint64(bits.Reverse8(l)>>4), 4)
	}
	var lengthCode, distanceCode huffmanCode
	if lengthCode.build(lengths) != nil || distanceCode.build(distances) != nil {
		panic("the codes are not complete")
	}
	write := func(c *huffmanCode, lengths []uint8, symbol int, extra entry) {
		i := slices.Index(c.symbols[:], uint16(symbol))
		w.write(uint64(c.codes[i]), int(lengths[symbol]))
		w.write(random.Uint64(), int(extra&bitsMask))
	}
	written := 0
	for range 3000 {
		symbol := int(lengthCode.symbols[random.IntN(lengthCode.first[maxCodeLength+1])])
		distance := int(distanceCode.symbols[random.IntN(distanceCode.first[maxCodeLength+1])])
		farthest := 2 * int(distanceEntries[distance]>>baseShift)
		switch {
		case symbol < endOfBlockSymbol:
			write(&lengthCode, lengths, symbol, 0)
			written++
		case symbol > endOfBlockSymbol && farthest <= written:
			write(&lengthCode, lengths, symbol, lengthEntries[symbol])
			write(&distanceCode, distances, distance, distanceEntries[distance])
			written += int(lengthEntries[symbol] >> baseShift)
		}
	}
	write(&lengthCode, lengths, endOfBlockSymbol, 0)
	return w.bytes
}

// Encoders rarely write the longest codes, and never all combinations.
func TestRandomCodes(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	for i := range 500 {
		lengths := longLiterals()
		if i > 0 {
			lengths = randomCode(random, maxLengths, endOfBlockSymbol, i%2 == 0)
		}
		packed := randomBlock(random, lengths)
		want, err := io.ReadAll(flate.NewReader(bytes.NewReader(packed)))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := inflate(packed); !errors.Is(err, io.EOF) || !bytes.Equal(got, want) {
			t.Fatalf("got %d bytes, %v, want %d bytes, the same", len(got), err, len(want))
		}
	}
}

// inflate decompresses DEFLATE data without a zlib header. The error is io.EOF at its end.
func inflate(packed []byte) (unpacked []byte, err error) {
	d := &unpacker.data
	d.reset(bytes.NewReader(packed))
	for err == nil {
		from := d.slide()
		err = d.decode()
		unpacked = append(unpacked, d.window[from:d.written]...)
	}
	return unpacked, err
}

func TestShortReads(t *testing.T) {
	text := lztest.Texts()["skew"][:50_000]
	packed := pack(t, text, 6)
	for name, slow := range map[string]func(io.Reader) io.Reader{
		"one byte": iotest.OneByteReader, "half": iotest.HalfReader, "data with error": iotest.DataErrReader,
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := unpack(slow(bytes.NewReader(packed))); err != nil || !bytes.Equal(got, text) {
				t.Errorf("from a reader of %s: got %d bytes, %v, want %d", name, len(got), err, len(text))
			}
		})
	}
	reader := new(Reader)
	reader.Reset(bytes.NewReader(packed))
	if err := iotest.TestReader(reader, text); err != nil {
		t.Error(err)
	}
}

func TestTruncatedStreams(t *testing.T) {
	for _, level := range []int{flate.NoCompression, 1, 9} {
		text := lztest.Texts()["period 9"][:3000]
		packed := pack(t, text, level)
		for n := range packed {
			got, err := unpack(bytes.NewReader(packed[:n]))
			if !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.HasPrefix(text, got) {
				t.Errorf("level %d, cut to %d of %d bytes: got %d bytes, %v", level, n, len(packed), len(got), err)
			}
		}
	}
}

func TestSourceErrors(t *testing.T) {
	failure := errors.New("connection reset by peer")
	packed := pack(t, lztest.Texts()["noise"], 6)
	for _, n := range []int{0, 1, 2, 9, 70_000, len(packed) - 1} {
		r := io.MultiReader(bytes.NewReader(packed[:n]), iotest.ErrReader(failure))
		if _, err := unpack(r); !errors.Is(err, failure) {
			t.Errorf("an error after %d bytes: got %v", n, err)
		}
	}
}

func TestBrokenStreams(t *testing.T) {
	good := pack(t, []byte("some text, some text"), 6)
	badSum := bytes.Clone(good)
	badSum[len(badSum)-1] ^= 1
	tests := []struct {
		name   string
		packed []byte
		want   error
	}{
		{"another method", []byte{0x79, 0x9b}, errHeader},
		{"a window too large", []byte{0x88, 0x1c}, errHeader},
		{"a wrong check of the header", []byte{0x78, 0x9d}, errHeader},
		{"a dictionary", []byte{0x78, 0xbb}, errHeader},
		{"a wrong sum", badSum, errChecksum},
		{"a block of kind 3", []byte{0x78, 0x9c, 0x07}, errBlock},
		{"a stored block of two lengths", []byte{0x78, 0x9c, 0x01, 5, 0, 5, 0}, errStored},
		// The fixed codes of a length, 0000001, and of a distance, 00000, are stored first bit first.
		{"a distance before the start", []byte{0x78, 0x9c, 0x03, 0x02, 0}, errDistance},
		{"a length without a meaning", []byte{0x78, 0x9c, 0x1b, 0x03, 0}, errSymbol},
		{"a distance without a meaning", []byte{0x78, 0x9c, 0x03, 0x7e, 0}, errSymbol},
		{"too many lengths", []byte{0x78, 0x9c, 0x05 | 31<<3, 0}, errCode},
		{"a code that is not complete", []byte{0x78, 0x9c, 0x05, 0, 0x02, 0, 0, 0, 0, 0}, errCode},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			padded := append(bytes.Clone(test.packed), make([]byte, 64)...)
			if errors.Is(test.want, errChecksum) {
				padded = test.packed
			}
			if _, err := unpack(bytes.NewReader(padded)); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

func TestAdler(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{0, 1, 7, 8, 9, blockSize, blockSize + 3, blockSize * maxBlocks, 70_001} {
		for _, fill := range []func() byte{func() byte { return 0xff }, func() byte { return byte(random.Uint32()) }} {
			text := make([]byte, n)
			for i := range text {
				text[i] = fill()
			}
			got := newAdler
			got.add(text[:n/3])
			got.add(text[n/3:])
			bytesSum, sums := uint32(1), uint32(0)
			for _, b := range text {
				bytesSum = (bytesSum + uint32(b)) % adlerModulus
				sums = (sums + bytesSum) % adlerModulus
			}
			if want := sums<<16 | bytesSum; got.value() != want {
				t.Errorf("the sum of %d bytes is %#x, want %#x", n, got.value(), want)
			}
		}
	}
}

// The sums of blocks are those of Go.
func TestSumBlocks(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 5))
	for blocks := 1; blocks <= maxBlocks; blocks++ {
		p := make([]byte, blocks*blockSize)
		for i := range p {
			p[i] = byte(random.Uint32() | -uint32(blocks&1))
		}
		gotBytes, gotSums := sumBlocks(p)
		wantBytes, wantSums := sumBlocksPortably(p)
		if gotBytes != wantBytes || gotSums != wantSums {
			t.Fatalf("the sums of %d blocks are %d and %d, want %d and %d", blocks, gotBytes, gotSums, wantBytes, wantSums)
		}
	}
}

// addTexts adds texts as seeds, compressed at several levels.
func addTexts(f *testing.F) {
	f.Helper()
	for _, text := range lztest.Texts() {
		for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, 1, 9} {
			f.Add(pack(f, text[:min(len(text), 2000)], level)[2:])
		}
	}
}

// Any bytes are decompressed as by compress/flate, or both fail.
func FuzzInflate(f *testing.F) {
	addTexts(f)
	f.Fuzz(func(t *testing.T, packed []byte) {
		const most = 1 << 20
		want, wantErr := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), most))
		if len(want) == most {
			return
		}
		got, err := inflate(packed)
		if isEnd := errors.Is(err, io.EOF); isEnd != (wantErr == nil) || isEnd && !bytes.Equal(got, want) {
			t.Errorf("got %d bytes, %v, want %d bytes, %v", len(got), err, len(want), wantErr)
		}
	})
}

func benchmarks(b *testing.B) map[string][]byte {
	b.Helper()
	random := rand.New(rand.NewPCG(5, 6))
	photo := make([]byte, 4<<20) // as unfiltered pixels are: small differences from zero
	for i := range photo {
		photo[i] = byte(int8(random.NormFloat64() * 5))
	}
	var screen []byte // and those of a drawing: runs, and things that come again
	for len(screen) < 4<<20 {
		if random.IntN(3) == 0 {
			screen = append(screen, photo[:random.IntN(40)]...)
		}
		screen = append(screen, make([]byte, random.IntN(400))...)
	}
	return map[string][]byte{"photo": photo, "screen": screen}
}

func BenchmarkRead(b *testing.B) {
	for name, text := range benchmarks(b) {
		packed := pack(b, text, 6)
		b.Run(name, func(b *testing.B) {
			reader, to := new(Reader), make([]byte, 8000)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				reader.Reset(bytes.NewReader(packed))
				for {
					if _, err := reader.Read(to); errors.Is(err, io.EOF) {
						break
					} else if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

func BenchmarkAdler(b *testing.B) {
	text := make([]byte, 64<<10)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		sum := newAdler
		sum.add(text)
	}
}
