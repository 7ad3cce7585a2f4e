package heif

// maxThumbnails is how many thumbnail items are looked at.
const maxThumbnails = 8

// findThumbnails looks for thumbnail items of the primary item. One that cannot be read is left out: the picture itself
// may do.
func (f *File) findThumbnails() {
	ids := f.meta.referring("thmb", f.meta.primary)
	for _, id := range ids[:min(len(ids), maxThumbnails)] {
		if i := f.meta.items[id]; i == nil || f.codings[i.kind].configure == nil {
			continue
		}
		p, err := f.picture(id, 0)
		if err == nil && p.orientation == f.Orientation && f.alpha == nil && f.isLike(p) {
			f.thumbs = append(f.thumbs, p)
		}
	}
}

// isLike reports whether a smaller picture has the ratio of sides of the file's, but for a pixel.
func (f *File) isLike(p *picture) bool {
	width, height := int64(p.crop.Dx()), int64(p.crop.Dy())
	off := width*int64(f.Height) - height*int64(f.Width)
	return max(off, -off) <= int64(max(f.Width, f.Height)) && p.pixels() < f.primary.pixels()
}

// thumbnail is the smallest thumbnail item that shows as much as a copy of width x height pixels, or nil.
func (f *File) thumbnail(width, height int) *picture {
	var smallest *picture
	for _, p := range f.thumbs {
		isLarge := p.crop.Dx() >= width && p.crop.Dy() >= height
		if isLarge && !f.Whole && (smallest == nil || p.pixels() < smallest.pixels()) {
			smallest = p
		}
	}
	return smallest
}
