//go:build linux

package jpeg

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/guard"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// The kinds of blocks that assembly reads.
const (
	sequentialBlocks = iota
	dcBlocks
	firstBlocks
	refinedBlocks
)

// blocksAtEdges are blocks of random data and tables. The data ends at the end of the buffer, but for what a reader of
// bits may look at behind it.
type blocksAtEdges struct {
	scan   scan
	c      *component
	kind   int
	blocks int
	held   component // what c points to, where the garbage collector finds it
}

// newBlocksAtEdges makes the same blocks for the same seed. Everything that the assembly touches is in guarded memory,
// unless m is nil.
func newBlocksAtEdges(m *guard.Memory, seed uint64) *blocksAtEdges {
	r := rand.New(rand.NewPCG(seed, 8))
	b := &blocksAtEdges{kind: r.IntN(4), blocks: maxMCUBlocks - r.IntN(maxMCUBlocks)*r.IntN(2)}
	c := component{h: 1, v: 1, quant: new([64]uint16), scale: scales[1+r.IntN(3)], blockStride: b.blocks}
	if b.kind == dcBlocks {
		c.scale = 1
	}
	for k := range c.quant {
		c.quant[k] = uint16(1 + r.IntN(200))
	}
	c.prepareSteps()
	c.plane = plane.New(b.blocks*c.scale, c.scale, 1, 1)
	c.coefsPerBlock = lastCoef[c.scale] + 1
	c.coefs, c.nonzero = make([]int16, b.blocks*c.coefsPerBlock), make([]uint64, b.blocks)
	for i := range c.nonzero {
		c.nonzero[i] = r.Uint64() &^ r.Uint64() >> r.IntN(2) &^ 1
	}
	tables, i := tablesAtEdges(), r.IntN(8)
	c.dc, c.ac = tables[0][i], tables[1][i]

	bits := bitReader{end: maxMCUBytes + inputSize, complete: true}
	bits.p = bits.end + 7 - r.IntN(8)
	if r.IntN(3) > 0 {
		bits.p = bits.end - r.IntN(2*maxMCUBytes)
	}
	var data [251]byte
	ones := uint32(r.IntN(2)) // they are long codes
	for k := range data {
		if i%4 != longTable { // whose codes are zeros
			data[k] = uint8(r.Uint32() | r.Uint32()*ones)
		}
	}
	for i := bits.p; i < bits.end; {
		i += copy(bits.buf[i:bits.end], data[:])
	}
	d := decoder{bits: &bits}
	b.scan.specStart = 1 + r.IntN(63)
	b.scan.specEnd = b.scan.specStart + r.IntN(64-b.scan.specStart)
	b.scan.approxLow, b.scan.eobRun = r.IntN(14), max(0, r.IntN(12)-6)
	b.held, b.c, b.scan.decoder = c, &c, &d
	if m != nil {
		c.dc, c.ac = copyTable(m, c.dc), copyTable(m, c.ac)
		c.plane.Pix, c.coefs, c.nonzero = guard.Copy(m, c.plane.Pix), guard.Copy(m, c.coefs), guard.Copy(m, c.nonzero)
		d.bits = guard.Value(m, bits)
		b.c, b.scan.decoder = guard.Value(m, c), guard.Value(m, d)
	}
	return b
}

// Kinds of tables, modulo 4; the others have a code for each symbol.
const (
	partTable = iota + 1 // some codes are missing
	longTable            // the longest codes and the longest numbers: a block cannot be longer
	runTable             // runs of zeros that lead beyond a block as far as they can
)

// tablesAtEdges are tables for DC, and for AC.
var tablesAtEdges = sync.OnceValue(func() (tables [2][8]*huffmanTable) {
	r := rand.New(rand.NewPCG(12, 13))
	for class, symbols := range []int{16, 256} {
		for i := range tables[class] {
			counts, order := randomCodes(r, symbols)
			for k := 15; i%4 == partTable && k >= 0 && len(order) > 1; k-- {
				missing := min(int(counts[k]), len(order)-1, r.IntN(20))
				counts[k] -= uint8(missing)
				order = order[:len(order)-missing]
			}
			switch {
			case i%4 == longTable:
				counts, order = [16]uint8{15: 200}, slices.Repeat([]uint8{0x0f}, 200)
			case i%4 == runTable && class == 1:
				counts, order = [16]uint8{7: 254}, slices.Repeat([]uint8{0x01, 0xf1}, 127)
			}
			h, err := newHuffman(counts, order)
			if err != nil {
				panic(err)
			}
			h.prepareCoefs()
			h.prepareRefines()
			h.prepareSkips()
			tables[class][i] = h
		}
	}
	return tables
})

func copyTable(m *guard.Memory, h *huffmanTable) *huffmanTable {
	return &guard.Copy(m, []huffmanTable{{
		lookup: h.lookup, limits: h.limits, offsets: h.offsets, symbols: guard.Copy(m, h.symbols),
		coefs: h.coefs, refines: h.refines, skips: h.skips,
	}})[0]
}

// decode returns numbers that were decoded, beside what is in the component.
func (b *blocksAtEdges) decode() (numbers []int, err error) {
	s, c := &b.scan, b.c
	start := 8*s.bits.p - s.bits.n
	switch b.kind {
	case sequentialBlocks:
		for range b.blocks {
			dcOnly, err := s.readBlock(c)
			if err != nil {
				return nil, err
			}
			if dcOnly {
				numbers = append(numbers, 1)
			}
			for y := range c.scale {
				for _, v := range s.block[8*y:][:c.scale] {
					numbers = append(numbers, int(v))
				}
			}
		}
	case dcBlocks:
		err = s.decodeDC(c, 0, 0, b.blocks)
	case firstBlocks:
		err = s.decodeACFirst(c, 0, 0, b.blocks)
	default:
		err = s.decodeACRefine(c, 0, 0, b.blocks)
	}
	if err != nil {
		return nil, err
	}
	return append(numbers, 8*s.bits.p-s.bits.n-start, c.prevDC, s.eobRun), nil
}

// The assembly touches nothing beside tables, data and results, and decodes what Go decodes.
func TestBlocksAtEdges(t *testing.T) {
	defer func() { inAssembly = true }()
	m := guard.New(t)
	for seed := range uint64(1500) {
		got, want := newBlocksAtEdges(m, seed), newBlocksAtEdges(nil, seed)
		inAssembly = false
		wanted, wantErr := want.decode()
		inAssembly = true
		numbers, err := got.decode()
		if fmt.Sprint(err) != fmt.Sprint(wantErr) || !slices.Equal(numbers, wanted) {
			t.Fatalf("seed %d, kind %d: got %d and the error %v, want %d and %v", seed, got.kind, numbers, err, wanted, wantErr)
		}
		if err == nil && (!slices.Equal(got.c.plane.Pix, want.c.plane.Pix) ||
			!slices.Equal(got.c.coefs, want.c.coefs) || !slices.Equal(got.c.nonzero, want.c.nonzero)) {
			t.Fatalf("seed %d, kind %d: samples or coefficients are others", seed, got.kind)
		}
		m.Turn()
	}
}

// Go decodes as the assembly does, of which the data is in guarded memory.
func FuzzDecodeInGo(f *testing.F) {
	b := guard.Value(guard.New(f), decodeBuffer{})
	decodeBuffers = sync.Pool{New: func() any { return b }}
	f.Cleanup(func() { decodeBuffers = sync.Pool{New: func() any { return new(decodeBuffer) }} })
	addDrawings(f, 11)
	f.Fuzz(func(t *testing.T, file []byte, size uint16) { sameInGo(t, file, int(size)+1) })
}

// Transforms touch nothing beside blocks, samples and tables.
func TestTransformsAtEdges(t *testing.T) {
	if !hasVectors {
		return // as in TestIDCT
	}
	m, r := guard.New(t), rand.New(rand.NewPCG(9, 10))
	for i := range 400 {
		scale, stride := 4<<(i/2%2), 8+r.IntN(9)
		var b block
		for k := range b {
			b[k] = int32(r.IntN(2048) - 1024)
		}
		pix := make([]uint8, 7*stride+8)
		for k := range pix {
			pix[k] = uint8(r.Uint32())
		}
		q := newQuantTable(lumaQuant, 1+r.IntN(100))
		coefs := guard.Value(m, [64]int32{})
		guard.Value(m, q).quantizeVectors(guard.Copy(m, pix), stride, coefs)
		var want [64]int32
		if q.quantizeSamples(pix, stride, &want); *coefs != want {
			t.Fatalf("%d: coefficients %d, want %d", pix, *coefs, want)
		}
		guarded := guard.Copy(m, pix[:(scale-1)*stride+scale])
		guard.Value(m, b).idctVectors(guarded, stride, scale)
		hasVectors = false
		b.idct(pix, stride, scale)
		hasVectors = true
		if !slices.Equal(guarded, pix[:len(guarded)]) {
			t.Fatalf("scale %d, %d: samples %d, want %d", scale, b, guarded, pix)
		}
		m.Turn()
	}
}
