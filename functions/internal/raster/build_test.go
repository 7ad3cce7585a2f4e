package raster

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"testing"

	deepteams "github.com/deepteams/webp"
	xwebp "golang.org/x/image/webp"
)

// painted is an image without symmetry: every quarter has its own colour, and becomes lighter to the right and
// downwards.
func painted(width, height int) *image.NRGBA {
	quarters := []color.NRGBA{{220, 30, 30, 255}, {30, 200, 30, 255}, {30, 30, 220, 255}, {230, 230, 40, 255}}
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			c := quarters[2*(2*y/height)+2*x/width]
			c.R += uint8(20 * x / width)
			c.G += uint8(20 * y / height)
			m.SetNRGBA(x, y, c)
		}
	}
	return m
}

func encodeJPEG(tb testing.TB, m image.Image) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 95}); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func encodePNG(tb testing.TB, m image.Image) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func encodeWebP(tb testing.TB, m image.Image, lossless bool) []byte {
	tb.Helper()
	var b bytes.Buffer
	options := deepteams.DefaultOptions()
	options.Lossless, options.Quality = lossless, 95
	if lossless {
		options.Quality, options.Method = 0, 0 // of the search: the pixels are the same
	}
	if err := deepteams.Encode(&b, m, options); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// encodeGIF writes frames on a screen of width x height pixels.
func encodeGIF(tb testing.TB, width, height int, frames ...*image.Paletted) []byte {
	tb.Helper()
	var b bytes.Buffer
	all := &gif.GIF{Config: image.Config{Width: width, Height: height}}
	for _, frame := range frames {
		all.Image = append(all.Image, frame)
		all.Delay = append(all.Delay, 10)
	}
	if err := gif.EncodeAll(&b, all); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// decode reads a rendition with the decoder of its format.
func decode(tb testing.TB, r Rendition) image.Image {
	tb.Helper()
	decoders := map[Format]func(*bytes.Reader) (image.Image, error){
		JPEG: func(r *bytes.Reader) (image.Image, error) { return jpeg.Decode(r) },
		PNG:  func(r *bytes.Reader) (image.Image, error) { return png.Decode(r) },
		GIF:  func(r *bytes.Reader) (image.Image, error) { return gif.Decode(r) },
		WebP: decodeWebP,
	}
	m, err := decoders[r.Format](bytes.NewReader(r.Bytes))
	if err != nil {
		tb.Fatalf("decode rendition: %v", err)
	}
	if got := m.Bounds().Size(); got != image.Pt(r.Width, r.Height) {
		tb.Fatalf("the file is %v large, the rendition says %dx%d", got, r.Width, r.Height)
	}
	return m
}

// decodeWebP converts lossy pixels by ITU-R BT.601, because x/image assumes the range of JPEG.
func decodeWebP(r *bytes.Reader) (image.Image, error) {
	m, err := xwebp.Decode(r)
	if err != nil {
		return nil, err
	}
	alpha := func(x, y int) uint8 { return 0xff }
	var planes *image.YCbCr
	switch m := m.(type) {
	case *image.YCbCr:
		planes = m
	case *image.NYCbCrA:
		planes, alpha = &m.YCbCr, func(x, y int) uint8 { return m.A[m.AOffset(x, y)] }
	default:
		return m, nil
	}
	level := func(v float64) uint8 { return uint8(max(0, min(v+0.5, 255))) }
	converted := image.NewNRGBA(m.Bounds())
	for y := range converted.Rect.Dy() {
		for x := range converted.Rect.Dx() {
			c := planes.YCbCrAt(x, y)
			luma, cb, cr := 1.164*(float64(c.Y)-16), float64(c.Cb)-128, float64(c.Cr)-128
			converted.SetNRGBA(x, y, color.NRGBA{
				level(luma + 1.596*cr), level(luma - 0.392*cb - 0.813*cr), level(luma + 2.017*cb), alpha(x, y),
			})
		}
	}
	return converted, nil
}

// tiff is an EXIF payload without its wrapping.
func tiff(order binary.ByteOrder, orientation int) []byte {
	b := []byte("II*\x00")
	if order == binary.BigEndian {
		b = []byte("MM\x00*")
	}
	appender := order.(binary.AppendByteOrder)
	b = appender.AppendUint32(b, 8)
	b = appender.AppendUint16(b, 2)
	b = append(appender.AppendUint16(appender.AppendUint16(b, 0x0100), 4), 0, 0, 0, 1, 0, 0, 0, 1)
	b = appender.AppendUint16(appender.AppendUint16(b, 0x0112), 3)
	b = appender.AppendUint16(appender.AppendUint32(b, 1), uint16(orientation))
	return append(b, 0, 0, 0, 0, 0, 0)
}

func segment(marker byte, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{0xff, marker}, uint16(len(payload)+2))
	return append(b, payload...)
}

// exifSegment is an EXIF segment of a JPEG.
func exifSegment(tiff []byte) []byte { return segment(0xe1, append([]byte("Exif\x00\x00"), tiff...)) }

// afterSOI inserts segments after the SOI marker of a JPEG.
func afterSOI(file []byte, segments ...[]byte) []byte {
	return bytes.Join([][]byte{file[:2], bytes.Join(segments, nil), file[2:]}, nil)
}

func pngChunk(name string, payload []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(payload)))
	b = append(append(b, name...), payload...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

func pngHeader(width, height uint32, depth, colorType byte) []byte {
	ihdr := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, width), height)
	return append([]byte("\x89PNG\r\n\x1a\n"), pngChunk("IHDR", append(ihdr, depth, colorType, 0, 0, 0))...)
}

// afterIHDR and beforeIEND insert chunks into a PNG.
func afterIHDR(file []byte, chunks ...[]byte) []byte {
	const end = 8 + 25
	return bytes.Join([][]byte{file[:end], bytes.Join(chunks, nil), file[end:]}, nil)
}

func beforeIEND(file []byte, chunks ...[]byte) []byte {
	end := len(file) - 12
	return bytes.Join([][]byte{file[:end], bytes.Join(chunks, nil), file[end:]}, nil)
}

func riffChunk(name string, payload []byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte(name), uint32(len(payload)))
	return append(append(b, payload...), make([]byte, len(payload)&1)...)
}

func riff(chunks ...[]byte) []byte {
	body := append([]byte("WEBP"), bytes.Join(chunks, nil)...)
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
}

func uint24(n int) []byte { return []byte{byte(n), byte(n >> 8), byte(n >> 16)} }

const (
	vp8xAnimation = 0x02
	vp8xExif      = 0x08
	vp8xAlpha     = 0x10
)

func vp8x(flags byte, width, height int) []byte {
	return riffChunk("VP8X", bytes.Join([][]byte{{flags, 0, 0, 0}, uint24(width - 1), uint24(height - 1)}, nil))
}

// anim is the ANIM chunk of an animated WebP.
func anim() []byte { return riffChunk("ANIM", make([]byte, 6)) }

// anmf is a frame of an animated WebP with the chunks of its image.
func anmf(x, y, width, height int, chunks ...[]byte) []byte {
	fields := [][]byte{uint24(x / 2), uint24(y / 2), uint24(width - 1), uint24(height - 1), {100, 0, 0, 0}}
	return riffChunk("ANMF", append(bytes.Join(fields, nil), bytes.Join(chunks, nil)...))
}

// bitstream returns the chunks of a WebP that have its image: ALPH and VP8, or VP8L.
func bitstream(file []byte) []byte {
	var chunks []byte
	for rest := file[12:]; len(rest) > 0; {
		length := 8 + int(binary.LittleEndian.Uint32(rest[4:]))
		length += length & 1
		if name := string(rest[:4]); name == "ALPH" || name == "VP8 " || name == "VP8L" {
			chunks = append(chunks, rest[:length]...)
		}
		rest = rest[length:]
	}
	return chunks
}
