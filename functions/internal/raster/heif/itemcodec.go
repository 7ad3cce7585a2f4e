package heif

import (
	"fmt"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// An itemCodec decodes coded items of one type.
type itemCodec struct {
	// name is the name of its file format in messages.
	name string
	// property is the type of the configuration property.
	property string
	// configure parses a configuration property. It is nil for a codec that is recognised but not decoded.
	configure func(configuration []byte) (bitstream, error)
}

// itemCodecs are the codecs of coded pictures, by item type. An AV1 decoder is added here.
var itemCodecs = map[string]itemCodec{
	"hvc1": {name: "HEIC", property: "hvcC", configure: configureHEVC},
	"av01": {name: "AVIF", property: "av1C"},
}

// A bitstream decodes the items that share a configuration property.
type bitstream interface {
	// size is in pixels.
	size() (width, height int)
	format() format
	// cicp is the interpretation of the samples that the bitstream states.
	cicp() cicp
	// decode decodes an item and shows its rows from the top down. It need not read r to its end.
	decode(r io.Reader, o decodeOptions, show func(*rows) error) error
}

// A format describes the samples of a bitstream.
type format struct {
	isGray bool
	// stepX and stepY are the pixels across and down per chroma sample: 1 or 2.
	stepX, stepY int
	// depth and chromaDepth are the bits of a luma and of a chroma sample: 8 to 16.
	depth, chromaDepth int
}

func (f format) planes() int {
	if f.isGray {
		return 1
	}
	return 3
}

// steps returns the pixels across and down per sample of a plane.
func (f format) steps(plane int) (x, y int) {
	if plane == 0 {
		return 1, 1
	}
	return f.stepX, f.stepY
}

// decodeOptions state how a picture is to be decoded.
type decodeOptions struct {
	// filter applies in-loop filters, whose effect is invisible where four pixels and more become one.
	filter bool
	// levels maps the samples of each plane of more than 8 bits to those of 8 bits.
	levels [3][]uint8
	check  func() error
}

// rows are the rows of a picture that were decoded since the last call of show: of luma, and of Cb and Cr unless it is
// gray. They are valid until show returns. The first luma row is the first of those that share a chroma row.
type rows [3]plane.Plane

// tile prepares the decoding of a coded item.
func (f *File) tile(i *item, properties []property) (tile, error) {
	c, ok := f.itemCodecs[i.kind]
	switch {
	case !ok:
		return tile{}, unsupported(fmt.Sprintf("HEIC with %s", itemTypeName(i.kind)))
	case c.configure == nil:
		return tile{}, unsupported(c.name)
	}
	p, ok := firstOf(properties, c.property)
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

// itemTypeName describes an item type that is not decoded.
func itemTypeName(kind string) string {
	switch kind {
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
