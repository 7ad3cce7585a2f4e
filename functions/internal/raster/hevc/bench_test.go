package hevc

import (
	"bytes"
	"testing"
)

// BenchmarkDecode decodes a picture of 512x384 pixels, as phones divide theirs into.
func BenchmarkDecode(b *testing.B) {
	hvcC, data := find(b, "x_large")
	c, err := ParseConfig(hvcC)
	if err != nil {
		b.Fatal(err)
	}
	info, err := c.Info()
	if err != nil {
		b.Fatal(err)
	}
	for name, o := range map[string]Options{"all": {}, "without filters": {SkipFilters: true}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := c.Decode(bytes.NewReader(data), o, func(*Rows) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
			megapixels := float64(info.Width*info.Height) / 1e6
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N)/megapixels, "ms/MP")
		})
	}
}
