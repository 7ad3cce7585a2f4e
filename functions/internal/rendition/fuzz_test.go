package rendition

import (
	"os"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster"
)

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A document that is accepted describes renditions that can be made; none makes the parser panic.
func FuzzParse(f *testing.F) {
	f.Add("renditions: {card: {width: 640, height: 480, fit: cover, gravity: smart, format: webp, quality: 80}}")
	f.Add("renditions:\n  hero: &a {width: 1600, format: [webp, jpeg]}\n  b: *a\n")
	f.Add(`renditions: {a: {height: 1, animated: true}, c: {width: 9, height: 9, fit: contain, background: "#fff"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		set, err := Parse([]byte(text))
		if err != nil {
			return
		}
		if set.Renditions[0].Name != Thumbnail || len(set.Renditions) > maxRenditions {
			t.Errorf("got %q, want at most %d with the thumbnail first", set.Names(), maxRenditions)
		}
		for _, s := range set.Renditions {
			for _, target := range s.Targets() {
				if target.Box.Width < 1 || target.Box.Height < 1 || len(s.Hash) != 8 || !namePattern.MatchString(s.Name) ||
					target.Enlarge && max(target.Box.Width, target.Box.Height) > maxSide || target.Format == raster.HEIC {
					t.Errorf("got %+v with the target %+v", s, target)
				}
			}
		}
	})
}
