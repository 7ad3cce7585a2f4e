package hevc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

// find returns a sample by its name.
func find(tb testing.TB, name string) (hvcC, data []byte) {
	tb.Helper()
	for _, s := range samples(tb) {
		if s.name == name {
			return pack(tb, s.stream)
		}
	}
	tb.Fatalf("there is no stream %s", name)
	return nil, nil
}

// reasonOf returns the reason of an *imgerr.Error, or "" for another error.
func reasonOf(err error) imgerr.Reason {
	var r *imgerr.Error
	if errors.As(err, &r) {
		return r.Reason
	}
	return ""
}

// Data that is cut short is damaged, wherever it ends.
func TestDecodeTruncated(t *testing.T) {
	for _, name := range []string{"x_yuv420p_test", "i_pcm_1", "i_tiles_0", "i_dependent_wavefront_3"} {
		t.Run(name, func(t *testing.T) {
			hvcC, data := find(t, name)
			for n := 0; n < len(data); n += 1 + len(data)/300 {
				if _, _, err := decodeAll(hvcC, data[:n], Options{}); reasonOf(err) != imgerr.ReasonDamaged {
					t.Fatalf("%d of %d bytes: got the error %v, want an error for the reason damaged", n, len(data), err)
				}
			}
		})
	}
}

// So is a NAL unit that is cut short.
func TestDecodeShortSlice(t *testing.T) {
	hvcC, data := find(t, "x_yuv420p_test")
	unit := data[4:]
	if n := binary.BigEndian.Uint32(data); int(n) != len(unit) {
		t.Fatalf("the stream has a unit of %d bytes, want one of %d", n, len(unit))
	}
	for n := 0; n < len(unit)-1; n += 1 + len(unit)/300 {
		short := binary.BigEndian.AppendUint32(nil, uint32(n))
		short = append(short, unit[:n]...)
		if _, _, err := decodeAll(hvcC, short, Options{}); reasonOf(err) != imgerr.ReasonDamaged {
			t.Fatalf("%d of %d bytes: got the error %v, want an error for the reason damaged", n, len(unit), err)
		}
	}
}

func TestDecodeErrors(t *testing.T) {
	hvcC, data := find(t, "x_wpp")
	c, err := ParseConfig(hvcC)
	if err != nil {
		t.Fatal(err)
	}
	fault := errors.New("test")
	ignore := func(*Rows) error { return nil }
	t.Run("of the reader", func(t *testing.T) {
		r := io.MultiReader(bytes.NewReader(data[:len(data)/2]), iotest.ErrReader(fault))
		if err := c.Decode(r, Options{}, ignore); !errors.Is(err, fault) {
			t.Errorf("got %v, want %v", err, fault)
		}
	})
	t.Run("of Check", func(t *testing.T) {
		calls := 0
		check := func() error {
			if calls++; calls == 3 {
				return fault
			}
			return nil
		}
		if err := c.Decode(bytes.NewReader(data), Options{Check: check}, ignore); !errors.Is(err, fault) || calls != 3 {
			t.Errorf("got %v after %d calls, want %v after 3", err, calls, fault)
		}
	})
	t.Run("of emit", func(t *testing.T) {
		err := c.Decode(bytes.NewReader(data), Options{}, func(*Rows) error { return fault })
		if !errors.Is(err, fault) {
			t.Errorf("got %v, want %v", err, fault)
		}
	})
}

// Slices of other types are refused by name. In front of the type are first_slice_segment_in_pic_flag,
// no_output_of_prior_pics_flag, and the number 0 of the picture parameter set, which is one bit; the type of an I
// slice is 011, that of a P slice 010, and that of a B slice 1.
func TestDecodeRefusesInter(t *testing.T) {
	for kind, bits := range map[string]byte{"P": 0b010, "B": 0b100} {
		t.Run(kind, func(t *testing.T) {
			hvcC, data := find(t, "x_yuv420p_test")
			const at, shift = 6, 2
			if got := data[at] >> shift & 7; got != 0b011 {
				t.Fatalf("the slice has the type %03b, want 011", got)
			}
			data[at] = data[at]&^(7<<shift) | bits<<shift
			_, _, err := decodeAll(hvcC, data, Options{})
			if reasonOf(err) != imgerr.ReasonUnsupported || !strings.Contains(err.Error(), "slices of type "+kind) {
				t.Errorf("got %v, want a refusal of slices of type %s", err, kind)
			}
		})
	}
}

// Without in-loop filters, all samples are present and close to the filtered ones.
func TestSkipFilters(t *testing.T) {
	hvcC, data := find(t, "x_large")
	info, want, err := decodeAll(hvcC, data, Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, got, err := decodeAll(hvcC, data, Options{SkipFilters: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("got %d bytes, want %d", len(got), len(want))
	}
	// Means of 4x4 pixels, because the consumer reduces the picture that far.
	worst := 0
	for y := 0; y+4 <= info.Height; y += 4 {
		for x := 0; x+4 <= info.Width; x += 4 {
			difference := 0
			for i := range 16 {
				at := (y+i/4)*info.Width + x + i%4
				difference += int(got[at]) - int(want[at])
			}
			worst = max(worst, max(difference, -difference)/16)
		}
	}
	if worst > 8 {
		t.Errorf("means of 4x4 pixels differ by up to %d, want at most 8", worst)
	}
}

// A decoder that is reused keeps nothing of the picture before.
func TestDecodeAgain(t *testing.T) {
	d := new(decoder)
	for range 2 {
		for _, s := range samples(t) {
			hvcC, data := pack(t, s.stream)
			c, err := ParseConfig(hvcC)
			if err != nil {
				t.Fatal(err)
			}
			rows := 0
			err = d.decode(c, bytes.NewReader(data), Options{}, func(r *Rows) error {
				rows += r[0].Height
				return nil
			})
			if info, _ := c.Info(); err != nil || rows != info.Height {
				t.Fatalf("%s: got %d rows and the error %v, want %d", s.name, rows, err, info.Height)
			}
		}
	}
}

// Memory grows with a row of coding tree blocks, not with the picture.
func TestDecodeMemory(t *testing.T) {
	hvcC, data := find(t, "x_large")
	c, err := ParseConfig(hvcC)
	if err != nil {
		t.Fatal(err)
	}
	d := new(decoder)
	if err := d.decode(c, bytes.NewReader(data), Options{}, func(*Rows) error { return nil }); err != nil {
		t.Fatal(err)
	}
	const width, height, rows = 512, 384, 64 + margin
	samples := 0
	for c, p := range d.planes {
		samples += 2*cap(p.pix) + 2*cap(p.above) + cap(d.out8[c]) + 2*cap(d.out16[c])
	}
	if limit := width*rows*3 + width*rows*3/2 + width*4; samples > limit {
		t.Errorf("samples take %d bytes, want at most %d", samples, limit)
	}
	blocks := cap(d.qp) + cap(d.edges) + 40*cap(d.ctbs)
	if limit := width*height/64*2 + width*height/64/64*40; blocks > limit {
		t.Errorf("blocks take %d bytes, want at most %d", blocks, limit)
	}
	if limit := max(128<<10, 2*len(data)); cap(d.unit) > limit {
		t.Errorf("a NAL unit takes %d bytes, want at most %d", cap(d.unit), limit)
	}
}

// withOffset returns data in which 9 bits, those of an offset of the arithmetic decoder, are ones: 511 is not below the
// initial range of 510.
func withOffset(data []byte, at int) []byte {
	data = bytes.Clone(data)
	data[at] = 0xff
	data[at+1] |= 0x80
	return data
}

// The arithmetic decoder starts at a slice, at a substream and after PCM samples. An offset that is not below its range
// would make bypass bins, and so prediction modes, larger than they can be.
func TestDecodeRefusesOffset(t *testing.T) {
	for _, test := range []struct {
		name   string
		starts int
	}{
		{"i_plain_0", 1},
		{"i_wavefront_0", 2},
		{"i_pcm_1", 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			hvcC, data := find(t, test.name)
			refused := 0
			for at := 4; at+1 < len(data); at++ {
				_, _, err := decodeAll(hvcC, withOffset(data, at), Options{})
				if err != nil && reasonOf(err) == "" {
					t.Fatalf("byte %d: got the error %v, want a refusal", at, err)
				}
				if err != nil && strings.Contains(err.Error(), "starts with an offset of 51") {
					refused++
				}
			}
			if refused < test.starts {
				t.Errorf("an offset was refused at %d bytes, want at least %d", refused, test.starts)
			}
		})
	}
}

// Damaged streams do not panic.
func TestDecodeMutated(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, s := range samples(t) {
		t.Run(s.name, func(t *testing.T) {
			hvcC, data := pack(t, s.stream)
			for range 20 {
				h, d := bytes.Clone(hvcC), bytes.Clone(data)
				for range 1 + random.IntN(4) {
					if random.IntN(4) == 0 {
						h[random.IntN(len(h))] ^= 1 << random.IntN(8)
					} else {
						d[random.IntN(len(d))] ^= 1 << random.IntN(8)
					}
				}
				survive(t, h, d)
			}
		})
	}
}

// survive checks that arbitrary data is either refused or decoded completely.
func survive(t *testing.T, hvcC, data []byte) {
	t.Helper()
	const mostPixels = 1 << 20
	c, err := ParseConfig(hvcC)
	if err != nil {
		if reasonOf(err) == "" {
			t.Fatalf("got the error %v, want a refusal", err)
		}
		return
	}
	info, err := c.Info()
	if err != nil || info.Width*info.Height > mostPixels {
		return
	}
	rows := 0
	err = c.Decode(bytes.NewReader(data), Options{SkipFilters: len(data)%2 == 0}, func(r *Rows) error {
		for i, s := range r {
			if s.Height > 0 && len(s.Pix8)+len(s.Pix16) < (s.Height-1)*s.Stride+s.Width {
				t.Fatalf("plane %d has %d samples, want %d rows of %d", i, len(s.Pix8)+len(s.Pix16), s.Height, s.Stride)
			}
		}
		rows += r[0].Height
		return nil
	})
	if err != nil && reasonOf(err) == "" {
		t.Fatalf("got the error %v, want a refusal", err)
	}
	if err == nil && rows != info.Height {
		t.Fatalf("got %d rows, want %d", rows, info.Height)
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range samples(f) {
		hvcC, data := pack(f, s.stream)
		if len(data) < 8<<10 {
			f.Add(hvcC, data)
		}
	}
	hvcC, data := find(f, "i_plain_0")
	for at := 8; at < 24; at++ { // the slice data starts among these
		f.Add(hvcC, withOffset(data, at))
	}
	f.Fuzz(func(t *testing.T, hvcC, data []byte) {
		if len(hvcC)+len(data) < 64<<10 {
			survive(t, hvcC, data)
		}
	})
}

func FuzzParseConfig(f *testing.F) {
	for _, s := range samples(f) {
		hvcC, _ := pack(f, s.stream)
		f.Add(hvcC)
	}
	f.Fuzz(func(t *testing.T, hvcC []byte) {
		if _, err := ParseConfig(hvcC); err != nil && reasonOf(err) == "" {
			t.Fatalf("got the error %v, want a refusal", err)
		}
	})
}
