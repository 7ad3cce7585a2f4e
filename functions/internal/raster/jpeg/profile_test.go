package jpeg

import (
	"bytes"
	"slices"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/icc"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// noise is a profile of length bytes, whose content does not matter.
func noise(length int) []byte {
	b := make([]byte, length)
	for i := range b {
		b[i] = byte(i * i >> 3)
	}
	return b
}

// profiled is a small file with the segments of a profile, each as long as a segment can be.
func profiled(t *testing.T, model plane.Model, profile []byte) []byte {
	t.Helper()
	var file bytes.Buffer
	if err := Encode(&file, photo(40, 30, 0, model), 0); err != nil {
		t.Fatal(err)
	}
	parts := slices.Collect(slices.Chunk(profile, 1<<16-1-2-len(profileSignature)-2))
	e := new(encoder)
	for i, part := range parts {
		e.writeSegment(app2, slices.Concat([]byte(profileSignature), []byte{byte(i + 1), byte(len(parts))}, part))
	}
	return slices.Insert(file.Bytes(), 2, e.file...)
}

func TestProfileLengths(t *testing.T) {
	for _, model := range []plane.Model{plane.Gray, plane.YCbCr} {
		for _, length := range []int{1, 3000, 65519, 65520, 3*65519 - 7} {
			want := noise(length)
			if got := decode(t, profiled(t, model, want), 20, 15).Profile; !bytes.Equal(got, want) {
				t.Errorf("of a profile of %d bytes, %d are read, or others", length, len(got))
			}
		}
	}
}

func TestProfileChunks(t *testing.T) {
	segment := func(number, count byte, content string) []byte {
		e := new(encoder)
		e.writeSegment(app2, append([]byte(profileSignature), append([]byte{number, count}, content...)...))
		return e.file
	}
	other := &encoder{}
	other.writeSegment(app2, []byte("MPF\x00 of a second picture"))
	tests := []struct {
		name     string
		segments [][]byte
		want     string
	}{
		{"one", [][]byte{segment(1, 1, "one")}, "one"},
		{"several", [][]byte{segment(1, 3, "a"), segment(2, 3, "b"), segment(3, 3, "c")}, "abc"},
		{"another order", [][]byte{segment(3, 3, "c"), other.file, segment(1, 3, "a"), segment(2, 3, "b")}, "abc"},
		{"another segment", [][]byte{other.file}, ""},
		{"a part too few", [][]byte{segment(1, 3, "a"), segment(3, 3, "c")}, ""},
		{"a part twice", [][]byte{segment(1, 2, "a"), segment(1, 2, "x"), segment(2, 2, "b")}, "ab"},
		{"part 0", [][]byte{segment(0, 1, "a")}, ""},
		{"a part beyond the last", [][]byte{segment(2, 1, "a")}, ""},
		{"none of none", [][]byte{segment(0, 0, "a")}, ""},
		{"another count", [][]byte{segment(1, 2, "a"), segment(2, 3, "b")}, ""},
	}
	var file bytes.Buffer
	if err := Encode(&file, photo(16, 16, 0, plane.YCbCr), 0); err != nil {
		t.Fatal(err)
	}
	frame, scan := bytes.Index(file.Bytes(), []byte{0xff, sof0}), bytes.Index(file.Bytes(), []byte{0xff, sos})
	for _, test := range tests {
		for place, at := range map[string]int{"start": 2, "frame": frame, "scan": scan} {
			profiled := slices.Insert(bytes.Clone(file.Bytes()), at, slices.Concat(test.segments...)...)
			if got := string(decode(t, profiled, whole, whole).Profile); got != test.want {
				t.Errorf("%s before the %s: the profile is %q, want %q", test.name, place, got, test.want)
			}
		}
		// The frame header is between the first chunk and the others.
		split := slices.Insert(bytes.Clone(file.Bytes()), scan, slices.Concat(test.segments[1:]...)...)
		split = slices.Insert(split, frame, test.segments[0]...)
		if got := string(decode(t, split, whole, whole).Profile); got != test.want {
			t.Errorf("%s around the frame: the profile is %q, want %q", test.name, got, test.want)
		}
	}
}

func TestOversizedProfiles(t *testing.T) {
	if got := decode(t, profiled(t, plane.YCbCr, noise(icc.MaxSize+1)), whole, whole).Profile; len(got) > 0 {
		t.Errorf("%d bytes of a profile are held", len(got))
	}
}

// A thumbnail has no profile, even if an image is encoded that has one.
func TestEncodeWithoutProfile(t *testing.T) {
	m := photo(16, 16, 0, plane.YCbCr)
	m.Profile = noise(100)
	var file bytes.Buffer
	if err := Encode(&file, m, 0); err != nil {
		t.Fatal(err)
	}
	if got := decode(t, file.Bytes(), whole, whole).Profile; len(got) > 0 {
		t.Errorf("%d bytes of a profile are written", len(got))
	}
}
