package limits

import (
	"slices"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
)

func readImage(formats string) (raster.Limits, error) {
	values := map[string]string{"FORMATS": formats, "MAX_IMAGE_PIXELS": "1000"}
	r := config.NewReader(func(name string) string { return values[name] })
	return ReadImage(r), r.Err()
}

func TestReadImage(t *testing.T) {
	var all []raster.Format
	for _, format := range raster.Formats() {
		all = append(all, format.Format)
	}
	for _, test := range []struct {
		name, value string
		want        []raster.Format
	}{
		{"default", "", all},
		{"without HEIC", "jpeg,png, gif, webp", []raster.Format{raster.JPEG, raster.PNG, raster.GIF, raster.WebP}},
		{"one", "heic", []raster.Format{raster.HEIC}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := readImage(test.value)
			if err != nil || !slices.Equal(got.Formats, test.want) || got.Pixels != 1000 {
				t.Errorf("got %v and %d pixels, error %v; want %v and 1000", got.Formats, got.Pixels, err, test.want)
			}
		})
	}
}

func TestReadImageReportsUnknownFormats(t *testing.T) {
	_, err := readImage("jpeg,JPG")
	if want := `FORMATS has "JPG"; expected jpeg, png, gif, `; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want %s", err, want)
	}
}
