package heif

import (
	"fmt"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// An itemCodec decodes coded items of one type.
type itemCodec struct {
	// name is the name of its file format, in whose files the items may be.
	name string
	// property is the type of the configuration property.
	property string
	// configure parses a configuration property. The size is that of the ispe property, or 0, 0 if there is none.
	configure func(configuration []byte, width, height int, layers selection) (bitstream, error)
}

// itemCodecs are the codecs of coded pictures, by item type.
var itemCodecs = map[string]itemCodec{
	"hvc1": {name: Name, property: "hvcC", configure: configureHEVC},
	"av01": {name: NameAVIF, property: "av1C", configure: configureAV1},
}

// A streamKey identifies a bitstream by the first byte of its configuration, the size of its ispe property and its
// layers.
type streamKey struct {
	configuration *byte
	width, height int
	selection
}

// A bitstream decodes the items that share a configuration property and a size.
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
	c, err := f.codecOf(i.kind)
	if err != nil {
		return tile{}, err
	}
	p, ok := firstOf(properties, c.property)
	if !ok || len(p.body) == 0 {
		return tile{}, damaged("item %d of type %q has no %s property", i.id, i.kind, c.property)
	}
	width, height, err := sizeOf(properties)
	if err != nil {
		return tile{}, err
	}
	layers, err := selectionOf(properties)
	if err != nil {
		return tile{}, err
	}
	key := streamKey{&p.body[0], width, height, layers}
	stream, ok := f.streams[key]
	if !ok {
		if stream, err = c.configure(p.body, width, height, layers); err != nil {
			return tile{}, err
		}
		f.streams[key] = stream
	}
	return tile{i, stream}, nil
}

// codecOf returns the codec of coded items of a type.
func (f *File) codecOf(kind string) (itemCodec, error) {
	c, ok := f.itemCodecs[kind]
	if !ok || c.name != f.name {
		return itemCodec{}, unsupported("%s with %s", itemTypeName(kind))
	}
	return c, nil
}

// itemTypeName describes an item type that is not decoded.
func itemTypeName(kind string) string {
	switch kind {
	case "av01":
		return "AV1 pictures (av01)"
	case "avc1":
		return "H.264 pictures (avc1)"
	case "jpeg":
		return "JPEG pictures"
	case "hvc1":
		return "HEVC pictures (hvc1)"
	case "j2k1":
		return "JPEG 2000 pictures (j2k1)"
	case "lhv1":
		return "layered HEVC pictures (lhv1)"
	case "vvc1":
		return "H.266 pictures (vvc1)"
	case "unci", "uncv":
		return fmt.Sprintf("uncompressed pictures (%s)", kind)
	default:
		return fmt.Sprintf("pictures of type %q", kind)
	}
}
