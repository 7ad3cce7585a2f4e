package raster

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"time"
)

// costOfFile is the estimate for a thumbnail.
func costOfFile(t *testing.T, file []byte) (Header, Cost) {
	t.Helper()
	p, err := Open(bytes.NewReader(file), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return p.Header(), p.Cost(int64(len(file)), Target{Box: thumbnail})
}

// The estimates tell images that take long from those that do not, whatever their size in bytes. The bounds are a
// third and three times the time that was measured on the machine of docs/performance.md.
func TestCostInTime(t *testing.T) {
	const ms = time.Millisecond
	for name, test := range map[string]struct {
		file []byte
		took time.Duration
	}{
		"lossless WebP of 30 bytes and 50 MP": {plainWebP(16383, 3050), 450 * ms},
		"lossless WebP of 4 MP":               {plainWebP(2000, 2000), 47 * ms},
		"JPEG of 12 MP":                       {tiledJPEG(t, "baseline", 4000, 3008), 22 * ms},
		"progressive JPEG of 12 MP":           {tiledJPEG(t, "progressive", 4000, 3008), 25 * ms},
		"JPEG of 3 MP":                        {tiledJPEG(t, "baseline", 2000, 1504), 10 * ms},
	} {
		t.Run(name, func(t *testing.T) {
			_, cost := costOfFile(t, test.file)
			if cost.CPU < test.took/3 || cost.CPU > 3*test.took {
				t.Errorf("got %v, want about %v", cost.CPU, test.took)
			}
		})
	}
}

// An estimate of memory does not grow with the pixels of formats that are not buffered, and does with those of others.
func TestCostInMemory(t *testing.T) {
	png := func(interlaced byte) []byte {
		size := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 8000), 6000)
		ihdr := pngChunk("IHDR", append(size, 8, 6, 0, 0, interlaced))
		return slices.Concat([]byte("\x89PNG\r\n\x1a\n"), ihdr, pngChunk("IDAT", nil))
	}
	const most = 2.2 // bytes for each pixel
	for name, test := range map[string]struct {
		file     []byte
		buffered bool
	}{
		"JPEG":           {tiledJPEG(t, "baseline", 8000, 6000), false},
		"PNG":            {png(0), false},
		"interlaced PNG": {png(1), true},
		"lossless WebP":  {plainWebP(8000, 6000), true},
	} {
		t.Run(name, func(t *testing.T) {
			header, cost := costOfFile(t, test.file)
			perPixel := float64(cost.Memory-fixedMemory) / float64(header.Pixels())
			if header.Buffered != test.buffered || test.buffered != (perPixel > 1) || perPixel > most {
				t.Errorf("got buffered %t and %.2f bytes for each pixel, want %t and above 1 if so, %.1f at most",
					header.Buffered, perPixel, test.buffered, most)
			}
		})
	}
}

// What a copy needs decides: a larger one takes more memory and time.
func TestCostOfTargets(t *testing.T) {
	for _, kind := range []string{"baseline", "progressive"} {
		p, err := Open(bytes.NewReader(tiledJPEG(t, kind, 4000, 3008)), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		small, large := p.Cost(0, Target{Box: thumbnail}), p.Cost(0, Target{Box: thumbnail}, Target{Box: Box{2000, 2000}})
		if large.Memory < 5*small.Memory || large.CPU < 2*small.CPU {
			t.Errorf("%s: got %+v for a copy of 2000 pixels, and %+v for 200", kind, large, small)
		}
	}
}
