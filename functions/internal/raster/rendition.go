package raster

// A Rendition is a smaller copy of an image: upright, in sRGB, and without metadata.
type Rendition struct {
	Format Format
	// Bytes is the encoded file.
	Bytes []byte
	// Width and Height are in pixels.
	Width, Height int
	// Frames is 1 for a still image.
	Frames int
	// OriginalWidth and OriginalHeight are the size of the original in pixels, with its orientation applied.
	OriginalWidth, OriginalHeight int
}
