package webp

import (
	"encoding/binary"
	"io"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// An Animation encodes frames, one after the other, as a lossy animated WebP. It holds their compressed data.
type Animation struct {
	// Quality is 1 to 100; 0 means the default.
	Quality int

	first  *plane.Image // the size of the first frame
	chunks []byte
	frames int
}

// Add compresses a frame as it is shown, with all planes at full size.
func (a *Animation) Add(frame plane.Frame) error {
	const replace = 0x02 // the canvas, instead of blending with it
	bitstream, err := encodeLossy(frame.Image, a.Quality)
	if err != nil {
		return err
	}
	if a.first == nil {
		a.first = &plane.Image{Width: frame.Width, Height: frame.Height}
	}
	header := appendSize(make([]byte, 6), frame.Image)
	header = append(header, uint24Of(int(frame.Delay/time.Millisecond))...)
	a.chunks = appendChunk(a.chunks, "ANMF", append(append(header, replace), bitstream...))
	a.frames++
	return nil
}

// Frames is the number of frames in the file.
func (a *Animation) Frames() int { return a.frames }

// Encode writes a WebP of the frames added, which must be one or more. Loops is how often it is played; 0 means without
// end.
func (a *Animation) Encode(w io.Writer, loops int) error {
	file := []byte("RIFF\x00\x00\x00\x00WEBP")
	file = appendChunk(file, "VP8X", appendSize([]byte{flagAnimation | flagAlpha, 0, 0, 0}, a.first))
	file = appendChunk(file, "ANIM", binary.LittleEndian.AppendUint16(make([]byte, 4), uint16(min(loops, 0xffff))))
	file = append(file, a.chunks...)
	binary.LittleEndian.PutUint32(file[4:], uint32(len(file)-8))
	_, err := w.Write(file)
	return err
}

func appendSize(b []byte, m *plane.Image) []byte {
	return append(append(b, uint24Of(m.Width-1)...), uint24Of(m.Height-1)...)
}

func uint24Of(v int) []byte { return []byte{byte(v), byte(v >> 8), byte(v >> 16)} }
