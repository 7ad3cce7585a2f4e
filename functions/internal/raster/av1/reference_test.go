package av1

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

// without returns a stream without the OBU of one of its frames, counted from 0.
func without(tb testing.TB, data []byte, frame int) []byte {
	tb.Helper()
	size, _ := leb128(data[3:]) // of the sequence header, after a temporal delimiter
	before := data[:4+size]
	if frame > 0 {
		before = cutAfter(tb, data, frame)
	}
	return append(bytes.Clone(before), data[len(cutAfter(tb, data, frame+1)):]...)
}

func TestMissingReference(t *testing.T) {
	for _, name := range []string{"i_pan", "i_ahead", "v_8"} {
		data := without(t, find(t, name), 0)
		_, err := configOf(t, data).ReadHeader(data)
		if reasonOf(err) != imgerr.ReasonDamaged || !strings.Contains(err.Error(), "missing") {
			t.Errorf("%s: got %v, want that a frame is missing", name, err)
		}
	}
}

// Frames that the picture does not depend on are not decoded.
func TestUnusedFrames(t *testing.T) {
	data := find(t, "l_four")
	c := configOf(t, data)
	if h, err := c.ReadHeader(data); err != nil || h.Frames != 1 || h.Memory != 0 {
		t.Errorf("got %+v, %v, want one frame, because all are key frames", h, err)
	}
	data = find(t, "i_pan")
	h, err := configOf(t, data).ReadHeader(data)
	if err != nil || h.Frames != maxFrames || h.Memory < 3*int64(h.Width*h.Height) {
		t.Errorf("got %+v, %v, want %d frames, and memory for them", h, err, maxFrames)
	}
}

func TestLargerReference(t *testing.T) {
	frame := func(width int) *codedFrame {
		return &codedFrame{header: &frameHeader{upscaledWidth: width, height: 10}}
	}
	for width, want := range map[int]imgerr.Reason{20: "", 21: imgerr.ReasonUnsupported} {
		first, last := frame(width), frame(20)
		last.refs[0] = first
		r := &obuReader{decoded: []*codedFrame{first, last}, shown: last}
		if err := r.require(); reasonOf(err) != want {
			t.Errorf("a reference of %d columns: got %v, want the reason %q", width, err, want)
		}
	}
}

// References are dropped when nothing refers to them any longer.
func TestReferencesAreDropped(t *testing.T) {
	data := find(t, "i_ahead")
	r, err := configOf(t, data).read(data)
	if err != nil {
		t.Fatal(err)
	}
	d := new(decoder)
	if err := d.decodeAll(r, Options{}, func(*Rows) error { return nil }); err != nil {
		t.Fatal(err)
	}
	for i, f := range r.decoded {
		if f.users == 0 && f.stored != nil {
			t.Errorf("frame %d is stored", i)
		}
	}
	d.release()
	if d.motion != nil || d.initial != nil || d.inter.refs != [8]frameRef{} {
		t.Error("the decoder refers to the picture")
	}
}

// Decoding ends within a reference if Options.Check says so.
func TestCheckWithinReference(t *testing.T) {
	data, fault := find(t, "l_predicted"), errors.New("test")
	calls := 0
	check := func() error {
		calls++
		return fault
	}
	err := configOf(t, data).Decode(data, Options{Check: check}, func(*Rows) error {
		t.Error("rows were emitted")
		return nil
	})
	if !errors.Is(err, fault) || calls != 1 {
		t.Errorf("got %v after %d calls, want %v after one", err, calls, fault)
	}
}

// References take no more memory than the header says.
func TestMemoryOfReferences(t *testing.T) {
	for _, name := range []string{"i_pan", "i_yuv444p10", "i_gray", "i_superres"} {
		data := find(t, name)
		r, err := configOf(t, data).read(data)
		if err != nil {
			t.Fatal(err)
		}
		first, got := r.decoded[0], int64(0)
		want := r.storedBytes(first)
		d := new(decoder)
		first.stored = newReference(r.sequence, first.header)
		if err := d.decode(r.sequence, first, Options{}, first.stored.add); err != nil {
			t.Fatal(err)
		}
		for _, p := range first.stored.planes {
			got += int64(cap(p.pix8)) + 2*int64(cap(p.pix16))
		}
		if got < want || got > want+want/10+1<<10 {
			t.Errorf("%s: a reference takes %d bytes, want %d and what the allocator adds", name, got, want)
		}
	}
}

// literalReferences is set_frame_refs as section 7.8 has it. The hints are ShiftedOrderHints.
func literalReferences(hints [8]int, current, last, golden int) (refs [frameRefs]int) {
	for i := range refs {
		refs[i] = -1
	}
	var used [8]bool
	refs[0], refs[3] = last, golden
	used[last], used[golden] = true, true
	latestBackward := func() int {
		ref, latest := -1, 0
		for i, hint := range hints {
			if !used[i] && hint >= current && (ref < 0 || hint >= latest) {
				ref, latest = i, hint
			}
		}
		return ref
	}
	earliestBackward := func() int {
		ref, earliest := -1, 0
		for i, hint := range hints {
			if !used[i] && hint >= current && (ref < 0 || hint < earliest) {
				ref, earliest = i, hint
			}
		}
		return ref
	}
	latestForward := func() int {
		ref, latest := -1, 0
		for i, hint := range hints {
			if !used[i] && hint < current && (ref < 0 || hint >= latest) {
				ref, latest = i, hint
			}
		}
		return ref
	}
	set := func(i, ref int) {
		if ref >= 0 {
			refs[i], used[ref] = ref, true
		}
	}
	set(6, latestBackward())
	set(4, earliestBackward())
	set(5, earliestBackward())
	for _, i := range []int{1, 2, 4, 5, 6} {
		if refs[i] < 0 {
			set(i, latestForward())
		}
	}
	first := 0
	for i, hint := range hints {
		if hint < hints[first] {
			first = i
		}
	}
	for i := range refs {
		if refs[i] < 0 {
			refs[i] = first
		}
	}
	return refs
}

func TestDeriveReferences(t *testing.T) {
	const bits, current = 5, 16
	random := rand.New(rand.NewPCG(3, 4))
	for range 1000 {
		var slots frameSlots
		var hints [8]int
		for i := range slots {
			hints[i] = 4 + random.IntN(24)
			slots[i] = &codedFrame{header: &frameHeader{orderHint: hints[i]}}
		}
		p := &headerParser{sequence: &sequence{orderHintBits: bits}, slots: slots}
		p.orderHint = current
		last, golden := random.IntN(8), random.IntN(8)
		if got, want := p.deriveReferences(last, golden), literalReferences(hints, current, last, golden); got != want {
			t.Fatalf("hints %v, last %d, golden %d: got %v, want %v", hints, last, golden, got, want)
		}
	}
}

func TestStoredSamples(t *testing.T) {
	var small, large storedPlane
	pix8, pix16 := []uint8{1, 2, 3, 4, 5, 6}, []uint16{1, 2, 3, 4, 5, 6}
	small.add(&Samples{Pix8: pix8, Stride: 3, Width: 3, Height: 2})
	large.add(&Samples{Pix16: pix16, Stride: 3, Width: 3, Height: 2})
	var buffer [maxRows + 8]uint16
	tests := map[string]struct {
		x, y, n int
		want    []uint16
	}{
		"inside":         {1, 0, 2, []uint16{2, 3}},
		"whole row":      {0, 1, 3, []uint16{4, 5, 6}},
		"at the left":    {-2, 0, 4, []uint16{1, 1, 1, 2}},
		"at the right":   {2, 1, 3, []uint16{6, 6, 6}},
		"around":         {-1, 1, 5, []uint16{4, 4, 5, 6, 6}},
		"far left":       {-9, 0, 2, []uint16{1, 1}},
		"far right":      {9, 0, 2, []uint16{3, 3}},
		"above":          {0, -7, 1, []uint16{1}},
		"below":          {0, 7, 1, []uint16{4}},
		"just left of 0": {-2, 0, 2, []uint16{1, 1}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for _, p := range []*storedPlane{&small, &large} {
				if got := p.samples(test.x, test.y, test.n, &buffer); !slices.Equal(got, test.want) {
					t.Errorf("got %v, want %v", got, test.want)
				}
			}
		})
	}
}
