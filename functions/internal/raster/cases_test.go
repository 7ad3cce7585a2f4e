package raster

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// quarters are colours: top left, top right, bottom left, bottom right.
type quarters [4]color.NRGBA

// The picture of most files in testdata/cases, and what they show of it.
var (
	thePicture = quarters{{200, 40, 40, 255}, {40, 160, 60, 255}, {40, 60, 200, 255}, {230, 200, 40, 255}}
	turnedBy6  = quarters{thePicture[2], thePicture[0], thePicture[3], thePicture[1]}
	inP3       = quarters{{220, 0, 18, 255}, {0, 164, 35, 255}, {30, 58, 210, 255}, {237, 200, 0, 255}}
	// HDR is as bright as the picture up to where highlights are compressed.
	ofHDR = quarters{{197, 39, 39, 255}, {40, 159, 60, 255}, {40, 60, 197, 255}, {218, 190, 38, 255}}
)

func all(r, g, b, a uint8) quarters {
	c := color.NRGBA{r, g, b, a}
	return quarters{c, c, c, c}
}

// grays are of the left and the right half.
func grays(left, right uint8) quarters {
	l, r := color.NRGBA{left, left, left, 255}, color.NRGBA{right, right, right, 255}
	return quarters{l, r, l, r}
}

// A shownCase is a file like one that a user of an image service has reported, and the colours in the middle of its
// quarters. Where decoders differ, they are those of browsers.
type shownCase struct {
	names     string // patterns of file names
	want      quarters
	tolerance int
}

var shownCases = []shownCase{
	{"jpeg-*.jpg samsung-pano-*.jpg soi-twice.jpg rst-ff00.jpg rst-junk.jpg rst-last.jpg", thePicture, 4},
	{"sampling-*.jpg icc-part-*.jpg exif-lost-ff.jpg exif-byte-6.jpg", thePicture, 4},
	{"exif-twice-1-then-6.jpg exif-tag-twice-1-6.jpg webp-exif-twice-1-6.webp webp-exif-6-no-flag.webp", thePicture, 4},
	{"crc-exif*.png", thePicture, 4},
	{"exif-6.jpg exif-long-6*.jpg exif-xmp-first-6.jpg exif-tag-twice-6-1.jpg png-exif-6*.png", turnedBy6, 4},
	{"webp-exif-6.webp webp-exif-6-first.webp webp-psai.webp", turnedBy6, 4},
	{"cmyk-profile.jpg", quarters{{215, 29, 36, 255}, {0, 144, 57, 255}, {52, 47, 128, 255}, {132, 133, 135, 255}}, 6},
	{"cmyk-no-*.jpg cmyk-sampling.jpg",
		quarters{{255, 0, 0, 255}, {0, 255, 0, 255}, {0, 0, 255, 255}, {127, 127, 127, 255}}, 4},
	{"hdr-pq-both.png hdr-pq-icc.jpg hdr-pq-cicp.png", ofHDR, 18}, // 8 bits of PQ are coarse
	{"hdr-hlg-cicp.png", quarters{{185, 51, 45, 255}, {62, 158, 69, 255}, {49, 60, 172, 255}, {220, 195, 62, 255}}, 6},
	{"hdr-pq-icc.png", quarters{{29, 1, 1, 255}, {1, 21, 3, 255}, {1, 3, 28, 255}, {34, 28, 1, 255}}, 4},
	{"sdr-of-the-same.png cicp-linear.png cicp-p3-limited.png", thePicture, 8},
	{"cicp-709.png", quarters{{197, 28, 28, 255}, {28, 154, 46, 255}, {28, 46, 197, 255}, {228, 197, 28, 255}}, 4},
	{"cicp-2020-1.png", quarters{{246, 0, 6, 255}, {0, 163, 4, 255}, {0, 48, 207, 255}, {251, 193, 0, 255}}, 4},
	{"cicp-p3.png", quarters{{218, 0, 26, 255}, {0, 163, 40, 255}, {34, 61, 208, 255}, {236, 199, 0, 255}}, 4},
	{"crc-actl.png crc-bkgd.png crc-cicp.png crc-gama.png crc-phys.png crc-srgb.png crc-t[ei]*.png", thePicture, 4},
	{"png-plain.png png-cmyk-icc.png png-rgb-gray-icc.png", thePicture, 4},
	{"chunk-name.png", thePicture, 4},
	// The default image, which browsers do not show.
	{"apng-hidden-default.png", all(255, 0, 0, 255), 0},
	{"gama-1.png", quarters{{149, 4, 4, 255}, {4, 91, 11, 255}, {4, 11, 149, 255}, {203, 149, 4, 255}}, 4}, // ignored
	{"gama-0.55.png", quarters{{190, 27, 27, 255}, {27, 145, 44, 255}, {27, 44, 190, 255}, {225, 190, 27, 255}}, 4},
	{"crc-iccp.png", thePicture, 4},
	{"big-*.png", all(255, 255, 255, 255), 0},
	{"rgb-lut.gif", thePicture, 4},
	{"rgb-lut.jpg rgb-lut.png",
		quarters{{201, 36, 36, 255}, {34, 162, 58, 255}, {35, 57, 202, 255}, {231, 201, 36, 255}}, 2},
	{"icc-after-sof*.jpg", inP3, 4},
	{"gray-icc-g10.jpg png-gray-rgb-icc.png", grays(138, 226), 2},
	{"gray-icc-dot20.jpg", grays(90, 206), 2},
	{"gray-icc-lab.jpg", grays(60, 188), 2},
	{"gif-junk-behind.gif gif-larger-first.gif gif-no-end-code.gif gif-oob.gif gif-plain.gif gif-zero-screen.gif",
		thePicture, 4},
	{"gif-full-table.gif", quarters{thePicture[1], thePicture[0], thePicture[1], thePicture[3]}, 4},
	{"gif-no-data*.gif gif-empty-first.gif gif-set-hsts.gif gif-usual-pixel.gif", all(0, 0, 0, 0), 0},
	{"trns-gray1.png", quarters{{}, {0, 0, 0, 255}, {}, {0, 0, 0, 255}}, 0},
	{"trns-gray1-ff*.png", grays(255, 0), 0},
	{"webp-plain.webp webp-trailing.webp webp-p3-no-flag.webp webp-anim-no-alph.webp webp-alpha-bit0.webp", thePicture, 4},
	{"webp-p3.webp", quarters{{219, 0, 16, 255}, inP3[1], {26, 59, 208, 255}, inP3[3]}, 4},
	{"webp-alpha.webp", quarters{{}, thePicture[1], {}, thePicture[3]}, 4},
	{"webp-anim-offset.webp", all(200, 40, 40, 255), 4},
}

// refusedCases are the reasons for which the other files are refused.
var refusedCases = map[string]Reason{
	"crc-trns.png": ReasonDamaged, "dri-4.jpg": ReasonDamaged, "rst-no-dri.jpg": ReasonDamaged,
	"dnl.jpg":              ReasonUnsupported,
	"webp-riff-plus8.webp": ReasonDamaged, "webp-riff-short.webp": ReasonDamaged, "webp-riff-zero.webp": ReasonDamaged,
}

func TestCases(t *testing.T) {
	seen := map[string]bool{}
	for _, test := range shownCases {
		for _, pattern := range strings.Fields(test.names) {
			files, err := filepath.Glob(filepath.Join("testdata/cases", pattern))
			if err != nil || len(files) == 0 {
				t.Fatalf("no file matches %s: %v", pattern, err)
			}
			for _, name := range files {
				seen[filepath.Base(name)] = true
				t.Run(filepath.Base(name), func(t *testing.T) { test.check(t, read(t, name)) })
			}
		}
	}
	for name, want := range refusedCases {
		seen[name] = true
		t.Run(name, func(t *testing.T) {
			var refusal *Error
			err := tryRender(t.Context(), bytes.NewReader(read(t, filepath.Join("testdata/cases", name))), Limits{})
			if !errors.As(err, &refusal) || refusal.Reason != want {
				t.Errorf("the error is %v, want one for the reason %s", err, want)
			}
		})
	}
	files, err := os.ReadDir("testdata/cases")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !file.IsDir() && !seen[file.Name()] {
			t.Errorf("no test has %s", file.Name())
		}
	}
}

// check compares a rendition in the format of the file, and one as PNG.
func (c shownCase) check(t *testing.T, file []byte) {
	t.Helper()
	for _, format := range []Format{"", PNG} {
		picture, err := Open(bytes.NewReader(file), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		renditions, err := picture.Render(t.Context(), Target{Box: Box{200, 200}, Format: format})
		if err != nil {
			t.Fatal(err)
		}
		tolerance := c.tolerance
		if r := renditions[0]; r.Format == JPEG || r.Format == WebP {
			tolerance = max(tolerance, 8) // those are lossy
		}
		c.checkColors(t, decode(t, renditions[0]), tolerance)
		if bytes.Contains(renditions[0].Bytes, []byte("acsp")) || bytes.Contains(renditions[0].Bytes, []byte("iCCP")) {
			t.Errorf("a %s has a profile", renditions[0].Format)
		}
	}
}

func (c shownCase) checkColors(t *testing.T, m image.Image, tolerance int) {
	t.Helper()
	size := m.Bounds().Size()
	for i, want := range c.want {
		got := color.NRGBAModel.Convert(m.At(size.X*(1+2*(i%2))/4, size.Y*(1+2*(i/2))/4)).(color.NRGBA)
		if want.A == 0 { // its colour is not seen
			got = color.NRGBA{A: got.A}
		}
		channels := [][2]uint8{{got.R, want.R}, {got.G, want.G}, {got.B, want.B}, {got.A, want.A}}
		for _, channel := range channels {
			if diff(channel[0], channel[1]) > tolerance {
				t.Errorf("quarter %d is %v, want %v within %d", i, got, want, tolerance)
				break
			}
		}
	}
}

// The files of formats that are not read are refused by their names.
func TestUnreadCases(t *testing.T) {
	tests := map[string]string{
		"archive.zip.jpg": "ZIP", "art.ai.eps": "EPS", "book.djvu": "DjVu", "doc-bom.pdf": "PDF", "doc.pdf": "PDF",
		"hdr.exr": "OpenEXR", "icon.ico": "ICO", "jls.jls": "JPEG-LS", "layers.psb": "PSB", "layers.psd": "PSD",
		"live.mov": "MOV video", "note.png": "JSON", "logo-illustrator.svg": "SVG", "logo.svg": "SVG",
		"logo.svgz": "SVGZ (gzip)",
		"old.bmp":   "BMP", "page.jpg": "HTML",
		"photo.jp2": "JPEG 2000", "photo.jxl": "JPEG XL", "picture.emf": "EMF", "picture.ppm": "PPM",
		"picture.tga": "TGA", "picture.wmf": "WMF", "pixel.qoi": "QOI", "pointer.cur": "CUR", "raw.cr2": "Canon CR2",
		"raw.cr3": "Canon CR3", "raw.orf": "Olympus ORF", "scan.tif": "TIFF", "sketch.xcf": "XCF", "video.mp4": "MP4 video",
		"webm.webp": "WebM or Matroska video",
	}
	files, err := os.ReadDir("testdata/cases/unread")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(file.Name(), func(t *testing.T) {
			want, reason := tests[file.Name()], ReasonUnsupported
			switch file.Name() {
			case "empty.jpg":
				want, reason = "nothing", ReasonNotAnImage
			case "mif1.heif", "photo.avif", "photo.heic", "photo-in-jpg.jpg": // read, but their boxes are empty
				want, reason = "<nil>", ReasonDamaged
			}
			_, err := Probe(t.Context(), bytes.NewReader(read(t, filepath.Join("testdata/cases/unread", file.Name()))))
			var refusal *Error
			if !errors.As(err, &refusal) || refusal.Reason != reason || fmt.Sprint(refusal.Found) != want {
				t.Errorf("the error is %v, want one for the reason %s that names %s", err, reason, want)
			}
		})
	}
}
