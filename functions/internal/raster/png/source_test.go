package png

import (
	"bytes"
	"image/png"
	"slices"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// indexedFile is an image of 4x2 pixels of two colours, with more chunks, and with bytes at the end of its pixels.
func indexedFile(t *testing.T, rows []byte, behind []byte, more ...[]byte) []byte {
	t.Helper()
	return slices.Concat([]byte(signature),
		chunkOf("IHDR", []byte{0, 0, 0, 4, 0, 0, 0, 2, 1, 3, 0, 0, 0}), slices.Concat(more...),
		chunkOf("PLTE", []byte{200, 0, 0, 0, 0, 90}), chunkOf("tRNS", []byte{255, 0, 7}),
		chunkOf("IDAT", slices.Concat(pack(t, rows), behind)), chunkOf("IEND", nil))
}

// Nothing but the pixels of a file is kept, whatever else it has.
func TestSource(t *testing.T) {
	rows := []byte{0, 0b0101_0000, 0, 0b1001_0000}
	plain := indexedFile(t, rows, nil)
	tests := []struct {
		name string
		file []byte
		kept bool
	}{
		{"plain", plain, true},
		{"with metadata", indexedFile(t, rows, nil, chunkOf("tEXt", []byte("Comment\x00a secret"))), true},
		{"with a row more", indexedFile(t, append(slices.Clone(rows), 0, 0xaa), nil), false},
		{"with bytes behind the pixels", indexedFile(t, rows, []byte("a secret")), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := decode(t, test.file, 4, 2)
			if got := m.Source != nil; got != test.kept {
				t.Fatalf("it is kept: %v, want %v", got, test.kept)
			}
			if !test.kept {
				return
			}
			if bytes.Contains(m.Source, []byte("secret")) {
				t.Error("metadata is kept")
			}
			got, err := png.Decode(bytes.NewReader(m.Source))
			if err != nil {
				t.Fatal(err)
			}
			if r, _, _, a := got.At(0, 0).RGBA(); r>>8 != 200 || a>>8 != 255 {
				t.Errorf("the first pixel is %v, want red", got.At(0, 0))
			}
			if _, _, _, a := got.At(1, 0).RGBA(); a != 0 {
				t.Errorf("the second pixel is %v, want it transparent", got.At(1, 0))
			}
		})
	}
}

// Only a copy that shows the image as it is stored may be the file itself.
func TestSourceOfViews(t *testing.T) {
	m := decode(t, indexedFile(t, []byte{0, 0b0101_0000, 0, 0b1001_0000}, nil), 4, 2)
	whole := plane.View{Width: 4, Height: 2, Across: 4, Down: 2, Orientation: 1}
	if m.Resample(whole).Source == nil {
		t.Error("a copy of the whole image has no source")
	}
	turned, smaller := whole, whole
	turned.Orientation = 3
	smaller.Width, smaller.Height = 2, 1
	for _, v := range []plane.View{turned, smaller} {
		if m.Resample(v).Source != nil {
			t.Errorf("a copy by %+v has a source", v)
		}
	}
	if m.Resample(whole).ConvertColors(func([]uint8) {}).Source != nil {
		t.Error("a copy in other colours has a source")
	}
}
