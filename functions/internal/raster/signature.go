package raster

import (
	"bytes"
	"encoding/binary"
	"slices"

	"gitlab.com/yourorg/image-service/functions/internal/raster/heif"
)

// How many bytes of the content are looked at: first as many as the signatures of most formats have, which is less than
// any image; then enough for those that take a longer look, and to describe what is not an image; and of markup enough
// for what may precede its first element.
const (
	signatureLength = 12
	describeLength  = 1024
	markupLength    = 64 << 10
)

func startsWith(signature string) func([]byte) bool {
	return func(start []byte) bool { return bytes.HasPrefix(start, []byte(signature)) }
}

func isRIFF(start []byte, form string) bool {
	return len(start) >= 12 && string(start[:4]) == "RIFF" && string(start[8:12]) == form
}

// isoMediaBrands are the brands of ISO base media files by which image formats are recognised (ISO/IEC 23008-12,
// section 10). Those that do not name a codec, such as "mif1", count as HEIC.
var isoMediaBrands = map[string]string{
	"avif": heif.NameAVIF, "avis": heif.NameAVIF, "crx ": "Canon CR3",
	"heic": heif.Name, "heix": heif.Name, "heim": heif.Name, "heis": heif.Name,
	"hevc": heif.Name, "hevx": heif.Name, "hevm": heif.Name, "hevs": heif.Name,
}

// isoMediaFormat names the image format of an ISO base media file by its brands, the major one first, or returns "".
// Brands that do not name a codec count if all of them are known.
func isoMediaFormat(start []byte) string {
	if !isISOMedia(start) {
		return ""
	}
	length := min(binary.BigEndian.Uint32(start), uint32(len(start)))
	for brand := range slices.Chunk(start[8:max(8, length)], 4) {
		if name := isoMediaBrands[string(brand)]; name != "" {
			return name
		}
	}
	switch string(start[8:12]) {
	case "mif1", "mif2", "msf1", "miaf":
		if !endsInFileType(start) {
			return heif.Name
		}
	}
	return ""
}

func isISOMedia(start []byte) bool { return len(start) >= 12 && string(start[4:8]) == "ftyp" }

// endsInFileType reports whether an ISO base media file ends within the box of its brands, as far as that is looked at.
func endsInFileType(start []byte) bool {
	return isISOMedia(start) && uint32(len(start)) < min(binary.BigEndian.Uint32(start), describeLength)
}
