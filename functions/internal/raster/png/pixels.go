package png

import (
	"errors"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/refuse"
)

// pixels is the payload of all IDAT chunks, one after the other. Other chunks in between and behind are read as they
// come.
type pixels struct {
	file  *File
	chunk *chunk
	// end is why there is no more: io.EOF behind the IEND chunk, or what is wrong with the file there. It does not matter
	// if nobody misses any pixels: some programs write no end, and some files have garbage instead.
	end error
}

// Read reads up to the last IDAT chunk that can be found.
func (p *pixels) Read(b []byte) (int, error) {
	for p.chunk.left == 0 {
		if err := p.next(); err != nil {
			return 0, err
		}
	}
	n, err := p.chunk.Read(b)
	return n, cut(err)
}

// next goes on to the next IDAT chunk. Its error is io.EOF if there is an end, for whatever reason that can be forgiven.
func (p *pixels) next() error {
	if p.end == nil {
		err := p.chunk.skip()
		if isRefusal(err) {
			return err
		}
		if p.end = err; err == nil {
			p.end = p.find()
		}
	}
	if p.end == io.EOF || p.end == io.ErrUnexpectedEOF || isRefusal(p.end) && p.end != errOrientation {
		return io.EOF
	}
	return p.end
}

// find finds the next IDAT or IEND chunk.
func (p *pixels) find() error {
	for {
		c, err := readChunk(p.file.r)
		if err != nil {
			return cut(err)
		}
		switch c.name() {
		case "IDAT":
			p.chunk = c
			return nil
		case "IEND":
			if _, err := c.end(); err != nil {
				return cut(err)
			}
			return io.EOF
		case "eXIf":
			if err = p.file.readMetadata(c); cut(err) == io.ErrUnexpectedEOF {
				return errOrientation
			}
		default:
			err = p.file.readMetadata(c)
		}
		if err != nil {
			return cut(err)
		}
	}
}

// errOrientation is not forgiven: the picture would be shown lying on its side.
var errOrientation = refuse.AsDamaged(Name, "it is cut short in its eXIf chunk")

// finish passes over what is left.
func (p *pixels) finish() error {
	for {
		err := p.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// cut says of the end of the file that it is not that of the pixels.
func cut(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func isRefusal(err error) bool {
	var refusal *refuse.Refusal
	return errors.As(err, &refusal)
}
