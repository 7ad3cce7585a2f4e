package webp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

// A chunkReader reads the chunks of a RIFF list one after the other: those of the file, or those of a frame.
type chunkReader struct {
	r    io.Reader
	left int64 // bytes of the list after the current chunk
	body *io.LimitedReader
	pad  int64
}

// A chunk is one whose name and length have been read. Its body is valid until the next call of next.
type chunk struct {
	name   string
	length int64
	body   io.Reader
}

// next goes on to the next chunk. It skips the rest of the last one. The error is io.EOF at the end of the list, and
// io.ErrUnexpectedEOF if the file ends before it.
func (c *chunkReader) next() (chunk, error) {
	if err := c.finish(); err != nil {
		return chunk{}, err
	}
	var header [8]byte
	if c.left < int64(len(header)) {
		return chunk{}, io.EOF
	}
	if _, err := io.ReadFull(c.r, header[:]); err != nil {
		return chunk{}, noEOF(err)
	}
	length := int64(binary.LittleEndian.Uint32(header[4:]))
	c.left -= int64(len(header)) + length
	if c.left < 0 {
		return chunk{}, imgerr.Damaged(Name, "a chunk of %d bytes is larger than its container", length)
	}
	c.pad = min(length&1, c.left) // some writers forget the last padding byte
	c.left -= c.pad
	c.body = &io.LimitedReader{R: c.r, N: length}
	return chunk{name: string(header[:4]), length: length, body: c.body}, nil
}

// finish skips the rest of the current chunk.
func (c *chunkReader) finish() error {
	if c.body == nil {
		return nil
	}
	_, err := io.CopyN(io.Discard, c.r, c.body.N+c.pad)
	c.body, c.pad = nil, 0
	return noEOF(err)
}

// read reads a chunk into memory, which grows only as data arrives.
func (c *chunk) read() ([]byte, error) {
	var payload bytes.Buffer
	_, err := io.CopyN(&payload, c.body, c.length)
	return payload.Bytes(), noEOF(err)
}

// noEOF turns io.EOF, where more has to follow, into io.ErrUnexpectedEOF.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// peekSize returns the size in the header of a bitstream, and leaves the chunk as if it had not been read.
func (c *chunk) peekSize() (width, height int, err error) {
	start := make([]byte, 10)
	if c.name == "VP8L" {
		start = start[:5]
	}
	if c.length < int64(len(start)) {
		return 0, 0, imgerr.Damaged(Name, "its %s chunk has %d bytes, too few for a header", c.name, c.length)
	}
	if _, err := io.ReadFull(c.body, start); err != nil {
		return 0, 0, err
	}
	c.body = io.MultiReader(bytes.NewReader(start), c.body)
	if c.name == "VP8L" {
		return losslessSize(start)
	}
	return lossySize(start)
}

// lossySize reads a frame header (RFC 6386, section 9.1).
func lossySize(b []byte) (width, height int, err error) {
	if isKey := b[0]&1 == 0; !isKey || string(b[3:6]) != "\x9d\x01\x2a" {
		return 0, 0, imgerr.Damaged(Name, "its VP8 chunk does not start with a key frame")
	}
	width, height = int(binary.LittleEndian.Uint16(b[6:])&0x3fff), int(binary.LittleEndian.Uint16(b[8:])&0x3fff)
	if width == 0 || height == 0 {
		return 0, 0, imgerr.Damaged(Name, "its size is %dx%d pixels", width, height)
	}
	return width, height, nil
}

// losslessSize reads a header (RFC 9649, section 3.4).
func losslessSize(b []byte) (width, height int, err error) {
	if b[0] != 0x2f {
		return 0, 0, imgerr.Damaged(Name, "its VP8L chunk does not start with its signature")
	}
	bits := binary.LittleEndian.Uint32(b[1:])
	return int(bits&0x3fff) + 1, int(bits>>14&0x3fff) + 1, nil
}

func appendChunk(b []byte, name string, payload []byte) []byte {
	b = binary.LittleEndian.AppendUint32(append(b, name...), uint32(len(payload)))
	return append(append(b, payload...), make([]byte, len(payload)&1)...)
}
