package imagestore

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"gitlab.com/yourorg/image-service/functions/internal/lazyregexp"
	"golang.org/x/text/unicode/norm"
)

// maxFilename bounds a file name in bytes. MinIO's disks allow 255 for a segment of a key, including a prefix.
const maxFilename = 200

// reservedSuffix is what MinIO, and RustFS after it, store a folder's own object under: an object of such a name is
// stored, but listed as a folder.
const reservedSuffix = "__XLDIR__"

// reservedName is the folder in which versitygw collects objects; one of that name is stored, but not listed.
const reservedName = ".sgwtmp"

// SafeName returns a name for a key from a client's file name: the last segment of a path of any system, in NFC,
// without invisible characters and names that are reserved, of at most maxFilename bytes including the extension.
// Letters of all languages are kept. If nothing is left, it returns fallback.
func SafeName(name, fallback string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = norm.NFC.String(strings.Map(visible, strings.ToValidUTF8(name, "_")))
	name = strings.TrimSpace(name)
	if strings.Trim(name, ". "+joiners) == "" {
		return fallback
	}
	if strings.HasPrefix(name, thumbnailPrefix) || isRenditionName(name) || isTombstoneName(name) ||
		name == reservedName {
		name = "_" + name
	}
	name = shorten(name)
	if strings.HasSuffix(name, reservedSuffix) {
		name = name[:len(name)-1]
	}
	return name
}

// plainName has no character that a store gives a meaning, and ends as the name of a file does.
var plainName = lazyregexp.New(`^[A-Za-z0-9][A-Za-z0-9 ._()-]*\.[A-Za-z0-9]{1,8}$`)

// IsPlain reports whether a name for a key is like those of most files, so that a store which has an object of it lists
// that, too: what stores reserve are names of folders and of parts of objects, without an extension, or with two
// underscores.
func IsPlain(name string) bool { return plainName.MatchString(name) && !strings.Contains(name, "__") }

// joiners are format characters that words of Persian and Indic languages, and many emoji, are written with.
const joiners = "\u200c\u200d"

// visible drops control characters, noncharacters, and format characters such as those that reverse the direction of
// text, which can make "gpj.exe" look like "exe.jpg".
func visible(r rune) rune {
	switch {
	case strings.ContainsRune(joiners, r), unicode.Is(unicode.Prepended_Concatenation_Mark, r): // are visible, too
		return r
	case unicode.IsSpace(r):
		return ' '
	case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Noncharacter_Code_Point, r):
		return -1
	}
	return r
}

func shorten(name string) string {
	if len(name) <= maxFilename {
		return name
	}
	extension := path.Ext(name)
	if len(extension) > 16 { // a dot in a sentence
		extension = ""
	}
	stem := name[:maxFilename-len(extension)]
	for !utf8.ValidString(stem) { // cut inside a character
		stem = stem[:len(stem)-1]
	}
	return strings.TrimSpace(stem) + extension
}
