package jpeg

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// decodeTolerant decodes a whole image that may be broken at its end.
func decodeTolerant(file []byte, tolerant bool) (m *plane.Image, err error) {
	f, err := Open(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	show := func(frame plane.Frame) error {
		m = frame.Image
		return nil
	}
	_, err = f.Decode(codec.Options{Width: f.Width, Height: f.Height, Frames: 1, Tolerant: tolerant, Show: show})
	return m, err
}

// encoded is a photograph whose pixels are from start to end of the file.
func encoded(t *testing.T, model plane.Model) (file []byte, start, end int) {
	t.Helper()
	var b bytes.Buffer
	if err := Encode(&b, photo(320, 240, 0, model), 90); err != nil {
		t.Fatal(err)
	}
	header := 8 // of a scan with one component
	if model != plane.Gray {
		header = 12
	}
	return b.Bytes(), bytes.Index(b.Bytes(), []byte{0xff, sos}) + 2 + header, b.Len() - 2
}

// breakAt inserts an invalid code.
func breakAt(file []byte, at int) []byte {
	// 16 ones are no code, whatever the bits before them are.
	return slices.Concat(file[:at], []byte{0xff, 0x00, 0xff, 0x00, 0xff, 0x00}, file[at:])
}

func TestBrokenEnd(t *testing.T) {
	for name, model := range map[string]plane.Model{"gray": plane.Gray, "colours": plane.YCbCr} {
		file, start, end := encoded(t, model)
		want, err := decodeTolerant(file, false)
		if err != nil {
			t.Fatal(err)
		}
		at := func(percent int) int { return start + (end-start)*percent/100 }
		clean := func(at int) int { // not within a stuffed byte
			for file[at-1] == 0xff {
				at++
			}
			return at
		}
		tests := []struct {
			name  string
			file  []byte
			shown bool
		}{
			{"a bad code near the end", breakAt(file, clean(at(97))), true},
			{"cut near the end", file[:clean(at(97))], true},
			{"an end marker too early", slices.Concat(file[:clean(at(97))], []byte{0xff, eoi}), true},
			{"a bad code in the middle", breakAt(file, clean(at(50))), false},
			{"cut in the middle", file[:clean(at(50))], false},
		}
		for _, test := range tests {
			t.Run(name+", "+test.name, func(t *testing.T) {
				if _, err := decodeTolerant(test.file, false); !isDamage(err) {
					t.Errorf("without tolerance: got %v, want damage", err)
				}
				got, err := decodeTolerant(test.file, true)
				if !test.shown {
					if !isDamage(err) {
						t.Errorf("got %v, want damage", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				for i, p := range got.Planes {
					intact := p.Pix[:len(p.Pix)*8/10]
					if !bytes.Equal(intact, want.Planes[i].Pix[:len(intact)]) {
						t.Errorf("plane %d differs before the place where the file is broken", i)
					}
					if last := p.Row(p.Height - 1); last[p.Width-1] != 0x80 {
						t.Errorf("plane %d ends with %d, want gray", i, last[p.Width-1])
					}
				}
			})
		}
	}
}

// isDamage reports whether an error means that the file is broken or cut short.
func isDamage(err error) bool {
	var broken *imgerr.Error
	return errors.As(err, &broken) && broken.Reason == imgerr.ReasonDamaged || errors.Is(err, io.ErrUnexpectedEOF)
}

// A progressive file that is broken at the end of a scan lacks some detail there.
func TestBrokenEndOfProgressiveScan(t *testing.T) {
	file := draw(rand.New(rand.NewPCG(4, 8)), 3).progressive()
	if _, err := decodeTolerant(file, true); err != nil {
		t.Fatal(err)
	}
	shown := 0
	for at := len(file) / 2; at < len(file)-2; at += 1 + len(file)/100 {
		broken := breakAt(file, at)
		_, strict := decodeTolerant(broken, false)
		_, tolerant := decodeTolerant(broken, true)
		if strict == nil && tolerant != nil {
			t.Fatalf("broken at byte %d: it is shown only without tolerance: %v", at, tolerant)
		}
		if strict != nil && tolerant == nil {
			shown++
		}
	}
	if shown == 0 {
		t.Error("no file is shown because of the tolerance")
	}
}

// The errors of a reader are never taken for the end of a file.
func TestBrokenEndOfReader(t *testing.T) {
	file, start, end := encoded(t, plane.YCbCr)
	want := errors.New("the connection is gone")
	r := io.MultiReader(bytes.NewReader(file[:start+(end-start)*97/100]), &failingReader{want})
	f, err := Open(r)
	if err != nil {
		t.Fatal(err)
	}
	show := func(plane.Frame) error { return nil }
	o := codec.Options{Width: f.Width, Height: f.Height, Frames: 1, Tolerant: true, Show: show}
	if _, err := f.Decode(o); !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

type failingReader struct{ err error }

func (r *failingReader) Read([]byte) (int, error) { return 0, r.err }

// No bytes make a tolerant decoder fail otherwise than with an error.
func TestTolerantMutatedFiles(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 9))
	for seed := range uint64(12) {
		d := draw(rand.New(rand.NewPCG(seed, 3)), 1+2*int(seed%2))
		for _, file := range [][]byte{d.sequential(), d.progressive()} {
			for range 40 {
				mutant := bytes.Clone(file)
				for range 1 + random.IntN(3) {
					mutant[len(mutant)/4+random.IntN(len(mutant)-len(mutant)/4)] = byte(random.Uint32())
				}
				_, strict := decodeTolerant(mutant, false)
				if _, err := decodeTolerant(mutant, true); err != nil && strict == nil {
					t.Fatalf("seed %d: it is shown only without tolerance: %v", seed, err)
				}
			}
		}
	}
}
