package heif

import (
	"bytes"
	"fmt"
	"testing"
)

// A grid of values stands for a picture: the transformations are done on it one by one, as the standard has them.
type values [][]uint8

func (v values) left() values { // a quarter of a turn
	turned := make(values, len(v[0]))
	for y := range turned {
		for x := range v {
			turned[y] = append(turned[y], v[x][len(v[0])-1-y])
		}
	}
	return turned
}

func (v values) upsideDown() values {
	var turned values
	for y := range v {
		turned = append(turned, v[len(v)-1-y])
	}
	return turned
}

func (v values) mirrored() values {
	var turned values
	for _, row := range v {
		var m []uint8
		for x := range row {
			m = append(m, row[len(row)-1-x])
		}
		turned = append(turned, m)
	}
	return turned
}

// cut leaves out a row above, two below, three columns on the left and one on the right.
func (v values) cut() values {
	var part values
	for _, row := range v[1 : len(v)-2] {
		part = append(part, row[3:len(row)-1])
	}
	return part
}

// clap is a clap property: width, height and the distances from the middle, as fractions.
func clap(values ...int) []byte {
	var b []byte
	for _, v := range values {
		b = append(b, be32(v)...)
	}
	return box("clap", b)
}

// A step is a transformation: its property, which may go by the size of the picture, and what it does.
type step struct {
	name     string
	property func(v values) []byte
	do       func(v values) values
}

var steps = []step{
	{"left", func(values) []byte { return box("irot", []byte{1}) }, values.left},
	{"around", func(values) []byte { return box("irot", []byte{2}) }, func(v values) values { return v.left().left() }},
	{
		"right",
		func(values) []byte { return box("irot", []byte{3}) },
		func(v values) values { return v.left().left().left() },
	},
	{"upside down", func(values) []byte { return box("imir", []byte{0}) }, values.upsideDown},
	{"mirrored", func(values) []byte { return box("imir", []byte{1}) }, values.mirrored},
	{"cut", func(v values) []byte { return clap(len(v[0])-4, 1, len(v)-3, 1, 2, 2, -1, 2) }, values.cut},
}

func TestTransformationsInAnyOrder(t *testing.T) {
	for _, first := range steps {
		for _, second := range steps {
			for _, third := range steps {
				t.Run(fmt.Sprintf("%s, %s, %s", first.name, second.name, third.name), func(t *testing.T) {
					checkSteps(t, first, second, third)
				})
			}
		}
	}
}

func checkSteps(t *testing.T, all ...step) {
	t.Helper()
	r := raw{width: 17, height: 15, stored: gray8, meaning: cicp{full: true}}
	var b builder
	b.primary = 1
	item := b.add(&built{kind: "rawv", properties: []int{b.property(r.property())}})
	item.data = r.samples(func(_, x, y int) int { return 17*y + x })
	want := make(values, r.height)
	for y := range want {
		want[y] = item.data[r.width*y:][:r.width]
	}
	for _, s := range all {
		item.properties = append(item.properties, -b.property(s.property(want)))
		want = s.do(want)
	}
	f := openBuilt(t, b.bytes())
	m, err := decode(f, f.Width, f.Height)
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	if m.Width != f.Width || m.Height != f.Height {
		t.Errorf("the image is %dx%d, want %dx%d as in the header", m.Width, m.Height, f.Width, f.Height)
	}
	got := m.Planes[0].Upright(f.Orientation)
	if got.Width != len(want[0]) || got.Height != len(want) {
		t.Fatalf("got %dx%d, want %dx%d", got.Width, got.Height, len(want[0]), len(want))
	}
	for y, row := range want {
		if !bytes.Equal(got.Row(y), row) {
			t.Fatalf("row %d: got %v, want %v", y, got.Row(y), row)
		}
	}
}

func TestApertureOfFractions(t *testing.T) {
	tests := []struct {
		name                     string
		property                 []byte
		left, top, right, bottom int
		width, height            int
	}{
		// Edges that are half a pixel off: the left one goes down, the upper one up, as in libheif.
		{"halves", clap(4, 1, 4, 1, 0, 1, 0, 1), 1, 2, 5, 6, 7, 7},
		{"fractions of a size", clap(13, 3, 11, 3, 0, 1, 0, 1), 1, 2, 5, 6, 7, 7},
		{"beyond the edges", clap(9, 1, 9, 1, 0, 1, 0, 1), 0, 0, 7, 7, 7, 7},
		{"partly beyond the edges", clap(7, 1, 7, 1, 2, 1, -2, 1), 2, 0, 7, 5, 7, 7},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := newTransform(test.width, test.height)
			if err := got.apply(property{"clap", test.property[8:]}); err != nil {
				t.Fatal(err)
			}
			want := newTransform(test.width, test.height)
			want.crop.Min.X, want.crop.Min.Y, want.crop.Max.X, want.crop.Max.Y = test.left, test.top, test.right, test.bottom
			if got != want {
				t.Errorf("got %v, want %v", got.crop, want.crop)
			}
		})
	}
}
