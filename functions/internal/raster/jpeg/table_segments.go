package jpeg

import (
	"bytes"
	"encoding/binary"
	"slices"

	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

// maxTableBytes bounds the segments of tables. A file has less than 4 KiB of them, and each costs time.
const maxTableBytes = 1 << 20

// tables are what the segments before a scan define for it.
type tables struct {
	quant           [4]*[64]uint16 // in zigzag order
	dc, ac          [4]*huffmanTable
	restartInterval int // MCUs between restart markers, or 0
	totalBytes      int // of the segments so far

	jfif, adobe    bool
	adobeTransform byte // of the Adobe segment
}

func isTableSegment(marker byte) bool {
	return marker == dqt || marker == dht || marker == dri || marker == app0 || marker == app14
}

func (t *tables) read(marker byte, payload []byte) error {
	if t.totalBytes += len(payload); t.totalBytes > maxTableBytes {
		return &imgerr.Error{
			Reason:  imgerr.ReasonDamaged,
			Message: "The JPEG is damaged: it has more than 1 MiB of tables",
			Limit:   maxTableBytes,
		}
	}
	switch marker {
	case dqt:
		return t.readDQT(payload)
	case dht:
		return t.readDHT(payload)
	case dri:
		if len(payload) != 2 {
			return imgerr.Damaged(Name, "its restart interval has %d bytes, expected 2", len(payload))
		}
		t.restartInterval = int(binary.BigEndian.Uint16(payload))
	case app0:
		t.jfif = t.jfif || bytes.HasPrefix(payload, []byte("JFIF\x00"))
	case app14:
		if len(payload) >= 12 && bytes.HasPrefix(payload, []byte("Adobe")) {
			t.adobe, t.adobeTransform = true, payload[11]
		}
	}
	return nil
}

// readDQT reads quantization tables (T.81, section B.2.4.1).
func (t *tables) readDQT(payload []byte) error {
	for len(payload) > 0 {
		precision, id := payload[0]>>4, payload[0]&15
		length := 64 << precision
		if payload = payload[1:]; precision > 1 || id > 3 || len(payload) < length {
			return imgerr.Damaged(Name, "a quantization table has an invalid precision, destination or length")
		}
		table := new([64]uint16)
		for k := range table {
			if precision == 0 {
				table[k] = uint16(payload[k])
			} else {
				table[k] = binary.BigEndian.Uint16(payload[2*k:])
			}
		}
		t.quant[id] = table
		payload = payload[length:]
	}
	return nil
}

// readDHT reads Huffman tables (T.81, section B.2.4.2).
func (t *tables) readDHT(payload []byte) error {
	for len(payload) > 0 {
		if len(payload) < 17 {
			return imgerr.Damaged(Name, "a Huffman table has %d bytes, expected 17 or more", len(payload))
		}
		class, id := payload[0]>>4, payload[0]&15
		counts, total := [16]uint8(payload[1:17]), 0
		for _, count := range counts {
			total += int(count)
		}
		if payload = payload[17:]; class > 1 || id > 3 || total > 256 || len(payload) < total {
			return imgerr.Damaged(Name, "a Huffman table has an invalid class, destination or length")
		}
		if class == 0 && total > 0 && slices.Max(payload[:total]) > 15 {
			return imgerr.Damaged(Name, "a Huffman table for DC has a category of more than 15 bits")
		}
		h, err := cachedHuffman(counts, payload[:total])
		if err != nil {
			return err
		}
		if class == 0 {
			t.dc[id] = h
		} else {
			t.ac[id] = h
		}
		payload = payload[total:]
	}
	return nil
}
