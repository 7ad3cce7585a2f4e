package status

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"

	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
	"gitlab.com/yourorg/image-service/functions/internal/rendition"
)

// Outdated returns the names of the renditions among specs of which a file is stored that an engine before a version
// made. thumbnail is the result of the image, as Stat describes it.
func (s *Store) Outdated(
	ctx context.Context, specs []rendition.Spec, objects imagestore.Objects, thumbnail *imagestore.Info, version int,
) (names []string, err error) {
	for _, spec := range specs {
		outdated := spec.Name == rendition.Thumbnail && ThumbnailHash(thumbnail) == spec.Hash && thumbnail.Engine() < version
		for _, object := range objects.Renditions {
			r, ok := imagestore.RenditionOf(objects.Original.Key, object.Key)
			if outdated || !ok || r.Name != spec.Name || r.Hash != spec.Hash {
				continue
			}
			info, err := s.images.Stat(ctx, object.Key) // the listing has no metadata
			if err != nil {
				return nil, err
			}
			outdated = info.Engine() < version
		}
		if outdated {
			names = append(names, spec.Name)
		}
	}
	return names, nil
}

// AddRenditions stores files of a completed image beside its thumbnail, and returns the keys of those that were not
// there. Files that are there stay, unless an engine before a version made them, and this one is newer. One is stored
// after the other, so that an upload finds a single request in its way.
func (s *Store) AddRenditions(ctx context.Context, original string, files []File, version int) ([]string, error) {
	var added []string
	for _, f := range files {
		key := f.spec().Key(original)
		isNew, err := s.addRendition(ctx, key, f, version)
		if err != nil {
			return added, err
		}
		if isNew {
			added = append(added, key)
		}
	}
	return added, nil
}

func (s *Store) addRendition(ctx context.Context, key string, f File, version int) (isNew bool, err error) {
	err = s.images.Put(ctx, key, f.Bytes, f.attributes())
	if !errors.Is(err, imagestore.ErrExists) {
		return err == nil, err
	}
	if version == 0 {
		return false, nil
	}
	info, err := s.images.Stat(ctx, key)
	if err != nil || info.Engine() >= min(version, raster.Engine) {
		return false, err
	}
	return false, s.images.Replace(ctx, info, f.Bytes, f.attributes())
}

// A Supplement is what a thumbnail gets that is there.
type Supplement struct {
	// File replaces the bytes; nil leaves them.
	File *File
	// Placeholder and Color are added; "" adds nothing. Color may be NoColor.
	Placeholder, Color string
}

// Supplement replaces the thumbnail of a completed image by one with what it lacks. All else that its status has stays.
// info is from Stat; the error is imagestore.ErrChanged if the thumbnail has changed since.
func (s *Store) Supplement(
	ctx context.Context, final Status, info *imagestore.Info, lacking Supplement,
) error {
	about := imagestore.Attributes{ContentType: info.ContentType, Metadata: maps.Clone(info.Metadata)}
	if about.Metadata == nil {
		about.Metadata = map[string]string{}
	}
	about.Metadata[processedAt] = strconv.FormatFloat(final.ProcessedAt, 'f', 3, 64) // it may be the object's own time
	for name, pixels := range map[string]*Size{
		originalSize: final.Result.OriginalSize, thumbnailSize: final.Result.ThumbnailSize,
	} {
		if pixels != nil {
			about.Metadata[name] = pixels.String()
		}
	}
	for name, value := range map[string]string{placeholder: lacking.Placeholder, color: lacking.Color} {
		if value != "" {
			about.Metadata[name] = value
		}
	}
	content, err := s.supplemented(ctx, info, lacking.File, &about)
	if err != nil {
		return err
	}
	return s.images.Replace(ctx, info, content, about)
}

// supplemented returns the bytes of a thumbnail, which are those of file unless that is nil, and describes that.
func (s *Store) supplemented(
	ctx context.Context, info *imagestore.Info, file *File, about *imagestore.Attributes,
) ([]byte, error) {
	if file == nil {
		body, err := s.images.GetRange(ctx, info, 0, info.Size)
		if err != nil {
			return nil, err
		}
		defer body.Close()
		content, err := io.ReadAll(io.LimitReader(body, info.Size))
		if err != nil {
			return nil, fmt.Errorf("read object %q: %w", info.Key, err)
		}
		return content, nil
	}
	about.ContentType = file.Format.ContentType()
	about.Metadata[originalSize] = (&Size{file.OriginalWidth, file.OriginalHeight}).String()
	about.Metadata[thumbnailSize] = (&Size{file.Width, file.Height}).String()
	delete(about.Metadata, frames)
	setFrames(about, file.Frames)
	about.SetEngine(raster.Engine)
	return file.Bytes, nil
}

// LacksPlaceholder and LacksColor report whether nobody has looked for the one or the other of a thumbnail's image.
func LacksPlaceholder(thumbnail *imagestore.Info) bool { return thumbnail.Metadata[placeholder] == "" }

// LacksColor is LacksPlaceholder for the colour.
func LacksColor(thumbnail *imagestore.Info) bool { return thumbnail.Metadata[color] == "" }
