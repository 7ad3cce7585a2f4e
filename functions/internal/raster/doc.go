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
// rooms share has rooms, too: plane (where pixels are reduced and resampled), inflate, exif, icc, palette, imgerr. All
// formats are decoded here, reduced as they come.
//
// # Cost
//
// Probe holds some KiB, and a colour profile of up to 1 MiB. Render reduces pixels as they come, so that little is held of
// them. Measured peaks, in bytes a pixel, of images of 50 megapixels that are made 200x200, and megapixels that a core
// does in a second:
//
//	JPEG 0.1, 800; progressive JPEG 0.2, 300 to 400
//	PNG 0.1, 60 to 160; interlaced 2
//	GIF 0.1, 60 or more; interlaced 1
//	WebP lossy 0.1, 50 to 80; lossless 0.2 to 1.5, 30; lossy with alpha 0.2 and its alpha chunk, 50
//
// Beside these a lossless WebP of a few megapixels can take up to 40 MiB for its codes, if it is made for that.
//
// Whoever bounds the pixels in flight should count 4 bytes for each if the box is as small as that. An image that is
// hardly reduced, for a large box, costs 3 bytes a pixel, 7 with alpha, and 12 if it is a progressive JPEG. A film costs
// more: 8 bytes for each pixel of the original and, if it becomes a GIF, for each pixel of all of its small frames.
package raster
