//go:build linux

package av1

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/guard"
)

// inGo calls a function without vectors of AVX2.
func inGo(f func()) {
	defer func(has bool) { hasVectors = has }(hasVectors)
	hasVectors = false
	f()
}

// Steps read and write what their network says, and give the values of Go.
func TestStepsAtEdges(t *testing.T) {
	m, r := guard.New(t), rand.New(rand.NewPCG(31, 32))
	const most = 1<<17 - 1
	for n := range 2 { // both edges
		list := []network{{size: 2 * vectorSize * len(halfSteps), first: halfSteps[:]}}
		for _, kind := range networks {
			list = append(list, kind[:]...)
		}
		for i := range list {
			values := make([]int32, list[i].size)
			for k := range values {
				values[k] = int32(r.IntN(2*most) - most)
			}
			want, result := slices.Clone(values), guard.Copy(m, values)
			guarded := network{
				list[i].size, copySteps(m, list[i].first), copySteps(m, list[i].rest), list[i].adst4,
			}
			guarded.run(guard.Copy(m, values), result, vectorSize, most, 10)
			inGo(func() { list[i].run(values, want, vectorSize, most, 10) })
			if !slices.Equal(result, want) {
				t.Errorf("network %d at edge %d: got %d, want %d", i, n, result, want)
			}
		}
		m.Turn()
	}
}

func copySteps(m *guard.Memory, steps []step) []step {
	if len(steps) == 0 {
		return nil
	}
	return guard.Copy(m, steps)
}

// The other vectors touch nothing beside their values and samples, and give those of Go.
func TestVectorsAtEdges(t *testing.T) {
	m, r := guard.New(t), rand.New(rand.NewPCG(33, 34))
	for n := range 300 {
		depth := 8 + 2*r.IntN(3)
		values, samples := make([]int32, vectorSize*vectorSize), make([]uint16, 8*20)
		for i := range values {
			values[i] = int32(r.Uint32()) >> r.IntN(24)
		}
		for i := range samples {
			samples[i] = uint16(r.IntN(1 << depth))
		}
		same := func(name string, got, want []int32) {
			t.Helper()
			if !slices.Equal(got, want) {
				t.Fatalf("%s, round %d: got %d, want %d", name, n, got, want)
			}
		}

		shift, want := uint8(r.IntN(3)), make([]int32, len(values))
		got := guard.Copy(m, want)
		transpose(guard.Copy(m, values), got, shift, 1<<15-1)
		inGo(func() { transpose(values, want, shift, 1<<15-1) })
		same("transpose", got, want)

		width, height, stride := 4<<r.IntN(2), 4<<r.IntN(2), 8+r.IntN(12)
		samples = samples[:(height-1)*stride+width]
		guarded := guard.Copy(m, samples)
		addVectors(guarded, stride, width, height, guard.Copy(m, values[:height*vectorSize]), 1<<depth-1)
		inGo(func() { addVectors(samples, stride, width, height, values, 1<<depth-1) })
		if !slices.Equal(guarded, samples) {
			t.Fatalf("addition of %dx%d values: got %d, want %d", width, height, guarded, samples)
		}

		for i := range samples {
			samples[i] &= 0xff
		}
		narrowed := make([]uint8, 1+r.IntN(len(samples)))
		guardedNarrow := guard.Copy(m, narrowed)
		narrow(guardedNarrow, guard.Copy(m, samples[:len(narrowed)]))
		inGo(func() { narrow(narrowed, samples) })
		if !slices.Equal(guardedNarrow, narrowed) {
			t.Fatalf("narrowed to %d, want %d", guardedNarrow, narrowed)
		}
		m.Turn()
	}
}

// The filter of CDEF reads no sample beside those of a strip, and writes none beside a block.
func TestConstrainAtEdges(t *testing.T) {
	m, r := guard.New(t), rand.New(rand.NewPCG(35, 36))
	for range 600 {
		b, width, height, depth := randomCDEFBlock(r)
		reach := 2*b.stride + cdefMargin
		b.source = b.source[b.at-reach : b.at+(height-1)*b.stride+reach+vectorLength]
		b.at = reach
		stride := width + r.IntN(9)
		want := make([]uint16, (height-1)*stride+width)
		got := guard.Copy(m, want)
		b.filterAny(want, stride, width, height)
		guarded := guard.Value(m, b)
		guarded.source = guard.Copy(m, b.source)
		guarded.filter(got, stride, width, height)
		if !slices.Equal(got, want) {
			t.Fatalf("%dx%d samples of %d bits, %+v: got %d, want %d", width, height, depth, b, got, want)
		}
		m.Turn()
	}
}

// Go decodes as the vectors of AVX2 do, also what is broken.
func FuzzDecodeInGo(f *testing.F) {
	addStreams(f, 2<<10)
	f.Fuzz(func(t *testing.T, depth byte, isGray, halfX, halfY bool, data []byte) {
		const mostPixels = 1 << 16
		c := &Config{Format: newFormat(int(depth), isGray, halfX, halfY)}
		h, err := c.ReadHeader(data)
		if err != nil || h.Width*h.Height > mostPixels {
			return
		}
		got, err := decodeAll(c, data, Options{})
		var want []byte
		var wantErr error
		inGo(func() { want, wantErr = decodeAll(c, data, Options{}) })
		if fmt.Sprint(err) != fmt.Sprint(wantErr) || !bytes.Equal(got, want) {
			t.Fatalf("got %d bytes and the error %v, want %d others and %v", len(got), err, len(want), wantErr)
		}
	})
}
