// Package hevc decodes intra pictures of HEVC (ITU-T H.265, ISO/IEC 23008-2), as HEIC files store them.
//
// It reads the parameter sets of an hvcC property (ParseConfig), says what they promise before a pixel is allocated
// (Config.Info), and decodes one picture from length-prefixed NAL units (Config.Decode), handing over bands of finished
// rows from the top down.
//
// Supported are I slices of the Main, Main Still Picture, Main 10 and format range extensions profiles: 4:0:0, 4:2:0,
// 4:2:2 and 4:4:4 with 8 to 12 bits, tiles, wavefronts, slices and dependent slices. Of several
// layers, the base layer is decoded. Slices of type P and B, the screen content coding extension, separate colour planes
// and extended precision are refused by name.
//
// Memory is bounded by what Info says. Samples take 2 bytes, and 1 or 2 more as they are handed over, of a row of coding
// tree blocks (16 to 64 luma rows; a row of tiles, if there are several columns of them) and of 8 luma rows more. Of the
// whole picture, there are 2 bytes for each 8x8 luma samples and 40 bytes for each coding tree block. A NAL unit is held
// in memory as a whole.
//
// Data that is cut short is an error, never half a picture that looks complete: rows that were handed over before the
// error are of no use.
package hevc

import (
	"io"
	"sync"
)

// A Config is what an HEVCDecoderConfigurationRecord says (ISO/IEC 14496-15, section 8.3.3.1): parameter sets, and the
// size of the length before each NAL unit. It may be used by several goroutines.
type Config struct {
	lengthSize int
	first      *sps // what Info describes
	sets       sets
}

// An Info is what the sequence parameter set says about the picture.
type Info struct {
	// Width and Height are in luma samples, cropped by the conformance window.
	Width, Height int
	// Chroma is chroma_format_idc: 0 for 4:0:0, 1 for 4:2:0, 2 for 4:2:2, 3 for 4:4:4.
	Chroma int
	// BitDepth is of luma, BitDepthChroma of the other planes: 8 to 12.
	BitDepth, BitDepthChroma int
	// FullRange, Matrix, Primaries and Transfer are from the video usability information: code points of ITU-T H.273,
	// where 2 is unspecified.
	FullRange                   bool
	Matrix, Primaries, Transfer int
}

// Options are what the consumer of a picture needs.
type Options struct {
	// SkipFilters leaves out deblocking and sample adaptive offset. The difference is invisible where four pixels and
	// more become one.
	SkipFilters bool
	// Check is called at least once for each row of coding tree blocks; its error ends decoding. It may be nil.
	Check func() error
}

// Rows is a band of finished rows, all that came since the last: of luma, and of Cb and Cr unless Chroma is 0.
type Rows [3]Samples

// Samples are rows of one plane. Exactly one of Pix8 and Pix16 is set: Pix8 if both bit depths are 8.
type Samples struct {
	Pix8  []uint8
	Pix16 []uint16
	// Rows begin Stride samples apart, and have Width samples.
	Stride, Width, Height int
}

// ParseConfig reads the content of an hvcC property, without the header of the box. The error is a *refuse.Refusal.
func ParseConfig(hvcC []byte) (*Config, error) { return parseConfig(hvcC) }

// Info describes the picture, as the first sequence parameter set of the configuration says. A picture of another size or
// format is refused by Decode. The error is a *refuse.Refusal: there is no sequence parameter set.
func (c *Config) Info() (Info, error) {
	if c.first == nil {
		return Info{}, damaged("its hvcC property has no sequence parameter set")
	}
	return c.first.info, nil
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// Decode decodes the first picture of r, NAL units that follow their lengths, and hands over its rows from the top down,
// cropped by the conformance window. Of 4:2:0, a band begins at an even luma row and has an even number of them, and half
// as many chroma rows; of other formats, all planes have the same number of rows. The planes are good until emit returns.
// Reading ends with the picture.
//
// The error is a *refuse.Refusal, that of r, of Options.Check, or of emit. Data that ends early is refused as damaged.
func (c *Config) Decode(r io.Reader, o Options, emit func(rows *Rows) error) error {
	d := decoders.Get().(*decoder)
	defer decoders.Put(d)
	return d.decode(c, r, o, emit)
}
