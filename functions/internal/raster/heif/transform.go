package heif

import (
	"cmp"
	"image"
	"math/big"
	"slices"

	"gitlab.com/yourorg/image-service/functions/internal/raster/exif"
)

// A transform is the result of irot, imir and clap properties in any number and order: a crop of the coded picture, and
// the orientation in which it is displayed.
type transform struct {
	crop        image.Rectangle // in pixels of the coded picture
	orientation int             // as in EXIF
}

func newTransform(width, height int) transform {
	return transform{image.Rect(0, 0, width, height), exif.Upright}
}

// orientationMatrices are the EXIF orientations as matrices xx, xy, yx, yy that map coordinates in the stored
// picture to those in the displayed one, from the centre and with y pointing down.
var orientationMatrices = [9][4]int{
	1: {1, 0, 0, 1},
	2: {-1, 0, 0, 1},
	3: {-1, 0, 0, -1},
	4: {1, 0, 0, -1},
	5: {0, 1, 1, 0},
	6: {0, -1, 1, 0},
	7: {0, -1, -1, 0},
	8: {0, 1, -1, 0},
}

// compose returns the orientation that has the effect of two, one after the other.
func compose(first, second int) int {
	a, b := orientationMatrices[first], orientationMatrices[second]
	return slices.Index(orientationMatrices[:], [4]int{
		b[0]*a[0] + b[1]*a[2], b[0]*a[1] + b[1]*a[3],
		b[2]*a[0] + b[3]*a[2], b[2]*a[1] + b[3]*a[3],
	})
}

// inverse returns the orientation that undoes another.
func inverse(orientation int) int {
	switch orientation {
	case 6:
		return 8
	case 8:
		return 6
	default:
		return orientation
	}
}

// displayed returns the size in pixels of what is displayed.
func (t transform) displayed() (width, height int) {
	if t.orientation >= 5 {
		return t.crop.Dy(), t.crop.Dx()
	}
	return t.crop.Dx(), t.crop.Dy()
}

// apply applies a transformative property, and ignores others.
func (t *transform) apply(p property) error {
	c := &cursor{box: p.kind, b: p.body}
	switch p.kind {
	case "irot": // quarter turns, counterclockwise (ISO/IEC 23008-12, section 6.5.10)
		t.orientation = compose(t.orientation, [4]int{1, 8, 3, 6}[c.uint8()&3])
	case "imir": // 0 exchanges top and bottom, 1 left and right (section 6.5.12)
		t.orientation = compose(t.orientation, [2]int{4, 2}[c.uint8()&1])
	case "clap":
		return t.applyClap(c)
	case trackMatrix:
		t.applyMatrix(c)
	}
	return c.err
}

// trackMatrix is the kind of a property that holds the matrix of a track header. No property of a file has it.
const trackMatrix = "track matrix"

// applyMatrix applies a matrix that turns or mirrors (ISO/IEC 14496-12, section 6.2.2), and ignores others.
func (t *transform) applyMatrix(c *cursor) {
	var signs [5]int // of a, b, u, c and d: x becomes ax + cy, y becomes bx + dy
	for i := range signs {
		signs[i] = cmp.Compare(c.signed(4), 0)
	}
	orientation := slices.Index(orientationMatrices[:], [4]int{signs[0], signs[3], signs[1], signs[4]})
	if orientation >= exif.Upright {
		t.orientation = compose(t.orientation, orientation)
	}
}

// applyClap applies a clap property (ISO/IEC 14496-12, section 12.1.4): a size, and the offset of its centre from
// that of the picture, as fractions. They are rounded as by libheif: the left edge toward zero, the rest to the
// nearest integer.
func (t *transform) applyClap(c *cursor) error {
	var values [4]*big.Rat // width, height, horizontal and vertical offset
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
	width, height := t.displayed()
	left, right := apertureSpan(width, values[0], values[2], false)
	top, bottom := apertureSpan(height, values[1], values[3], true)
	cut := image.Rectangle{image.Point{left, top}, image.Point{right, bottom}}.Intersect(image.Rect(0, 0, width, height))
	if left >= right || top >= bottom || cut.Empty() {
		return damaged("its clap box cuts out nothing of %dx%d pixels", width, height)
	}
	t.crop = t.stored(cut)
	return nil
}

// apertureSpan returns the start and end of an aperture on an axis of so many pixels.
func apertureSpan(pixels int, aperture, distance *big.Rat, nearest bool) (from, to int) {
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

// round returns the nearest integer, halves upward.
func round(r *big.Rat) int {
	r = new(big.Rat).Add(r, big.NewRat(1, 2))
	return int(new(big.Int).Div(r.Num(), r.Denom()).Int64()) // Div rounds down, because the denominator is positive
}

// stored returns where a part of the displayed picture is in the coded one.
func (t transform) stored(part image.Rectangle) image.Rectangle {
	width, height := t.displayed()
	m := orientationMatrices[inverse(t.orientation)]
	corner := func(p image.Point) image.Point { // doubled distances from the centre, which are integers
		x, y := 2*p.X-width, 2*p.Y-height
		return image.Point{(m[0]*x + m[1]*y + t.crop.Dx()) / 2, (m[2]*x + m[3]*y + t.crop.Dy()) / 2}
	}
	a, b := corner(part.Min), corner(part.Max)
	return image.Rect(a.X, a.Y, b.X, b.Y).Add(t.crop.Min)
}
