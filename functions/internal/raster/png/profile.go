package png

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/icc"
)

// readCICP reads a cICP chunk (section 11.3.2.6 of the standard), which takes precedence over other profiles if its
// colours are known. gAMA and cHRM are not read: Photoshop and others once wrote them into files that are sRGB, and
// Pillow and libvips ignore them in thumbnails, too.
func (f *File) readCICP(c *chunk) error {
	if c.length() != 4 {
		return c.skip()
	}
	b, err := c.readAll()
	if err != nil {
		return err
	}
	if profile, ok := icc.FromCICP(b[0], b[1]); ok {
		f.profile, f.hasCICP = profile, true
	}
	return nil
}

// readICCP decompresses an iCCP chunk (section 11.3.2.3): a name, a method and a stream. A profile that is broken or
// too large is ignored.
func (f *File) readICCP(c *chunk) error {
	if f.hasCICP || f.profile != nil || !skipProfileName(c) {
		return c.skip()
	}
	b := decodeBuffers.Get().(*decodeBuffer)
	defer b.release()
	b.inflate.Reset(c)
	profile, err := io.ReadAll(io.LimitReader(&b.inflate, icc.MaxSize+1))
	if err == nil && len(profile) <= icc.MaxSize {
		f.profile = profile
	}
	return c.skip() // which also detects that the file ends
}

// skipProfileName reads what precedes the stream, and reports whether it is valid.
func skipProfileName(c *chunk) bool {
	const maxName = 79
	var b [1]uint8
	for range maxName + 1 {
		if _, err := io.ReadFull(c, b[:]); err != nil {
			return false
		}
		if b[0] == 0 {
			_, err := io.ReadFull(c, b[:])
			return err == nil && b[0] == 0 // the only compression method
		}
	}
	return false
}

// appendProfile appends an iCCP chunk.
func appendProfile(file, profile []byte) []byte {
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	_, _ = w.Write(profile) // a bytes.Buffer does not fail
	w.Close()
	start := len(file)
	file = binary.BigEndian.AppendUint32(file, uint32(len("ICC")+2+packed.Len()))
	file = append(append(file, "iCCPICC\x00\x00"...), packed.Bytes()...)
	return binary.BigEndian.AppendUint32(file, crc32.ChecksumIEEE(file[start+4:]))
}
