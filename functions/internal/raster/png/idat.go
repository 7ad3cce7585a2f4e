package png

import (
	"errors"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

// pixels is the payload of all IDAT chunks, one after the other. Other chunks in between and behind are read as they
// come.
type idatReader struct {
	file  *File
	chunk *chunk
	// end is why there is no more: io.EOF behind the IEND chunk, or what is wrong with the file there. It does not matter
	// if nobody misses any pixels: some programs write no end, and some files have garbage instead.
	endErr error
}

// Read reads up to the last IDAT chunk that can be found.
func (p *idatReader) Read(b []byte) (int, error) {
	for p.chunk.left == 0 {
		if err := p.nextIDAT(); err != nil {
			return 0, err
		}
	}
	n, err := p.chunk.Read(b)
	return n, noEOF(err)
}

// next goes on to the next IDAT chunk. Its error is io.EOF if there is an end, for whatever reason that can be forgiven.
func (p *idatReader) nextIDAT() error {
	if p.endErr == nil {
		err := p.chunk.skip()
		if isImageError(err) {
			return err
		}
		if p.endErr = err; err == nil {
			p.endErr = p.findIDAT()
		}
	}
	if p.endErr == io.EOF || p.endErr == io.ErrUnexpectedEOF || isImageError(p.endErr) && p.endErr != errOrientation {
		return io.EOF
	}
	return p.endErr
}

// find finds the next IDAT or IEND chunk.
func (p *idatReader) findIDAT() error {
	for {
		c, err := readChunk(p.file.r)
		if err != nil {
			return noEOF(err)
		}
		switch c.chunkType() {
		case "IDAT":
			p.chunk = c
			return nil
		case "IEND":
			if _, err := c.checkCRC(); err != nil {
				return noEOF(err)
			}
			return io.EOF
		case "eXIf":
			if err = p.file.readMetadata(c); noEOF(err) == io.ErrUnexpectedEOF {
				return errOrientation
			}
		default:
			err = p.file.readMetadata(c)
		}
		if err != nil {
			return noEOF(err)
		}
	}
}

// errOrientation is not forgiven: the picture would be shown lying on its side.
var errOrientation = imgerr.Damaged(Name, "it is cut short in its eXIf chunk")

// finish passes over what is left.
func (p *idatReader) skipRest() error {
	for {
		err := p.nextIDAT()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// cut says of the end of the file that it is not that of the pixels.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func isImageError(err error) bool {
	var refusal *imgerr.Error
	return errors.As(err, &refusal)
}
