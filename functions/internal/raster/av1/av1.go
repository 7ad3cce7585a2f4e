// Package av1 decodes still pictures of AV1, as AVIF files store them (AV1 Bitstream & Decoding Process
// Specification, version 1.0.0 with errata 1; section numbers are of that).
//
// ParseConfig reads an av1C property. Config.ReadHeader reads the headers of a picture, so that it can be refused
// before a sample is allocated. Config.Decode decodes it, and emits bands of finished rows from the top down.
//
// It supports all frames with all their tools, of 8, 10 and 12 bits and of every chroma format. Of several layers it
// decodes the last frame of the first operating point, unless Config.Select names others, and those that it is
// predicted from. Film grain is not applied.
//
// Memory is bounded by what ReadHeader states. Samples take 2 bytes each. The decoder holds 384 luma rows, or the whole
// frame and 8 bytes for each 4x4 luma samples if blocks are copied within it. Beside, it takes up to 3 bytes for each
// 4x4 luma samples, and emitted rows of 8 bits are in 128 luma rows more, of a byte for each sample. Header.Memory is
// for a picture of several frames: references are held whole, with a byte for each sample of 8 bits, as long as a frame
// to decode refers to them, and an inter frame takes 16 bytes for each 4x4 luma samples. Reference frames are at most
// as large as the picture.
//
// Data that is cut short is an error, never half a picture that looks complete: rows that were emitted before an error
// are of no use. Everything that cannot be parsed is reported as damage.
package av1

import "gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"

// maxFrames is the largest number of frames of a picture: one for each spatial layer that AV1 allows (section 6.4.1).
const maxFrames = 4

// A Format describes the samples of a picture.
type Format struct {
	// Depth is the bits of a sample: 8, 10 or 12.
	Depth int
	// Gray reports whether there are luma samples only.
	Gray bool
	// StepX and StepY are the pixels across and down for each chroma sample: 1 or 2. They are 1 if Gray.
	StepX, StepY int
}

// A Header describes a picture, by its sequence header and the header of its frame.
type Header struct {
	Format
	// Width and Height are in luma samples.
	Width, Height int
	// FullRange, Primaries, Transfer and Matrix interpret the samples, as code points of ITU-T H.273. 2 means unspecified.
	FullRange                   bool
	Primaries, Transfer, Matrix int
	// Frames is the number of frames to decode: more than 1 for a picture of several layers that depend on each other.
	Frames int
	// Memory is how many bytes decoding takes at most if there are several frames, and otherwise 0.
	Memory int64
}

// A Config is an AV1CodecConfigurationRecord (AV1 Codec ISO Media File Format Binding, section 2.3.3).
type Config struct {
	// Format is that of every picture with this configuration.
	Format Format

	sequence *sequence // nil if the record has no sequence header
	point    int       // the operating point
	layer    int       // the highest spatial layer
}

// AllLayers is the highest spatial layer that a stream can have.
const AllLayers = 3

// Select returns the configuration of pictures that are decoded up to a spatial layer of one of the operating points
// of the sequence header (section 7.18.2), which are counted from 0. Both are numbers from a file.
func (c Config) Select(point, layer int) *Config {
	c.point, c.layer = point, layer
	return &c
}

// Layers returns how many spatial layers a picture is decoded of, or 0 if the configuration has no sequence header that
// states it.
func (c *Config) Layers() int {
	if c.sequence == nil || c.point >= len(c.sequence.points) {
		return 0
	}
	n, point := 0, c.sequence.points[c.point]
	for spatial := range c.layer + 1 {
		n += point.layers >> (8 + spatial) & 1
	}
	return n
}

// ParseConfig parses the content of an av1C property, without its box header. The error is an *imgerr.Error.
func ParseConfig(av1C []byte) (*Config, error) {
	const fixed = 4 // bytes before the OBUs
	switch {
	case len(av1C) < fixed:
		return nil, damaged("its av1C property has %d bytes, expected at least %d", len(av1C), fixed)
	case av1C[0] != 0x81:
		return nil, damaged("its av1C property starts with %#x, expected 0x81 for version 1", av1C[0])
	}
	flags := func(bit int) bool { return av1C[2]>>bit&1 != 0 }
	isHigh, isTwelve := flags(6), flags(5)
	c := &Config{Format: newFormat(depthOf(isHigh, isTwelve), flags(4), flags(3), flags(2)), layer: AllLayers}
	r := obuReader{}
	if err := r.readAll(av1C[fixed:]); err != nil {
		return nil, err
	}
	if r.frames > 0 {
		return nil, damaged("its av1C property has a frame")
	}
	if c.sequence = r.sequence; r.sequence != nil {
		c.Format = r.sequence.Format // which the flags before it contradict in files of cavif with 4:2:2
	}
	return c, nil
}

// ReadHeader reads the headers of a picture: of the OBUs of an item. It returns an error if its sequence header has
// another format than the configuration, if a sequence header or frame header cannot be parsed, if there is no frame
// or more than one for each spatial layer, or if a frame depends on one that is missing or larger than the picture. The
// error is an *imgerr.Error.
func (c *Config) ReadHeader(data []byte) (Header, error) {
	r, err := c.read(data)
	if err != nil {
		return Header{}, err
	}
	h, frame := r.sequence.Header, r.shown.header
	h.Width, h.Height = frame.upscaledWidth, frame.height
	h.Frames, h.Memory = r.needed(), r.memory()
	return h, nil
}

// ReadSequence reads the sequence header that the data of an item starts with. It reports whether there is one.
func (c *Config) ReadSequence(start []byte) (Header, bool) {
	if c.sequence != nil {
		return c.sequence.Header, true
	}
	r := obuReader{config: c}
	_ = r.readAll(start) // which usually ends within the frame
	if r.sequence == nil {
		return Header{}, false
	}
	return r.sequence.Header, true
}

// read reads the OBUs of an item.
func (c *Config) read(data []byte) (*obuReader, error) {
	r := &obuReader{config: c, sequence: c.sequence}
	if c.sequence != nil {
		if err := c.checkPoint(c.sequence); err != nil {
			return nil, err
		}
	}
	if err := r.readAll(data); err != nil {
		return nil, err
	}
	switch {
	case r.sequence == nil:
		return nil, damaged("it has no sequence header")
	case r.shown == nil:
		return nil, damaged("it has no frame")
	}
	return r, r.require()
}

func (c *Config) checkPoint(s *sequence) error {
	if c.point >= len(s.points) {
		return damaged("it has %d operating points, expected one with the number %d", len(s.points), c.point)
	}
	return nil
}

func depthOf(isHigh, isTwelve bool) int {
	switch {
	case isHigh && isTwelve:
		return 12
	case isHigh:
		return 10
	default:
		return 8
	}
}

func newFormat(depth int, isGray, halfX, halfY bool) Format {
	f := Format{Depth: depth, Gray: isGray, StepX: 1, StepY: 1}
	if halfX && !isGray {
		f.StepX = 2
	}
	if halfY && !isGray {
		f.StepY = 2
	}
	return f
}

// damaged is the error for a picture that is broken.
func damaged(detail string, args ...any) error { return imgerr.Damaged("AVIF", detail, args...) }

// unsupported is the error for a picture of a kind that is not read.
func unsupported(found string) error {
	return imgerr.Unsupported("AV1 with "+found, "a still picture")
}
