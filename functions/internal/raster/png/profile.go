package png

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/icc"
)

// readColours reads a cICP chunk (section 11.3.2.6 of the standard), which comes before other profiles if it is of
// colours that are known. Those of gAMA and cHRM are not read: they are what Photoshop and others once wrote into files
// that are sRGB, and thumbnails of Pillow and libvips pass over them, too.
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

// readProfile unpacks an iCCP chunk (section 11.3.2.3): a name, a method and a stream. One that is broken, or too
// large, is passed over.
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
	return c.skip() // finds out, too, whether it was the file that ended
}

// passName reads what is in front of the stream, and tells whether it is as it should be.
func skipProfileName(c *chunk) bool {
	const maxName = 79
	var b [1]uint8
	for range maxName + 1 {
		if _, err := io.ReadFull(c, b[:]); err != nil {
			return false
		}
		if b[0] == 0 {
			_, err := io.ReadFull(c, b[:])
			return err == nil && b[0] == 0 // the one method that there is
		}
	}
	return false
}

// appendProfile appends an iCCP chunk.
func appendProfile(file, profile []byte) []byte {
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	_, _ = w.Write(profile) // into memory, which does not fail
	w.Close()
	start := len(file)
	file = binary.BigEndian.AppendUint32(file, uint32(len("ICC")+2+packed.Len()))
	file = append(append(file, "iCCPICC\x00\x00"...), packed.Bytes()...)
	return binary.BigEndian.AppendUint32(file, crc32.ChecksumIEEE(file[start+4:]))
}
