package png

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/icc"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// profiled is a file with chunks after its header.
func profiled(t *testing.T, chunks ...[]byte) []byte {
	t.Helper()
	d := drawing{layout: layout{rgb, 8}, width: 7, height: 5}.noisy(rand.New(rand.NewPCG(1, 3)), false)
	return slices.Concat(d.start(), slices.Concat(chunks...), d.file(t)[len(d.start()):])
}

func TestProfiles(t *testing.T) {
	p3, _ := icc.FromCICP(12, 13)
	content := []byte("what the profile says does not matter here")
	stream := pack(t, content)
	chunk := func(payload ...[]byte) []byte { return chunkOf("iCCP", slices.Concat(payload...)) }
	good := chunk([]byte("a name\x00\x00"), stream)
	tests := map[string]struct {
		file []byte
		want []byte
	}{
		"one":                     {profiled(t, good), content},
		"two":                     {profiled(t, good, chunk([]byte("b\x00\x00"), pack(t, []byte("b")))), content},
		"with sRGB":               {profiled(t, chunkOf("sRGB", []byte{0}), good), content},
		"gamma":                   {profiled(t, chunkOf("gAMA", []byte{0, 1, 0x86, 0xa0})), nil},
		"a name of 79 bytes":      {profiled(t, chunk(bytes.Repeat([]byte("n"), 79), []byte{0, 0}, stream)), content},
		"a name of 80 bytes":      {profiled(t, chunk(bytes.Repeat([]byte("n"), 80), []byte{0, 0}, stream)), nil},
		"a name without an end":   {profiled(t, chunk([]byte("name"))), nil},
		"nothing":                 {profiled(t, chunk()), nil},
		"another method":          {profiled(t, chunk([]byte("a\x00\x01"), stream)), nil},
		"no method":               {profiled(t, chunk([]byte("a\x00"))), nil},
		"a stream that is cut":    {profiled(t, chunk([]byte("a\x00\x00"), stream[:len(stream)-5])), nil},
		"a stream that is broken": {profiled(t, chunk([]byte("a\x00\x00garbage instead of a stream"))), nil},
		"bytes after the stream":  {profiled(t, chunk([]byte("a\x00\x00"), stream, make([]byte, 1<<17))), content},
		"a megabyte": {profiled(t, chunk([]byte("a\x00\x00"), pack(t, make([]byte, 1<<20)))),
			make([]byte, 1<<20)},
		"a bomb":                      {profiled(t, chunk([]byte("a\x00\x00"), pack(t, make([]byte, 1<<21)))), nil},
		"Display P3 by its code":      {profiled(t, chunkOf("cICP", []byte{12, 13, 0, 1})), p3},
		"a code and another profile":  {profiled(t, good, chunkOf("cICP", []byte{12, 13, 0, 1})), p3},
		"a code before a profile":     {profiled(t, chunkOf("cICP", []byte{12, 13, 0, 1}), good), p3},
		"the code of sRGB":            {profiled(t, chunkOf("cICP", []byte{1, 13, 0, 1}), good), nil},
		"the code of PQ":              {profiled(t, chunkOf("cICP", []byte{9, 16, 0, 1})), nil},
		"the code of PQ, and another": {profiled(t, chunkOf("cICP", []byte{9, 16, 0, 1}), good), content},
		"a code that is too short":    {profiled(t, chunkOf("cICP", []byte{12, 13})), nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := decode(t, test.file, 7, 5).Profile; !bytes.Equal(got, test.want) {
				t.Errorf("the profile has %d bytes, %.20q, want %d", len(got), got, len(test.want))
			}
		})
	}
}

func TestProfileRoundTrip(t *testing.T) {
	for name, model := range map[string]plane.Model{"gray": plane.Gray, "RGB": plane.RGB} {
		t.Run(name, func(t *testing.T) {
			m := &plane.Image{Width: 9, Height: 4, Model: model, Profile: []byte("a profile")}
			for range model.Channels() {
				m.Planes = append(m.Planes, plane.New(9, 4, 1, 1))
			}
			var file bytes.Buffer
			if err := Encode(&file, m); err != nil {
				t.Fatal(err)
			}
			got := decode(t, file.Bytes(), 9, 4)
			if !bytes.Equal(got.Profile, m.Profile) {
				t.Errorf("the profile is %q, want %q", got.Profile, m.Profile)
			}
			if got.Model != plane.RGB {
				t.Errorf("%s: pixels with a profile of RGB are gray, which the standard forbids", name)
			}
		})
	}
}
