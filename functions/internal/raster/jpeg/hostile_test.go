package jpeg

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

// try decodes any bytes, and expects no error but those that Open documents.
func try(t *testing.T, file []byte, width, height int) {
	t.Helper()
	f, err := Open(bytes.NewReader(file))
	if err == nil && f.Width*f.Height > 1<<20 {
		return // callers of this package have limits
	}
	if err == nil {
		_, err = f.decodeImage(width, height)
	}
	var imgErr *imgerr.Error
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.As(err, &imgErr) {
		t.Fatalf("error %v (%T)", err, err)
	}
}

func TestMutatedFiles(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 3))
		d := draw(r, []int{1, 3, 4}[seed%3])
		file := d.sequential()
		if seed%2 == 0 {
			file = d.progressive()
		}
		for range 20 {
			mutated := mutate(r, file)
			size := []int{1, 20, 40, whole}[r.IntN(4)]
			try(t, mutated, size, size)
		}
	}
}

// mutate returns a file with some random changes.
func mutate(r *rand.Rand, file []byte) []byte {
	mutated := bytes.Clone(file)
	for range 1 + r.IntN(8) {
		switch at := r.IntN(len(mutated)); r.IntN(4) {
		case 0:
			mutated[at] = byte(r.IntN(256))
		case 1:
			mutated[at] ^= 1 << r.IntN(8)
		case 2:
			mutated = append(mutated[:at], mutated[min(len(mutated), at+1+r.IntN(20)):]...)
		default:
			mutated = append(mutated[:at:at], append(bytes.Clone(mutated[r.IntN(at+1):at]), mutated[at:]...)...)
		}
		if len(mutated) == 0 {
			mutated = []byte{0xff}
		}
	}
	return mutated
}

func TestTruncatedFiles(t *testing.T) {
	for seed := range uint64(4) {
		d := draw(rand.New(rand.NewPCG(seed, 4)), 3)
		sequential, progressive := d.sequential(), d.progressive()
		sequential = sequential[:len(sequential)-2] // see TestToleratedFiles
		for _, file := range [][]byte{sequential, progressive} {
			for n := 0; n < len(file); n += 1 + n/700 { // every byte of the headers, some of the scans
				f, err := Open(bytes.NewReader(file[:n]))
				if err == nil {
					_, err = f.decodeImage(1, 1)
				}
				if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatalf("%d of %d bytes: error %v, want it cut short", n, len(file), err)
				}
			}
		}
	}
}

// DC categories have at most 15 bits; a larger one is damage at every scale.
func TestDCCategoryLimit(t *testing.T) {
	w := draw(rand.New(rand.NewPCG(1, 6)), 1).begin(sof0)
	w.table(0x00, 17)
	f, err := Open(bytes.NewReader(w.file))
	if err == nil {
		_, err = f.decodeImage(1, 1)
	}
	var imgErr *imgerr.Error
	if !errors.As(err, &imgErr) || imgErr.Reason != imgerr.ReasonDamaged {
		t.Errorf("error %v, want reason damaged", err)
	}
}

// addDrawings adds random files as seeds, each with a size at which to decode it.
func addDrawings(f *testing.F, stream uint64) {
	f.Helper()
	for seed := range uint64(12) {
		d := draw(rand.New(rand.NewPCG(seed, stream)), []int{1, 3, 4}[seed%3])
		f.Add(d.sequential(), uint16(1))
		f.Add(d.progressive(), uint16(40))
	}
}

func FuzzDecode(f *testing.F) {
	addDrawings(f, 5)
	f.Fuzz(func(t *testing.T, file []byte, size uint16) { try(t, file, int(size)+1, int(size)+1) })
}
