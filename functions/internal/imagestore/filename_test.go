package imagestore

import (
	"path"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestSafeName(t *testing.T) {
	long := strings.Repeat("ä", 300)
	for name, want := range map[string]string{
		"photo.jpg":                 "photo.jpg",
		"Urlaub am Meer (3).JPG":    "Urlaub am Meer (3).JPG",
		"фото 写真 📷.png":             "фото 写真 📷.png",
		"cafe\u0301.gif":            "café.gif", // NFC
		"../../etc/passwd":          "passwd",
		`C:\Users\me\cat.jpg`:       "cat.jpg",
		"/":                         "image.png",
		"":                          "image.png",
		".":                         "image.png",
		"..":                        "image.png",
		" . ":                       "image.png",
		"\x00\x01\x02":              "image.png",
		"a\x00b\nc\rd.png":          "ab c d.png",
		"invoice\u202egpj.exe":      "invoicegpj.exe",
		"zero\u200bwidth\ufeff.jpg": "zerowidth.jpg",
		"tab\tand\u00a0space.jpg":   "tab and space.jpg",
		"می\u200cخواهم.png":         "می\u200cخواهم.png",
		"क्\u200dष.png":             "क्\u200dष.png",
		"👨\u200d👩\u200d👧.png":       "👨\u200d👩\u200d👧.png",
		"\u06dd٣٦.png":              "\u06dd٣٦.png",
		"\u200d":                    "image.png",
		"soft\u00adhyphen.png":      "softhyphen.png",
		".htaccess":                 ".htaccess",
		"bad\xff\xfeutf8.jpg":       "bad_utf8.jpg",
		"thumbnail_a.jpg":           "_thumbnail_a.jpg",
		"photo.jpg__XLDIR__":        "photo.jpg__XLDIR_",
		"__XLDIR__":                 "__XLDIR_",
		"__XLDIR__ ":                "__XLDIR_",
		"__XLDIR__.jpg":             "__XLDIR__.jpg",
		".sgwtmp":                   "_.sgwtmp",
		"a/.sgwtmp ":                "_.sgwtmp",
		"%2e%2e%2fa.jpg":            "%2e%2e%2fa.jpg",
		long + ".jpeg":              strings.Repeat("ä", 97) + ".jpeg",
		long:                        strings.Repeat("ä", 100),
		"a." + long:                 "a." + strings.Repeat("ä", 99),
		// The cut makes it a reserved name.
		strings.Repeat("a", 191) + "__XLDIR__ and more": strings.Repeat("a", 191) + "__XLDIR_",
	} {
		t.Run(name, func(t *testing.T) {
			if got := SafeName(name, "image.png"); got != want {
				t.Errorf("SafeName(%q) = %q, want %q", name, got, want)
			}
		})
	}
}

func FuzzSafeName(f *testing.F) {
	for _, name := range []string{
		"photo.jpg", "../../x", `a\b`, "\u202e", "thumbnail_", "thumbnail_\x00", " . .", "e\u0301", "\xff", "a__XLDIR__",
		strings.Repeat("é.", 200),
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got := SafeName(name, "image.png")
		switch {
		case got == "" || len(got) > maxFilename:
			t.Errorf("got %q of %d bytes, want 1 to %d", got, len(got), maxFilename)
		case !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl):
			t.Errorf("got %q, want UTF-8 without control characters", got)
		case path.Base(path.Clean("/"+got)) != got:
			t.Errorf("got %q, want one segment of a path", got)
		case strings.HasPrefix(got, thumbnailPrefix) || strings.HasSuffix(got, "__XLDIR__"):
			t.Errorf("got %q, which is a reserved name", got)
		case SafeName(got, "image.png") != got:
			t.Errorf("SafeName(%q) = %q, want a safe name unchanged", got, SafeName(got, "image.png"))
		}
	})
}

func TestIsPlain(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"a.png": true, "IMG_2026 (1).JPEG": true, "photo.tar.heic": true, "xl.meta": true, "part.1": true,
		"": false, "a": false, ".png": false, "a.": false, "a__XLDIR__": false, "a__XLDIR__.png": false, "a/b.png": false,
		"ä.png": false, "a.png ": false, "-a.png": false, "a+b.png": false, "a%2Fb.png": false, "a.png\n": false,
	} {
		if got := IsPlain(name); got != want {
			t.Errorf("IsPlain(%q) = %t, want %t", name, got, want)
		}
	}
}
