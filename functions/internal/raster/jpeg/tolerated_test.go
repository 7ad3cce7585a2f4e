package jpeg

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// withDefaultTables is a sequential drawing with the tables of annex K, and their position in the file.
func withDefaultTables(d *drawing) (file []byte, from, to int) {
	w := d.begin(sof0)
	from = len(w.file)
	w.dc, w.ac = lumaDCCodes, lumaACCodes
	for _, c := range []*huffmanCodes{w.dc, w.ac} {
		w.segment(dht, slices.Concat([]byte{c.classAndID}, c.counts[:], c.symbols))
	}
	to = len(w.file)
	last := make([]int, len(w.components))
	w.scan(w.all(), 0, 63, 0, 0, func(c, i int) {
		difference := i%100 - last[c]
		last[c] += difference
		w.symbol(w.dc, size(difference))
		w.number(difference, size(difference))
		w.symbol(w.ac, 0)
	}, func() { clear(last) })
	return append(w.file, 0xff, eoi), from, to
}

// A complete image is decoded, whatever else is wrong with its file.
func TestToleratedFiles(t *testing.T) {
	file, from, to := withDefaultTables(draw(rand.New(rand.NewPCG(1, 8)), 3))
	want := decode(t, file, whole, whole)
	start, end := file[:2], file[2:]
	numbered := bytes.Clone(file)
	frame, scan := bytes.Index(file, []byte{0xff, sof0})+10, bytes.Index(file, []byte{0xff, sos})+5
	for i := range 3 {
		numbered[frame+3*i], numbered[scan+2*i] = 1, 1
	}
	tests := map[string][]byte{
		"no end marker":              file[:len(file)-2],
		"half an end marker":         file[:len(file)-1],
		"zeros for an end marker":    append(bytes.Clone(file[:len(file)-2]), make([]byte, 100)...),
		"bytes after the end":        append(bytes.Clone(file), "garbage"...),
		"another file at the end":    append(bytes.Clone(file), file...),
		"bytes before a marker":      slices.Concat(start, []byte("garbage"), end),
		"filling before a marker":    slices.Concat(start, []byte{0xff, 0xff, 0xff}, end),
		"two start markers":          slices.Concat(start, start, end),
		"a comment of length 0":      slices.Concat(start, []byte{0xff, 0xfe, 0, 0}, end),
		"a short segment of Adobe's": slices.Concat(start, []byte{0xff, app14, 0, 7}, []byte("Adobe"), end),
		"no Huffman tables":          slices.Concat(file[:from], file[to:]),
		"components of one number":   numbered,
	}
	for name, file := range tests {
		t.Run(name, func(t *testing.T) { same(t, decode(t, file, whole, whole), want) })
	}
}

// EXIF may also come between the frame header and the pixels.
func TestOrientationAfterFrameHeader(t *testing.T) {
	file, from, _ := withDefaultTables(draw(rand.New(rand.NewPCG(2, 8)), 1))
	tiff := []byte("MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00")
	w := &writer{}
	w.segment(app1, append([]byte(exifSignature), tiff...))
	for _, at := range []int{2, from} {
		f, err := Open(bytes.NewReader(slices.Concat(file[:at], w.file, file[at:])))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.decodeImage(1, 1); err != nil || f.Orientation != 6 {
			t.Errorf("EXIF at byte %d: orientation %d, error %v; want 6", at, f.Orientation, err)
		}
	}
}

// The model of four components depends on the transform in the Adobe segment.
func TestColorModelOfFourComponents(t *testing.T) {
	file, _, _ := withDefaultTables(draw(rand.New(rand.NewPCG(3, 8)), 4))
	for transform, want := range map[byte]plane.Model{0: plane.CMYK, 1: plane.YCCK, 2: plane.YCCK} {
		t.Run(fmt.Sprintf("transform %d", transform), func(t *testing.T) {
			w := &writer{}
			w.segment(app14, append([]byte("Adobe\x00\x64\x00\x00\x00\x00"), transform))
			if got := decode(t, slices.Concat(file[:2], w.file, file[2:]), whole, whole).Model; got != want {
				t.Errorf("transform %d: model %d, want %d", transform, got, want)
			}
		})
	}
	if got := decode(t, file, whole, whole).Model; got != plane.CMYK {
		t.Errorf("no segment of Adobe's: model %d, want CMYK", got)
	}
}
