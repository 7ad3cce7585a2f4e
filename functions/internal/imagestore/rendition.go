package imagestore

import (
	"path"
	"strings"

	"gitlab.com/yourorg/image-service/functions/internal/lazyregexp"
)

// A Rendition is what the key of a rendition says. All but the thumbnail, whose key is ThumbnailKey, have one.
type Rendition struct {
	// Name and Hash are those of its specification: a name in lower case, and 8 hexadecimal digits. A specification that
	// changes has another hash, so that its objects never replace others.
	Name, Hash string
	// Extension is that of its format, with a dot.
	Extension string
}

// renditionName matches the names of renditions' objects. SafeName gives no original such a name.
var renditionName = lazyregexp.New(`^([a-z][a-z0-9-]{0,31})~([0-9a-f]{8})_`)

func isRenditionName(name string) bool { return renditionName.MatchString(name) }

// Key returns the key of the rendition of an original: <image ID>/<name>~<hash>_<filename><extension>. A file name of
// the original system that is too long for that is shortened.
func (r Rendition) Key(original string) string {
	imageID, filename, _ := strings.Cut(original, "/")
	return imageID + "/" + r.Name + "~" + r.Hash + "_" + shorten(filename) + r.Extension
}

// RenditionFilename returns the name of a rendition's object without hash and extension, such as card_photo.jpg; ok is
// false if it is not one.
func RenditionFilename(name string) (short string, ok bool) {
	match := renditionName.FindStringSubmatch(name)
	if match == nil {
		return "", false
	}
	return match[1] + "_" + strings.TrimSuffix(name[len(match[0]):], path.Ext(name)), true
}

// RenditionOf returns what the key of a rendition of an original says; ok is false if the key is not that of one.
func RenditionOf(original, key string) (r Rendition, ok bool) {
	folder, filename, _ := strings.Cut(original, "/")
	name, inFolder := strings.CutPrefix(key, folder+"/")
	match := renditionName.FindStringSubmatch(name)
	if !inFolder || match == nil {
		return Rendition{}, false
	}
	extension, ok := strings.CutPrefix(name[len(match[0]):], shorten(filename))
	return Rendition{match[1], match[2], extension}, ok && strings.LastIndexByte(extension, '.') == 0
}
