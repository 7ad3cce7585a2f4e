package lossless

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"
)

// planes are alpha planes of some kinds.
func planes() map[string]func(x, y int) uint8 {
	r := rand.New(rand.NewPCG(5, 6))
	return map[string]func(x, y int) uint8{
		"even":      func(_, _ int) uint8 { return 7 },
		"mask":      func(x, y int) uint8 { return uint8(255 * ((x/9 + y/5) & 1)) },
		"3 levels":  func(x, y int) uint8 { return uint8((x*x + y) % 3 * 100) },
		"16 levels": func(x, y int) uint8 { return uint8((x*y + y) % 16 * 17) },
		"17 levels": func(x, y int) uint8 { return uint8((x*y + y) % 17 * 15) },
		"gradient":  func(x, y int) uint8 { return uint8(x + 2*y) },
		"noise":     func(_, _ int) uint8 { return uint8(r.Uint32()) },
		"few":       func(_, _ int) uint8 { return uint8(r.ExpFloat64() * 9) },
		"circle": func(x, y int) uint8 {
			return uint8(max(0, min(((x-90)*(x-90)+(y-70)*(y-70)-3000)/16, 255)))
		},
	}
}

// Levels that were encoded are decoded.
func TestEncodeAlpha(t *testing.T) {
	for name, level := range planes() {
		t.Run(name, func(t *testing.T) {
			for _, size := range [][2]int{{1, 1}, {2, 1}, {1, 9}, {7, 3}, {17, 33}, {200, 150}, {5000, 3}} {
				width, height := size[0], size[1]
				want := make([]uint8, 0, width*height)
				for y := range height {
					for x := range width {
						want = append(want, level(x, y))
					}
				}
				got, err := decodeAlpha(EncodeAlpha(want, width, math.MaxInt), width, height)
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("%dx%d: got error %v and %d levels, want %d", width, height, err, len(got), len(want))
				}
			}
		})
	}
}

func decodeAlpha(file []byte, width, height int) (levels []uint8, err error) {
	err = DecodeAlpha(bytes.NewReader(file), width, height, func(_ int, row []uint8) error {
		levels = append(levels, row...)
		return nil
	})
	return levels, err
}

// Any levels are decoded as they were encoded.
func FuzzEncodeAlpha(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6}, uint8(3))
	f.Add(bytes.Repeat([]byte{0, 0xff, 0xff}, 90), uint8(9))
	f.Fuzz(func(t *testing.T, levels []byte, columns uint8) {
		width := max(1, int(columns))
		height := len(levels) / width
		if levels = levels[:width*height]; height == 0 || height > 1<<14 {
			return
		}
		got, err := decodeAlpha(EncodeAlpha(levels, width, math.MaxInt), width, height)
		if err != nil || !bytes.Equal(got, levels) {
			t.Fatalf("got %v and error %v, want %v", got, err, levels)
		}
	})
}
