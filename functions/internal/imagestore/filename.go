package imagestore

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// MaxFilename bounds a file name in bytes. A segment of a key has 255 on MinIO's disks, and prefixes come before it.
const MaxFilename = 200

// SafeName makes of what a caller calls a file a name that may stand in a key: the last segment of a path of any
// system, in NFC, without what is invisible or reserved, MaxFilename bytes at the most with the extension kept. Letters
// of all languages stay. fallback is for names of which nothing is left.
func SafeName(name, fallback string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = norm.NFC.String(strings.Map(visible, strings.ToValidUTF8(name, "_")))
	name = strings.TrimSpace(name)
	if strings.Trim(name, ". ") == "" {
		return fallback
	}
	if strings.HasPrefix(name, thumbnailPrefix) {
		name = "_" + name
	}
	return shorten(name)
}

// visible drops control characters, what is no character at all, and format characters such as those that turn the reading direction, with which
// "gpj.exe" can be made to look like "exe.jpg".
func visible(r rune) rune {
	switch {
	case unicode.IsSpace(r):
		return ' '
	case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Noncharacter_Code_Point, r):
		return -1
	}
	return r
}

func shorten(name string) string {
	if len(name) <= MaxFilename {
		return name
	}
	extension := path.Ext(name)
	if len(extension) > 16 { // not an extension, but a dot in a sentence
		extension = ""
	}
	stem := name[:MaxFilename-len(extension)]
	for !utf8.ValidString(stem) { // cut within a character
		stem = stem[:len(stem)-1]
	}
	return strings.TrimSpace(stem) + extension
}
