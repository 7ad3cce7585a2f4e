package png

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

const (
	chunkHeaderLength = 8
	crcLength         = 4
	maxLength         = 1<<31 - 1 // of a chunk in bytes, and of a side in pixels
)

// A chunk is one whose length and type have been read. It is the reader of its payload.
type chunk struct {
	r      io.Reader
	header [chunkHeaderLength]byte
	left   uint32 // bytes of the payload that were not read
	crc    uint32 // of the type and the bytes read
}

func readChunk(r io.Reader) (*chunk, error) {
	c := &chunk{r: r}
	if _, err := io.ReadFull(r, c.header[:]); err != nil {
		return nil, err
	}
	if c.length() > maxLength {
		return nil, imgerr.Damaged(Name, "a chunk of %d bytes is longer than the format allows", c.length())
	}
	c.left, c.crc = c.length(), crc32.ChecksumIEEE(c.header[4:])
	return c, nil
}

func (c *chunk) length() uint32 { return binary.BigEndian.Uint32(c.header[:]) }

func (c *chunk) chunkType() string { return string(c.header[4:]) }

// isNamed reports whether the type consists of letters, as the standard demands.
func (c *chunk) isNamed() bool {
	for _, letter := range c.header[4:] {
		if letter|0x20 < 'a' || letter|0x20 > 'z' {
			return false
		}
	}
	return true
}

// Read implements io.Reader. The error is io.ErrUnexpectedEOF if the file ends within the payload.
func (c *chunk) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	n, err := c.r.Read(p[:min(len(p), int(c.left))])
	c.left -= uint32(n)
	c.crc = crc32.Update(c.crc, crc32.IEEETable, p[:n])
	if err == io.EOF && c.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// checkCRC skips the rest of the payload, and reports whether the CRC is right.
func (c *chunk) checkCRC() (isRight bool, err error) {
	if c.left > 0 {
		if _, err := io.Copy(io.Discard, c); err != nil {
			return false, err
		}
	}
	var stored [crcLength]byte
	_, err = io.ReadFull(c.r, stored[:])
	return binary.BigEndian.Uint32(stored[:]) == c.crc, err
}

// skip skips a chunk that is not used. The CRC of an ancillary chunk does not matter, as in libpng. But without a right
// CRC, a type that is not of letters is not that of a chunk.
func (c *chunk) skip() error {
	const ancillary = 0x20 // in the first letter
	isRight, err := c.checkCRC()
	isEnd := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	switch {
	case !c.isNamed() && (isEnd || err == nil && !isRight):
		return imgerr.Damaged(Name, "a chunk has type %q, expected four letters", c.chunkType())
	case err == nil && !isRight && c.header[4]&ancillary == 0:
		return c.crcError()
	default:
		return err
	}
}

// readRight fills b with the start of the payload, and reports whether the CRC is right.
func (c *chunk) readRight(b []byte) (isRight bool, err error) {
	if _, err := io.ReadFull(c, b); err != nil {
		return false, err
	}
	return c.checkCRC()
}

// readAll reads the payload, whose CRC has to be right.
func (c *chunk) readAll() ([]byte, error) {
	payload := make([]byte, c.left)
	if _, err := io.ReadFull(c, payload); err != nil {
		return nil, err
	}
	isRight, err := c.checkCRC()
	if err == nil && !isRight {
		err = c.crcError()
	}
	return payload, err
}

func (c *chunk) crcError() error {
	return imgerr.Damaged(Name, "the checksum of its %s chunk is wrong", c.chunkType())
}
