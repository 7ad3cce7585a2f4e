package av1

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

// sample returns the av1C property of a file of package heif's tests, and the data of its only item.
func sample(tb testing.TB, name string) (av1C, data []byte) {
	tb.Helper()
	file, err := os.ReadFile(filepath.Join("..", "heif", "testdata", "avif", name+".avif"))
	if err != nil {
		tb.Fatal(err)
	}
	at := bytes.Index(file, []byte("av1C"))
	size := int(file[at-1])
	_, data, _ = bytes.Cut(file, []byte("mdat"))
	return file[at+4 : at-4+size], data
}

func TestReadHeader(t *testing.T) {
	color := func(depth, stepX, stepY int) Format { return Format{Depth: depth, StepX: stepX, StepY: stepY} }
	tests := []struct {
		name          string
		width, height int
		format        Format
		matrix        int
		full          bool
	}{
		{"420_8", 128, 96, color(8, 2, 2), 6, true},
		{"422_10", 128, 96, color(10, 2, 1), 6, true},
		{"444_12", 128, 96, color(12, 1, 1), 6, true},
		{"422_12", 128, 96, color(12, 2, 1), 6, true},
		{"gray_10", 128, 96, Format{Depth: 10, Gray: true, StepX: 1, StepY: 1}, 6, true},
		{"odd", 127, 95, color(8, 2, 2), 6, true},
		{"lossless", 128, 96, color(8, 1, 1), 0, true},
		{"bt709_limited", 128, 96, color(8, 2, 2), 1, false},
		{"grain", 128, 96, color(8, 2, 2), 6, true},
		{"tiles", 192, 128, color(8, 2, 2), 6, true},
		{"screen", 128, 96, color(8, 1, 1), 6, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			av1C, data := sample(t, test.name)
			c, err := ParseConfig(av1C)
			if err != nil || c.Format != test.format {
				t.Fatalf("got %+v, %v, want %+v", c, err, test.format)
			}
			h, err := c.ReadHeader(data)
			if err != nil {
				t.Fatal(err)
			}
			if h.Width != test.width || h.Height != test.height || h.Format != test.format || h.Matrix != test.matrix ||
				h.FullRange != test.full || h.Frames != 1 {
				t.Errorf("got %+v, want %+v", h, test)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	av1C, data := sample(t, "420_8")
	other, _ := sample(t, "444_8")
	_, large := sample(t, "tiles")
	change := func(at int, b byte) []byte {
		changed := bytes.Clone(data)
		changed[at] = b
		return changed
	}
	tests := []struct {
		name       string
		av1C, data []byte
		message    string
	}{
		{"short configuration", av1C[:3], data, "3 bytes, expected at least 4"},
		{"version of the configuration", append([]byte{1}, av1C[1:]...), data, "starts with 0x1"},
		{"frame in the configuration", append(bytes.Clone(av1C), data...), data, "has a frame"},
		{"nothing", av1C, nil, "no sequence header"},
		{"no frame", av1C, data[:4+int(data[3])], "no frame"},
		{"another format", other, data, "samples of"},
		{"reserved bit", av1C, change(0, 0x92), "first bit is reserved"},
		{"size beyond the end", av1C, change(1, 0x7f), "ends after"},
		{"two sequences", av1C, append(bytes.Clone(data), large...), "two sequence headers that differ"},
		{"many frames", av1C, bytes.Repeat(data, 5), "more than 4 frames"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := ParseConfig(test.av1C)
			if err == nil {
				_, err = c.ReadHeader(test.data)
			}
			var refusal *imgerr.Error
			if !errors.As(err, &refusal) || !strings.Contains(refusal.Message, test.message) {
				t.Errorf("got %v, want a refusal that says %q", err, test.message)
			}
		})
	}
}

// TestSequenceOfConfiguration reads a configuration whose flags contradict its sequence header, which counts.
func TestSequenceOfConfiguration(t *testing.T) {
	_, data := sample(t, "420_8")
	flags, _ := sample(t, "444_8")
	sequence := data[2:][:2+int(data[3])] // after a temporal delimiter
	c, err := ParseConfig(append(bytes.Clone(flags), sequence...))
	if want := (Format{Depth: 8, StepX: 2, StepY: 2}); err != nil || c.Format != want {
		t.Fatalf("got %+v, %v, want %+v", c, err, want)
	}
	if _, err := c.ReadHeader(data); err != nil {
		t.Error(err)
	}
}

// FuzzReadHeader reads configurations and data that are not to be trusted.
func FuzzReadHeader(f *testing.F) {
	for _, name := range []string{"420_8", "444_12", "gray_10", "lossless"} {
		av1C, data := sample(f, name)
		f.Add(av1C, data[:min(len(data), 100)])
	}
	f.Fuzz(func(t *testing.T, av1C, data []byte) {
		c, err := ParseConfig(av1C)
		var h Header
		if err == nil {
			h, err = c.ReadHeader(data)
		}
		var refusal *imgerr.Error
		if err != nil && !errors.As(err, &refusal) {
			t.Errorf("got %v, want a refusal", err)
		}
		isSide := func(v int) bool { return 1 <= v && v <= 1<<16 }
		if err == nil && (!isSide(h.Width) || !isSide(h.Height) || h.Frames < 1 || h.Frames > 4) {
			t.Errorf("got %+v, want a size up to 65536x65536 and 1 to 4 frames", h)
		}
	})
}

// cutAfter returns a stream without the frames after its first ones. Each is an OBU.
func cutAfter(tb testing.TB, data []byte, frames int) []byte {
	tb.Helper()
	for at := 0; at < len(data); {
		header := 1 + int(data[at]>>2&1)
		size, payload := leb128(data[at+header:])
		if size < 0 {
			tb.Fatalf("byte %d starts no OBU", at)
		}
		isFrame := data[at]>>3&15 == obuFrame
		at = len(data) - len(payload) + size
		if isFrame {
			frames--
		}
		if frames == 0 {
			return data[:at]
		}
	}
	tb.Fatalf("the stream lacks %d frames", frames)
	return nil
}

// Each operating point of l_four has a layer fewer than the one before.
func TestSelect(t *testing.T) {
	data := find(t, "l_four")
	c := configOf(t, data)
	seen := map[string]bool{}
	for layer := range AllLayers + 1 {
		want, err := decodeAll(c, cutAfter(t, data, layer+1), Options{})
		if err != nil {
			t.Fatal(err)
		}
		seen[string(want)] = true
		for _, selected := range []*Config{c.Select(0, layer), c.Select(AllLayers-layer, AllLayers)} {
			got, err := decodeAll(selected, data, Options{})
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("layer %d: got another picture, %v", layer, err)
			}
		}
	}
	if len(seen) != AllLayers+1 {
		t.Errorf("got %d different pictures, want one for each layer", len(seen))
	}
	_, err := c.Select(AllLayers+1, AllLayers).ReadHeader(data)
	var refusal *imgerr.Error
	if !errors.As(err, &refusal) || !strings.Contains(refusal.Message, "4 operating points") {
		t.Errorf("got %v, want that there are 4 operating points", err)
	}
}
