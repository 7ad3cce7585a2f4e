package av1

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A stream is one made by testdata/streams.py, with the SHA-256 of the planes that other decoders return: with in-loop
// filters, and without, or "-".
type stream struct {
	name            string
	digest, without string
	data            []byte
}

func streams(tb testing.TB) []stream {
	tb.Helper()
	list, err := os.ReadFile(filepath.Join("testdata", "streams.txt"))
	if err != nil {
		tb.Fatal(err)
	}
	var all []stream
	for line := range strings.Lines(string(list)) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			tb.Fatalf("streams.txt has the line %q", line)
		}
		data, err := os.ReadFile(filepath.Join("testdata", "streams", fields[0]+".obu"))
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, stream{fields[0], fields[1], fields[2], data})
	}
	if len(all) == 0 {
		tb.Fatal("streams.txt is empty")
	}
	return all
}

// find returns the data of a stream.
func find(tb testing.TB, name string) []byte {
	tb.Helper()
	for _, s := range streams(tb) {
		if s.name == name {
			return s.data
		}
	}
	tb.Fatalf("there is no stream %s", name)
	return nil
}

// configOf returns the av1C property of a file with a stream: that without a sequence header.
func configOf(tb testing.TB, data []byte) *Config {
	tb.Helper()
	const delimiter = 2 // bytes of the temporal delimiter in front of the sequence header
	size, payload := leb128(data[delimiter+1:])
	if size < 0 || data[delimiter]>>3 != obuSequenceHeader {
		tb.Fatalf("the stream starts with % x, want a temporal delimiter and a sequence header", data[:4])
	}
	s, err := parseSequence(payload[:size])
	if err != nil {
		tb.Fatal(err)
	}
	flag := func(bit int, isSet bool) byte {
		if isSet {
			return 1 << bit
		}
		return 0
	}
	flags := flag(6, s.Depth > 8) | flag(5, s.Depth == 12) | flag(4, s.Gray)
	flags |= flag(3, s.StepX == 2) | flag(2, s.StepY == 2)
	c, err := ParseConfig([]byte{0x81, 0, flags, 0})
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// decodeAll returns the planes one after the other, with 16 bits, little-endian, for samples of more than 8.
func decodeAll(c *Config, data []byte, o Options) ([]byte, error) {
	var planes [3][]byte
	err := c.Decode(data, o, func(rows *Rows) error {
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
	return bytes.Join(planes[:], nil), err
}
