package raster

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestProbeNotAnImage(t *testing.T) {
	tests := []struct{ name, content, found string }{
		{"empty", "", "nothing"},
		{"one letter", "x", "text"},
		{"text", "Dear sir,\r\n\tthis is not an image. Ünïcödé.\n", "text"},
		{"text that ends within a letter", strings.Repeat("a", describeLength-1) + "ü", "text"},
		{"a text that starts like a pixmap", "P3 is the third platform", "text"},
		{"markup", "<note>hello</note>", "text"},
		{"text in braces", "{error: No file provided}", "text"},
		{"text that starts like a bitmap", "BMW is a maker of cars", "text"},
		{"a C header", "#define MAX 3\n", "text"},
		{"a line feed, and zeros", "\n\x05\x02" + strings.Repeat("\x00", 200),
			"unknown content that starts with 0a 05 02 00 00 00 00 00"},
		{"brands of no length", "\x00\x00\x00\x01ftypheicheic", "unknown content that starts with 00 00 00 01 66 74 79 70"},
		{"ELF", "\x7fELF\x02\x01\x01", "unknown content that starts with 7f 45 4c 46 02 01 01"},
		{"zeros", strings.Repeat("\x00", 5000), "unknown content that starts with 00 00 00 00 00 00 00 00"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Probe(t.Context(), strings.NewReader(test.content))
			want := Error{
				Reason:  ReasonNotAnImage,
				Message: "The content is not an image: expected " + Limits{}.FormatNames("or") + ", found " + test.found,
				Found:   test.found,
			}
			checkError(t, err, want)
		})
	}
}

func TestProbeUnsupported(t *testing.T) {
	bmp := "BM" + strings.Repeat("\x00", 12) + "\x28" + strings.Repeat("\x00", 100)
	jpg := func(marker byte, precision, components int, height byte) string {
		frame := []byte{byte(precision), 0, height, 0, 16, byte(components)}
		for i := range components {
			frame = append(frame, byte(i+1), 0x11, 0)
		}
		return "\xff\xd8" + string(segment(marker, frame))
	}
	const anyJPEG = "Huffman-coded baseline or progressive JPEG"
	anyFormat := Limits{}.FormatNames("or")
	tests := []struct{ found, content, expected string }{
		{"Canon CR3", "\x00\x00\x00\x18ftypcrx \x00\x00\x00\x01crx isom", anyFormat},
		{"ZIP", "PK\x03\x04\x14\x00\x00\x00\x08\x00", anyFormat},
		{"WAV audio", "RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00", anyFormat},
		{"AVI video", "RIFF\x24\x00\x00\x00AVI LIST\x10\x00\x00\x00", anyFormat},
		{"MP4 video", "\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom", anyFormat},
		{"3GP video", "\x00\x00\x00\x18ftyp3gp5\x00\x00\x00\x00isom3gp4", anyFormat},
		{"MOV video", "\x00\x00\x00\x08wide\x00\x10\x00\x00mdat", anyFormat},
		{"HTML", "<!doctype html><html><body>502 Bad Gateway</body></html>", anyFormat},
		{"JSON", `{"error":"No file provided"}`, anyFormat},
		{"XML", "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code></Error>", anyFormat},
		{"PAM", "P7\nWIDTH 227\nHEIGHT 149\n", anyFormat},
		{"PBM", "P1\n# a comment\n24 7\n", anyFormat},
		{"PGM", "P5 24 7 255 ", anyFormat},
		{"PFM", "PF\n24 7\n-1.0\n", anyFormat},
		{"TGA", "\x00\x01\x09\x00\x00\x00\x01\x18\x00\x00\x00\x00\x10\x00\x10\x00\x08\x20", anyFormat},
		{"SVG", "<!--" + strings.Repeat(" a long comment", 3000) + "-->\n<svg width=\"1\"/>", anyFormat},
		{"SVG", `<svg xmlns="http://www.w3.org/2000/svg"/>`, anyFormat},
		{"SVG", "\xef\xbb\xbf<?xml version=\"1.0\"?>\n<!-- a comment -->\n<svg width=\"1\"/>", anyFormat},
		{"BMP", bmp, anyFormat},
		{"TIFF", "II*\x00\x08\x00\x00\x00", anyFormat},
		{"TIFF", "MM\x00*\x00\x00\x00\x08", anyFormat},
		{"ICO", "\x00\x00\x01\x00\x01\x00\x10\x10", anyFormat},
		{"PSD", "8BPS\x00\x01", anyFormat},
		{"JPEG 2000", "\x00\x00\x00\x0cjP  \r\n\x87\n", anyFormat},
		{"JPEG 2000", "\xff\x4f\xff\x51\x00\x2f", anyFormat},
		{"JPEG XL", "\x00\x00\x00\x0cJXL \r\n\x87\n", anyFormat},
		{"JPEG XL", "\xff\x0a\x00\x90", anyFormat},
		{"PDF", "%PDF-1.7\n", anyFormat},
		{"BPG", "BPG\xfb\x20\x00", anyFormat},
		{"DICOM", strings.Repeat("\x00", 128) + "DICM\x02\x00", anyFormat},
		{"FITS", "SIMPLE  =                    T / conforms", anyFormat},
		{"HEIF with H.264 pictures", "\x00\x00\x00\x18ftypavci\x00\x00\x00\x00mif1avci", anyFormat},
		{"HEIF with JPEG pictures", "\x00\x00\x00\x18ftypjpeg\x00\x00\x00\x00mif1jpeg", anyFormat},
		{"ICNS", "icns\x00\x00\x10\x00ic07", anyFormat},
		{"ILBM", "FORM\x00\x00\x10\x00ILBMBMHD", anyFormat},
		{"PCX", "\x0a\x05\x01\x08\x00\x00\x00\x00\x3f\x00\x2f\x00" + strings.Repeat("\x00", 116), anyFormat},
		{"SGI", "\x01\xda\x01\x01\x00\x03\x00\x40", anyFormat},
		{"Sun raster", "\x59\xa6\x6a\x95\x00\x00\x00\x40", anyFormat},
		{"XBM", "#define im_width 64\n#define im_height 48\n", anyFormat},
		{"XPM", "/* XPM */\nstatic char *im[] = {", anyFormat},
		{"PNG of Apple's own kind (CgBI)", "\x89PNG\r\n\x1a\n" + string(pngChunk("CgBI", []byte{0x50, 0, 0x20, 2})),
			"standard PNG"},
		{"lossless JPEG", jpg(0xc3, 8, 3, 16), anyJPEG},
		{"hierarchical JPEG", jpg(0xc5, 8, 3, 16), anyJPEG},
		{"hierarchical JPEG", jpg(0xde, 8, 3, 16), anyJPEG},
		{"arithmetic-coded JPEG", jpg(0xc9, 8, 3, 16), anyJPEG},
		{"arithmetic-coded JPEG", jpg(0xca, 8, 3, 16), anyJPEG},
		{"JPEG-LS", jpg(0xf7, 8, 3, 16), anyJPEG},
		{"12-bit JPEG", jpg(0xc1, 12, 3, 16), "8-bit JPEG"},
		{"JPEG of 2 components", jpg(0xc0, 8, 2, 16), "1, 3 or 4 components"},
		{"JPEG whose height comes after its pixels", jpg(0xc0, 8, 3, 0), "the height in the frame header"},
	}
	for _, test := range tests {
		t.Run(test.found, func(t *testing.T) {
			_, err := Probe(t.Context(), strings.NewReader(test.content))
			want := Error{
				Reason:  ReasonUnsupported,
				Message: test.found + " is not supported, expected " + test.expected,
				Found:   test.found,
			}
			checkError(t, err, want)
		})
	}
}

func TestProbeUnsupportedSamples(t *testing.T) {
	for pattern, want := range map[string]string{"x/*.bmp": "BMP", "x/*.tiff": "TIFF"} {
		for name, file := range samples(t, pattern) {
			_, err := Probe(t.Context(), bytes.NewReader(file))
			var imgErr *Error
			if !errors.As(err, &imgErr) || imgErr.Found != want {
				t.Errorf("%s: got %v, want reason %s", name, err, want)
			}
		}
	}
}

// checkError also checks that the error can be marshalled for the answer of an API.
func checkError(t *testing.T, err error, want Error) {
	t.Helper()
	var got *Error
	if !errors.As(err, &got) || *got != want {
		t.Fatalf("got %#v, want %#v", err, want)
	}
	if _, err := json.Marshal(got); err != nil {
		t.Errorf("marshal: %v", err)
	}
}
