package hevc

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
)

// nalVPS is the type of video parameter sets, which the decoder does not need.
const nalVPS = 32

// units splits a byte stream (Annex B) into NAL units.
func units(stream []byte) [][]byte {
	var all [][]byte
	for _, part := range bytes.Split(stream, []byte{0, 0, 1}) {
		// The zero byte of a start code of 4 bytes, and trailing zeros, do not belong to the unit.
		if part = bytes.TrimRight(part, "\x00"); len(part) > 0 {
			all = append(all, part)
		}
	}
	return all
}

// pack makes an hvcC property of the parameter sets of a byte stream, and length-prefixed units of the rest, as a HEIC
// file has them.
func pack(tb testing.TB, stream []byte) (hvcC, data []byte) {
	tb.Helper()
	var arrays [3][][]byte
	for _, unit := range units(stream) {
		switch nal, _ := header(unit); nal {
		case nalVPS, nalSPS, nalPPS:
			arrays[nal-nalVPS] = append(arrays[nal-nalVPS], unit)
		default:
			data = binary.BigEndian.AppendUint32(data, uint32(len(unit)))
			data = append(data, unit...)
		}
	}
	hvcC = make([]byte, 23)
	hvcC[0], hvcC[21], hvcC[22] = 1, 3, byte(len(arrays))
	for i, sets := range arrays {
		hvcC = append(hvcC, byte(nalVPS+i))
		hvcC = binary.BigEndian.AppendUint16(hvcC, uint16(len(sets)))
		for _, unit := range sets {
			hvcC = binary.BigEndian.AppendUint16(hvcC, uint16(len(unit)))
			hvcC = append(hvcC, unit...)
		}
	}
	return hvcC, data
}

// decodeAll returns the planes one after the other, as ffmpeg writes raw video: of 16 bits, little-endian, if there are
// more than 8.
func decodeAll(hvcC, data []byte, o Options) (Info, []byte, error) {
	c, err := ParseConfig(hvcC)
	if err != nil {
		return Info{}, nil, err
	}
	info, err := c.Info()
	if err != nil {
		return info, nil, err
	}
	var planes [3][]byte
	err = c.Decode(bytes.NewReader(data), o, func(rows *Rows) error {
		for i, s := range rows {
			for y := range s.Height {
				if s.Pix8 != nil {
					planes[i] = append(planes[i], s.Pix8[y*s.Stride:][:s.Width]...)
					continue
				}
				for _, v := range s.Pix16[y*s.Stride:][:s.Width] {
					planes[i] = binary.LittleEndian.AppendUint16(planes[i], v)
				}
			}
		}
		return nil
	})
	return info, bytes.Join(planes[:], nil), err
}

// difference says where raw video differs first.
func difference(info Info, got, want []byte) string {
	size := 1
	if info.BitDepth > 8 || info.BitDepthChroma > 8 {
		size = 2
	}
	if len(got) != len(want) {
		return fmt.Sprintf("got %d bytes, want %d", len(got), len(want))
	}
	w, h := info.Width, info.Height
	for i := range got {
		if got[i] == want[i] {
			continue
		}
		plane, at := 0, i/size
		for at >= w*h {
			at -= w * h
			if plane == 0 {
				if info.Chroma < 3 {
					w = (w + 1) / 2
				}
				if info.Chroma < 2 {
					h = (h + 1) / 2
				}
			}
			plane++
		}
		return fmt.Sprintf("plane %d differs at %d,%d: got %d, want %d", plane, at%w, at/w, got[i], want[i])
	}
	return ""
}
