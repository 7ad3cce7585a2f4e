package av1

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

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
	for _, name := range []string{"a_yuv420p", "a_tiles_groups", "a_screen_yuv422p", "l_two"} {
		t.Run(name, func(t *testing.T) {
			data := find(t, name)
			c := configOf(t, data)
			for n := 0; n < len(data); n += 1 + len(data)/100 {
				if _, err := decodeAll(c, data[:n], Options{}); reasonOf(err) != imgerr.ReasonDamaged {
					t.Fatalf("%d of %d bytes: got the error %v, want an error for the reason damaged", n, len(data), err)
				}
			}
		})
	}
}

// frameAt returns the index of the size of the last OBU, which has a frame.
func frameAt(tb testing.TB, data []byte) int {
	tb.Helper()
	last := 0
	for at := 0; at < len(data); {
		if kind := data[at] >> 3; data[at]&4 != 0 || kind == 0 {
			tb.Fatalf("there is an OBU that begins with %#x", data[at])
		}
		last = at + 1
		size, rest := leb128(data[last:])
		at = len(data) - len(rest) + size
	}
	return last
}

// So is a tile that is cut short, if the sizes say so.
func TestDecodeShortTile(t *testing.T) {
	data := find(t, "a_yuv420p")
	c := configOf(t, data)
	at := frameAt(t, data)
	size, payload := leb128(data[at:])
	refused := 0
	lengths := 0
	for n := 0; n < size; n += 13 {
		lengths++
		short := append(bytes.Clone(data[:at]), byte(n&127|128), byte(n>>7))
		_, err := decodeAll(c, append(short, payload[:n]...), Options{})
		if err != nil && reasonOf(err) != imgerr.ReasonDamaged {
			t.Fatalf("%d of %d bytes: got the error %v, want an error for the reason damaged", n, size, err)
		}
		if err != nil {
			refused++
		}
	}
	// The last bytes may be padding.
	if refused < lengths*9/10 {
		t.Errorf("%d of %d lengths were refused, want nearly all", refused, lengths)
	}
}

func TestDecodeErrors(t *testing.T) {
	data := find(t, "a_large")
	c := configOf(t, data)
	fault := errors.New("test")
	t.Run("of Check", func(t *testing.T) {
		calls := 0
		check := func() error {
			if calls++; calls == 3 {
				return fault
			}
			return nil
		}
		err := c.Decode(data, Options{Check: check}, func(*Rows) error { return nil })
		if !errors.Is(err, fault) || calls != 3 {
			t.Errorf("got %v after %d calls, want %v after 3", err, calls, fault)
		}
	})
	t.Run("of emit", func(t *testing.T) {
		if err := c.Decode(data, Options{}, func(*Rows) error { return fault }); !errors.Is(err, fault) {
			t.Errorf("got %v, want %v", err, fault)
		}
	})
}

// A decoder that is reused keeps nothing of the picture before.
func TestDecodeAgain(t *testing.T) {
	used := new(decoder)
	for i, s := range streams(t) {
		if i%4 != 0 {
			continue
		}
		var luma [2][]uint16
		for i, d := range []*decoder{new(decoder), used} {
			r, err := configOf(t, s.data).read(s.data)
			if err != nil {
				t.Fatal(err)
			}
			err = d.decodeAll(r, Options{}, func(rows *Rows) error {
				for y := range rows[0].Height {
					if rows[0].Pix16 != nil {
						luma[i] = append(luma[i], rows[0].Pix16[y*rows[0].Stride:][:rows[0].Width]...)
						continue
					}
					for _, v := range rows[0].Pix8[y*rows[0].Stride:][:rows[0].Width] {
						luma[i] = append(luma[i], uint16(v))
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(luma[0], luma[1]) {
			t.Errorf("%s: a decoder that was used before returns other samples", s.name)
		}
	}
}

// Memory for samples grows with the width, not with the picture, unless there are tile columns or blocks are copied.
func TestDecodeMemory(t *testing.T) {
	data := find(t, "a_large")
	r, err := configOf(t, data).read(data)
	if err != nil {
		t.Fatal(err)
	}
	d := new(decoder)
	if err := d.decode(r.sequence, r.shown, Options{}, func(*Rows) error { return nil }); err != nil {
		t.Fatal(err)
	}
	samples := 0
	for c := range d.planes {
		samples += 2*cap(d.planes[c].pix) + cap(d.out[c]) + 2*cap(d.filters.strips[c].pix)
		for i := range 4 {
			samples += 2 * (cap(d.filters.borders[c].upper[i]) + cap(d.filters.borders[c].lower[i]))
		}
	}
	const width, rows = 512, 384
	if limit := width * rows * 5; samples > limit {
		t.Errorf("samples take %d bytes, want at most %d", samples, limit)
	}
}

// Damaged streams do not panic.
func TestDecodeMutated(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, s := range streams(t) {
		t.Run(s.name, func(t *testing.T) {
			for range 8 {
				survive(t, configOf(t, s.data), mutate(random, s.data))
			}
		})
	}
}

// mutate changes some bits, most of them near the start, where the headers are.
func mutate(random *rand.Rand, data []byte) []byte {
	data = bytes.Clone(data)
	for range 1 + random.IntN(4) {
		at := random.IntN(len(data))
		if random.IntN(2) == 0 {
			at = random.IntN(min(len(data), 40))
		}
		data[at] ^= 1 << random.IntN(8)
	}
	if random.IntN(8) == 0 {
		data = data[:random.IntN(len(data))]
	}
	return data
}

// survive checks that arbitrary data is either refused or decoded completely.
func survive(t *testing.T, c *Config, data []byte) {
	t.Helper()
	const mostPixels = 1 << 20
	h, err := c.ReadHeader(data)
	if err != nil {
		if reasonOf(err) == "" {
			t.Fatalf("got the error %v, want a refusal", err)
		}
		return
	}
	if h.Width*h.Height > mostPixels {
		return
	}
	rows := 0
	err = c.Decode(data, Options{SkipFilters: len(data)%2 == 0}, func(r *Rows) error {
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
	if err == nil && rows != h.Height {
		t.Fatalf("got %d rows, want %d", rows, h.Height)
	}
}

// addStreams adds streams of fewer than most bytes as seeds, with the format that their container states.
func addStreams(f *testing.F, most int) {
	f.Helper()
	for _, s := range streams(f) {
		if len(s.data) < most {
			c := configOf(f, s.data)
			f.Add(byte(c.Format.Depth), c.Format.Gray, c.Format.StepX == 2, c.Format.StepY == 2, s.data)
		}
	}
}

func FuzzDecode(f *testing.F) {
	addStreams(f, 4<<10)
	f.Fuzz(func(t *testing.T, depth byte, isGray, halfX, halfY bool, data []byte) {
		if len(data) < 64<<10 {
			survive(t, &Config{Format: newFormat(int(depth), isGray, halfX, halfY)}, data)
		}
	})
}

// A picture has few sequence headers: every one takes time, and few bytes.
func TestSequenceHeaders(t *testing.T) {
	data := find(t, "a_yuv420p")
	c := configOf(t, data)
	start := bytes.IndexByte(data, obuSequenceHeader<<3|2)
	_, rest := leb128(data[start+1:])
	header := data[start : len(data)-len(rest)+int(data[start+1])]
	const most = 2 * maxFrames
	for count := range most + 2 {
		repeated := append(bytes.Repeat(header, count), data...)
		if _, err := c.ReadHeader(repeated); (err == nil) != (count < most) {
			t.Errorf("%d sequence headers: got the error %v, want one from %d on", count+1, err, most+1)
		}
	}
}

// The standard allows 64 columns of tiles, and the decoder keeps a state for each. A header could state more.
func TestTileLimit(t *testing.T) {
	for columns, wantError := range map[int]bool{maxTileColumns: false, maxTileColumns + 1: true} {
		zeros := make([]byte, 64) // not uniform, and each tile as wide as a superblock
		p := &headerParser{sequence: &sequence{}, bits: &bits{b: zeros}}
		p.width, p.height = columns*64, 64
		p.parseTiles()
		if err := p.tiles.check(); p.tiles.columns() != columns || (err != nil) != wantError {
			t.Errorf("%d of %d columns: got the error %v, want one: %t", p.tiles.columns(), columns, err, wantError)
		}
	}
}
