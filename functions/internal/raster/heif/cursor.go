package heif

import (
	"bytes"
	"encoding/binary"
)

// A cursor reads the big-endian fields of a box. After the end of the box every field reads as zero, and err is set.
type cursor struct {
	box string
	b   []byte
	err error
}

// take returns the next n bytes, or nil if the box has fewer.
func (c *cursor) take(n int) []byte {
	if n > len(c.b) {
		if c.err == nil {
			c.err = damaged("its %s box ends in the middle of a field", c.box)
		}
		c.b = nil
		return nil
	}
	taken := c.b[:n:n]
	c.b = c.b[n:]
	return taken
}

// number reads an unsigned integer of 0 to 8 bytes.
func (c *cursor) number(size int) uint64 {
	var b [8]byte
	copy(b[len(b)-size:], c.take(size))
	return binary.BigEndian.Uint64(b[:])
}

func (c *cursor) uint8() int { return int(c.number(1)) }

func (c *cursor) uint16() int { return int(c.number(2)) }

func (c *cursor) uint32() uint32 { return uint32(c.number(4)) }

// signed reads a signed integer of 2 or 4 bytes.
func (c *cursor) signed(size int) int {
	v := c.number(size)
	if size == 2 {
		return int(int16(v))
	}
	return int(int32(v))
}

// id reads an item ID of 16 or, if wide, 32 bits.
func (c *cursor) id(wide bool) uint32 {
	if wide {
		return c.uint32()
	}
	return uint32(c.uint16())
}

// fourcc reads a four-character code.
func (c *cursor) fourcc() string { return string(c.take(4)) }

// text reads a string that ends with a zero byte or with the box.
func (c *cursor) text() string {
	text, rest, _ := bytes.Cut(c.b, []byte{0})
	c.b = rest
	return string(text)
}

// full reads the version and flags of a full box.
func (c *cursor) full() (version int, flags uint32) {
	v := c.uint32()
	return int(v >> 24), v & 0xffffff
}

// boxes calls each for every box in the rest of c, and stops at the first error.
func (c *cursor) boxes(each func(kind string, body *cursor) error) error {
	for len(c.b) > 0 && c.err == nil {
		size, headerSize := uint64(c.uint32()), uint64(8)
		kind := c.fourcc()
		switch size {
		case 0: // to the end of the enclosing box
			size = headerSize + uint64(len(c.b))
		case 1:
			size, headerSize = c.number(8), 16
		}
		if c.err != nil {
			break
		}
		if size < headerSize || size-headerSize > uint64(len(c.b)) {
			return damaged("its %s box has a %q box of %d bytes, which does not fit", c.box, kind, size)
		}
		body := &cursor{box: kind, b: c.take(int(size - headerSize))}
		err := each(kind, body)
		if body.err != nil { // the error of each may follow from fields that are missing
			return body.err
		}
		if err != nil {
			return err
		}
	}
	return c.err
}
