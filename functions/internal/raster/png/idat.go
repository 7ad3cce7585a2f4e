package png

import (
	"errors"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

// An idatReader reads the payload of all IDAT chunks, one after the other. It reads the other chunks between and after
// them as they come.
type idatReader struct {
	file  *File
	chunk *chunk
	kept  *keptStream // or nil
	// endErr is why there is no more: io.EOF after the IEND chunk, or what is wrong with the file there. It does not
	// matter if no pixels are missing: some programs write no IEND, and some files have garbage instead.
	endErr error
}

// Read implements io.Reader, up to the last IDAT chunk that can be found.
func (p *idatReader) Read(b []byte) (int, error) {
	for p.chunk.left == 0 {
		if err := p.nextIDAT(); err != nil {
			return 0, err
		}
	}
	n, err := p.chunk.Read(b)
	p.kept.add(b[:n])
	return n, noEOF(err)
}

// nextIDAT goes on to the next IDAT chunk. The error is io.EOF if there is none, for any reason that is tolerated.
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
	if isTolerated(p.endErr) {
		return io.EOF
	}
	return p.endErr
}

// findIDAT finds the next IDAT or IEND chunk.
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
			isNeeded := !p.file.hasExif
			if err = p.file.readMetadata(c); isNeeded && errors.Is(noEOF(err), io.ErrUnexpectedEOF) {
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

// errOrientation is not tolerated: the image would be shown lying on its side.
var errOrientation = imgerr.Damaged(Name, "it is cut short in its eXIf chunk")

// skipRest reads the rest of the file.
func (p *idatReader) skipRest() error {
	for {
		err := p.nextIDAT()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// noEOF turns io.EOF, where more has to follow, into io.ErrUnexpectedEOF.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// isTolerated reports whether an end of the file does not matter as long as no pixels are missing.
func isTolerated(endErr error) bool {
	return errors.Is(endErr, io.EOF) || errors.Is(endErr, io.ErrUnexpectedEOF) ||
		isImageError(endErr) && !errors.Is(endErr, errOrientation)
}

func isImageError(err error) bool {
	var refusal *imgerr.Error
	return errors.As(err, &refusal)
}
