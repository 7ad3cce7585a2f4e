package raster

import (
	"bytes"
	"encoding/binary"
	"math"
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

// Renditions are made one after the other, so the largest counts, and of the others their files. What is drawn on them,
// and a filter's deviation, cost more.
func TestCostOfRenditions(t *testing.T) {
	still := Target{Box: Box{1000, 1000}, Format: JPEG}
	with := func(change func(*Target)) Target {
		changed := still
		change(&changed)
		return changed
	}
	cost := func(targets ...Target) Cost { return CostOf(Limits{}, 1<<14, targets...) }
	one := cost(still)
	for name, test := range map[string]struct {
		got          Cost
		memory, time float64 // as parts of one
	}{
		"two":                  {cost(still, still), 1.25, 2},
		"eight":                {cost(still, still, still, still, still, still, still, still), 2.75, 8},
		"WebP":                 {cost(with(func(t *Target) { t.Format = WebP })), 37.0 / 16, 10},
		"watermark":            {cost(with(func(t *Target) { t.Watermark = &Watermark{} })), 26.0 / 16, 2},
		"contain":              {cost(with(func(t *Target) { t.Fit = FitContain })), 26.0 / 16, 2},
		"blur":                 {cost(with(func(t *Target) { t.Adjustments.Blur = 50 })), 26.0 / 16, 1170.0 / 60},
		"sharpen":              {cost(with(func(t *Target) { t.Adjustments.Sharpen = 1 })), 26.0 / 16, 190.0 / 60},
		"a side without limit": {cost(with(func(t *Target) { t.Box.Height = 1 << 14 })), 1, 1},
		"frames of a still":    {cost(with(func(t *Target) { t.Frames = 9 })), 1, 1},
		"frames of a GIF": {
			cost(with(func(t *Target) { t.Frames, t.Format = 9, GIF })), (18 + 9*14) / 16.0, 15,
		},
		"frames beyond the limit": {
			CostOf(Limits{BufferedPixels: 3e6}, 1<<14, with(func(t *Target) { t.Frames, t.Format = 9, GIF })),
			(18 + 3*14) / 16.0, 5,
		},
	} {
		t.Run(name, func(t *testing.T) {
			memory := float64(test.got.Memory) / float64(one.Memory)
			time := float64(test.got.CPU) / float64(one.CPU)
			if math.Abs(memory-test.memory) > 0.01 || math.Abs(time-test.time) > 0.01 {
				t.Errorf("got %.2f times the memory and %.2f times the time, want %.2f and %.2f",
					memory, time, test.memory, test.time)
			}
		})
	}
}
