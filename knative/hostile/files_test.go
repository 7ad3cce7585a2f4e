//go:build hostile

package hostile

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"strings"
	"sync"
)

// bombOfGzip is 64 MiB of zeros in 64 KB.
var bombOfGzip = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(make([]byte, 64<<20))
	w.Close()
	return b.Bytes()
})

// deflated returns what inflates to size zeros.
func deflated(size int) []byte {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write(make([]byte, size))
	w.Close()
	return b.Bytes()
}

// chunk is a chunk of a PNG.
func chunk(name string, data []byte) []byte {
	c := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	c = append(append(c, name...), data...)
	return binary.BigEndian.AppendUint32(c, crc32.ChecksumIEEE(c[4:]))
}

// pngHeader is the beginning of a PNG, in gray of 8 bits.
func pngHeader(width, height uint32) []byte {
	header := binary.BigEndian.AppendUint32(nil, width)
	header = append(binary.BigEndian.AppendUint32(header, height), 8, 0, 0, 0, 0)
	return append([]byte("\x89PNG\r\n\x1a\n"), chunk("IHDR", header)...)
}

// pngOfProfiles is a small PNG with 200 colour profiles, each of 8 MiB in 8 KB.
var pngOfProfiles = sync.OnceValue(func() []byte {
	profile := chunk("iCCP", append([]byte("a\x00\x00"), deflated(8<<20)...))
	file := append(pngHeader(8, 8), bytes.Repeat(profile, 200)...)
	file = append(file, chunk("IDAT", deflated(72))...)
	return append(file, chunk("IEND", nil)...)
})

// profileSegment is a segment of a JPEG with a part of a profile that has 255 of them.
var profileSegment = "\xff\xe2\xff\xff" + "ICC_PROFILE\x00\x01\xff" + strings.Repeat("\x00", 0xffff-2-14)

// nestedBoxes is a HEIC whose meta box has boxes in boxes.
func nestedBoxes(depth int) string {
	var b strings.Builder
	b.WriteString("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic")
	for i := range depth {
		_ = binary.Write(&b, binary.BigEndian, uint32(8*(depth-i)))
		b.WriteString("meta")
	}
	return b.String()
}
