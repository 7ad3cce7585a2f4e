package status

import (
	"context"
	"slices"

	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
	"gitlab.com/yourorg/image-service/functions/internal/rendition"
)

// Missing returns the names of the renditions that an image with an original lacks, in the order of specs: those of
// which a file by the current specification is not among objects. thumbnail is the result of the image, as Stat
// describes it.
func (s *Store) Missing(
	ctx context.Context, specs []rendition.Spec, objects imagestore.Objects, thumbnail *imagestore.Info,
) (names []string, err error) {
	for _, spec := range specs {
		if spec.Name == rendition.Thumbnail && ThumbnailHash(thumbnail) == spec.Hash {
			continue
		}
		complete, err := s.isComplete(ctx, spec, objects)
		if err != nil {
			return nil, err
		}
		if !complete {
			names = append(names, spec.Name)
		}
	}
	return names, nil
}

// isComplete reports whether all files of a specification are stored beside the thumbnail.
func (s *Store) isComplete(ctx context.Context, spec rendition.Spec, objects imagestore.Objects) (bool, error) {
	var named, stored []string // extensions
	for _, format := range spec.Formats {
		if format != rendition.Original {
			named = append(named, raster.Format(format).Extension())
		}
	}
	for _, object := range objects.Renditions {
		r, ok := imagestore.RenditionOf(objects.Original.Key, object.Key)
		if ok && r.Name == spec.Name && r.Hash == spec.Hash {
			stored = append(stored, r.Extension)
		}
	}
	isStored := func(extension string) bool { return slices.Contains(stored, extension) }
	isUnnamed := func(extension string) bool { return !slices.Contains(named, extension) }
	switch {
	case slices.ContainsFunc(named, func(e string) bool { return !isStored(e) }):
		return false, nil
	case len(named) == len(spec.Formats), slices.ContainsFunc(stored, isUnnamed):
		return true, nil
	case len(named) == 0:
		return false, nil
	}
	return s.isOneOf(ctx, named, objects.Original)
}

// isOneOf reports whether the file in the format of an original is also that of a format which its specification names,
// by extension. It goes by the content type of the original; one that is only read has a JPEG or a PNG.
func (s *Store) isOneOf(ctx context.Context, named []string, original *imagestore.Info) (bool, error) {
	info, err := s.images.Stat(ctx, original.Key) // the listing has no content type
	if err != nil {
		return false, err
	}
	for _, format := range raster.Formats() {
		if !slices.Contains(format.MIMETypes, info.ContentType) {
			continue
		}
		if format.Written {
			return slices.Contains(named, format.Extensions[0]), nil
		}
		return slices.Contains(named, raster.JPEG.Extension()) || slices.Contains(named, raster.PNG.Extension()), nil
	}
	return false, nil
}

// IsRendition reports whether an object was stored by RecordRenditions, and not by another program under such a key.
func IsRendition(info *imagestore.Info) bool { return parseSize(info.Metadata[size]) != nil }
