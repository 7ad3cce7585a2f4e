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
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 7))
		d := draw(r, []int{1, 3, 4}[seed%3])
		file := d.sequential()
		if seed%2 == 0 {
			file = d.progressive()
		}
		sameInGo(t, file, whole)
		for i := range 19 {
			sameInGo(t, mutate(r, file), []int{20, 40, whole, 1}[i%4])
		}
	}
}

// sameInGo decodes a file at a size, with and without assembly.
func sameInGo(t *testing.T, file []byte, size int) {
	t.Helper()
	defer func() { inAssembly = true }()
	open := func() (*plane.Image, error) {
		f, err := Open(bytes.NewReader(file))
		if err != nil || f.Width*f.Height > 1<<20 {
			return &plane.Image{}, err
		}
		f.tolerant = size == whole
		return f.decodeImage(size, size)
	}
	inAssembly = true
	want, wantErr := open()
	inAssembly = false
	got, err := open()
	if fmt.Sprint(err) != fmt.Sprint(wantErr) {
		t.Fatalf("%x: error %v, want %v", file, err, wantErr)
	}
	if err == nil {
		same(t, got, want)
	}
}
