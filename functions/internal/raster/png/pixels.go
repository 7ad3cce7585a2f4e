package png

import "io"

// pixels is the payload of all IDAT chunks, one after the other. Other chunks in between and behind are read as they
// come.
type pixels struct {
	file  *File
	chunk *chunk
	ended bool // the IEND chunk was read
}

func (p *pixels) Read(b []byte) (int, error) {
	for p.chunk.left == 0 {
		if p.ended {
			return 0, io.EOF
		}
		if err := p.next(); err != nil {
			return 0, cut(err)
		}
	}
	n, err := p.chunk.Read(b)
	return n, cut(err)
}

// next goes on to the next IDAT or IEND chunk.
func (p *pixels) next() error {
	if err := p.chunk.skip(); err != nil {
		return err
	}
	for {
		c, err := readChunk(p.file.r)
		if err != nil {
			return err
		}
		switch c.name() {
		case "IDAT":
			p.chunk = c
			return nil
		case "IEND":
			p.chunk = c
			err := c.skip()
			p.ended = err == nil
			return err
		default:
			err = p.file.readMetadata(c)
		}
		if err != nil {
			return err
		}
	}
}

// finish passes over what is left.
func (p *pixels) finish() error {
	for !p.ended {
		if err := p.next(); err != nil {
			return err
		}
	}
	return nil
}

// cut says of the end of the file that it is not that of the pixels.
func cut(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
