package rendition

import (
	"fmt"

	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
)

// The settings, which upload and thumbnail read.
var (
	inline = config.Text{Name: "RENDITIONS", Form: config.Form{Expected: "a YAML document of renditions"},
		Doc: "Renditions that are made of each image, as a YAML document ([renditions.md](renditions.md)). " +
			"By default it is a thumbnail that fits 200x200."}
	file = config.FilePath{Name: "RENDITIONS_FILE", Contents: "a YAML document of renditions",
		Doc: "The same in a file, instead of `RENDITIONS`."}
)

// IsSet reports whether the settings have a document, valid or not.
func IsSet(r *config.Reader) bool { return r.IsSet(inline) || r.IsSet(file) }

// Read returns the set that the settings describe. One that costs more than the limits allow is a fault.
func Read(r *config.Reader, limits raster.Limits) *Set {
	text, from := []byte(inline.Read(r)), fmt.Stringer(inline)
	if document := file.Read(r); document.IsSet() {
		if len(text) > 0 {
			r.Fault("%s and %s are both set; expected one of them", inline, file)
			return Default()
		}
		contents, err := document.Read()
		if err != nil {
			r.Add(err)
			return Default()
		}
		text, from = contents, file
	}
	set, err := Parse(text)
	if err == nil {
		err = set.checkCost(limits)
	}
	if err == nil {
		return set
	}
	r.Fault("%s is not valid:\n%w", from, err)
	return Default()
}
