// Package raster is the engine: bytes in, pixels shrunk, bytes out. It reads JPEG, PNG, GIF and WebP, tells them by
// their content, and writes a smaller copy in the format of the original. It does no I/O but that of the reader that it
// is given, and knows nothing of requests, events or storage.
//
//	header, err := raster.Probe(upload)                      // from the first bytes
//	picture, err := raster.Open(object, raster.Limits{})     // the same, to go on with
//	thumbnails, err := picture.Render(ctx, raster.Target{Box: raster.Box{Width: 200, Height: 200}})
//
// It guarantees that everything is decided from the header before a pixel is allocated; that a rendition is upright,
// never larger than its original, and carries pixels only: no EXIF, no position, no comments; that an image cut short is
// an error and not half a picture; and that every error is either a *Refusal, for an image that can never work, or wraps
// that of the reader or of the context, after which it may be tried again.
//
// Colours are sRGB. A colour profile of curves and a matrix, which nearly all are, is applied and gone; so is what a
// cICP chunk of a PNG says, if it is Display P3 or BT.2020 with the curve of sRGB. A profile of RGB that is made of
// tables goes along unchanged, if it has no more than 1 MiB, but not into a GIF, which has no place for one: its colours
// are then taken for sRGB. CMYK becomes RGB without its profile, and gAMA and cHRM chunks are not looked at, as in
// Pillow. A profile that is broken, or for pixels of another kind, is ignored.
//
// Each format has a room of its own below this package, which knows no other format and not this package. What the
// rooms share has rooms, too: plane (where pixels are reduced and resampled), inflate, exif, icc, palette, refuse. All
// formats are decoded here, reduced as they come.
//
// # Cost
//
// Probe holds some KiB, and a colour profile of up to 1 MiB. Render reads as it decodes. JPEG and PNG are reduced on the
// way, so that little is held of them; of the others, all pixels. Measured peaks, in bytes a pixel, of images of 50 megapixels that are made 200x200, and
// megapixels that a core does in a second:
//
//	JPEG 0.1, 800; progressive JPEG 0.2, 300 to 400
//	PNG 0.1, 60 to 160; interlaced 2
//	GIF 6, 65
//	WebP lossy 1.8, 25; lossless 4.3, lossy with alpha 11.6
//
// Whoever bounds the pixels in flight should count 12 bytes for each. A JPEG that is hardly reduced, for a large box,
// costs 3 bytes a pixel, and 12 if it is progressive.
package raster
