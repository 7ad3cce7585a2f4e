package av1

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

// Every stream is decoded exactly as by other decoders.
func TestDecodeIsExact(t *testing.T) {
	for _, s := range streams(t) {
		t.Run(s.name, func(t *testing.T) {
			for name, o := range map[string]Options{s.digest: {}, s.without: {SkipFilters: true}} {
				if name == "-" {
					continue
				}
				planes, err := decodeAll(configOf(t, s.data), s.data, o)
				if err != nil {
					t.Fatal(err)
				}
				sum := sha256.Sum256(planes)
				if got := hex.EncodeToString(sum[:]); got != name {
					t.Errorf("%+v: the planes have the digest %s, want %s", o, got, name)
				}
			}
		})
	}
}

// BenchmarkDecode decodes a picture of 512x384 pixels.
func BenchmarkDecode(b *testing.B) {
	const megapixels = 512 * 384 / 1e6
	data := find(b, "a_large")
	c := configOf(b, data)
	for name, o := range map[string]Options{"all": {}, "without filters": {SkipFilters: true}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := c.Decode(data, o, func(*Rows) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(b.Elapsed().Seconds()*1e3/float64(b.N)/megapixels, "ms/MP")
		})
	}
}
