package heif

import (
	"fmt"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// A coding is what decodes coded items of one type.
type coding struct {
	// name is what files of it are called in messages.
	name string
	// property is the type of the property that has the configuration of a bitstream.
	property string
	// configure reads a configuration. It is nil if there is no decoder for it yet.
	configure func(configuration []byte) (bitstream, error)
}

// codings are those of the pictures that are read, by the type of their items. An AV1 decoder belongs here.
var codings = map[string]coding{
	"hvc1": {name: "HEIC", property: "hvcC", configure: configureHEVC},
	"av01": {name: "AVIF", property: "av1C"},
}

// A bitstream decodes items that have a configuration in common.
type bitstream interface {
	// size is in pixels.
	size() (width, height int)
	format() format
	// signal is what the bitstream says of its levels.
	signal() signal
	// decode decodes an item and shows its rows from the top down. It reads r as far as it needs.
	decode(r io.Reader, how how, show func(*rows) error) error
}

// A format is how the samples of a bitstream are stored.
type format struct {
	isGray bool
	// stepX and stepY are how many pixels a sample of the second and third plane stands for: 1 or 2.
	stepX, stepY int
	// depth and chromaDepth are bits of a sample: 8 to 16.
	depth, chromaDepth int
}

func (f format) planes() int {
	if f.isGray {
		return 1
	}
	return 3
}

// steps is how many pixels across and down there are to a sample of a plane.
func (f format) steps(plane int) (x, y int) {
	if plane == 0 {
		return 1, 1
	}
	return f.stepX, f.stepY
}

// How a picture is to be decoded.
type how struct {
	// smooth is whether to apply filters whose effect does not show once the picture is reduced to a quarter or less.
	smooth bool
	// levels are what the samples of each plane become, for those of more than 8 bits.
	levels [3][]uint8
	check  func() error
}

// rows are some rows of a picture, all that came since the last, of luma, and of blue and red. They are good until show
// returns. The first row of luma is always one that has a row of chroma of its own.
type rows [3]plane.Plane

// tile finds out how to decode a coded item.
func (f *File) tile(i *item, properties []property) (tile, error) {
	c, ok := f.codings[i.kind]
	switch {
	case !ok:
		return tile{}, unsupported(fmt.Sprintf("HEIC with %s", describe(i.kind)))
	case c.configure == nil:
		return tile{}, unsupported(c.name)
	}
	p, ok := first(properties, c.property)
	if !ok || len(p.body) == 0 {
		return tile{}, damaged("item %d of type %q has no %s property", i.id, i.kind, c.property)
	}
	stream, ok := f.streams[&p.body[0]]
	if !ok {
		var err error
		if stream, err = c.configure(p.body); err != nil {
			return tile{}, err
		}
		f.streams[&p.body[0]] = stream
	}
	return tile{i, stream}, nil
}

// describe says what items of a type are.
func describe(kind string) string {
	switch kind {
	case "iovl":
		return "an overlay (iovl)"
	case "avc1":
		return "H.264 pictures (avc1)"
	case "jpeg":
		return "JPEG pictures"
	case "j2k1":
		return "JPEG 2000 pictures (j2k1)"
	case "lhv1":
		return "layered HEVC pictures (lhv1)"
	case "vvc1":
		return "H.266 pictures (vvc1)"
	case "unci":
		return "uncompressed pictures (unci)"
	default:
		return fmt.Sprintf("a picture item of type %q", kind)
	}
}
