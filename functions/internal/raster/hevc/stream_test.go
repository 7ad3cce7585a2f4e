package hevc

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// nalVPS is the type of video parameter sets, which the decoder ignores.
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

// pack converts a byte stream to what a HEIC file contains: an hvcC property with the parameter sets, and length-
// prefixed NAL units.
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
	hvcC = append(hvcC, make([]byte, 23)...)
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

// decodeAll returns the planes one after the other, as ffmpeg writes raw video: with 16 bits, little-endian, for
// samples of more than 8.
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
