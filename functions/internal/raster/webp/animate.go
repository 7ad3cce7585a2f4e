package webp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// Animate writes frames, each as it is shown, as a lossy WebP that is to be shown so often, or without end if loops is
// 0. A quality of 0 is Quality.
func Animate(w io.Writer, frames []plane.Frame, loops, quality int) error {
	size := appendSize(nil, frames[0].Image)
	file := appendChunk([]byte("RIFF\x00\x00\x00\x00WEBP"), "VP8X", append([]byte{flagAnimation | flagAlpha, 0, 0, 0}, size...))
	file = appendChunk(file, "ANIM", binary.LittleEndian.AppendUint16(make([]byte, 4), uint16(min(loops, 0xffff))))
	for _, frame := range frames {
		const replace = 0x02 // what is shown, instead of being drawn onto it
		still, err := still(frame.Image, quality)
		if err != nil {
			return err
		}
		header := append(make([]byte, 6), size...)
		header = append(header, uint24Of(int(frame.Delay/time.Millisecond))...)
		bitstream, err := bitstreamOf(still)
		if err != nil {
			return err
		}
		file = appendChunk(file, "ANMF", append(append(header, replace), bitstream...))
	}
	binary.LittleEndian.PutUint32(file[4:], uint32(len(file)-8))
	_, err := w.Write(file)
	return err
}

// bitstreamOf returns the chunks of a file that are its pixels.
func bitstreamOf(file []byte) ([]byte, error) {
	const riffHeader = 12
	list := &chunks{r: bytes.NewReader(file[riffHeader:]), left: int64(len(file) - riffHeader)}
	var pixels []byte
	for {
		c, err := list.next()
		if errors.Is(err, io.EOF) {
			return pixels, nil
		}
		if err != nil {
			return nil, err
		}
		payload, err := io.ReadAll(c.body)
		if err != nil {
			return nil, err
		}
		if isBitstream(c.name) {
			pixels = appendChunk(pixels, c.name, payload)
		}
	}
}

func appendSize(b []byte, m *plane.Image) []byte {
	return append(append(b, uint24Of(m.Width-1)...), uint24Of(m.Height-1)...)
}

func uint24Of(v int) []byte { return []byte{byte(v), byte(v >> 8), byte(v >> 16)} }
