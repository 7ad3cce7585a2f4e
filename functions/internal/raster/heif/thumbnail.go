package heif

// maxThumbnails is the largest number of thumbnail items that are considered.
const maxThumbnails = 8

// findThumbnails looks for thumbnail items of the primary item. Those that cannot be read are ignored.
func (f *File) findThumbnails() {
	ids := f.meta.sources("thmb", f.meta.primary)
	for _, id := range ids[:min(len(ids), maxThumbnails)] {
		if i := f.meta.items[id]; i == nil || f.itemCodecs[i.kind].name != f.name {
			continue
		}
		p, err := f.picture(id, 0)
		if err == nil && p.orientation == f.Orientation && f.primary.alpha == nil && f.hasAspect(p) {
			f.thumbs = append(f.thumbs, p)
		}
	}
}

// hasAspect reports whether a picture is smaller than the primary item and has its aspect ratio to within a pixel.
func (f *File) hasAspect(p *picture) bool {
	width, height := int64(p.crop.Dx()), int64(p.crop.Dy())
	off := width*int64(f.Height) - height*int64(f.Width)
	return max(off, -off) <= int64(max(f.Width, f.Height)) && p.pixels() < f.primary.pixels()
}

// thumbnail returns the smallest thumbnail of at least width x height pixels, or nil.
func (f *File) thumbnail(width, height int) *picture {
	var smallest *picture
	for _, p := range f.thumbs {
		isLarge := p.crop.Dx() >= width && p.crop.Dy() >= height
		if isLarge && (smallest == nil || p.pixels() < smallest.pixels()) {
			smallest = p
		}
	}
	return smallest
}
