package events

import (
	"fmt"
	"strings"
)

// A Rendition is a copy of an image, in a size and format that the configuration of the service names.
type Rendition struct {
	// Name is that of its specification, such as "thumbnail". A name may have several files, in different formats.
	Name string `json:"name"`
	// Object is its key.
	Object string `json:"object"`
	// Width and Height are in pixels.
	Width  int `json:"width"`
	Height int `json:"height"`
	// Bytes is the size of the file.
	Bytes       int64  `json:"bytes"`
	ContentType string `json:"content_type"`
	// Frames is 1 for a still image.
	Frames int `json:"frames"`
	// URL is the path of the rendition at the upload function. Its query names the specification, so that what it refers
	// to never changes.
	URL string `json:"url"`
}

func (f *faults) checkRenditionName(field, name string) {
	f.check(isRenditionName(name), "%s is %.40q, expected 1 to 32 of a-z, 0-9 and '-'", field, name)
}

// checkRenditions checks what belongs to an image beside its thumbnail.
func (f *faults) checkRenditions(imageID string, renditions []Rendition) {
	for i, r := range renditions {
		field := func(name string) string { return fmt.Sprintf("renditions[%d].%s", i, name) }
		f.checkRenditionName(field("name"), r.Name)
		f.checkOwnObject(field("object"), imageID, r.Object)
		for name, n := range map[string]int{"width": r.Width, "height": r.Height, "frames": r.Frames} {
			f.check(1 <= n && n <= maxSide, "%s is %d, expected 1 or more", field(name), n)
		}
		f.check(1 <= r.Bytes && r.Bytes <= maxInteger, "%s is %d, expected a number of bytes", field("bytes"), r.Bytes)
		f.check(isMediaType(r.ContentType), "%s is %.40q, expected a media type such as image/webp",
			field("content_type"), r.ContentType)
		f.check(strings.HasPrefix(r.URL, "/"), "%s is %.90q, expected a path", field("url"), r.URL)
	}
}
