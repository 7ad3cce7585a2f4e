package heif

import (
	"image"
	"math/big"
	"slices"

	"gitlab.com/yourorg/image-service/functions/internal/raster/exif"
)

// A transform is what irot, imir and clap properties make of a picture, one after the other: a part of it is cut out,
// and then turned. Any order of them comes down to that.
type transform struct {
	crop        image.Rectangle // in pixels of the picture as it is coded
	orientation int             // of EXIF
}

func newTransform(width, height int) transform {
	return transform{image.Rect(0, 0, width, height), exif.Upright}
}

// turns are what the orientations of EXIF do to the coordinates of a pixel, from the middle of the picture and with y
// pointing down: the matrix xx, xy, yx, yy.
var turns = [9][4]int{
	1: {1, 0, 0, 1},
	2: {-1, 0, 0, 1},
	3: {-1, 0, 0, -1},
	4: {1, 0, 0, -1},
	5: {0, 1, 1, 0},
	6: {0, -1, 1, 0},
	7: {0, -1, -1, 0},
	8: {0, 1, -1, 0},
}

// then is the orientation of a picture of one orientation that is given another one.
func then(first, second int) int {
	a, b := turns[first], turns[second]
	return slices.Index(turns[:], [4]int{
		b[0]*a[0] + b[1]*a[2], b[0]*a[1] + b[1]*a[3],
		b[2]*a[0] + b[3]*a[2], b[2]*a[1] + b[3]*a[3],
	})
}

// back is the orientation that undoes another one.
func back(orientation int) int {
	switch orientation {
	case 6:
		return 8
	case 8:
		return 6
	default:
		return orientation
	}
}

// shown is the size of what is shown.
func (t transform) shown() (width, height int) {
	if t.orientation >= 5 {
		return t.crop.Dy(), t.crop.Dx()
	}
	return t.crop.Dx(), t.crop.Dy()
}

// apply applies a property. Those of other kinds change nothing.
func (t *transform) apply(p property) error {
	c := &cursor{box: p.kind, b: p.body}
	switch p.kind {
	case "irot": // quarters of a turn to the left (ISO/IEC 23008-12, section 6.5.10)
		t.orientation = then(t.orientation, [4]int{1, 8, 3, 6}[c.uint8()&3])
	case "imir": // 0: top and bottom change places, 1: left and right (section 6.5.12)
		t.orientation = then(t.orientation, [2]int{4, 2}[c.uint8()&1])
	case "clap":
		return t.cut(c)
	}
	return c.err
}

// cut applies a clap property (ISO/IEC 14496-12, section 12.1.4): a size and the distance of its middle from that of the
// picture, as fractions. They are rounded as libheif does it: left and right edges down, the others to the nearest.
func (t *transform) cut(c *cursor) error {
	var values [4]*big.Rat // width, height, distance across and down
	for i, isSigned := range []bool{false, false, true, true} {
		numerator, denominator := int64(c.uint32()), int64(c.uint32())
		if isSigned {
			numerator = int64(int32(numerator))
		}
		if c.err != nil {
			return c.err
		}
		if denominator == 0 {
			return damaged("its clap box has a fraction of %d/0", numerator)
		}
		values[i] = big.NewRat(numerator, denominator)
	}
	width, height := t.shown()
	left, right := span(width, values[0], values[2], false)
	top, bottom := span(height, values[1], values[3], true)
	cut := image.Rectangle{image.Point{left, top}, image.Point{right, bottom}}.Intersect(image.Rect(0, 0, width, height))
	if left >= right || top >= bottom || cut.Empty() {
		return damaged("its clap box cuts out nothing of %dx%d pixels", width, height)
	}
	t.crop = t.stored(cut)
	return nil
}

// span is from where to where an aperture goes, of so many pixels.
func span(pixels int, aperture, distance *big.Rat, nearest bool) (from, to int) {
	half := big.NewRat(1, 2)
	less := new(big.Rat).Sub(aperture, big.NewRat(1, 1))
	start := new(big.Rat).Sub(big.NewRat(int64(pixels-1), 2), new(big.Rat).Mul(less, half))
	start.Add(start, distance)
	if nearest {
		from = round(start)
	} else {
		from = int(new(big.Int).Quo(start.Num(), start.Denom()).Int64())
	}
	return from, round(less.Add(less, new(big.Rat).SetInt64(int64(from)))) + 1
}

// round is the whole number that is nearest to a fraction.
func round(r *big.Rat) int {
	r = new(big.Rat).Add(r, big.NewRat(1, 2))
	return int(new(big.Int).Div(r.Num(), r.Denom()).Int64()) // down, for the denominator is positive
}

// stored is where a part of what is shown is in the picture as it is coded.
func (t transform) stored(part image.Rectangle) image.Rectangle {
	width, height := t.shown()
	m := turns[back(t.orientation)]
	corner := func(p image.Point) image.Point { // twice the distances, so that they are whole
		x, y := 2*p.X-width, 2*p.Y-height
		return image.Point{(m[0]*x + m[1]*y + t.crop.Dx()) / 2, (m[2]*x + m[3]*y + t.crop.Dy()) / 2}
	}
	a, b := corner(part.Min), corner(part.Max)
	return image.Rect(a.X, a.Y, b.X, b.Y).Add(t.crop.Min)
}
