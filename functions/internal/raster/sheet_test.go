package raster

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/disintegration/imaging"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// photographsDir names a directory of JPEG and PNG files for TestContactSheet.
const photographsDir = "RASTER_PHOTOGRAPHS"

// sheetShapes are the crops of each photograph on the sheet.
var sheetShapes = []Box{{160, 160}, {160, 90}, {100, 150}}

// TestContactSheet draws a sheet of photographs with the crops that GravitySmart makes of them: a row for each, with
// the crops' places in the photograph and the crops. Those of a directory are compared with libvips:
//
//	RASTER_PHOTOGRAPHS=DIRECTORY go test -v -run ContactSheet -artifacts -outputdir . ./functions/internal/raster
//
// Without one, the photographs are samples, and nothing is kept.
func TestContactSheet(t *testing.T) {
	var rows []image.Image
	near, all := 0, 0
	for _, name := range photographFiles(t) {
		file, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		row := newSheetRow(t, file)
		for _, shape := range sheetShapes {
			crop := row.addCrop(t, file, shape)
			if os.Getenv(photographsDir) == "" {
				continue
			}
			all++
			theirs := row.vips(t, name, crop)
			across := math.Abs(middle(crop).X-middle(theirs).X) / float64(row.photograph.Bounds().Dx())
			down := math.Abs(middle(crop).Y-middle(theirs).Y) / float64(row.photograph.Bounds().Dy())
			if max(across, down) <= 0.1 {
				near++
			}
			t.Logf("%s, %dx%d: %.2f of the width and %.2f of the height from libvips' crop",
				filepath.Base(name), shape.Width, shape.Height, across, down)
		}
		rows = append(rows, row.image())
	}
	sheet := filepath.Join(t.ArtifactDir(), "contact-sheet.png")
	if err := imaging.Save(stack(rows), sheet); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: crops are orange, libvips' blue; %d of %d middles are within a tenth of the sides", sheet, near, all)
	if 2*near < all {
		t.Errorf("%d of %d crops are near libvips', want most of them", near, all)
	}
}

// photographFiles returns the files in the directory, or two samples.
func photographFiles(t *testing.T) (names []string) {
	t.Helper()
	directory := os.Getenv(photographsDir)
	if directory == "" {
		for _, name := range []string{"imaging/branches.jpg", "imaging/flowers_small.png"} {
			path := filepath.Join(t.TempDir(), filepath.Base(name))
			if err := os.WriteFile(path, sample(t, name), 0o600); err != nil {
				t.Fatal(err)
			}
			names = append(names, path)
		}
		return names
	}
	for _, pattern := range []string{"*.jpg", "*.png"} {
		found, err := filepath.Glob(filepath.Join(directory, pattern))
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, found...)
	}
	if slices.Sort(names); len(names) == 0 {
		t.Fatalf("no JPEG or PNG is in %s", directory)
	}
	return names
}

// A sheetRow is one photograph and its crops.
type sheetRow struct {
	photograph   *image.NRGBA
	ours, theirs []image.Rectangle
	crops        []image.Image
}

func newSheetRow(t *testing.T, file []byte) *sheetRow {
	t.Helper()
	m, err := imaging.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return &sheetRow{photograph: imaging.Clone(m)}
}

// addCrop renders a crop, and returns its place in the photograph, which must be what the rendition shows.
func (r *sheetRow) addCrop(t *testing.T, file []byte, shape Box) image.Rectangle {
	t.Helper()
	target := Target{Box: shape, Fit: FitCover, Gravity: GravitySmart}
	rendered := decode(t, renderAll(t, file, target)[0])
	picture := plane.FromNRGBA(r.photograph)
	v := target.view(picture.Width, picture.Height, 1, target.locate(picture, 1))
	left, top := (float64(picture.Width)-v.Across)/2+v.OffsetX, (float64(picture.Height)-v.Down)/2+v.OffsetY
	place := image.Rect(int(left+0.5), int(top+0.5), int(left+v.Across+0.5), int(top+v.Down+0.5))
	shown := imaging.Resize(imaging.Crop(r.photograph, place), v.Width, v.Height, imaging.Lanczos)
	if mean, _, _ := compare(rendered, shown); mean > 12 {
		t.Errorf("the crop of %v differs from the rendition by %.1f of 255 in the mean", place, mean)
	}
	r.ours, r.crops = append(r.ours, place), append(r.crops, rendered)
	return place
}

// vips returns where libvips crops the same shape.
func (r *sheetRow) vips(t *testing.T, name string, crop image.Rectangle) image.Rectangle {
	t.Helper()
	size := crop.Size()
	command := exec.CommandContext(t.Context(), "vips", "smartcrop", name, filepath.Join(t.TempDir(), "crop.png"),
		fmt.Sprint(size.X), fmt.Sprint(size.Y), "--interesting", "attention", "--attention-x", "--attention-y")
	output, err := command.Output()
	var x, y int
	if err == nil {
		_, err = fmt.Sscan(string(output), &x, &y)
	}
	if err != nil {
		t.Fatalf("%v: %v, %s; expected libvips' command, of Debian's package libvips-tools", command.Args, err, output)
	}
	all := r.photograph.Bounds().Size()
	at := image.Pt(max(0, min(x-size.X/2, all.X-size.X)), max(0, min(y-size.Y/2, all.Y-size.Y)))
	place := image.Rectangle{Min: at, Max: at.Add(size)}
	r.theirs = append(r.theirs, place)
	return place
}

type point struct{ X, Y float64 }

func middle(r image.Rectangle) point {
	return point{float64(r.Min.X+r.Max.X) / 2, float64(r.Min.Y+r.Max.Y) / 2}
}

// image draws the row: for each crop the photograph with its place, and beside them the crops.
func (r *sheetRow) image() image.Image {
	const height, gap = 160, 8
	var parts []image.Image
	for i := range r.ours {
		m := imaging.Clone(r.photograph)
		thick := max(2, m.Bounds().Dy()/80)
		if i < len(r.theirs) {
			outline(m, r.theirs[i], thick, color.NRGBA{0, 90, 255, 255})
		}
		outline(m, r.ours[i].Inset(thick), thick, color.NRGBA{255, 120, 0, 255})
		parts = append(parts, imaging.Resize(m, 0, height, imaging.Linear))
	}
	parts = append(parts, r.crops...)
	width := gap
	for _, part := range parts {
		width += part.Bounds().Dx() + gap
	}
	row := imaging.New(width, height+gap, color.White)
	at := image.Pt(gap, gap)
	for _, part := range parts {
		draw.Draw(row, part.Bounds().Sub(part.Bounds().Min).Add(at), part, part.Bounds().Min, draw.Src)
		at.X += part.Bounds().Dx() + gap
	}
	return row
}

func outline(m *image.NRGBA, r image.Rectangle, thick int, c color.Color) {
	for _, side := range []image.Rectangle{
		{r.Min, image.Pt(r.Max.X, r.Min.Y+thick)}, {image.Pt(r.Min.X, r.Max.Y-thick), r.Max},
		{r.Min, image.Pt(r.Min.X+thick, r.Max.Y)}, {image.Pt(r.Max.X-thick, r.Min.Y), r.Max},
	} {
		draw.Draw(m, side, image.NewUniform(c), image.Point{}, draw.Src)
	}
}

// stack puts images below each other.
func stack(rows []image.Image) image.Image {
	var size image.Point
	for _, row := range rows {
		size = image.Pt(max(size.X, row.Bounds().Dx()), size.Y+row.Bounds().Dy())
	}
	all := imaging.New(size.X, size.Y, color.White)
	y := 0
	for _, row := range rows {
		draw.Draw(all, row.Bounds().Add(image.Pt(0, y)), row, image.Point{}, draw.Src)
		y += row.Bounds().Dy()
	}
	return all
}
