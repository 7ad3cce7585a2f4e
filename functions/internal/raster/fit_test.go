package raster

import (
	"fmt"
	"image"
	"image/color"
	"testing"

	"github.com/disintegration/imaging"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// Where the part is that a gravity keeps of a wide and of a tall image, whatever its orientation.
func TestGravity(t *testing.T) {
	tests := []struct {
		gravity  Gravity
		wide, in plane.View // of 300x100 in 100x100, and of 100x300
	}{
		{"", offset(0, 0), offset(0, 0)}, {"center", offset(0, 0), offset(0, 0)},
		{"north", offset(0, 0), offset(0, -100)}, {"northeast", offset(100, 0), offset(0, -100)},
		{"east", offset(100, 0), offset(0, 0)}, {"southeast", offset(100, 0), offset(0, 100)},
		{"south", offset(0, 0), offset(0, 100)}, {"southwest", offset(-100, 0), offset(0, 100)},
		{"west", offset(-100, 0), offset(0, 0)}, {"northwest", offset(-100, 0), offset(0, -100)},
	}
	for _, test := range tests {
		target := Target{Box: Box{100, 100}, Fit: FitCover, Gravity: test.gravity}
		for i, want := range []plane.View{test.wide, test.in} {
			for orientation := 1; orientation <= 8; orientation++ {
				width, height := 300, 100
				if (i == 1) != plane.SwapsSides(orientation) {
					width, height = height, width
				}
				got := target.view(width, height, orientation, positions[target.Gravity])
				if got.OffsetX != want.OffsetX || got.OffsetY != want.OffsetY || got.Width != 100 || got.Height != 100 {
					t.Errorf("%q of %dx%d, orientation %d: %+v, want the offsets of %+v",
						test.gravity, width, height, orientation, got, want)
				}
			}
		}
	}
}

func offset(x, y float64) plane.View { return plane.View{OffsetX: x, OffsetY: y} }

// The rest of a box has the colour of the background, on the sides that the gravity leaves; without one it is
// transparent, and white in JPEG.
func TestContain(t *testing.T) {
	orange := color.NRGBA{255, 136, 0, 255}
	red := image.NewNRGBA(image.Rect(0, 0, 40, 20))
	for i := range red.Pix {
		red.Pix[i] = []uint8{200, 0, 0, 255}[i%4]
	}
	file := encodePNG(t, red)
	for _, test := range []struct {
		target                            Target
		topLeft, top, center, bottomRight color.NRGBA
	}{
		{Target{Gravity: "center", Background: orange}, orange, orange, color.NRGBA{200, 0, 0, 255}, orange},
		{Target{Gravity: "north", Background: orange}, color.NRGBA{200, 0, 0, 255}, color.NRGBA{200, 0, 0, 255},
			orange, orange},
		{Target{Gravity: "southeast"}, color.NRGBA{}, color.NRGBA{}, color.NRGBA{}, color.NRGBA{200, 0, 0, 255}},
		{Target{Format: JPEG}, color.NRGBA{255, 255, 255, 255}, color.NRGBA{255, 255, 255, 255},
			color.NRGBA{200, 0, 0, 255}, color.NRGBA{255, 255, 255, 255}},
	} {
		t.Run(fmt.Sprint(test.target), func(t *testing.T) {
			test.target.Box, test.target.Fit = Box{20, 40}, FitContain
			r := renderAll(t, file, test.target)[0]
			if r.Width != 20 || r.Height != 40 {
				t.Fatalf("got %dx%d, want 20x40", r.Width, r.Height)
			}
			got := decode(t, r)
			for at, want := range map[image.Point]color.NRGBA{
				{X: 0, Y: 0}: test.topLeft, {X: 10, Y: 2}: test.top, {X: 10, Y: 20}: test.center, {X: 19, Y: 39}: test.bottomRight,
			} {
				c := color.NRGBAModel.Convert(got.At(at.X, at.Y)).(color.NRGBA)
				for i, d := range []int{
					int(c.R) - int(want.R), int(c.G) - int(want.G), int(c.B) - int(want.B), int(c.A) - int(want.A),
				} {
					if (d < -4 || d > 4) && (want.A > 0 || i == 3) {
						t.Errorf("at %v: %v, want %v", at, c, want)
					}
				}
			}
		})
	}
}

// An image is enlarged only on request, and as well as the reference enlarges it.
func TestEnlarge(t *testing.T) {
	m := painted(60, 40)
	for _, format := range []Format{PNG, JPEG} {
		file := encodePNG(t, m)
		if format == JPEG {
			file = encodeJPEG(t, m)
		}
		all := renderAll(t, file,
			Target{Box: Box{150, 150}, Format: PNG}, Target{Box: Box{150, 150}, Format: PNG, Enlarge: true})
		if all[0].Width != 60 || all[1].Width != 150 || all[1].Height != 100 {
			t.Fatalf("got %dx%d and, enlarged, %dx%d", all[0].Width, all[0].Height, all[1].Width, all[1].Height)
		}
		if mean, _, _ := compare(decode(t, all[1]), imaging.Resize(m, 150, 100, imaging.Lanczos)); mean > 4 {
			t.Errorf("%s: enlarged, it differs by %.1f of 255 in the mean", format, mean)
		}
	}
}

// A crop by attention is where the only detail of an image is.
func TestAttention(t *testing.T) {
	for _, at := range []image.Point{{30, 30}, {270, 40}, {150, 100}, {40, 170}} {
		m := image.NewNRGBA(image.Rect(0, 0, 300, 200))
		for i := range m.Pix {
			m.Pix[i] = []uint8{90, 110, 120, 255}[i%4]
		}
		for y := at.Y - 15; y < at.Y+15; y++ {
			for x := at.X - 15; x < at.X+15; x++ {
				m.SetNRGBA(x, y, color.NRGBA{uint8(255 * ((x / 5) % 2)), uint8(200 * ((y / 5) % 2)), 30, 255})
			}
		}
		for orientation := 1; orientation <= 8; orientation++ {
			picture := plane.FromNRGBA(stored(m, orientation))
			target := Target{Box: Box{80, 40}, Fit: FitCover, Gravity: GravitySmart}
			v := target.view(picture.Width, picture.Height, orientation, target.locate(picture, orientation))
			left, top := (300-v.Across)/2+v.OffsetX, (200-v.Down)/2+v.OffsetY
			if float64(at.X) < left || float64(at.X) > left+v.Across || float64(at.Y) < top || float64(at.Y) > top+v.Down {
				t.Errorf("detail at %v, orientation %d: the crop is %.0fx%.0f at %.0f,%.0f",
					at, orientation, v.Across, v.Down, left, top)
			}
		}
	}
	even := plane.FromNRGBA(image.NewNRGBA(image.Rect(0, 0, 300, 200)))
	target := Target{Box: Box{50, 50}, Fit: FitCover, Gravity: GravitySmart}
	if got := target.locate(even, 1); got.x < -0.2 || got.x > 0.2 {
		t.Errorf("of an even image the crop is at %+v, want about the middle", got)
	}
}
