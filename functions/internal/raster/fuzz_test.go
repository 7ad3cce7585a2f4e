package raster

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"strings"
	"testing"
	"unicode"

	xwebp "golang.org/x/image/webp"
)

// addSeeds adds files of every kind, whole and truncated.
func addSeeds(f *testing.F) {
	f.Helper()
	for _, file := range small(f) {
		f.Add(file)
		f.Add(file[:len(file)/2])
		f.Add(file[:len(file)-1])
	}
	for _, other := range []string{"", "text", "<svg/>", "II*\x00", "\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00mif1avif"} {
		f.Add([]byte(other))
	}
	for _, name := range []string{"gray_8", "alpha"} {
		f.Add(avif(f, name))
	}
}

// Probe either returns an *Error with a sentence, or agrees with other decoders and has read no more than the header.
func FuzzProbe(f *testing.F) {
	addSeeds(f)
	configs := map[Format]func(io.Reader) (image.Config, error){
		JPEG: jpeg.DecodeConfig, PNG: png.DecodeConfig, GIF: gif.DecodeConfig, WebP: xwebp.DecodeConfig,
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		header, err := Probe(t.Context(), bytes.NewReader(file))
		if err != nil {
			checkSentence(t, err)
			return
		}
		if header.Width < 1 || header.Height < 1 || header.Frames < 0 || header.Orientation < 1 || header.Orientation > 8 {
			t.Errorf("header is %+v", header)
		}
		if header.Format == HEIC || header.Format == AVIF { // which no other decoder here knows
			return
		}
		config, err := configs[header.Format](bytes.NewReader(file))
		if header.Format == GIF { // whose first frame may be larger than its screen
			config.Width, config.Height = max(config.Width, header.Width), max(config.Height, header.Height)
		}
		if err == nil && (config.Width != header.Width || config.Height != header.Height) {
			t.Errorf("header is %+v, want %dx%d", header, config.Width, config.Height)
		}
		checkProbeReadsEnough(t, "the file", file)
	})
}

// Render either returns an *Error with a sentence, or a file of the right size that other decoders can read.
func FuzzRender(f *testing.F) {
	addSeeds(f)
	box := Box{Width: 16, Height: 16}
	f.Fuzz(func(t *testing.T, file []byte) {
		correctSums(file)
		picture, err := Open(bytes.NewReader(file), Limits{Pixels: 1_000_000})
		if err != nil {
			checkSentence(t, err)
			return
		}
		renditions, err := picture.Render(t.Context(), Target{Box: box})
		if err != nil {
			checkSentence(t, err)
			return
		}
		rendition := renditions[0]
		decode(t, rendition)
		width, height := box.Fit(rendition.OriginalWidth, rendition.OriginalHeight)
		original := picture.Header().Format
		isOfFormat := rendition.Format == original || original == HEIC || original == AVIF
		if !isOfFormat || rendition.Width != width || rendition.Height != height {
			t.Errorf("the rendition of %+v is a %s of %dx%d", picture.Header(), rendition.Format, rendition.Width,
				rendition.Height)
		}
	})
}

// correctSums corrects the checksums of a PNG, which no fuzzer would guess.
func correctSums(file []byte) {
	if !bytes.HasPrefix(file, []byte("\x89PNG")) {
		return
	}
	for rest := file[min(8, len(file)):]; len(rest) >= 12; {
		length := int(binary.BigEndian.Uint32(rest))
		if length > len(rest)-12 {
			return
		}
		binary.BigEndian.PutUint32(rest[8+length:], crc32.ChecksumIEEE(rest[4:8+length]))
		rest = rest[12+length:]
	}
}

func checkSentence(t *testing.T, err error) {
	t.Helper()
	var imgErr *Error
	if !errors.As(err, &imgErr) {
		t.Fatalf("got %v, want an *Error, because the reader does not fail", err)
	}
	if imgErr.Reason == "" || imgErr.Message == "" || strings.ContainsFunc(imgErr.Message, unicode.IsControl) {
		t.Errorf("got %#v, want a reason and a sentence", imgErr)
	}
}
