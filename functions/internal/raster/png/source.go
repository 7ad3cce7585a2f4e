package png

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"io"
)

// maxKept bounds the compressed pixels that are kept of an image that is not reduced, in bytes.
const maxKept = 256 << 10

// A keptStream keeps what is read of the IDAT chunks, unless it is nil.
type keptStream struct {
	payload []byte
	tooLong bool
}

func (k *keptStream) add(b []byte) {
	if k == nil || k.tooLong {
		return
	}
	if len(k.payload)+len(b) > maxKept {
		k.payload, k.tooLong = nil, true
		return
	}
	k.payload = append(k.payload, b...)
}

// source returns the file without metadata if its pixels were kept, and nothing is hidden behind them.
func (d *decoder) source() []byte {
	k := d.idat.kept
	if k == nil || k.tooLong || len(d.palette) > 3<<d.layout.depth || !d.isExact(k.payload) {
		return nil
	}
	copy(k.payload, "\x78\x9c") // the largest window, because some encoders understate it
	file := appendChunk(newFile(d.layout, d.Width, d.Height), "PLTE", d.palette)
	if d.transparency != nil {
		file = appendChunk(file, "tRNS", d.transparency[:min(len(d.transparency), len(d.palette)/3)])
	}
	return appendChunk(appendChunk(file, "IDAT", k.payload), "IEND", nil)
}

// isExact reports whether a stream has the rows of the image, and neither more rows nor bytes after them.
func (d *decoder) isExact(stream []byte) bool {
	rest := bytes.NewReader(stream) // of which no more is read than needed, because it is an io.ByteReader
	r, err := zlib.NewReader(rest)
	if err != nil {
		return false
	}
	length := int64(1+d.layout.rowBytes(d.Width)) * int64(d.Height)
	n, err := io.Copy(io.Discard, io.LimitReader(r, length+1))
	return err == nil && n == length && rest.Len() == 0
}

// newFile begins a file that is not interlaced.
func newFile(l layout, width, height int) []byte {
	ihdr := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(width)), uint32(height))
	return appendChunk([]byte(signature), "IHDR", append(ihdr, byte(l.depth), byte(l.colorType), 0, 0, 0))
}

func appendChunk(file []byte, name string, payload []byte) []byte {
	file = binary.BigEndian.AppendUint32(file, uint32(len(payload)))
	start := len(file)
	file = append(append(file, name...), payload...)
	return binary.BigEndian.AppendUint32(file, crc32.ChecksumIEEE(file[start:]))
}
