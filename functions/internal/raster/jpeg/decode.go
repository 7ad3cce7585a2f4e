package jpeg

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/raster/palette"
	"gitlab.com/yourorg/image-service/functions/internal/raster/refuse"
)

// Quality is what files are written with, of 100: what most encoders take for thumbnails, 4:2:0.
const Quality = 82

// Decode reads the rest of the file, once, up to its end marker. The image is an *image.Gray, *image.YCbCr or opaque
// *image.RGBA of the size that Open found, as stored, followed by its orientation. Errors are those of Open.
func (f *File) Decode() (image.Image, int, error) {
	s := newScans(f.rest, f.restarts)
	m, err := jpeg.Decode(io.MultiReader(bytes.NewReader(f.tables), s))
	if err != nil {
		return nil, 0, refusal(err, s)
	}
	if m, ok := m.(*image.CMYK); ok {
		return toRGB(m), f.Orientation, nil
	}
	return m, f.Orientation, nil
}

func refusal(err error, s *scans) error {
	var unsupported jpeg.UnsupportedError
	var format jpeg.FormatError
	switch {
	case errors.As(err, &unsupported):
		return refuse.AsUnsupported("JPEG with " + string(unsupported))
	case errors.As(err, &format) && s.restarts && s.count > 1:
		// In a scan of one component a restart interval is counted in blocks, but image/jpeg always counts in those of
		// all components, and stumbles over the first restart marker: most likely the file is good.
		return refuse.AsUnsupported("JPEG of several scans with restart markers")
	case errors.As(err, &format):
		return refuse.AsDamaged(Name, "%s", string(format))
	default:
		return err
	}
}

// toRGB turns the pixels where they are: a CMYK image of the largest size is a third of all the memory that it costs.
func toRGB(m *image.CMYK) *image.RGBA {
	for pixels := m.Pix; len(pixels) >= 4; pixels = pixels[4:] {
		r, g, b := color.CMYKToRGB(pixels[0], pixels[1], pixels[2], pixels[3])
		pixels[0], pixels[1], pixels[2], pixels[3] = r, g, b, 0xff
	}
	return &image.RGBA{Pix: m.Pix, Stride: m.Stride, Rect: m.Rect}
}

// Encode writes m, which is opaque, as a baseline JPEG without metadata, gray if it has no colours.
func Encode(w io.Writer, m *image.NRGBA) error {
	options := &jpeg.Options{Quality: Quality}
	if gray, ok := palette.Gray(m); ok {
		return jpeg.Encode(w, gray, options)
	}
	// Opaque pixels are the same in both types, and image/jpeg has a fast way for this one only.
	return jpeg.Encode(w, (*image.RGBA)(m), options)
}
