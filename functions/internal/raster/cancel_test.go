package raster

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"testing"
)

// A patient context is cancelled after it has been checked several times since the last byte of a file was read.
type patient struct {
	context.Context
	file  *bytes.Reader
	asked int
}

func (p *patient) Err() error {
	if p.file.Len() <= 1 { // padding
		p.asked++
	}
	if p.asked > 8 {
		return context.Canceled
	}
	return nil
}

// A few bytes can be work for all pixels of a header: cancellation ends it although nothing more is read.
func TestRenderStopsAfterLastByte(t *testing.T) {
	const width, height = 640, 480
	plain := image.NewPaletted(image.Rect(0, 0, width, height), color.Palette{color.Black, color.White})
	invisible := image.NewNRGBA(plain.Rect)
	files := map[string][]byte{
		"progressive JPEG": tiledJPEG(t, "progressive", width, height),
		"GIF":              encodeGIF(t, width, height, plain),
		"lossy WebP":       encodeWebP(t, plain, false),
		"lossy with alpha": renderAll(t, encodePNG(t, invisible), Target{Box: Box{width, height}, Format: WebP})[0].Bytes,
		"lossless WebP":    plainWebP(width, height),
		"animation":        riff(vp8x(2, width, height), anim(), anmf(0, 0, width, height, plainWebP(width, height)[12:])),
	}
	for name, file := range files {
		t.Run(name, func(t *testing.T) {
			ctx := &patient{Context: t.Context(), file: bytes.NewReader(file)}
			picture, err := Open(ctx.file, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			target := Target{Box: Box{width, height}, Frames: 2}
			if _, err := picture.Render(ctx, target); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want %v", err, context.Canceled)
			}
		})
	}
}

// plainWebP is a lossless image of 32 bytes whose pixels take no bits: each code has one symbol.
func plainWebP(width, height int) []byte {
	header := binary.LittleEndian.AppendUint32([]byte{0x2f}, uint32(width-1|(height-1)<<14))
	const fiveSimpleCodes = 0b0001_0001_0001_0001_0001 << 3 // then: no transform, no cache, no groups
	return riff(riffChunk("VP8L",
		append(header, fiveSimpleCodes&0xff, fiveSimpleCodes>>8&0xff, fiveSimpleCodes>>16, 0, 0)))
}
