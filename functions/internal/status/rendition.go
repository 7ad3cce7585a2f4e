package status

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
	"gitlab.com/yourorg/image-service/functions/internal/rendition"
	"golang.org/x/sync/errgroup"
)

// The metadata of renditions.
const (
	size       = "Size"       // of one that is not the thumbnail
	frames     = "Frames"     // missing if there is one
	specHash   = "Renditions" // of a thumbnail: the hash of its specification; missing if that is the default
	storeLimit = 4            // requests at a time
)

// A File is one that was made of an image.
type File struct {
	// Name and Hash are those of its specification; "" is the hash of the default thumbnail, too.
	Name, Hash string
	raster.Rendition
}

// isDefault reports whether a hash is that of the default thumbnail.
func isDefault(hash string) bool { return hash == "" || hash == rendition.Default().Renditions[0].Hash }

// RecordRenditions stores the files of an image beside its thumbnail, and describes them in the order of their keys.
// Files that are there stay. The image is completed by Record, after this.
func (s *Store) RecordRenditions(ctx context.Context, imageID, original string, files []File) (
	[]events.Rendition, error,
) {
	recorded := make([]events.Rendition, len(files))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(storeLimit)
	for i, f := range files {
		group.Go(func() (err error) {
			recorded[i], err = s.recordRendition(ctx, imageID, original, f)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return inOrder(recorded), nil
}

func (s *Store) recordRendition(ctx context.Context, imageID, original string, f File) (events.Rendition, error) {
	spec := f.spec()
	key := spec.Key(original)
	err := s.images.Put(ctx, key, f.Bytes, f.attributes())
	if errors.Is(err, imagestore.ErrExists) {
		return s.readRendition(ctx, imageID, spec, key)
	}
	if err != nil {
		return events.Rendition{}, err
	}
	return f.Describe(imageID, key), nil
}

func (f File) spec() imagestore.Rendition {
	return imagestore.Rendition{Name: f.Name, Hash: f.Hash, Extension: f.Format.Extension()}
}

// attributes are stored with a file beside the thumbnail.
func (f File) attributes() imagestore.Attributes {
	about := imagestore.Attributes{ContentType: f.Format.ContentType(), Metadata: map[string]string{
		size: (&Size{f.Width, f.Height}).String(),
	}}
	setFrames(&about, f.Frames)
	about.SetEngine(raster.Engine)
	return about
}

// Describe describes the file of an image that is stored under a key.
func (f File) Describe(imageID, key string) events.Rendition {
	return events.Rendition{
		Name: f.Name, Object: key, Width: f.Width, Height: f.Height, Bytes: int64(len(f.Bytes)),
		ContentType: f.Format.ContentType(), Frames: f.Frames, URL: URL(imageID, f.Name, f.Hash),
	}
}

// URL is the path of a rendition at the upload function.
func URL(imageID, name, hash string) string { return "/images/" + imageID + "/" + name + "?v=" + hash }

// readRendition describes a rendition from its metadata.
func (s *Store) readRendition(ctx context.Context, imageID string, spec imagestore.Rendition, key string) (
	events.Rendition, error,
) {
	info, err := s.images.Stat(ctx, key) // the listing has neither content type nor metadata
	if err != nil {
		return events.Rendition{}, err
	}
	pixels := parseSize(info.Metadata[size])
	if pixels == nil {
		return events.Rendition{}, fmt.Errorf("read object %q: its metadata %s is %q; expected a size such as 640x480",
			key, size, info.Metadata[size])
	}
	return events.Rendition{
		Name: spec.Name, Object: key, Width: pixels[0], Height: pixels[1], Bytes: info.Size, ContentType: info.ContentType,
		Frames: framesOf(info), URL: URL(imageID, spec.Name, spec.Hash),
	}, nil
}

// readRenditions describes what is stored for an image whose thumbnail is described by info, of each name the files of
// one specification: that of the set, or else the one that was stored last. There are none if the thumbnail is the
// original system's and the only one.
func (s *Store) readRenditions(
	ctx context.Context, imageID string, objects imagestore.Objects, info *imagestore.Info, thumbnail *Size,
) ([]events.Rendition, error) {
	original := imagestore.OriginalOf(info.Key)
	if objects.Original != nil {
		original = objects.Original.Key
	}
	specs := map[string]imagestore.Rendition{}
	for _, object := range objects.Renditions {
		if spec, ok := imagestore.RenditionOf(original, object.Key); ok {
			specs[object.Key] = spec
		}
	}
	if len(specs) == 0 && info.Metadata[specHash] == "" || thumbnail == nil {
		return nil, nil
	}
	shown := s.shownHashes(objects, specs, ThumbnailHash(info))
	var all []events.Rendition
	if shown[rendition.Thumbnail] == ThumbnailHash(info) {
		all = append(all, thumbnailRendition(imageID, ThumbnailHash(info), info, *thumbnail))
	}
	for key, spec := range specs {
		if spec.Hash != shown[spec.Name] || spec.Name == rendition.Thumbnail && spec.Hash == ThumbnailHash(info) {
			continue
		}
		described, err := s.readRendition(ctx, imageID, spec, key)
		if err != nil {
			return nil, err
		}
		all = append(all, described)
	}
	return inOrder(all), nil
}

// shownHashes returns, for each name, the hash of the specification whose files are in the status. specs are those of
// the objects by their keys, and thumbnail that of the result; one that is stored beside it came later.
func (s *Store) shownHashes(
	objects imagestore.Objects, specs map[string]imagestore.Rendition, thumbnail string,
) map[string]string {
	shown := map[string]string{rendition.Thumbnail: thumbnail}
	last := map[string]*imagestore.Info{}
	isCurrent := func(name, hash string) bool {
		if s.set == nil {
			return false
		}
		spec := s.set.Find(name)
		return spec != nil && spec.Hash == hash
	}
	for _, object := range objects.Renditions {
		spec, ok := specs[object.Key]
		if !ok || isCurrent(spec.Name, shown[spec.Name]) {
			continue
		}
		before := last[spec.Name]
		if isCurrent(spec.Name, spec.Hash) || before == nil || before.Modified.Before(object.Modified) {
			shown[spec.Name], last[spec.Name] = spec.Hash, object
		}
	}
	return shown
}

// thumbnailRendition describes the thumbnail as one of the renditions.
func thumbnailRendition(imageID, hash string, info *imagestore.Info, pixels Size) events.Rendition {
	return events.Rendition{
		Name: rendition.Thumbnail, Object: info.Key, Width: pixels[0], Height: pixels[1], Bytes: info.Size,
		ContentType: info.ContentType, Frames: framesOf(info), URL: URL(imageID, rendition.Thumbnail, hash),
	}
}

// ThumbnailHash is the hash of the specification that a stored thumbnail was made by.
func ThumbnailHash(thumbnail *imagestore.Info) string {
	if hash := thumbnail.Metadata[specHash]; hash != "" {
		return hash
	}
	return rendition.Default().Renditions[0].Hash
}

// inOrder sorts renditions by their keys, the thumbnail first.
func inOrder(all []events.Rendition) []events.Rendition {
	slices.SortFunc(all, func(a, b events.Rendition) int {
		if (a.Name == rendition.Thumbnail) != (b.Name == rendition.Thumbnail) {
			if a.Name == rendition.Thumbnail {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Object, b.Object)
	})
	return all
}

func setFrames(about *imagestore.Attributes, n int) {
	if n > 1 {
		about.Metadata[frames] = strconv.Itoa(n)
	}
}

func framesOf(info *imagestore.Info) int {
	n, err := strconv.Atoi(info.Metadata[frames])
	if err != nil {
		return 1
	}
	return n
}
