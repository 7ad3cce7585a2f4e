package raster

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

func TestFormats(t *testing.T) {
	want := []FormatInfo{
		{JPEG, "JPEG", []string{"image/jpeg"}, []string{".jpg", ".jpeg"}, true, false},
		{PNG, "PNG", []string{"image/png"}, []string{".png"}, true, false},
		{GIF, "GIF", []string{"image/gif"}, []string{".gif"}, true, true},
		{WebP, "WebP", []string{"image/webp"}, []string{".webp"}, true, true},
		{HEIC, "HEIC", []string{"image/heic", "image/heif"}, []string{".heic", ".heif", ".hif"}, false, false},
		{AVIF, "AVIF", []string{"image/avif"}, []string{".avif", ".avifs"}, false, false},
	}
	if got := Formats()[:len(want)]; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	Formats()[0].MIMETypes[0] = "changed"
	if got := Formats()[:len(want)]; !reflect.DeepEqual(got, want) {
		t.Errorf("after a change of the returned slice: got %+v, want %+v", got, want)
	}
}

func TestMIMETypes(t *testing.T) {
	want := []string{"image/jpeg", "image/png", "image/gif", "image/webp"}
	if got := (Limits{}).MIMETypes()[:len(want)]; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFormatNames(t *testing.T) {
	for n, want := range []string{"", "JPEG", "JPEG and PNG", "JPEG, PNG and GIF", "JPEG, PNG, GIF and WebP"} {
		if got := formats[:n].names("and"); got != want {
			t.Errorf("%d formats: got %q, want %q", n, got, want)
		}
	}
}

func TestFormatContentTypeAndExtension(t *testing.T) {
	tests := []struct {
		format                 Format
		contentType, extension string
	}{
		{JPEG, "image/jpeg", ".jpg"},
		{PNG, "image/png", ".png"},
		{GIF, "image/gif", ".gif"},
		{WebP, "image/webp", ".webp"},
		{HEIC, "image/heic", ".heic"},
		{AVIF, "image/avif", ".avif"},
		{"bmp", "application/octet-stream", ""},
	}
	for _, test := range tests {
		t.Run(string(test.format), func(t *testing.T) {
			if got := test.format.ContentType(); got != test.contentType {
				t.Errorf("content type: got %q, want %q", got, test.contentType)
			}
			if got := test.format.Extension(); got != test.extension {
				t.Errorf("extension: got %q, want %q", got, test.extension)
			}
		})
	}
}

func TestFileName(t *testing.T) {
	tests := []struct{ name, mimeType, want string }{
		{"a.jpg", "image/jpeg", "a.jpg"},
		{"a.JPEG", "image/jpeg", "a.JPEG"},
		{"IMG_1.HEIC", "image/jpeg", "IMG_1.jpg"},
		{"a.heic", "image/png", "a.png"},
		{"a.avif", "image/jpeg", "a.jpg"},
		{"a.b.png", "image/jpeg", "a.b.jpg"},
		{"a.heif", "image/heif", "a.heif"},
		{"v1.2", "image/webp", "v1.2.webp"},
		{"image", "image/gif", "image.gif"},
		{".png", "image/jpeg", ".jpg"},
		{"a.heic", "application/json", "a.heic"},
	}
	for _, test := range tests {
		t.Run(test.name+" as "+test.mimeType, func(t *testing.T) {
			if got := FileName(test.name, test.mimeType); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// readOnly is a format without an encoder. Its files are 16x16 pixels of one level of gray, and of one level of alpha
// unless that is 0xff. Without its thumbnail, it is black.
type readOnly struct{ gray, alpha uint8 }

const readOnlySignature = "readonly"

func openReadOnly(r io.Reader) (readOnly, error) {
	file, err := io.ReadAll(r)
	if err != nil {
		return readOnly{}, err
	}
	return readOnly{file[len(readOnlySignature)], file[len(readOnlySignature)+1]}, nil
}

func (f readOnly) Header() codec.Header {
	return codec.Header{Width: 16, Height: 16, Frames: 0, Orientation: 1}
}

func (f readOnly) Cost(codec.Job) codec.Cost { return codec.Cost{} }

func (f readOnly) Decode(o codec.Options) (codec.Result, error) {
	if o.IgnoreThumbnails {
		f.gray = 0
	}
	m := &plane.Image{Width: 16, Height: 16, Model: plane.Gray}
	for _, level := range []uint8{f.gray, f.alpha} {
		p := plane.New(16, 16, 1, 1)
		for i := range p.Pix {
			p.Pix[i] = level
		}
		m.Planes = append(m.Planes, p)
	}
	if f.alpha == 0xff {
		m.Planes = m.Planes[:1]
	}
	return codec.Result{Orientation: 1, Loops: 1}, codec.ShowStill(o, m)
}

var withReadOnly = append(slices.Clone(formats), formatEntry{
	FormatInfo: FormatInfo{
		Format: "readonly", Name: "ReadOnly", MIMETypes: []string{"image/x-readonly"}, Extensions: []string{".ro"},
	},
	matches: startsWith(readOnlySignature),
	open:    opener(openReadOnly),
})

// A format that has no encoder becomes JPEG, or PNG if it has alpha, unless the target names a format.
func TestRenderReadOnlyFormat(t *testing.T) {
	tests := []struct {
		name   string
		alpha  uint8
		target Target
		want   Format
	}{
		{"opaque", 0xff, Target{}, JPEG},
		{"with alpha", 0x80, Target{}, PNG},
		{"opaque, with frames", 0xff, Target{Frames: 9}, JPEG},
		{"with alpha, with frames", 0x80, Target{Frames: 9}, PNG},
		{"with alpha, as JPEG", 0x80, Target{Format: JPEG}, JPEG},
		{"opaque, as WebP", 0xff, Target{Format: WebP, Frames: 9}, WebP},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			file := append([]byte(readOnlySignature), 0x40, test.alpha)
			picture, err := withReadOnly.openPicture(bytes.NewReader(file), Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if got := picture.Header().Format; got != "readonly" {
				t.Errorf("format of the original: got %q, want readonly", got)
			}
			test.target.Box = Box{8, 8}
			renditions, err := picture.Render(t.Context(), test.target)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Probe(t.Context(), bytes.NewReader(renditions[0].Bytes))
			if err != nil || got.Format != test.want || renditions[0].Format != test.want {
				t.Errorf("got a %s in a rendition of format %s, error %v; want %s", got.Format, renditions[0].Format, err,
					test.want)
			}
		})
	}
}

func TestRenderCannotWriteReadOnlyFormat(t *testing.T) {
	picture, err := withReadOnly.openPicture(strings.NewReader(readOnlySignature+"\x40\xff"), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = picture.Render(t.Context(), Target{Box: Box{8, 8}, Format: "readonly"})
	if want := `a format "readonly", expected jpeg, png, gif or webp`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want %s", err, want)
	}
}

func TestReadOnlyFormatIsNamed(t *testing.T) {
	_, _, _, err := withReadOnly.open(strings.NewReader("text"), Limits{})
	var broken *Error
	if want := " or ReadOnly, found text"; !errors.As(err, &broken) ||
		!strings.Contains(broken.Message, want) {
		t.Errorf("got error %v, want %q in it", err, want)
	}
	info := withReadOnly[len(formats)].info()
	if info.Written || info.Animated {
		t.Errorf("got %+v, want a format that is neither written nor animated", info)
	}
}

// Formats that are switched off are refused by name, whatever follows their first bytes.
func TestLimitsFormats(t *testing.T) {
	photo, err := os.ReadFile("testdata/golden/baseline-410.jpg")
	if err != nil {
		t.Fatal(err)
	}
	limits := Limits{Formats: []Format{JPEG, PNG}}
	tests := []struct {
		name   string
		file   []byte
		reason Reason
		says   string
	}{
		{"GIF", []byte("GIF89a"), ReasonUnsupported, "GIF is switched off in this service, expected JPEG or PNG"},
		{"AVIF", avif(t, "420_8"), ReasonUnsupported, "AVIF is switched off in this service, expected JPEG or PNG"},
		{"HEIC", heic(t, "grid"), ReasonUnsupported, "HEIC is switched off in this service, expected JPEG or PNG"},
		{"BMP", []byte("BM\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x28\x00\x00\x00"),
			ReasonUnsupported, "expected JPEG or PNG"},
		{"text", []byte("text"), ReasonNotAnImage, "expected JPEG or PNG, found text"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, opened := Open(bytes.NewReader(test.file), limits)
			_, probed := limits.Probe(t.Context(), bytes.NewReader(test.file))
			for name, err := range map[string]error{"Open": opened, "Probe": probed} {
				var broken *Error
				if !errors.As(err, &broken) || broken.Reason != test.reason || !strings.Contains(broken.Message, test.says) {
					t.Errorf("%s: got %v, want an error for the reason %s: %s", name, err, test.reason, test.says)
				}
			}
		})
	}
	t.Run("accepted", func(t *testing.T) {
		header, err := limits.Probe(t.Context(), bytes.NewReader(photo))
		if err != nil || header.Format != JPEG {
			t.Errorf("got %+v, %v, want a JPEG", header, err)
		}
	})
	t.Run("rendition in a format that is switched off", func(t *testing.T) {
		picture, err := Open(bytes.NewReader(photo), limits)
		if err != nil {
			t.Fatal(err)
		}
		renditions, err := picture.Render(t.Context(), Target{Box: Box{8, 8}, Format: WebP})
		if err != nil || renditions[0].Format != WebP {
			t.Errorf("got %v, want a WebP", err)
		}
	})
	t.Run("names", func(t *testing.T) {
		if got, want := limits.FormatNames("and"), "JPEG and PNG"; got != want {
			t.Errorf("names: got %q, want %q", got, want)
		}
		if got, want := limits.MIMETypes(), []string{"image/jpeg", "image/png"}; !slices.Equal(got, want) {
			t.Errorf("MIME types: got %q, want %q", got, want)
		}
		if got, want := limits.Extensions(), []string{".jpg", ".jpeg", ".png"}; !slices.Equal(got, want) {
			t.Errorf("extensions: got %q, want %q", got, want)
		}
	})
}

func TestLimitsProbeChecksPixels(t *testing.T) {
	var broken *Error
	_, err := Limits{Pixels: 128*96 - 1}.Probe(t.Context(), bytes.NewReader(heic(t, "420")))
	if !errors.As(err, &broken) || broken.Reason != ReasonTooManyPixels {
		t.Errorf("got %v, want an error for the reason %s", err, ReasonTooManyPixels)
	}
}

func TestLimitsIgnoreThumbnails(t *testing.T) {
	for _, ignore := range []bool{false, true} {
		t.Run(fmt.Sprint(ignore), func(t *testing.T) {
			file := strings.NewReader(readOnlySignature + "\x80\xff")
			picture, err := withReadOnly.openPicture(file, Limits{IgnoreThumbnails: ignore})
			if err != nil {
				t.Fatal(err)
			}
			renditions, err := picture.Render(t.Context(), Target{Box: Box{8, 8}, Format: PNG})
			if err != nil {
				t.Fatal(err)
			}
			red, _, _, _ := decode(t, renditions[0]).At(0, 0).RGBA()
			if isBlack := red == 0; isBlack != ignore {
				t.Errorf("the thumbnail was ignored: got %t, want %t", isBlack, ignore)
			}
		})
	}
}
