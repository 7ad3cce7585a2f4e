package status

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/rendition"
)

func TestMissing(t *testing.T) {
	t.Parallel()
	s := open(t)
	parse := func(document string) *rendition.Set {
		t.Helper()
		set, err := rendition.Parse([]byte(document))
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	now := parse(`renditions:
  card: {width: 640, height: 480, fit: cover}
  hero: {width: 1600, format: [webp, jpeg]}
  mixed: {width: 800, format: [jpeg, original]}`)
	before := parse(`renditions:
  thumbnail: {width: 300}
  card: {width: 600, height: 480, fit: cover}`)
	hash := func(set *rendition.Set, name string) string { return set.Find(name).Hash }
	small := hash(now, rendition.Thumbnail)
	card, oldCard := "card~"+hash(now, "card"), "card~"+hash(before, "card")
	hero, mixed := "hero~"+hash(now, "hero"), "mixed~"+hash(now, "mixed")
	all := []string{card + " .jpg", hero + " .webp", hero + " .jpg", mixed + " .jpg"}
	for name, test := range map[string]struct {
		contentType string
		thumbnail   string   // the hash in its metadata; empty for one of the original system
		stored      []string // name~hash and extension
		want        []string
	}{
		"nothing":                {"image/jpeg", "", nil, []string{"card", "hero", "mixed"}},
		"everything":             {"image/jpeg", "", all, nil},
		"the hash in full":       {"image/jpeg", small, all, nil},
		"another thumbnail":      {"image/jpeg", hash(before, "thumbnail"), all, []string{"thumbnail"}},
		"a thumbnail beside it":  {"image/jpeg", "12345678", append([]string{"thumbnail~" + small + " .jpg"}, all...), nil},
		"one format of two":      {"image/jpeg", "", []string{all[0], all[1], all[3]}, []string{"hero"}},
		"an older specification": {"image/jpeg", "", append([]string{oldCard + " .jpg"}, all[1:]...), []string{"card"}},
		"a PNG of a HEIC":        {"image/heic", "", append([]string{card + " .png"}, all[1:]...), nil},
		"a PNG":                  {"image/png", "", all, []string{"mixed"}},
		"a PNG with both":        {"image/png", "", append([]string{mixed + " .png"}, all...), nil},
		"of an unknown format":   {"text/plain", "", all, []string{"mixed"}},
	} {
		t.Run(name, func(t *testing.T) {
			id := uuid.NewString()
			original := imagestore.OriginalKey(id, "photo")
			put := func(key string, attributes imagestore.Attributes) {
				t.Helper()
				if err := s.images.Put(t.Context(), key, []byte("x"), attributes); err != nil {
					t.Fatal(err)
				}
			}
			put(original, imagestore.Attributes{ContentType: test.contentType})
			about := imagestore.Attributes{ContentType: "image/jpeg"}
			if test.thumbnail != "" {
				about.Metadata = map[string]string{specHash: test.thumbnail}
			}
			put(imagestore.ThumbnailKey(original), about)
			for _, file := range test.stored {
				name, extension, _ := strings.Cut(file, " ")
				put(id+"/"+name+"_photo"+extension, imagestore.Attributes{ContentType: "image/jpeg"})
			}
			objects, err := s.images.Find(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			thumbnail, err := s.images.Stat(t.Context(), objects.Result.Key)
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.Missing(t.Context(), now.Renditions, objects, thumbnail)
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("Missing() = %q, %v; want %q", got, err, test.want)
			}
		})
	}
}
