package png

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// reference implements the definition of the filters in section 9.2 of the standard.
func reference(filter uint8, row, above []uint8, pixel int) []uint8 {
	made := make([]uint8, len(row))
	for i, x := range row {
		a, b, c := 0, int(above[i]), 0
		if i >= pixel {
			a, c = int(made[i-pixel]), int(above[i-pixel])
		}
		made[i] = x + uint8([...]int{filterNone: 0, filterSub: a, filterUp: b, filterAverage: (a + b) / 2,
			filterPaeth: paethOf(a, b, c)}[filter])
	}
	return made
}

func paethOf(a, b, c int) int {
	distance := func(x int) int { return max(a+b-c-x, x-(a+b-c)) }
	switch nearest := min(distance(a), distance(b), distance(c)); nearest {
	case distance(a):
		return a
	case distance(b):
		return b
	default:
		return c
	}
}

func TestPaethPredictor(t *testing.T) {
	for a := range 256 {
		for b := range 256 {
			for c := range 256 {
				if got, want := paethPredictor(a, b, c), paethOf(a, b, c); got != want {
					t.Fatalf("of %d, %d and %d, %d is predicted, want %d", a, b, c, got, want)
				}
			}
		}
	}
}

func TestUnfilter(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	noise := func(n int) []uint8 {
		b := make([]uint8, n)
		for i := range b {
			b[i] = uint8(random.Uint32())
		}
		return b
	}
	for filter := range uint8(5) {
		for _, pixel := range []int{1, 2, 3, 4, 6, 8} {
			for width := 1; width <= 33; width++ {
				row, above := noise(width*pixel), noise(width*pixel)
				want := reference(filter, row, above, pixel)
				if !unfilter(filter, row, above, pixel) || !slices.Equal(row, want) {
					t.Fatalf("filter %d of %d pixels of %d bytes: got %v, want %v", filter, width, pixel, row, want)
				}
			}
		}
	}
	if unfilter(5, noise(9), noise(9), 3) {
		t.Error("filter 5 is known")
	}
}

func BenchmarkUnfilter(b *testing.B) {
	names := []string{filterNone: "none", filterSub: "sub", filterUp: "up", filterAverage: "average", filterPaeth: "paeth"}
	for filter, name := range names[1:] {
		for _, kind := range []struct {
			name  string
			pixel int
		}{{"gray", 1}, {"RGB", 3}, {"RGBA", 4}} {
			b.Run(name+"/"+kind.name, func(b *testing.B) {
				row, above := make([]uint8, 2560*kind.pixel), make([]uint8, 2560*kind.pixel)
				for i := range row {
					row[i], above[i] = uint8(rand.Uint32()), uint8(rand.Uint32())
				}
				b.SetBytes(int64(len(row)))
				b.ReportAllocs()
				for b.Loop() {
					unfilter(uint8(filter+1), row, above, kind.pixel)
				}
			})
		}
	}
}
