// Package raster makes thumbnails: it reads JPEG, PNG, GIF, WebP, HEIC and AVIF, recognised by their content, and
// writes smaller copies of them, in the format of the original unless the caller names another; a copy of a HEIC or
// AVIF is JPEG, or PNG if it has alpha. It does no I/O except on the reader that it is given, and knows nothing of
// requests, events or storage.
//
//	header, err := raster.Probe(ctx, upload)                 // reads the first bytes only
//	picture, err := raster.Open(object, raster.Limits{})     // the same, to continue with
//	thumbnails, err := picture.Render(ctx, raster.Target{Box: raster.Box{Width: 200, Height: 200}})
//
// It guarantees that limits are checked against the header before a pixel is allocated; that a rendition is upright,
// never larger than its original, and without metadata such as EXIF, positions and comments; that an image that is cut
// short is an error, not half a rendition; and that every error either is an *Error, for an image that can never be
// rendered, or wraps that of the reader or the context, after which another attempt may succeed.
//
// Renditions are sRGB, and have no profile. Colour profiles are applied, of curves and of lookup tables, for RGB, CMYK
// and gray, and so are the code points of a PNG (cICP) or HEIC (nclx); HDR is mapped to sRGB: see package icc. CMYK
// without a profile is converted as in Pillow and browsers. gAMA and cHRM chunks are ignored, as in Pillow. A profile
// that is broken, or for another colour space than its pixels, is ignored.
//
// It does not read 12-bit, lossless or arithmetic-coded JPEG, and renders only the default image of an animated PNG.
//
// # Packages
//
// Each format has a package below this one, which imports neither the other formats nor this package; its entry in the
// table of formats is all that this package knows of it. The formats share the packages codec (their contract), plane
// (reduction and resampling), inflate, exif, icc, palette and imgerr. All decoders but that of AV1,
// which Limits.AV1 is, are in these packages, and reduce pixels as they come.
//
// # Cost
//
// Probe holds a few KiB, and a colour profile of up to 1 MiB. Render holds few pixels, because it reduces them as they
// come. These are measured peaks in bytes per pixel, for images of 50 megapixels rendered at 200x200, and megapixels
// per second and core:
//
//	JPEG 0.1, 800; progressive JPEG 0.2, 300 to 400
//	PNG 0.1, 60 to 160; interlaced 2
//	GIF 0.1, 60 or more; interlaced 1
//	WebP lossy 0.1, 50 to 80; lossless 0.2 to 1.5, 30; lossy with alpha 0.2 and its alpha chunk, 50
//	HEIC 0.4, 25; with alpha 1.4
//	AVIF 22 in another process, 34 if samples have more than 8 bits; 3 to 5
//
// A lossless WebP of a few megapixels can take up to 40 MiB more for its prefix codes, if it is crafted for that.
//
// Picture.Cost and Header.Cost estimate it, from above. An image that is hardly reduced, for a large box, costs 3 bytes
// per pixel, 7 with alpha, and 12 if it is a progressive JPEG. An animation costs more: 8 bytes for each pixel of the
// original and, if it becomes a GIF, for each pixel of all frames of the rendition.
package raster
