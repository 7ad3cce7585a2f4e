package hevc

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

// A bitWriter writes what a bitReader reads.
type bitWriter struct {
	data []byte
	n    int
}

func (w *bitWriter) u(n, v int) {
	for i := n - 1; i >= 0; i-- {
		if w.n%8 == 0 {
			w.data = append(w.data, 0)
		}
		w.data[w.n/8] |= byte(v>>i&1) << (7 - w.n%8)
		w.n++
	}
}

func (w *bitWriter) ue(values ...int) {
	for _, v := range values {
		n := 0
		for (v+1)>>n > 1 {
			n++
		}
		w.u(2*n+1, v+1)
	}
}

// A format is what the tests change of a sequence parameter set.
type format struct {
	number, chroma, separate, width, height int
	crop                                    [4]int
	depth, depthChroma                      int
	minCb, ctb, minTb, maxTb, depthIntra    int // as they are coded: differences
	pcmDepth                                int
	sets                                    int // short-term reference picture sets
	extensions                              int // 8 flags
	rangeFlags                              int // 9 flags
	cut                                     int // bytes that are missing
}

// plain is a format that is supported.
func plain() format { return format{chroma: 1, width: 64, height: 48, ctb: 2, maxTb: 3, depthIntra: 1} }

// unit is the format as a NAL unit.
func (f format) unit() []byte {
	w := new(bitWriter)
	w.u(8, nalSPS<<1)
	w.u(8, 1)
	w.u(8, 1)
	for range 11 {
		w.u(8, 0)
	}
	w.u(8, 93)
	w.ue(f.number, f.chroma)
	if f.chroma == 3 {
		w.u(1, f.separate)
	}
	w.ue(f.width, f.height)
	w.u(1, 1)
	w.ue(f.crop[:]...)
	w.ue(f.depth, f.depthChroma, 4)
	w.u(1, 0)
	w.ue(0, 0, 0)
	w.ue(f.minCb, f.ctb, f.minTb, f.maxTb, 0, f.depthIntra)
	w.u(3, 0)
	if f.pcmDepth > 0 {
		w.u(1, 1)
		w.u(4, f.pcmDepth-1)
		w.u(4, f.pcmDepth-1)
		w.ue(0, 0)
		w.u(1, 0)
	} else {
		w.u(1, 0)
	}
	w.ue(f.sets)
	for range f.sets {
		w.ue(17, 0)
	}
	w.u(4, 0)
	if f.extensions == 0 {
		w.u(1, 0)
	} else {
		w.u(1, 1)
		w.u(8, f.extensions)
		w.u(9, f.rangeFlags)
	}
	w.u(1, 1)
	return w.data[:len(w.data)-f.cut]
}

// property is an hvcC property with parameter sets.
func property(units ...[]byte) []byte {
	var b []byte
	b = append(b, make([]byte, 23)...)
	b[0], b[21], b[22] = 1, 3, byte(len(units))
	for _, unit := range units {
		b = append(b, unit[0]>>1, 0, 1)
		b = binary.BigEndian.AppendUint16(b, uint16(len(unit)))
		b = append(b, unit...)
	}
	return b
}

func TestParseConfigRefuses(t *testing.T) {
	const (
		extendedPrecision = 1 << 4
		isDamaged         = imgerr.ReasonDamaged
		isUnsupported     = imgerr.ReasonUnsupported
	)
	for name, c := range map[string]struct {
		change func(f *format)
		reason imgerr.Reason
		says   string
	}{
		"separate planes":   {func(f *format) { f.chroma, f.separate = 3, 1 }, isUnsupported, "separate colour planes"},
		"14 bits":           {func(f *format) { f.depth = 6 }, isUnsupported, "samples of 14 bits"},
		"14 bits of chroma": {func(f *format) { f.depthChroma = 6 }, isUnsupported, "samples of 14 bits"},
		"screen content":    {func(f *format) { f.extensions = 1 << 4 }, isUnsupported, "screen content"},
		"extended precision": {
			func(f *format) { f.extensions, f.rangeFlags = 1<<7, extendedPrecision }, isUnsupported, "extended precision",
		},
		"17 bits":               {func(f *format) { f.depth = 9 }, isDamaged, "17 and 8 bits"},
		"chroma format 4":       {func(f *format) { f.chroma = 4 }, isDamaged, "chroma_format_idc is 4"},
		"no width":              {func(f *format) { f.width = 0 }, isDamaged, "0x48 samples"},
		"too wide":              {func(f *format) { f.width = 1 << 17 }, isDamaged, "131072x48 samples"},
		"no whole blocks":       {func(f *format) { f.width = 65 }, isDamaged, "multiples of 8"},
		"nothing left":          {func(f *format) { f.crop = [4]int{16, 16, 0, 0} }, isDamaged, "leaves nothing"},
		"cropped by 2^28":       {func(f *format) { f.crop = [4]int{1<<28 - 2, 0, 0, 0} }, isDamaged, "leaves nothing"},
		"large trees":           {func(f *format) { f.ctb = 4 }, isDamaged, "2^7"},
		"small trees":           {func(f *format) { f.ctb = 0 }, isDamaged, "2^3"},
		"large transforms":      {func(f *format) { f.maxTb = 4 }, isDamaged, "2^2 to 2^6"},
		"no small transforms":   {func(f *format) { f.minTb = 1 }, isDamaged, "less than 2^3"},
		"deep transforms":       {func(f *format) { f.depthIntra = 4 }, isDamaged, "depth of 4"},
		"PCM of 9 bits":         {func(f *format) { f.pcmDepth = 9 }, isDamaged, "9 and 9 bits"},
		"65 reference sets":     {func(f *format) { f.sets = 65 }, isDamaged, "65 short-term"},
		"17 reference pictures": {func(f *format) { f.sets = 1 }, isDamaged, "17 and 0 pictures"},
		"number 16":             {func(f *format) { f.number = 16 }, isDamaged, "number 16"},
		"cut short":             {func(f *format) { f.cut = 2 }, isDamaged, "cut short"},
	} {
		t.Run(name, func(t *testing.T) {
			f := plain()
			c.change(&f)
			_, err := ParseConfig(property(f.unit()))
			if reasonOf(err) != c.reason || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want an error for the reason %s that contains %q", err, c.reason, c.says)
			}
		})
	}
}

func TestParseConfigCut(t *testing.T) {
	whole := property(plain().unit())
	if _, err := ParseConfig(whole); err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if _, err := ParseConfig(whole[:n]); reasonOf(err) != imgerr.ReasonDamaged {
			t.Errorf("%d of %d bytes: got %v, want an error for the reason damaged", n, len(whole), err)
		}
	}
}

func TestInfo(t *testing.T) {
	// The code points of ITU-T H.273 of streams without video usability information: unspecified.
	with := func(width, height, chroma, depth, depthChroma int, isFull bool) Info {
		return Info{Width: width, Height: height, Chroma: chroma, BitDepth: depth, BitDepthChroma: depthChroma,
			FullRange: isFull, Matrix: 2, Primaries: 2, Transfer: 2}
	}
	vui := with(186, 122, 1, 8, 8, true)
	vui.Matrix, vui.Primaries, vui.Transfer = 6, 12, 13
	for name, want := range map[string]Info{
		"x_yuv420p_test":     with(186, 122, 1, 8, 8, false),
		"x_yuv422p10_test":   with(186, 122, 2, 10, 10, false),
		"x_gray12_test":      with(186, 122, 0, 12, 12, true),
		"i_crop_1":           with(90, 72, 1, 8, 8, false),
		"i_depth_12_9_3":     with(96, 80, 3, 12, 9, false),
		"x_vui":              vui,
		"x_vui_hypothetical": vui,
	} {
		t.Run(name, func(t *testing.T) {
			hvcC, _ := find(t, name)
			c, err := ParseConfig(hvcC)
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.Info()
			if err != nil || got != want {
				t.Errorf("got %+v and the error %v, want %+v", got, err, want)
			}
		})
	}
	t.Run("without a parameter set", func(t *testing.T) {
		c, err := ParseConfig(property())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Info(); reasonOf(err) != imgerr.ReasonDamaged {
			t.Errorf("got %v, want an error for the reason damaged", err)
		}
	})
}

// A picture must be what Info said, whatever parameter sets come with it.
func TestDecodeRefusesOtherSize(t *testing.T) {
	hvcC, data := find(t, "x_yuv420p_test")
	other := plain().unit()
	data = append(append(binary.BigEndian.AppendUint32(nil, uint32(len(other))), other...), data...)
	_, _, err := decodeAll(hvcC, data, Options{})
	if reasonOf(err) != imgerr.ReasonDamaged || !strings.Contains(err.Error(), "Width:64 Height:48") {
		t.Errorf("got %v, want a refusal of 64x48", err)
	}
}

// The extensions for several layers and for 3D do not matter for the base layer.
func TestParseConfigLayers(t *testing.T) {
	f := plain()
	f.extensions = 3 << 5
	if _, err := ParseConfig(property(f.unit())); err != nil {
		t.Error(err)
	}
}

// Lengths of NAL units have 1, 2 or 4 bytes.
func TestDecodeLengthSize(t *testing.T) {
	hvcC, data := find(t, "i_plain_1")
	_, want, err := decodeAll(hvcC, data, Options{})
	if err != nil {
		t.Fatal(err)
	}
	hvcC[21] = 1
	_, got, err := decodeAll(hvcC, data[2:], Options{})
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("2 bytes: got the error %v and %d bytes, want %d", err, len(got), len(want))
	}
	hvcC[21] = 2
	if _, err := ParseConfig(hvcC); reasonOf(err) != imgerr.ReasonDamaged {
		t.Errorf("3 bytes: got %v, want an error for the reason damaged", err)
	}
}

func TestUnescape(t *testing.T) {
	for _, c := range []struct{ name, escaped, want string }{
		{"nothing", "\x01\x02\x03", "\x01\x02\x03"},
		{"one", "\x00\x00\x03\x01", "\x00\x00\x01"},
		{"two", "\x00\x00\x03\x00\x00\x03\x00", "\x00\x00\x00\x00\x00"},
		{"at the end", "\x05\x00\x00\x03", "\x05\x00\x00"},
		{"three without zeros", "\x00\x03\x00\x03", "\x00\x03\x00\x03"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := string(removeEmulationPrevention([]byte(c.escaped))); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestExpGolomb(t *testing.T) {
	w := new(bitWriter)
	values := []int{0, 1, 2, 7, 8, 254, 255, 65535, 1<<28 - 2}
	w.ue(values...)
	r := &bitReader{data: w.data}
	for _, want := range values {
		if got := r.ue(); got != want {
			t.Errorf("got %d, want %d", got, want)
		}
	}
	r = &bitReader{data: make([]byte, 9)}
	if got := r.ue(); got != tooLarge {
		t.Errorf("72 zeros: got %d, want what is larger than any limit", got)
	}
	r = &bitReader{data: []byte{0b1_010_011_0, 0b0100_0010, 0b1_0000000}}
	for _, want := range []int{0, 1, -1, 2, -2} {
		if got := r.se(); got != want {
			t.Errorf("got %d, want %d", got, want)
		}
	}
}
