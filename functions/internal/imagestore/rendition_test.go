package imagestore

import (
	"path"
	"strings"
	"testing"
)

func TestRenditionKey(t *testing.T) {
	const id = "0b6f4c1e-8a1d-4a58-9f0e-2f6f3f6f9d11"
	card := Rendition{"card", "1a2b3c4d", ".webp"}
	for filename, want := range map[string]string{
		"photo.jpg":                       "card~1a2b3c4d_photo.jpg.webp",
		"Überblick ☃.png":                 "card~1a2b3c4d_Überblick ☃.png.webp",
		"a_b~c":                           "card~1a2b3c4d_a_b~c.webp",
		strings.Repeat("ä", 120) + ".jpg": "card~1a2b3c4d_" + strings.Repeat("ä", 98) + ".jpg.webp",
	} {
		t.Run(filename, func(t *testing.T) {
			original := OriginalKey(id, filename)
			key := card.Key(original)
			if key != id+"/"+want || len(path.Base(key)) > 255 {
				t.Errorf("Key() = %q, want %q", key, want)
			}
			if got, ok := RenditionOf(original, key); !ok || got != card {
				t.Errorf("RenditionOf() = %+v, %t; want %+v", got, ok, card)
			}
			if name := path.Base(key); SafeName(name, "x") == name {
				t.Errorf("an original can have the name %q of a rendition", name)
			}
		})
	}
	original := OriginalKey(id, "photo.jpg")
	for _, key := range []string{
		"", original, ThumbnailKey(original), id + "/card~1a2b3c4d_other.jpg.webp", id + "/card~1a2b3c4d_photo.jpg",
		id + "/card~1a2b3c4d_photo.jpg.webp.webp", id + "/Card~1a2b3c4d_photo.jpg.webp", "x/card~1a2b3c4d_photo.jpg.webp",
		id + "/card~1A2B3C4D_photo.jpg.webp",
	} {
		if got, ok := RenditionOf(original, key); ok {
			t.Errorf("RenditionOf(%q) = %+v, want none", key, got)
		}
	}
}

// Renditions are never taken for originals, whether they have one or not. An original of the original system with such
// a name is one as soon as it has its result.
func TestClassifyRenditions(t *testing.T) {
	for name, test := range map[string]struct{ names, original, result, renditions string }{
		"complete": {
			"a.jpg thumbnail_a.jpg z~01234567_a.jpg.webp b~01234567_a.jpg.jpg", "a.jpg", "thumbnail_a.jpg",
			"b~01234567_a.jpg.jpg z~01234567_a.jpg.webp",
		},
		"incomplete":  {"a.jpg b~01234567_a.jpg.jpg", "a.jpg", "", "b~01234567_a.jpg.jpg"},
		"left behind": {"b~01234567_a.jpg.jpg", "", "", "b~01234567_a.jpg.jpg"},
		"an original": {"b~01234567_a.jpg thumbnail_b~01234567_a.jpg", "b~01234567_a.jpg", "thumbnail_b~01234567_a.jpg", ""},
	} {
		t.Run(name, func(t *testing.T) {
			found := map[string]*Info{}
			for _, name := range strings.Fields(test.names) {
				found[name] = &Info{Key: name}
			}
			objects := classify(found)
			var renditions []string
			for _, info := range objects.Renditions {
				renditions = append(renditions, info.Key)
			}
			key := func(info *Info) string {
				if info == nil {
					return ""
				}
				return info.Key
			}
			if key(objects.Original) != test.original || key(objects.Result) != test.result ||
				strings.Join(renditions, " ") != test.renditions {
				t.Errorf("got %q, %q, %q; want %+v", key(objects.Original), key(objects.Result), renditions, test)
			}
		})
	}
}
