package png

import (
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
	var b [4]byte
	isRight, err := c.readRight(b[:])
	if err != nil || !isRight {
		return err
	}
	if profile, ok := icc.FromCICPChunk(b); ok {
		f.profile, f.hasCICP = profile, true
	}
	return nil
}

// readICCP decompresses an iCCP chunk (section 11.3.2.3): a name, a method and a stream. A profile that is broken or
// too large is ignored. So are those that come when enough has been unpacked: a kilobyte may unpack to a megabyte, and
// one that turns out to be broken has cost as much as another.
func (f *File) readICCP(c *chunk) error {
	limit := min(icc.MaxSize+1, f.metadata.Left())
	if f.hasCICP || f.profile != nil || limit == 0 || !skipProfileName(c) {
		return c.skip()
	}
	b := decodeBuffers.Get().(*decodeBuffer)
	defer b.release()
	b.inflate.Reset(c)
	profile, inflateErr := io.ReadAll(io.LimitReader(&b.inflate, limit))
	f.metadata.Take(int64(len(profile)))
	isRight, err := c.checkCRC() // which also detects that the file ends
	if err == nil && isRight && inflateErr == nil && int64(len(profile)) < limit {
		f.profile = profile
	}
	return err
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
