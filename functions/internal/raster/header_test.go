package raster

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color/palette"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"runtime"
	"strings"
	"testing"

	xwebp "golang.org/x/image/webp"
)

func TestProbe(t *testing.T) {
	photo := painted(40, 30)
	jpg, pngFile, webpFile := encodeJPEG(t, photo), encodePNG(t, photo), encodeWebP(t, photo, true)
	gifFile := encodeGIF(t, 50, 40, image.NewPaletted(image.Rect(10, 10, 20, 20), palette.Plan9))
	exif, turned := exifSegment(tiff(binary.BigEndian, 6)), pngChunk("eXIf", tiff(binary.LittleEndian, 8))
	icc := append([]byte("ICC_PROFILE\x00\x01\x01"), make([]byte, 65000)...)
	tests := []struct {
		name string
		file []byte
		want Header
	}{
		{"baseline JPEG", sample(t, "go/video-001.jpeg"), Header{JPEG, 150, 103, 1, 1, 0, false, Cost{}}},
		{"progressive JPEG", sample(t, "go/video-001.progressive.jpeg"),
			Header{JPEG, 150, 103, 1, 1, 0, false, Cost{}}},
		{"CMYK JPEG", sample(t, "go/video-001.cmyk.jpeg"), Header{JPEG, 150, 103, 1, 1, 0, false, Cost{}}},
		{"gray JPEG", sample(t, "go/video-005.gray.jpeg"), Header{JPEG, 150, 103, 1, 1, 0, false, Cost{}}},
		{"photograph of a phone", sample(t, "imaging/orientation_6.jpg"), Header{JPEG, 70, 50, 1, 6, 0, false, Cost{}}},
		{"JPEG with EXIF", afterSOI(jpg, exif), Header{JPEG, 40, 30, 1, 6, 0, false, Cost{}}},
		{"JPEG with XMP and EXIF", afterSOI(jpg, segment(0xe1, []byte("http://ns.adobe.com/xap/1.0/\x00<x/>")), exif),
			Header{JPEG, 40, 30, 1, 6, 0, false, Cost{}}},
		{"JPEG with a large ICC profile", afterSOI(jpg, bytes.Repeat(segment(0xe2, icc), 100)),
			Header{JPEG, 40, 30, 1, 1, 0, false, Cost{}}},
		{"JPEG with bytes between its segments", afterSOI(jpg, []byte("\x00\x01\xff\x00\xff\xff")),
			Header{JPEG, 40, 30, 1, 1, 0, false, Cost{}}},
		{"PNG", pngFile, Header{PNG, 40, 30, 1, 1, 0, false, Cost{}}},
		{"PNG with EXIF", afterIHDR(pngFile, turned), Header{PNG, 40, 30, 1, 8, 0, false, Cost{}}},
		{"PNG with EXIF after the pixels", beforeIEND(pngFile, turned), Header{PNG, 40, 30, 1, 1, 0, false, Cost{}}},
		{"PNG with a large text", afterIHDR(pngFile, pngChunk("tEXt", make([]byte, 1<<20))),
			Header{PNG, 40, 30, 1, 1, 0, false, Cost{}}},
		{"animated PNG", afterIHDR(pngFile, pngChunk("acTL", []byte{0, 0, 0, 12, 0, 0, 0, 0})),
			Header{PNG, 40, 30, 12, 1, 0, false, Cost{}}},
		{"GIF", gifFile, Header{GIF, 50, 40, 0, 1, 0, true, Cost{}}},
		{"lossless WebP", webpFile, Header{WebP, 40, 30, 1, 1, 0, true, Cost{}}},
		{"lossy WebP", sample(t, "x/video-001.lossy.webp"), Header{WebP, 150, 103, 1, 1, 0, false, Cost{}}},
		{"lossy WebP with alpha", sample(t, "x/yellow_rose.lossy-with-alpha.webp"),
			Header{WebP, 400, 301, 1, 1, 0, true, Cost{}}},
		{"WebP with EXIF", riff(vp8x(vp8xExif, 40, 30), bitstream(webpFile), riffChunk("EXIF", tiff(binary.BigEndian, 6))),
			Header{WebP, 40, 30, 1, 1, 0, true, Cost{}}},
		{"animated WebP", riff(vp8x(vp8xAnimation, 60, 50), anim(), anmf(2, 4, 40, 30, bitstream(webpFile))),
			Header{WebP, 60, 50, 0, 1, 0, true, Cost{}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Probe(t.Context(), bytes.NewReader(test.file))
			got.Cost = Cost{} // see TestCost
			if err != nil || got != test.want {
				t.Errorf("got %+v, %v, want %+v", got, err, test.want)
			}
		})
	}
}

func TestHeaderDisplayed(t *testing.T) {
	for orientation := 1; orientation <= 8; orientation++ {
		width, height := Header{JPEG, 40, 30, 1, orientation, 0, false, Cost{}}.Displayed()
		wantWidth, wantHeight := 40, 30
		if orientation > 4 {
			wantWidth, wantHeight = 30, 40
		}
		if width != wantWidth || height != wantHeight {
			t.Errorf("orientation %d is displayed %dx%d, want %dx%d", orientation, width, height, wantWidth, wantHeight)
		}
	}
}

func TestProbeAgreesWithOtherDecoders(t *testing.T) {
	configs := map[Format]func(io.Reader) (image.Config, error){
		JPEG: jpeg.DecodeConfig, PNG: png.DecodeConfig, GIF: gif.DecodeConfig, WebP: xwebp.DecodeConfig,
	}
	files := images(t)
	for _, name := range names(files) {
		header, err := Probe(t.Context(), bytes.NewReader(files[name]))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		config, err := configs[header.Format](bytes.NewReader(files[name]))
		if err != nil || header.Width != config.Width || header.Height != config.Height {
			t.Errorf("%s is %dx%d, want %dx%d, %v", name, header.Width, header.Height, config.Width, config.Height, err)
		}
	}
}

// The bytes that Probe has read are sufficient and necessary: alone they give the same result, and one byte less is an
// error.
func TestProbeReadsHeaderOnly(t *testing.T) {
	files := images(t)
	for _, name := range names(files) {
		checkProbeReadsEnough(t, name, files[name])
	}
}

func checkProbeReadsEnough(t *testing.T, name string, file []byte) {
	t.Helper()
	r := bytes.NewReader(file)
	header, err := Probe(t.Context(), r)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	read := file[:len(file)-r.Len()]
	if again, err := Probe(t.Context(), bytes.NewReader(read)); again != header || err != nil {
		t.Errorf("%s: of the %d bytes that were read, it says %+v, %v, want %+v", name, len(read), again, err, header)
	}
	if less, err := Probe(t.Context(), bytes.NewReader(read[:len(read)-1])); err == nil {
		t.Errorf("%s: %d bytes were read, but %d are enough for %+v", name, len(read), len(read)-1, less)
	}
}

func TestProbeOfIncompleteUpload(t *testing.T) {
	file := afterSOI(encodeJPEG(t, painted(40, 30)), exifSegment(tiff(binary.LittleEndian, 3)))
	arriving, upload := io.Pipe()
	go upload.Write(file)
	var kept bytes.Buffer
	header, err := Probe(t.Context(), io.TeeReader(arriving, &kept))
	header.Cost = Cost{}
	if want := (Header{JPEG, 40, 30, 1, 3, 0, false, Cost{}}); header != want || err != nil {
		t.Errorf("got %+v, %v, want %+v", header, err, want)
	}
	if !bytes.HasPrefix(file, kept.Bytes()) || kept.Len() == 0 {
		t.Errorf("the %d bytes that were read are not the first of the file", kept.Len())
	}
	arriving.Close()
}

// An upload of endless metadata must cost no memory.
func TestProbeMemory(t *testing.T) {
	jpg, pngFile := encodeJPEG(t, painted(4, 4)), encodePNG(t, painted(4, 4))
	tests := map[string][]byte{
		"JPEG": afterSOI(jpg, bytes.Repeat(segment(0xe2, make([]byte, 65533)), 256)),
		"PNG":  afterIHDR(pngFile, pngChunk("zTXt", make([]byte, 16<<20))),
		"text": []byte(strings.Repeat("no image ", 2<<20)),
	}
	for name, file := range tests {
		t.Run(name, func(t *testing.T) {
			if got := allocated(func() { Probe(t.Context(), bytes.NewReader(file)) }); got > 3<<20 {
				t.Errorf("it takes %d bytes of memory, want 3 MiB at most, of 16 MiB", got)
			}
		})
	}
}

// allocated is the total of bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestLimitsCheck(t *testing.T) {
	names := LimitNames{Pixels: "PIXELS", BufferedPixels: "BUFFERED", Memory: "MEMORY"}
	const most = 1<<31 - 1
	tests := []struct {
		name         string
		limits       Limits
		header       Header
		message      string
		limit, found any
	}{
		{"within the default", Limits{}, Header{Format: JPEG, Width: 16384, Height: 12288}, "", nil, nil},
		{"beyond the default", Limits{}, Header{Format: JPEG, Width: 16384, Height: 12289},
			"The image has 16384x12289 = 201342976 pixels, more than the limit of 201326592",
			int64(201_326_592), int64(201_342_976)},
		{"within the default, buffered", Limits{}, Header{Format: GIF, Width: 8192, Height: 6144, Buffered: true}, "",
			nil, nil},
		{"beyond the default, buffered", Limits{Settings: names},
			Header{Format: GIF, Width: 8192, Height: 6145, Buffered: true},
			"The image has 8192x6145 = 50339840 pixels, more than the limit of 50331648 (BUFFERED)",
			int64(50_331_648), int64(50_339_840)},
		{"a limit below that of buffered ones", Limits{Pixels: 99, Settings: names},
			Header{Format: GIF, Width: 10, Height: 10, Buffered: true},
			"The image has 10x10 = 100 pixels, more than the limit of 99 (PIXELS)", int64(99), int64(100)},
		{"too much memory", Limits{Memory: 5e6, Settings: names}, Header{Width: 9, Height: 9, Cost: Cost{Memory: 6e6}},
			"The image is 9x9 pixels, which take about 6 MB of memory to decode, more than the limit of 5 MB (MEMORY)",
			int64(5e6), int64(6e6)},
		{"a lower limit", Limits{Pixels: 99}, Header{Format: PNG, Width: 10, Height: 10},
			"The image has 10x10 = 100 pixels, more than the limit of 99", int64(99), int64(100)},
		{"a higher limit", Limits{Pixels: 400_000_000}, Header{Format: PNG, Width: 20000, Height: 20000}, "", nil, nil},
		{"the largest header of PNG", Limits{}, Header{Format: PNG, Width: most, Height: most},
			"The image has 2147483647x2147483647 = 4611686014132420609 pixels, more than the limit of 201326592",
			int64(201_326_592), int64(most * most)},
		{"too long", Limits{}, Header{Format: PNG, Width: 1_000_000, Height: 1},
			"The image is 1000000x1 pixels, more than the limit of 131072 on one side", int64(1 << 17), int64(1_000_000)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := test.limits.Check(test.header)
			if test.message == "" {
				if err != nil {
					t.Errorf("got %v, want no error", err)
				}
				return
			}
			want := Error{Reason: ReasonTooManyPixels, Message: test.message, Limit: test.limit, Found: test.found}
			if got := (*Error)(nil); !errors.As(err, &got) || *got != want {
				t.Errorf("got %#v, want %#v", err, want)
			}
		})
	}
}

// An endless reader is a PNG without end: chunks without a meaning follow its header. It cancels after some reads.
type endless struct {
	header, chunk []byte
	reads         int
	cancel        func()
}

func (e *endless) Read(p []byte) (int, error) {
	if e.reads++; e.reads == 100 {
		e.cancel()
	}
	if len(e.header) == 0 {
		e.header = e.chunk
	}
	n := copy(p, e.header)
	e.header = e.header[n:]
	return n, nil
}

// Cancellation ends Probe before the next read.
func TestProbeIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := &endless{header: pngHeader(10, 10, 8, 2), chunk: pngChunk("teXt", []byte("of no use")), cancel: cancel}
	_, err := Probe(ctx, r)
	if !errors.Is(err, context.Canceled) || r.reads != 100 {
		t.Errorf("got %v after %d reads, want %v after 100", err, r.reads, context.Canceled)
	}
}

// The largest images of phones are within the limits by default, in the formats that phones write, and so are
// screenshots of long pages.
func TestPhonesAreAdmitted(t *testing.T) {
	for _, size := range [][2]int{{8160, 6144}, {8192, 6144}, {9248, 6944}, {12000, 9008}, {16320, 12240}} {
		files := map[string][]byte{
			"baseline JPEG":    tiledJPEG(t, "baseline", 16, 16),
			"progressive JPEG": tiledJPEG(t, "progressive", 16, 16),
			"PNG":              append(pngHeader(uint32(size[0]), uint32(size[1]), 8, 2), pngChunk("IDAT", nil)...),
		}
		for name, file := range files {
			t.Run(fmt.Sprintf("%s of %dx%d", name, size[0], size[1]), func(t *testing.T) {
				for _, sof := range []string{"\xff\xc0\x00\x11\x08", "\xff\xc2\x00\x11\x08"} {
					if at := bytes.Index(file, []byte(sof)); at >= 0 {
						binary.BigEndian.PutUint16(file[at+len(sof):], uint16(size[1]))
						binary.BigEndian.PutUint16(file[at+len(sof)+2:], uint16(size[0]))
					}
				}
				header, err := Limits{}.Probe(t.Context(), bytes.NewReader(file))
				if err != nil || header.Width != size[0] || header.Height != size[1] {
					t.Errorf("got %+v, %v, want it admitted", header, err)
				}
			})
		}
	}
	long := append(pngHeader(1080, 65536, 8, 2), pngChunk("IDAT", nil)...)
	if _, err := (Limits{}).Probe(t.Context(), bytes.NewReader(long)); err != nil {
		t.Errorf("got %v, want a long screenshot admitted", err)
	}
}
