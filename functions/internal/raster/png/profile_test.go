package png

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/icc"
)

// profiled is a file with chunks after its header.
func profiled(t *testing.T, chunks ...[]byte) []byte {
	t.Helper()
	d := drawing{layout: layout{rgb, 8}, width: 7, height: 5}.noisy(rand.New(rand.NewPCG(1, 3)), false)
	return slices.Concat(d.start(), slices.Concat(chunks...), d.file(t)[len(d.start()):])
}

func TestProfiles(t *testing.T) {
	p3, _ := icc.FromCICP(12, 13)
	pq, _ := icc.FromCICP(9, 16)
	narrow, _ := icc.FromCICPChunk([4]byte{1, 13, 0, 0})
	badCRC := func(chunk []byte) []byte {
		b := bytes.Clone(chunk)
		b[len(b)-1] ^= 1
		return b
	}
	code := chunkOf("cICP", []byte{12, 13, 0, 1})
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
		"Display P3 by its code":      {profiled(t, code), p3},
		"a code and another profile":  {profiled(t, good, code), p3},
		"a code before a profile":     {profiled(t, code, good), p3},
		"the code of sRGB":            {profiled(t, chunkOf("cICP", []byte{1, 13, 0, 1}), good), nil},
		"the code of PQ":              {profiled(t, chunkOf("cICP", []byte{9, 16, 0, 1})), pq},
		"the code of PQ, and another": {profiled(t, chunkOf("cICP", []byte{9, 16, 0, 1}), good), pq},
		"an unknown code":             {profiled(t, chunkOf("cICP", []byte{2, 2, 0, 1}), good), content},
		"a code of YCbCr":             {profiled(t, chunkOf("cICP", []byte{9, 16, 9, 1}), good), content},
		"a code of narrow range":      {profiled(t, chunkOf("cICP", []byte{1, 13, 0, 0}), good), narrow},
		"a code with a wrong CRC":     {profiled(t, badCRC(code), good), content},
		"a wrong CRC":                 {profiled(t, badCRC(good)), nil},
		"a wrong CRC, and a code":     {profiled(t, badCRC(good), code), p3},
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

// However many profiles a file has, and however small they are compressed, a bounded number of bytes is unpacked, and
// what follows is skipped.
func TestProfilesAreBounded(t *testing.T) {
	bomb := chunkOf("iCCP", slices.Concat([]byte("a\x00\x00"), pack(t, make([]byte, 1<<20))))
	bomb[len(bomb)-1] ^= 1 // the checksum, so that the next one counts
	good := chunkOf("iCCP", slices.Concat([]byte("a\x00\x00"), pack(t, []byte("a profile"))))
	for name, test := range map[string]struct {
		count   int
		profile string
	}{
		"one before a profile":    {1, "a profile"},
		"a thousand before it":    {1000, ""},
		"as many as are unpacked": {codec.MaxMetadata >> 20, ""},
	} {
		t.Run(name, func(t *testing.T) {
			file := profiled(t, append(slices.Repeat([][]byte{bomb}, test.count), good)...)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			f, err := Open(bytes.NewReader(file))
			runtime.ReadMemStats(&after)
			if err != nil || string(f.profile) != test.profile {
				t.Errorf("got the profile %q, %v; want %q", f.profile, err, test.profile)
			}
			const perByte = 8 // io.ReadAll allocates several times what it returns
			if got := after.TotalAlloc - before.TotalAlloc; got > perByte*codec.MaxMetadata {
				t.Errorf("it took %d bytes, want %d for each that may be unpacked, at most", got, perByte)
			}
		})
	}
}
