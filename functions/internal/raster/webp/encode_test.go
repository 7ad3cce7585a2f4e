package webp

import (
	"bytes"
	"image"
	"sync"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane/planetest"
	"golang.org/x/image/webp"
)

// Another decoder must read the alpha that the encoder writes.
func TestEncodeAlpha(t *testing.T) {
	for _, size := range []image.Point{{1, 1}, {2, 3}, {17, 9}, {200, 150}} {
		m := image.NewNRGBA(image.Rectangle{Max: size})
		for i := range m.Pix {
			m.Pix[i] = uint8(i * 7)
		}
		m.Pix[3] = 0
		var file bytes.Buffer
		if err := Encode(&file, planetest.Of(m, size.X, size.Y), 0); err != nil {
			t.Fatal(err)
		}
		decoded, err := webp.Decode(bytes.NewReader(file.Bytes()))
		if err != nil {
			t.Errorf("decode %v: %v", size, err)
			continue
		}
		got, ok := decoded.(*image.NYCbCrA)
		if !ok || got.Bounds() != m.Bounds() {
			t.Errorf("got a %T of %v, want alpha and %v", decoded, decoded.Bounds(), m.Bounds())
			continue
		}
		for y := range size.Y {
			for x := range size.X {
				if got, want := got.A[got.AOffset(x, y)], m.NRGBAAt(x, y).A; got != want {
					t.Fatalf("alpha at %d,%d of %v is %d, want %d", x, y, size, got, want)
				}
			}
		}
	}
}

// Concurrent encoders in a process that has encoded nothing before (-run EncodeConcurrently -race) write what one alone
// writes.
func TestEncodeConcurrently(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 40, 30))
	for i := range m.Pix {
		m.Pix[i] = uint8(i*i) | 0x80
	}
	var files [8]bytes.Buffer
	var wait sync.WaitGroup
	for i := range files {
		wait.Go(func() {
			if err := Encode(&files[i], planetest.Of(m, 40, 30), 0); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	for i := range files {
		if !bytes.Equal(files[i].Bytes(), files[0].Bytes()) {
			t.Errorf("file %d is another than the first", i)
		}
	}
}
