package gif

import (
	"encoding/binary"
	"errors"
	"image"
	"io"
	"strings"
	"time"
)

// Block types of a GIF, and the labels of the extensions that are read.
const (
	extensionIntroducer = 0x21
	imageSeparator      = 0x2c
	trailer             = 0x3b

	graphicControlLabel = 0xf9
	applicationLabel    = 0xff
)

// Packed fields of a descriptor.
const (
	colorTableFlag     = 0x80
	interlaceFlag      = 0x40
	colorTableSizeMask = 0x07
)

// A frame is everything in a file about a frame before its pixels.
type frame struct {
	graphicControl
	bounds     image.Rectangle // on the logical screen, which it may exceed
	interlaced bool
	colorTable []byte // the local colour table, or nil
	codeSize   int    // LZW minimum code size, in bits
}

// A graphicControl is the content of a graphic control extension, which applies to the next frame.
type graphicControl struct {
	transparent int // index, or noTransparency
	disposal    byte
	delay       time.Duration
}

const noTransparency = -1

// Disposal methods. All others leave the frame in place.
const (
	disposeBackground    = 2
	disposePrevious      = 3
	disposePreviousAlias = 4 // written by old software and understood by browsers
)

// nextFrame reads the file up to the pixels of its next frame, which is nil after the last one. Bytes that start no
// block are skipped. io.EOF means that the file ends between two blocks, so that only the trailer is missing.
func (f *File) nextFrame() (*frame, error) {
	b, c, announced := &f.blocks, graphicControl{transparent: noTransparency}, false
	for {
		block, err := b.read(1)
		if errors.Is(err, io.EOF) && announced {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
		switch block[0] {
		case trailer:
			return nil, nil
		case imageSeparator:
			return b.readFrame(c)
		case extensionIntroducer:
			announced, err = f.readExtension(&c)
		}
		if err != nil {
			return nil, noEOF(err)
		}
	}
}

// readExtension reports whether a frame has to follow.
func (f *File) readExtension(c *graphicControl) (announces bool, err error) {
	b := &f.blocks
	label, err := b.read(1)
	if err != nil {
		return false, err
	}
	kind := label[0]
	data, err := b.readSubBlock()
	switch {
	case err != nil:
		return false, err
	case kind == graphicControlLabel && len(data) >= 4:
		*c = parseGraphicControl(data)
		announces = true
	case kind == applicationLabel && isLoopExtension(string(data)):
		if data, err = b.readSubBlock(); len(data) >= 3 && data[0] == 1 {
			f.Loops = loopCount(binary.LittleEndian.Uint16(data[1:]))
		}
	}
	if len(data) > 0 && err == nil {
		err = b.skipSubBlocks()
	}
	return announces, err
}

func isLoopExtension(application string) bool {
	return strings.HasPrefix(application, "NETSCAPE2.0") || strings.HasPrefix(application, "ANIMEXTS1.0")
}

func parseGraphicControl(data []byte) graphicControl {
	c := graphicControl{transparent: noTransparency, disposal: data[0] >> 2 & 7}
	c.delay = time.Duration(binary.LittleEndian.Uint16(data[1:])) * hundredth
	if data[0]&1 != 0 {
		c.transparent = int(data[3])
	}
	return c
}

// hundredth is the unit of delays.
const hundredth = 10 * time.Millisecond

// loopCount is how often an animation is played whose file states the number of repetitions: 0 means without end.
func loopCount(repeated uint16) int {
	if repeated == 0 {
		return 0
	}
	return int(repeated) + 1
}

// A blockReader reads the blocks of a file, and never more than it must.
type blockReader struct {
	r       io.Reader
	scratch [256]byte
}

// read returns the next n bytes, 256 at most, which are valid until the next call. io.EOF means that the file ends
// before the first of them.
func (b *blockReader) read(n int) ([]byte, error) {
	_, err := io.ReadFull(b.r, b.scratch[:n])
	return b.scratch[:n], err
}

// readSubBlock reads a data sub-block. An empty one ends a sequence.
func (b *blockReader) readSubBlock() ([]byte, error) {
	length, err := b.read(1)
	if err != nil {
		return nil, noEOF(err)
	}
	data, err := b.read(int(length[0]))
	return data, noEOF(err)
}

// skipSubBlocks reads a sequence of data sub-blocks to its end.
func (b *blockReader) skipSubBlocks() error {
	for {
		if data, err := b.readSubBlock(); err != nil || len(data) == 0 {
			return err
		}
	}
}

// readColorTable reads the table that the packed fields of a descriptor announce, or returns nil.
func (b *blockReader) readColorTable(fields byte) ([]byte, error) {
	if fields&colorTableFlag == 0 {
		return nil, nil
	}
	table := make([]byte, 3<<(1+fields&colorTableSizeMask))
	_, err := io.ReadFull(b.r, table)
	return table, noEOF(err)
}

// readFrame reads an image descriptor, the local colour table, and the minimum code size.
func (b *blockReader) readFrame(c graphicControl) (*frame, error) {
	fields, err := b.read(9)
	if err != nil {
		return nil, noEOF(err)
	}
	var sides [4]int
	for i := range sides {
		sides[i] = int(binary.LittleEndian.Uint16(fields[2*i:]))
	}
	x, y, width, height := sides[0], sides[1], sides[2], sides[3]
	f := &frame{graphicControl: c, bounds: image.Rectangle{image.Pt(x, y), image.Pt(x+width, y+height)}}
	f.interlaced = fields[8]&interlaceFlag != 0
	if f.colorTable, err = b.readColorTable(fields[8]); err != nil {
		return nil, err
	}
	codeSize, err := b.read(1)
	f.codeSize = int(codeSize[0])
	return f, noEOF(err)
}

// noEOF turns io.EOF, where more has to follow, into io.ErrUnexpectedEOF.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
