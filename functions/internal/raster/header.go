package raster

// A Header is what an image states about itself before its pixels.
type Header struct {
	Format Format
	// Width and Height are in pixels, as stored: the size of the logical screen of a GIF (or what its first frame needs,
	// if that is more), of the canvas of a WebP.
	Width, Height int
	// Frames is 1 for a still image, and 0 if the header does not state the number, as that of a GIF and of an animated
	// WebP. Of an animated PNG only the default image is rendered.
	Frames int
	// Orientation is the EXIF orientation, 1 to 8; 1 if the header has none. In WebP, and sometimes in PNG, it follows
	// the pixels, so that only Render finds it.
	Orientation int
	// DecodedPixels is more than Width x Height if a part of the image is decoded only to be cropped, which HEIC allows;
	// otherwise it may be 0.
	DecodedPixels int64
	// Buffered reports whether decoding takes memory for each pixel, however small the copy is.
	Buffered bool
	// Cost is that of the smallest copy, without what depends on the size of the file. See Picture.Cost.
	Cost Cost
}

// Displayed is the size in pixels as a viewer shows the image: with its orientation applied.
func (h Header) Displayed() (width, height int) {
	return orientedSize(h.Width, h.Height, h.Orientation)
}

// Pixels is the number of pixels to decode, which memory and time depend on: see the package comment.
func (h Header) Pixels() int64 { return max(int64(h.Width)*int64(h.Height), h.DecodedPixels) }

// orientedSize exchanges width and height if the orientation includes a quarter turn.
func orientedSize(width, height, orientation int) (int, int) {
	if orientation >= 5 {
		return height, width
	}
	return width, height
}
