package lossless

import (
	"bytes"
	"os"
	"testing"

	"golang.org/x/image/vp8l"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

func chunkOf(name string) []byte {
	b, _ := os.ReadFile(name)
	if i := bytes.Index(b, []byte("VP8L")); i >= 0 {
		return b[i+8:]
	}
	return nil
}

func TestLocalFile(t *testing.T) {
	stream := chunkOf(os.Getenv("WEBP"))
	m, err := vp8l.DecodeConfig(bytes.NewReader(stream))
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := decode(stream, m.Width, m.Height)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range reference(t, stream) {
		if got[i] != want {
			t.Fatalf(" %d,%d is %08x, want %08x", i%m.Width, i/m.Width, got[i], want)
		}
	}
}

func BenchmarkLocal(b *testing.B) {
	stream := chunkOf(os.Getenv("WEBP"))
	m, err := vp8l.DecodeConfig(bytes.NewReader(stream))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("x", func(b *testing.B) {
		for b.Loop() {
			vp8l.Decode(bytes.NewReader(stream))
		}
	})
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			Decode(bytes.NewReader(stream), m.Width, m.Height, func(int, []uint32) error { return nil })
		}
	})
	b.Run("reduced", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r := plane.NewReducer(m.Width, m.Height, 4, 4, 4)
			row := make([]uint8, 4*m.Width)
			Decode(bytes.NewReader(stream), m.Width, m.Height, func(_ int, argb []uint32) error {
				for i, p := range argb {
					q := row[4*i:4*i+4]
					q[0],q[1],q[2],q[3] = uint8(p>>16), uint8(p>>8), uint8(p), uint8(p>>24)
				}
				r.Add(row)
				return nil
			})
		}
	})
}
