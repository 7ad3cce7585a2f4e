package hevc

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A sample is a stream made by testdata/streams.py, with the SHA-256 of the planes that another decoder returns.
type sample struct {
	name, decoder, digest string
	stream                []byte
}

func samples(tb testing.TB) []sample {
	tb.Helper()
	list, err := os.ReadFile(filepath.Join("testdata", "streams.txt"))
	if err != nil {
		tb.Fatal(err)
	}
	var all []sample
	for line := range strings.Lines(string(list)) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			tb.Fatalf("streams.txt has the line %q", line)
		}
		stream, err := os.ReadFile(filepath.Join("testdata", "streams", fields[0]+".hevc"))
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, sample{fields[0], fields[1], fields[2], stream})
	}
	if len(all) == 0 {
		tb.Fatal("streams.txt is empty")
	}
	return all
}

// Every sample is decoded exactly as by another decoder.
func TestDecodeIsExact(t *testing.T) {
	for _, s := range samples(t) {
		t.Run(s.name, func(t *testing.T) {
			hvcC, data := pack(t, s.stream)
			info, planes, err := decodeAll(hvcC, data, Options{})
			if err != nil {
				t.Fatalf("%+v: %v", info, err)
			}
			sum := sha256.Sum256(planes)
			if got := hex.EncodeToString(sum[:]); got != s.digest {
				t.Errorf("%+v: the planes have the digest %s, want %s, as of %s", info, got, s.digest, s.decoder)
			}
		})
	}
}
