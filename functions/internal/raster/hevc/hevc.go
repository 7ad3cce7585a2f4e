// Package hevc decodes intra pictures of HEVC (ITU-T H.265, ISO/IEC 23008-2), as HEIC files store them.
//
// ParseConfig reads the parameter sets of an hvcC property. Config.Info states the size and format of the picture
// before a sample is allocated. Config.Decode decodes one picture from length-prefixed NAL units, and emits bands of
// finished rows from the top down.
//
// It supports I slices of the Main, Main Still Picture, Main 10 and format range extensions profiles: 4:0:0, 4:2:0,
// 4:2:2 and 4:4:4 with 8 to 12 bits, tiles, wavefronts, slices and dependent slice segments. Of several layers it
// decodes the base layer. It refuses P and B slices, the screen content coding extensions, separate colour planes and
// extended precision by name.
//
// Memory is bounded by what Info states. Samples take 2 bytes, and 1 or 2 more in the emitted rows, for a row of
// coding tree blocks (16 to 64 luma rows; a row of tiles if there are several tile columns) and 8 more luma rows. The
// whole picture takes 2 bytes for each 8x8 luma samples and 40 bytes for each coding tree block. A NAL unit is held
// as a whole.
//
// Data that is cut short is an error, never half a picture that looks complete: rows that were emitted before an
// error are of no use.
package hevc

import (
	"io"
	"sync"
)

// A Config is an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, section 8.3.3.1): parameter sets, and the size of
// the length field of NAL units. It is safe for concurrent use.
type Config struct {
	lengthSize    int
	first         *sps // the one that Info describes
	parameterSets parameterSets
}

// An Info describes the picture, by the sequence parameter set.
type Info struct {
	// Width and Height are those of the conformance window, in luma samples.
	Width, Height int
	// Chroma is chroma_format_idc: 0 for 4:0:0, 1 for 4:2:0, 2 for 4:2:2, 3 for 4:4:4.
	Chroma int
	// BitDepth is that of luma, BitDepthChroma that of Cb and Cr: 8 to 12.
	BitDepth, BitDepthChroma int
	// FullRange, Matrix, Primaries and Transfer are from the video usability information (VUI), as code points of ITU-T
	// H.273. 2 means unspecified.
	FullRange                   bool
	Matrix, Primaries, Transfer int
}

// Options are what the consumer of a picture needs.
type Options struct {
	// SkipFilters turns off the deblocking filter and sample adaptive offset. The difference is invisible in copies of a
	// quarter of the size and less.
	SkipFilters bool
	// Check is called at least once for each row of coding tree blocks; its error ends the decoding. It may be nil.
	Check func() error
}

// Rows is a band of finished rows, which follows the one before: of luma, and of Cb and Cr unless Info.Chroma is 0.
type Rows [3]Samples

// Samples are rows of one colour component. One of Pix8 and Pix16 is set: Pix8 if both bit depths are 8.
type Samples struct {
	Pix8  []uint8
	Pix16 []uint16
	// Rows start Stride samples apart, and have Width samples.
	Stride, Width, Height int
}

// ParseConfig parses the content of an hvcC property, without its box header. The error is an *imgerr.Error.
func ParseConfig(hvcC []byte) (*Config, error) { return parseConfig(hvcC) }

// Info describes the picture by the first sequence parameter set of the configuration. Decode refuses a picture of
// another size or format. The error is an *imgerr.Error: there is no sequence parameter set.
func (c *Config) Info() (Info, error) {
	if c.first == nil {
		return Info{}, damaged("its hvcC property has no sequence parameter set")
	}
	return c.first.info, nil
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// Decode decodes the first picture of r, a sequence of length-prefixed NAL units, and emits the rows of its conformance
// window from the top down. A band of 4:2:0 starts at an even luma row, and has an even number of luma rows and half as
// many chroma rows; in other formats, all components have the same number of rows. The samples are valid until emit
// returns. Decode reads no further than the picture.
//
// The error is an *imgerr.Error, or that of r, of Options.Check or of emit. Data that ends early is damaged.
func (c *Config) Decode(r io.Reader, o Options, emit func(rows *Rows) error) error {
	d := decoders.Get().(*decoder)
	defer decoders.Put(d)
	return d.decode(c, r, o, emit)
}
