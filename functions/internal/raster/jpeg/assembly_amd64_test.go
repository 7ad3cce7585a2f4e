package jpeg

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// Go decodes as the assembly does, and finds the same damage.
func TestDecodeInGo(t *testing.T) {
	defer func() { inAssembly = true }()
	open := func(file []byte, size int) (*plane.Image, error) {
		f, err := Open(bytes.NewReader(file))
		if err != nil || f.Width*f.Height > 1<<20 {
			return &plane.Image{}, err
		}
		f.tolerant = size == whole
		return f.decodeImage(size, size)
	}
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 7))
		d := draw(r, []int{1, 3, 4}[seed%3])
		file := d.sequential()
		if seed%2 == 0 {
			file = d.progressive()
		}
		for i := range 20 {
			mutated, size := mutate(r, file), []int{1, 20, 40, whole}[i%4]
			if i == 0 {
				mutated, size = file, whole
			}
			inAssembly = true
			want, wantErr := open(mutated, size)
			inAssembly = false
			got, err := open(mutated, size)
			if fmt.Sprint(err) != fmt.Sprint(wantErr) {
				t.Fatalf("seed %d, file %d: error %v, want %v", seed, i, err, wantErr)
			}
			if err == nil {
				same(t, got, want)
			}
		}
	}
}
