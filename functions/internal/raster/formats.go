package raster

import (
	"io"
	"path"
	"slices"
	"strings"

	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/gif"
	"gitlab.com/yourorg/image-service/functions/internal/raster/heif"
	"gitlab.com/yourorg/image-service/functions/internal/raster/jpeg"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
	"gitlab.com/yourorg/image-service/functions/internal/raster/png"
	"gitlab.com/yourorg/image-service/functions/internal/raster/webp"
)

// A Format is the short name of a format in code, such as "jpeg".
type Format string

// The formats that are read and written.
const (
	JPEG Format = "jpeg"
	PNG  Format = "png"
	GIF  Format = "gif"
	WebP Format = "webp"
)

// The formats that are only read.
const (
	HEIC Format = "heic"
	AVIF Format = "avif"
)

// The formats of a rendition whose target names none, if the format of the original is only read.
const (
	opaqueFallback = JPEG
	alphaFallback  = PNG
)

// formats are all formats that are read. Sniffing, MIME types, file name extensions, messages and the list of formats
// that a web page accepts come from this table: to add a format, write its package and add its entry here.
var formats = formatTable{
	{
		FormatInfo: FormatInfo{
			Format: JPEG, Name: jpeg.Name, MIMETypes: []string{"image/jpeg"}, Extensions: []string{".jpg", ".jpeg"},
		},
		matches:     startsWith("\xff\xd8"),
		open:        opener(jpeg.Open),
		encode:      jpeg.Encode,
		subsampling: true,
		written:     perPixel{memory: 12, file: 4, nanos: 60},
	},
	{
		FormatInfo: FormatInfo{
			Format: PNG, Name: png.Name, MIMETypes: []string{"image/png"}, Extensions: []string{".png"},
		},
		matches: startsWith("\x89PNG"),
		open:    opener(png.Open),
		encode:  withoutQuality(png.Encode),
		written: perPixel{memory: 18, file: 6, nanos: 130},
	},
	{
		FormatInfo: FormatInfo{
			Format: GIF, Name: gif.Name, MIMETypes: []string{"image/gif"}, Extensions: []string{".gif"},
		},
		matches:      startsWith("GIF8"),
		open:         opener(gif.Open),
		encode:       withoutQuality(gif.Encode),
		newAnimation: func(int) animation { return new(gif.Animation) },
		written:      perPixel{memory: 14, file: 4, frame: 14, nanos: 100},
	},
	{
		FormatInfo: FormatInfo{
			Format: WebP, Name: webp.Name, MIMETypes: []string{"image/webp"}, Extensions: []string{".webp"},
		},
		matches:      func(start []byte) bool { return isRIFF(start, "WEBP") },
		open:         opener(webp.Open),
		encode:       webp.Encode,
		newAnimation: func(quality int) animation { return &webp.Animation{Quality: quality} },
		written:      perPixel{memory: 34, file: 3, frame: 3, nanos: 600},
	},
	{
		FormatInfo: FormatInfo{
			Format: HEIC, Name: heif.Name, MIMETypes: []string{"image/heic", "image/heif"},
			Extensions: []string{".heic", ".heif", ".hif"},
		},
		matches: func(start []byte) bool { return isoMediaFormat(start) == heif.Name },
		open:    opener(heif.Open),
	},
	{
		FormatInfo: FormatInfo{
			Format: AVIF, Name: heif.NameAVIF, MIMETypes: []string{"image/avif"}, Extensions: []string{".avif", ".avifs"},
		},
		matches: func(start []byte) bool { return isoMediaFormat(start) == heif.NameAVIF },
		open:    opener(heif.OpenAVIF),
	},
}

// unreadFormats are formats that are recognised by their first bytes to be refused by name; unreadFormat knows some
// more that take a longer look. A signature that begins with another one precedes it.
var unreadFormats = []struct{ name, signature string }{
	{"BPG", "BPG\xfb"},
	{"BigTIFF", "II+\x00"},
	{"BigTIFF", "MM\x00+"},
	{"Canon CR2", "II*\x00\x10\x00\x00\x00CR"},
	{"Cineon", "\x80\x2a\x5f\xd7"},
	{"DDS", "DDS "},
	{"DPX", "SDPX"},
	{"DPX", "XPDS"},
	{"DjVu", "AT&TFORM"},
	{"EPS", "%!PS-Adobe"},
	{"EPS", "\xc5\xd0\xd3\xc6"},
	{"FITS", "SIMPLE  ="},
	{"FLIF", "FLIF"},
	{"Fuji RAF", "FUJIFILMCCD-RAW"},
	{"ICNS", "icns"},
	{"ICO", "\x00\x00\x01\x00"},
	{"JNG", "\x8bJNG"},
	{"JPEG 2000", "\x00\x00\x00\x0cjP  "},
	{"JPEG 2000", "\xff\x4f\xff\x51"},
	{"JPEG XL", "\x00\x00\x00\x0cJXL "},
	{"JPEG XL", "\xff\x0a"},
	{"JPEG XR", "II\xbc"},
	{"JPEG XS", "\xff\x10\xff\x50"},
	{"KTX", "\xabKTX "},
	{"MNG", "\x8aMNG"},
	{"Minolta MRW", "\x00MRM"},
	{"Olympus ORF", "IIRO"},
	{"Olympus ORF", "IIRS"},
	{"Olympus ORF", "MMOR"},
	{"OpenEXR", "v/1\x01"},
	{"PSB", "8BPS\x00\x02"},
	{"PSD", "8BPS"},
	{"Panasonic RW2", "IIU\x00"},
	{"PostScript", "%!PS"},
	{"QOI", "qoif"},
	{"RAR", "Rar!\x1a\x07"},
	{"Radiance HDR", "#?RADIANCE"},
	{"SGI", "\x01\xda\x00\x01\x00"},
	{"SGI", "\x01\xda\x01\x01\x00"},
	{"SGI", "\x01\xda\x00\x02\x00"},
	{"SGI", "\x01\xda\x01\x02\x00"},
	{"SVGZ (gzip)", "\x1f\x8b"},
	{"Sigma X3F", "FOVb"},
	{"Sun raster", "\x59\xa6\x6a\x95"},
	{"TIFF", "II*\x00"},
	{"TIFF", "MM\x00*"},
	{"WMF", "\xd7\xcd\xc6\x9a"},
	{"WMF", "\x01\x00\x09\x00\x00"},
	{"WMF", "\x02\x00\x09\x00\x00"},
	{"WebM or Matroska video", "\x1a\x45\xdf\xa3"},
	{"XCF", "gimp xcf"},
	{"XPM", "/* XPM */"},
	{"ZIP", "PK\x03\x04"},
	{"ZIP", "PK\x05\x06"},
}

// unreadBrands are the beginnings of the major brands of videos, sounds and images (https://mp4ra.org). One that begins
// with another one precedes it.
var unreadBrands = []struct{ name, start string }{
	{"HEIF with H.264 pictures", "avci"},
	{"HEIF with H.264 pictures", "avcs"},
	{"HEIF with H.266 pictures", "vvic"},
	{"HEIF with JPEG 2000 pictures", "j2ki"},
	{"HEIF with JPEG pictures", "jpeg"},
	{"MOV video", "qt  "},
	{"M4A audio", "M4A"},
	{"3GP video", "3g"},
	{"MP4 video", "iso"},
	{"MP4 video", "mp4"},
	{"MP4 video", "avc"},
	{"MP4 video", "hvc"},
	{"MP4 video", "dash"},
	{"MP4 video", "M4V"},
	{"MP4 video", "mmp4"},
	{"MP4 video", "MSNV"},
	{"MP4 video", "f4v"},
	{"MP4 video", "XAVC"},
}

// A FormatInfo describes a format for people and for other programs.
type FormatInfo struct {
	Format Format
	// Name is the format's name in prose, such as "JPEG".
	Name string
	// MIMETypes and Extensions are the usual one first, such as "image/jpeg" and ".jpg".
	MIMETypes, Extensions []string
	// Written reports whether renditions can be of this format. Every format is read.
	Written bool
	// Animated reports whether renditions can be animations.
	Animated bool
}

// Formats describes all formats that are read, in the order in which messages name them.
func Formats() []FormatInfo {
	all := make([]FormatInfo, len(formats))
	for i := range formats {
		all[i] = formats[i].info()
	}
	return all
}

// ContentType is the usual MIME type, such as "image/jpeg". It is "application/octet-stream" for a format that is not
// one of Formats.
func (f Format) ContentType() string {
	if e := formats.find(f); e != nil {
		return e.MIMETypes[0]
	}
	return "application/octet-stream"
}

// ContentTypeOf is the usual MIME type of the files with an extension, such as ".jpg".
func ContentTypeOf(extension string) string {
	for i := range formats {
		if slices.Contains(formats[i].Extensions, extension) {
			return formats[i].MIMETypes[0]
		}
	}
	return Format("").ContentType()
}

// Extension is the usual extension of a file name, such as ".jpg", or "" for a format that is not one of Formats.
func (f Format) Extension() string {
	if e := formats.find(f); e != nil {
		return e.Extensions[0]
	}
	return ""
}

// FileName returns a file name that ends as those of a MIME type do: name itself if it does, or if the type is not that
// of one of Formats. The extension of another format is replaced; anything else after a dot belongs to the name.
func FileName(name, mimeType string) string {
	i := slices.IndexFunc(formats, func(e formatEntry) bool { return slices.Contains(e.MIMETypes, mimeType) })
	extension := path.Ext(name)
	isExtension := func(e string) bool { return strings.EqualFold(e, extension) }
	if i < 0 || slices.ContainsFunc(formats[i].Extensions, isExtension) {
		return name
	}
	for _, e := range formats {
		if slices.ContainsFunc(e.Extensions, func(e string) bool { return strings.EqualFold(e, extension) }) {
			name = strings.TrimSuffix(name, extension)
			break
		}
	}
	return name + formats[i].Extensions[0]
}

// A formatEntry is everything that package raster knows of a format. Written and Animated follow from the functions.
type formatEntry struct {
	FormatInfo
	// matches reports whether a file that starts with these bytes, up to signatureLength and after that up to
	// describeLength of them, is of the format.
	matches func(start []byte) bool
	open    func(io.Reader) (codec.File, error)
	// encode writes an image with all planes at full size, but for subsampling. It is nil for a format that is
	// only read. Quality is 1 to 100, or 0 for the default of the format.
	encode func(w io.Writer, m *plane.Image, quality int) error
	// subsampling is set if encode wants the planes of plane.Image.Resample420.
	subsampling bool
	// newAnimation is nil if only still images are written.
	newAnimation func(quality int) animation
	written      perPixel
}

func (e *formatEntry) info() FormatInfo {
	info := e.FormatInfo
	info.MIMETypes, info.Extensions = slices.Clone(info.MIMETypes), slices.Clone(info.Extensions)
	info.Written, info.Animated = e.encode != nil, e.newAnimation != nil
	return info
}

// An animation is an encoder of frames, one after the other.
type animation interface {
	Add(plane.Frame) error
	// Frames is the number of frames in the file: fewer than were added if some are equal.
	Frames() int
	Encode(w io.Writer, loops int) error
}

type formatTable []formatEntry

// find returns the entry of a format, or nil.
func (t formatTable) find(f Format) *formatEntry {
	for i := range t {
		if t[i].Format == f {
			return &t[i]
		}
	}
	return nil
}

// match returns the entry of the format that a file starts like, or nil.
func (t formatTable) match(start []byte) *formatEntry {
	for i := range t {
		if t[i].matches(start) {
			return &t[i]
		}
	}
	return nil
}

func (t formatTable) names(conjunction string) string {
	var names []string
	for i := range t {
		names = append(names, t[i].Name)
	}
	return enumerate(names, conjunction)
}

// written lists the formats that a target may name.
func (t formatTable) written() string {
	var names []string
	for i := range t {
		if t[i].encode != nil {
			names = append(names, string(t[i].Format))
		}
	}
	return enumerate(names, "or")
}

// enumerate joins words as in "a, b or c".
func enumerate(words []string, conjunction string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " " + conjunction + " " + words[last]
}

// opener adapts the Open function of a format's package.
func opener[F codec.File](open func(io.Reader) (F, error)) func(io.Reader) (codec.File, error) {
	return func(r io.Reader) (codec.File, error) {
		f, err := open(r)
		if err != nil {
			return nil, err
		}
		return f, nil
	}
}

// withoutQuality adapts the encoder of a lossless format.
func withoutQuality(encode func(io.Writer, *plane.Image) error) func(io.Writer, *plane.Image, int) error {
	return func(w io.Writer, m *plane.Image, _ int) error { return encode(w, m) }
}
