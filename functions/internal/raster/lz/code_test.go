package lz

import (
	"math/rand/v2"
	"testing"
)

// maxSymbols is how many symbols NewCode takes at most in this test.
const maxSymbols = 286

// Codes are complete, so that every decoder takes them, and none is too long.
func TestCodes(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		longest := 7 + random.IntN(9)
		counts := make([]int, 2+random.IntN(min(maxSymbols-2, 1<<longest-2)))
		for i := range counts {
			counts[i] = int(random.ExpFloat64() * float64(int(1)<<random.IntN(20)))
		}
		c, used := NewCode(counts, longest), 0
		for symbol, length := range c.Lengths {
			if int(length) > longest || counts[symbol] > 0 && length == 0 {
				t.Fatalf("symbol %d has %d bits, and occurs %d times", symbol, length, counts[symbol])
			}
			if length > 0 {
				used += 1 << (longest - int(length))
			}
		}
		if used != 1<<longest {
			t.Fatalf("the code of %v has %v: it is not complete", counts, c.Lengths)
		}
	}
}
