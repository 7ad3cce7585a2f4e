package raster

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/palette"
)

func deflated(tb testing.TB, b []byte) []byte {
	tb.Helper()
	var deflated bytes.Buffer
	w := zlib.NewWriter(&deflated)
	w.Write(b)
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return deflated.Bytes()
}

// tryRender opens and renders, and returns the first error.
func tryRender(ctx context.Context, r io.Reader, limits Limits) error {
	picture, err := Open(r, limits)
	if err != nil {
		return err
	}
	_, err = picture.Render(ctx, Target{Box: thumbnail})
	return err
}

// small files of every kind are short enough to be truncated at every length.
func small(tb testing.TB) map[string][]byte {
	tb.Helper()
	m := painted(24, 17)
	alpha := painted(24, 17)
	alpha.Pix[3] = 0
	exif := tiff(binary.BigEndian, 6)
	lossy, lossless := bitstream(encodeWebP(tb, m, false)), bitstream(encodeWebP(tb, m, true))
	withAlpha := bitstream(render(tb, encodeWebP(tb, alpha, true), thumbnail).Bytes)
	return map[string][]byte{
		"JPEG":             encodeJPEG(tb, m),
		"JPEG with EXIF":   afterSOI(encodeJPEG(tb, m), exifSegment(exif), segment(0xe2, make([]byte, 99))),
		"gray JPEG":        encodeJPEG(tb, image.NewGray(image.Rect(0, 0, 9, 9))),
		"progressive JPEG": scansJPEG(9, 9, 3),
		"PNG":              encodePNG(tb, m),
		"PNG with EXIF": beforeIEND(afterIHDR(encodePNG(tb, alpha), pngChunk("gAMA", []byte{0, 0, 1, 1})),
			pngChunk("eXIf", exif)),
		"PNG with profile": afterIHDR(encodePNG(tb, m),
			pngChunk("iCCP", slices.Concat([]byte("P3\x00\x00"), deflated(tb, p3(tb))))),
		"JPEG with profile": afterSOI(encodeJPEG(tb, m), segment(0xe2, append([]byte("ICC_PROFILE\x00\x01\x01"), p3(tb)...))),
		"PNG with palette":  encodePNG(tb, palette.Reduce(alpha)),
		"GIF":               encodeGIF(tb, 24, 17, palette.Reduce(m)),
		"animated GIF":      encodeGIF(tb, 24, 17, palette.Reduce(alpha), palette.Reduce(m)),
		"lossy WebP":        encodeWebP(tb, m, false),
		"lossless WebP":     encodeWebP(tb, m, true),
		"WebP with EXIF":    riff(vp8x(vp8xExif, 24, 17), lossy, riffChunk("EXIF", exif)),
		"WebP with alpha":   riff(vp8x(vp8xAlpha, 24, 17), withAlpha),
		"animated WebP": riff(vp8x(vp8xAnimation, 30, 20), anim(), anmf(2, 2, 24, 17, withAlpha),
			anmf(0, 0, 24, 17, lossless)),
		"HEIC":            heic(tb, "cut_turned"),
		"HEIC with alpha": heic(tb, "grid_alpha"),
	}
}

// pixelsEnd is the least length of a file with all of its pixels. Only the end marker of a JPEG, unless it is
// progressive, and of a PNG may be missing.
func pixelsEnd(file []byte) int {
	isProgressive := bytes.Contains(file, []byte{0xff, 0xc2})
	switch idat := bytes.LastIndex(file, []byte("IDAT")); {
	case bytes.HasPrefix(file, []byte{0xff, 0xd8}) && !isProgressive:
		return len(file) - 2
	case bytes.HasPrefix(file, []byte("\x89PNG")):
		return idat + 4 + int(binary.BigEndian.Uint32(file[idat-4:]))
	default:
		return len(file)
	}
}

func TestRenderWithoutEndMarker(t *testing.T) {
	files := small(t)
	for _, name := range []string{"JPEG", "JPEG with EXIF", "gray JPEG", "PNG", "PNG with palette"} {
		want := render(t, files[name], thumbnail)
		for n := pixelsEnd(files[name]); n < len(files[name]); n++ {
			if got := render(t, files[name][:n], thumbnail); !bytes.Equal(got.Bytes, want.Bytes) {
				t.Errorf("%s cut to %d of %d bytes is not like the whole", name, n, len(files[name]))
			}
		}
	}
}

func TestTruncatedImageIsDamaged(t *testing.T) {
	const recognised = 12 // bytes that it takes
	files := small(t)
	for _, name := range names(files) {
		t.Run(name, func(t *testing.T) {
			file := files[name]
			if err := tryRender(t.Context(), bytes.NewReader(file), Limits{}); err != nil {
				t.Fatalf("the whole file: %v", err)
			}
			for n := range pixelsEnd(file) {
				err := tryRender(t.Context(), bytes.NewReader(file[:n]), Limits{})
				var imgErr *Error
				if lacksOnlyTrailer(file, n) {
					if err != nil {
						t.Errorf("cut to %d of %d bytes, after a frame: got %v, want no error", n, len(file), err)
					}
					continue
				}
				if !errors.As(err, &imgErr) || n >= recognised && imgErr.Reason != ReasonDamaged {
					t.Errorf("cut to %d of %d bytes: got %v, want reason damaged", n, len(file), err)
				}
			}
		})
	}
}

// lacksOnlyTrailer reports whether n bytes are a GIF that ends after a frame. Nothing of the image is missing then, so
// Pillow and browsers show it.
func lacksOnlyTrailer(file []byte, n int) bool {
	const frame, graphicControl, trailer = "\x2c\x00\x00\x00\x00", "\x21\xf9\x04", "\x3b"
	if !bytes.HasPrefix(file, []byte("GIF")) || !bytes.Contains(file[:n], []byte(frame)) || file[n-1] != 0 {
		return false
	}
	return string(file[n:]) == trailer || bytes.HasPrefix(file[n:], []byte(graphicControl))
}

func TestTruncatedPhotographIsDamaged(t *testing.T) {
	files := images(t)
	for _, name := range names(files) {
		file := files[name]
		end := pixelsEnd(file)
		for _, n := range []int{len(file) / 3, len(file) / 2, min(len(file)-len(file)/20, end-1), end - 1} {
			if lacksOnlyTrailer(file, n) {
				continue
			}
			err := tryRender(t.Context(), bytes.NewReader(file[:n]), Limits{})
			var imgErr *Error
			if !errors.As(err, &imgErr) || imgErr.Reason != ReasonDamaged {
				t.Errorf("%s cut to %d of %d bytes: got %v, want reason damaged", name, n, len(file), err)
			}
		}
	}
}

// A connection that breaks is not a broken image, at any offset.
func TestReaderErrorIsNotDamage(t *testing.T) {
	failure := errors.New("connection reset by peer")
	files := small(t)
	for _, name := range names(files) {
		t.Run(name, func(t *testing.T) {
			file := files[name]
			for n := range file {
				for _, want := range []error{failure, io.ErrUnexpectedEOF} {
					r := io.MultiReader(bytes.NewReader(file[:n]), iotest.ErrReader(want))
					err := tryRender(t.Context(), r, Limits{})
					var imgErr *Error
					if !errors.Is(err, want) || errors.As(err, &imgErr) {
						t.Fatalf("an error after %d of %d bytes: got %v, want %v", n, len(file), err, want)
					}
				}
			}
		})
	}
}

func TestShortReads(t *testing.T) {
	files := small(t)
	for _, name := range names(files) {
		for kind, slow := range map[string]func(io.Reader) io.Reader{
			"one byte": iotest.OneByteReader, "half": iotest.HalfReader, "data with error": iotest.DataErrReader,
		} {
			t.Run(name+" from a reader of "+kind, func(t *testing.T) {
				if err := tryRender(t.Context(), slow(bytes.NewReader(files[name])), Limits{}); err != nil {
					t.Errorf("%s from a reader of %s: %v", name, kind, err)
				}
			})
		}
	}
}

// A cancelling reader cancels a context once n bytes were read.
type cancelling struct {
	r      io.Reader
	n      int
	cancel func()
}

func (c *cancelling) Read(p []byte) (int, error) {
	n, err := c.r.Read(p[:min(len(p), 512)])
	if c.n -= n; c.n < 0 {
		c.cancel()
	}
	return n, err
}

func TestRenderStopsWithContext(t *testing.T) {
	m := painted(600, 400)
	files := map[string][]byte{
		"JPEG": encodeJPEG(t, m), "PNG": encodePNG(t, m), "GIF": encodeGIF(t, 600, 400, palette.Reduce(m)),
		"lossy WebP": encodeWebP(t, m, false), "lossless WebP": encodeWebP(t, m, true),
	}
	for name, file := range files {
		for _, read := range []int{len(file) / 4, len(file) - 1} {
			t.Run(fmt.Sprintf("%s after %d of %d bytes", name, read, len(file)), func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				picture, err := Open(&cancelling{bytes.NewReader(file), read, cancel}, Limits{})
				if err != nil {
					t.Fatal(err)
				}
				_, err = picture.Render(ctx, Target{Box: thumbnail})
				var imgErr *Error
				if !errors.Is(err, context.Canceled) || errors.As(err, &imgErr) {
					t.Errorf("got %v, want %v", err, context.Canceled)
				}
			})
		}
	}
}

// scansJPEG is a progressive gray JPEG without details, with any number of scans. Each but the first takes a few bytes,
// however large the image is: a decompression bomb.
func scansJPEG(width, height, scans int) []byte {
	size := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16([]byte{8}, uint16(height)), uint16(width))
	file := slices.Concat([]byte{0xff, 0xd8},
		segment(0xdb, append([]byte{0}, bytes.Repeat([]byte{1}, 64)...)),
		segment(0xc2, append(size, 1, 1, 0x11, 0)),
		// One code of one bit in each table: a DC difference of 0, and an EOB run of 1<<14 blocks or more.
		segment(0xc4, append([]byte{0x00, 1}, make([]byte, 16)...)),
		segment(0xc4, append([]byte{0x10, 1}, append(make([]byte, 15), 0xe0)...)))
	blocks := (width + 7) / 8 * ((height + 7) / 8)
	file = append(file, segment(0xda, []byte{1, 1, 0, 0, 0, 0})...)
	file = append(file, make([]byte, (blocks+7)/8)...)
	for range scans - 1 {
		file = append(file, segment(0xda, []byte{1, 1, 0, 1, 63, 0})...)
		// A zero bit for the code, and 14 bits for the length of the EOB run beyond 1<<14.
		for range (blocks + 1<<14 - 1) / (1 << 14) {
			file = append(file, 0, 0)
		}
	}
	return append(file, 0xff, 0xd9)
}

func TestHostileImages(t *testing.T) {
	m := painted(24, 17)
	jpg := encodeJPEG(t, m)
	frame := bytes.Index(jpg, []byte{0xff, 0xc0})
	sized := func(width, height uint16) []byte {
		file := bytes.Clone(jpg)
		binary.BigEndian.PutUint16(file[frame+5:], height)
		binary.BigEndian.PutUint16(file[frame+7:], width)
		return file
	}
	gifFile := func(width, height, frameWidth, frameHeight uint16) []byte {
		file := encodeGIF(t, 24, 17, palette.Reduce(m))
		binary.LittleEndian.PutUint16(file[6:], width)
		binary.LittleEndian.PutUint16(file[8:], height)
		at := bytes.Index(file, append([]byte{0x2c}, 0, 0, 0, 0, 24, 0, 17, 0))
		binary.LittleEndian.PutUint16(file[at+5:], frameWidth)
		binary.LittleEndian.PutUint16(file[at+7:], frameHeight)
		return file
	}
	lossless, lossy := bitstream(encodeWebP(t, m, true)), bitstream(encodeWebP(t, m, false))
	pngEnd := func(chunks ...[]byte) []byte { return append(bytes.Join(chunks, nil), pngChunk("IEND", nil)...) }
	noColour := pngChunk("PLTE", make([]byte, 3))
	badSum := pngHeader(24, 17, 8, 2)
	badSum[20] ^= 1

	tests := []struct {
		name string
		file []byte
		want Reason
	}{
		{"JPEG of 65535x65535", sized(65535, 65535), ReasonTooManyPixels},
		{"JPEG of no width", sized(0, 17), ReasonDamaged},
		{"JPEG of no height", sized(24, 0), ReasonUnsupported},
		{"JPEG larger than its pixels", sized(2000, 2000), ReasonDamaged},
		{"JPEG without a frame", []byte("\xff\xd8\xff\xd9 and then nothing"), ReasonDamaged},
		{"JPEG whose scan comes first", append([]byte("\xff\xd8"), segment(0xda, make([]byte, 10))...), ReasonDamaged},
		{"JPEG with a segment of length 1", []byte("\xff\xd8\xff\xe0\x00\x01abcdefgh"), ReasonDamaged},
		{"JPEG with a short frame", append([]byte("\xff\xd8"), segment(0xc0, []byte{8, 0, 1})...), ReasonDamaged},
		{"JPEG with a frame too long", append([]byte("\xff\xd8"), segment(0xc0, []byte{8, 0, 1, 0, 1, 1, 1, 0x11, 0, 0})...),
			ReasonDamaged},
		{"JPEG of two frames", withSecondFrame(jpg, frame), ReasonDamaged},
		{"JPEG of tables", afterSOI(jpg, bytes.Repeat(segment(0xdb, append([]byte{0}, make([]byte, 64)...)), 20000)),
			ReasonDamaged},
		{"JPEG with garbage for pixels", append(bytes.Clone(jpg[:len(jpg)/2]), bytes.Repeat([]byte{0x55, 0xff}, 500)...),
			ReasonDamaged},
		{"JPEG with 101 scans", scansJPEG(640, 480, 101), ReasonUnsupported},
		{"JPEG with scans after filling",
			bytes.ReplaceAll(scansJPEG(64, 48, 101), []byte("\xff\xda"), []byte("\xff\xff\xda")), ReasonUnsupported},
		{"PNG of 2147483647x2147483647", pngEnd(pngHeader(1<<31-1, 1<<31-1, 8, 2), pngChunk("IDAT", nil)),
			ReasonTooManyPixels},
		{"PNG of 4294967295x1", pngEnd(pngHeader(1<<32-1, 1, 8, 2), pngChunk("IDAT", nil)), ReasonDamaged},
		{"PNG of 0x0", pngEnd(pngHeader(0, 0, 8, 2), pngChunk("IDAT", nil)), ReasonDamaged},
		{"PNG of 10000000x1", pngEnd(pngHeader(10_000_000, 1, 1, 0), pngChunk("IDAT", nil)), ReasonTooManyPixels},
		{"PNG with a wrong sum", pngEnd(badSum), ReasonDamaged},
		{"PNG without pixels", pngEnd(pngHeader(24, 17, 8, 2)), ReasonDamaged},
		{"PNG with empty pixels", pngEnd(pngHeader(24, 17, 8, 2), pngChunk("IDAT", deflated(t, nil))), ReasonDamaged},
		{"PNG with a wrong filter", pngEnd(pngHeader(2, 2, 8, 0), pngChunk("IDAT", deflated(t, []byte{9, 0, 0, 9, 0, 0}))),
			ReasonDamaged},
		{"PNG with broken compression", pngEnd(pngHeader(2, 2, 8, 0), pngChunk("IDAT", []byte{0x78, 0x9c, 0xff, 0xff, 0xff})),
			ReasonDamaged},
		{"PNG of no palette", pngEnd(pngHeader(2, 2, 8, 3), pngChunk("IDAT", deflated(t, make([]byte, 6)))), ReasonDamaged},
		{"PNG of two palettes", pngEnd(pngHeader(2, 2, 8, 3), noColour, noColour), ReasonDamaged},
		{"PNG of three bits", pngEnd(pngHeader(2, 2, 3, 0), pngChunk("IDAT", deflated(t, make([]byte, 6)))),
			ReasonUnsupported},
		{"PNG with a nameless chunk", append(pngHeader(2, 2, 8, 0), 0, 0, 0, 0, 1, 2, 3, 4), ReasonDamaged},
		{"PNG with an endless chunk", append(pngHeader(2, 2, 8, 0), 0xff, 0xff, 0xff, 0xff, 't', 'E', 'X', 't'),
			ReasonDamaged},
		{"PNG spoilt by a transfer as text", []byte("\x89PNG\n\x1a\n\x00\x00\x00\x0dIHDR"), ReasonDamaged},
		{"GIF of 0x0", gifFile(0, 0, 0, 0), ReasonDamaged},
		{"GIF of 65535x65535", gifFile(65535, 65535, 24, 17), ReasonTooManyPixels},
		{"GIF whose frame is larger than its screen", gifFile(24, 17, 24, 18), ReasonDamaged},
		{"GIF whose frame is larger than its pixels", gifFile(2000, 2000, 2000, 2000), ReasonDamaged},
		{"GIF without a frame", append(gifFile(24, 17, 24, 17)[:13], bytes.Repeat([]byte{0x3b}, 400*3)...), ReasonDamaged},
		{"GIF of version 88a", []byte("GIF88a\x01\x00\x01\x00\x00\x00\x00;"), ReasonDamaged},
		{"WebP of 16777216x16777216", riff(vp8x(0, 1<<24, 1<<24), lossless), ReasonTooManyPixels},
		{"WebP that is larger than it says", riff(vp8x(0, 8, 8), lossless), ReasonDamaged},
		{"lossy WebP that is larger than it says", riff(vp8x(0, 8, 8), lossy), ReasonDamaged},
		{"WebP that is smaller than it says", riff(vp8x(0, 5000, 5000), lossy), ReasonDamaged},
		{"WebP without an image", riff(vp8x(0, 24, 17), riffChunk("EXIF", nil)), ReasonDamaged},
		{"WebP with nothing but alpha", riff(vp8x(vp8xAlpha, 24, 17), riffChunk("ALPH", make([]byte, 24*17+1))),
			ReasonDamaged},
		{"WebP with an endless alpha", riff(vp8x(vp8xAlpha, 24, 17), riffChunk("ALPH", make([]byte, 1<<20)), lossy),
			ReasonDamaged},
		{"WebP with short alpha", riff(vp8x(vp8xAlpha, 24, 17), riffChunk("ALPH", make([]byte, 24*17)), lossy),
			ReasonDamaged},
		{"WebP of no size", riff(riffChunk("VP8 ", []byte{0, 0, 0, 0x9d, 1, 0x2a, 0, 0, 0, 0})), ReasonDamaged},
		{"WebP of no key frame", riff(riffChunk("VP8 ", []byte{1, 0, 0, 0x9d, 1, 0x2a, 8, 0, 8, 0})), ReasonDamaged},
		{"WebP of a wrong signature", riff(riffChunk("VP8L", make([]byte, 10))), ReasonDamaged},
		{"WebP with an empty bitstream", riff(riffChunk("VP8 ", nil)), ReasonDamaged},
		{"WebP that starts with something else", riff(riffChunk("ICCP", make([]byte, 10)), lossless), ReasonDamaged},
		{"WebP whose chunk is larger than the file", append([]byte("RIFF\x20\x00\x00\x00WEBPVP8 \xff\xff\xff\x7f"), lossy...),
			ReasonDamaged},
		{"WebP of an empty list", append([]byte("RIFF\x04\x00\x00\x00WEBP"), lossy...), ReasonDamaged},
		{"animated WebP without a frame", riff(vp8x(vp8xAnimation, 24, 17), lossless), ReasonDamaged},
		{"animated WebP with an empty frame", riff(vp8x(vp8xAnimation, 24, 17), anmf(0, 0, 24, 17)), ReasonDamaged},
		{"animated WebP whose frame leaves its canvas", riff(vp8x(vp8xAnimation, 24, 17), anmf(2, 0, 24, 17, lossless)),
			ReasonDamaged},
		{"animated WebP whose frame is larger than it says", riff(vp8x(vp8xAnimation, 24, 17), anmf(0, 0, 8, 8, lossless)),
			ReasonDamaged},
		{"animated WebP whose frame is too short", riff(vp8x(vp8xAnimation, 24, 17), riffChunk("ANMF", make([]byte, 10))),
			ReasonDamaged},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var err error
			memory := allocated(func() { err = tryRender(t.Context(), bytes.NewReader(test.file), Limits{}) })
			var imgErr *Error
			if !errors.As(err, &imgErr) || imgErr.Reason != test.want {
				t.Fatalf("got %v, want reason %s", err, test.want)
			}
			if strings.ContainsAny(imgErr.Message, "\n{}[]") || strings.Contains(imgErr.Message, "runtime") {
				t.Errorf("message is %q, want a sentence", imgErr.Message)
			}
			if memory > 48<<20 {
				t.Errorf("it took %d bytes of memory", memory)
			}
		})
	}
}

// withSecondFrame inserts a second frame header after the first.
func withSecondFrame(file []byte, frame int) []byte {
	end := frame + 2 + int(binary.BigEndian.Uint16(file[frame+2:]))
	return slices.Concat(file[:end], file[frame:end], file[end:])
}

func TestUnusualImages(t *testing.T) {
	jpg := encodeJPEG(t, painted(24, 17))
	zeros := pngChunk("IDAT", deflated(t, make([]byte, 2000*251)))
	files := map[string][]byte{
		"PNG that is compressed a thousandfold": slices.Concat(pngHeader(2000, 2000, 1, 0), zeros, pngChunk("IEND", nil)),
		"JPEG with 100 scans":                   scansJPEG(64, 48, 100),
		"JPEG with another one at the end":      append(bytes.Clone(jpg), scansJPEG(64, 48, 150)...),
		"JPEG with scans in a comment":          afterSOI(jpg, segment(0xfe, bytes.Repeat([]byte{0xff, 0xda}, 5000))),
		"PNG with more pixels than it says": slices.Concat(pngHeader(2, 2, 8, 0),
			pngChunk("IDAT", deflated(t, make([]byte, 7))), pngChunk("IEND", nil)),
		"PNG with garbage at the end":   append(encodePNG(t, painted(24, 17)), "garbage"...),
		"WebP without its last padding": unpadded(t),
		"GIF on a screen of 0x0":        onNoScreen(encodeGIF(t, 24, 17, palette.Reduce(painted(24, 17)))),
		"GIF with garbage at the end":   append(encodeGIF(t, 24, 17, palette.Reduce(painted(24, 17))), "garbage"...),
	}
	for name, file := range files {
		t.Run(name, func(t *testing.T) {
			if err := tryRender(t.Context(), bytes.NewReader(file), Limits{}); err != nil {
				t.Error(err)
			}
		})
	}
}

// onNoScreen sets the logical screen of a GIF to 0x0 pixels.
func onNoScreen(file []byte) []byte {
	clear(file[6:10])
	return file
}

// unpadded is a WebP whose last chunk has an odd length and no padding.
func unpadded(t *testing.T) []byte {
	t.Helper()
	file := riff(vp8x(0, 24, 17), bitstream(encodeWebP(t, painted(24, 17), true)), riffChunk("XMP ", []byte("odd")))
	binary.LittleEndian.PutUint32(file[4:], uint32(len(file)-9))
	return file[:len(file)-1]
}

func TestOpenChecksLimits(t *testing.T) {
	file := encodePNG(t, painted(100, 100))
	_, err := Open(bytes.NewReader(file), Limits{Pixels: 9999})
	var imgErr *Error
	if !errors.As(err, &imgErr) || imgErr.Reason != ReasonTooManyPixels {
		t.Errorf("got %v, want too_many_pixels", err)
	}
	if _, err := Open(bytes.NewReader(file), Limits{Pixels: 10000}); err != nil {
		t.Errorf("got %v, want no error", err)
	}
}

// panickingFile is an image whose decoder has a bug.
type panickingFile struct{ codec.File }

func (panickingFile) Decode(codec.Options) (codec.Result, error) {
	panic("index out of range [7] with length 4")
}

// A bug of a decoder is not the image's fault: the error is not an *Error, which would be stored as its result.
func TestPanicOfDecoderIsNoVerdict(t *testing.T) {
	picture := &Picture{
		header: Header{Format: GIF, Width: 1, Height: 1},
		source: newSource(t.Context(), strings.NewReader("")),
		table:  formats,
		entry:  formats.find(GIF),
		file:   panickingFile{},
	}
	_, err := picture.Render(t.Context(), Target{Box: thumbnail})
	var imgErr *Error
	var panicked *PanicError
	if errors.As(err, &imgErr) || !errors.As(err, &panicked) {
		t.Fatalf("got %v, want a *PanicError and not an *Error", err)
	}
	if !strings.Contains(panicked.Error(), "index") || !strings.Contains(string(panicked.Stack), "panickingFile") {
		t.Errorf("got %v with the stack %s, want the panic and where it was", panicked, panicked.Stack)
	}
}
