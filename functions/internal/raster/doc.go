// Package raster is the engine: bytes in, pixels shrunk, bytes out. It reads JPEG, PNG, GIF and WebP, tells them by
// their content, and writes a smaller copy in the format of the original. It does no I/O but that of the reader that it
// is given, and knows nothing of requests, events or storage.
//
//	header, err := raster.Probe(upload)                      // from the first bytes
//	picture, err := raster.Open(object, raster.Limits{})     // the same, to go on with
//	thumbnail, err := picture.Render(ctx, raster.Box{Width: 200, Height: 200})
//
// It guarantees that everything is decided from the header before a pixel is allocated; that a rendition is upright,
// never larger than its original, and carries pixels only: no EXIF, no position, no comments, no colour profile; that
// an image cut short is an error and not half a picture; and that every error is either a *Refusal, for an image that
// can never work, or wraps that of the reader or of the context, after which it may be tried again.
//
// Each format has a room of its own below this package, which knows no other format and not this package. What the
// rooms share has rooms, too: refuse, exif, palette.
//
// # Cost
//
// Probe holds some KiB. Render reads as it decodes, but holds all pixels while it does, so that memory goes by
// Header.Pixels. Measured peaks, in bytes a pixel, of images of 50 megapixels:
//
//	gray JPEG 1.3, JPEG 4:2:0 1.8, JPEG CMYK 8.3
//	progressive JPEG 4:2:0 7.8, 4:4:4 15.3, CMYK 24.4
//	PNG 4.3, with a palette 5.3, of 16 bits 8.3 (12 and more if it is interlaced)
//	GIF 6.2
//	WebP lossy 1.8, lossless 4.3, lossy with alpha 11.6
//
// Whoever bounds the pixels in flight should count 25 bytes for each. A core decodes some 10 to 25 megapixels a second;
// at worst, a progressive JPEG of 50 megapixels with 100 scans, it takes 5 seconds.
package raster
