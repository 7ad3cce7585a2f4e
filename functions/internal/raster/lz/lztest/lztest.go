// Package lztest has data for tests of compression.
package lztest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
)

// Texts are of different statistics: well compressible, incompressible, and with matches at all distances. They are the
// same in each call, and must not be changed.
var Texts = sync.OnceValue(func() map[string][]byte {
	random := rand.New(rand.NewPCG(1, 2))
	all := map[string][]byte{
		"empty": nil,
		"byte":  {7},
		"zeros": make([]byte, 150_000),
		"noise": made(150_000, func([]byte) byte { return byte(random.Uint32()) }),
		"few":   made(150_000, func([]byte) byte { return byte(random.Uint32() & 3) }),
		// Some bytes are so rare that their codes are longer than the index of a decoder's table.
		"skew":       made(150_000, func([]byte) byte { return byte(min(random.ExpFloat64()*9, 255)) }),
		"long codes": longCodes(random),
		"words":      []byte(strings.Repeat("the quick brown fox jumps over the lazy dog ", 5000)),
	}
	for n := range 40 {
		all[fmt.Sprintf("%d bytes", n)] = made(n, func([]byte) byte { return byte(random.Uint32() & 1) })
	}
	for _, spread := range []float64{1, 3, 5, 8, 12, 30} {
		all[fmt.Sprintf("spread %v", spread)] = differences(random, spread)
	}
	for _, period := range []int{
		1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 33, 257, 258, 259, 4095, 4096, 4097, 32767, 32768, 32769,
	} {
		all[fmt.Sprintf("period %d", period)] = made(70_000, func(b []byte) byte {
			if len(b) < period || random.IntN(500) == 0 {
				return byte(random.Uint32())
			}
			return b[len(b)-period]
		})
	}
	return all
})

// made has n bytes, each of which is made from those before.
func made(n int, next func(made []byte) byte) []byte {
	var b []byte
	for range n {
		b = append(b, next(b))
	}
	return b
}

// longCodes has symbols each of which is half as frequent as the one before, so that the codes of the last ones are too
// long.
func longCodes(random *rand.Rand) []byte {
	var b []byte
	for symbol := range 17 {
		b = append(b, bytes.Repeat([]byte{byte(symbol)}, 1<<symbol)...)
	}
	random.Shuffle(len(b), func(i, j int) { b[i], b[j] = b[j], b[i] })
	return b
}

// differences are like filtered pixels: literals with codes of 2 to 10 bits, and short and long matches.
func differences(random *rand.Rand, spread float64) []byte {
	var b []byte
	for len(b) < 120_000 {
		for range random.IntN(60) {
			b = append(b, byte(int8(random.NormFloat64()*spread)))
		}
		if from := len(b) - 1 - random.IntN(40_000); from >= 0 {
			b = append(b, b[from:min(len(b), from+3+int(random.ExpFloat64()*9))]...)
		}
	}
	return b
}
