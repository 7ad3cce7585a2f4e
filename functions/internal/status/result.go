package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
)

// The metadata of a thumbnail from which its status is rebuilt.
const (
	originalSize  = "Original-Size"
	thumbnailSize = "Thumbnail-Size"
	processedAt   = "Processed-At"
	placeholder   = "Placeholder"
	color         = "Color"
)

// NoColor is stored as the colour of an image that is all transparent, so that a backfill looks for it once.
const NoColor = "none"

// hearsay is the metadata of a failure note whose status is Hearsay.
const hearsay = "Hearsay"

// A failure note is a few lines of JSON; of anything longer, no more than this is read.
const maxNote = 64 << 10

// NoteType is the content type of a failure note, which is stored under the key of the thumbnail.
const NoteType = "application/json"

// Record stores the result of an image under one key: the thumbnail and its sizes if the image is completed, a failure
// note if it failed. An earlier result stays, and its status is returned: if two workers come to different results, for
// example with different limits, one of them counts. thumbnail is nil for an image that failed.
func (s *Store) Record(ctx context.Context, original string, final Status, thumbnail *File) (*Status, error) {
	content, about, err := resultOf(final, thumbnail)
	if err != nil {
		return nil, fmt.Errorf("write failure note for %q: %w", original, err)
	}
	err = s.images.Put(ctx, imagestore.ThumbnailKey(original), content, about)
	if errors.Is(err, imagestore.ErrExists) {
		return s.recorded(ctx, final.ImageID)
	}
	if err != nil {
		return nil, err
	}
	return &final, nil
}

// resultOf returns the object that a final status is stored as.
func resultOf(final Status, thumbnail *File) (content []byte, about imagestore.Attributes, err error) {
	if final.State != Completed {
		content, err = json.Marshal(final)
		about.ContentType = NoteType
		if final.Hearsay {
			about.Metadata = map[string]string{hearsay: "true"}
		}
		return content, about, err
	}
	about = imagestore.Attributes{ContentType: thumbnail.Format.ContentType(), Metadata: map[string]string{
		originalSize:  final.Result.OriginalSize.String(),
		thumbnailSize: final.Result.ThumbnailSize.String(),
		processedAt:   strconv.FormatFloat(final.ProcessedAt, 'f', 3, 64),
	}}
	for name, value := range map[string]string{placeholder: final.Result.Placeholder, color: final.Result.Color} {
		if value != "" {
			about.Metadata[name] = value
		}
	}
	about.SetCause(final.Cause)
	setFrames(&about, thumbnail.Frames)
	about.SetEngine(raster.Engine)
	if !isDefault(thumbnail.Hash) {
		about.Metadata[specHash] = thumbnail.Hash
	}
	return thumbnail.Bytes, about, nil
}

// recorded returns the final status that was stored first.
func (s *Store) recorded(ctx context.Context, imageID string) (*Status, error) {
	first, err := s.Rebuild(ctx, imageID)
	if err != nil {
		return nil, err
	}
	if first == nil || !first.State.Final() {
		return nil, fmt.Errorf("record result of %s: there was an earlier result, and it is gone", imageID)
	}
	return first, nil
}

// Rebuild returns the status of an image from the objects that are stored for it; nil if there are none. An image of
// which there is only a note, because its event waits for an object, is queued.
func (s *Store) Rebuild(ctx context.Context, imageID string) (*Status, error) {
	objects, err := s.images.Find(ctx, imageID)
	switch {
	case err != nil:
		return nil, err
	case objects.Deleted != nil:
		return deleted(imageID, objects.Deleted), nil
	case objects.Result != nil:
		return s.ReadResult(ctx, imageID, objects)
	case objects.Original != nil:
		return &Status{ImageID: imageID, State: Queued}, nil
	}
	deferred, err := s.images.IsDeferred(ctx, imageID)
	if err != nil || !deferred {
		return nil, err
	}
	return &Status{ImageID: imageID, State: Queued}, nil
}

// ReadResult returns the final status of an image from the result in objects, which is a failure note or a thumbnail.
func (s *Store) ReadResult(ctx context.Context, imageID string, objects imagestore.Objects) (*Status, error) {
	info, err := s.images.Stat(ctx, objects.Result.Key) // the listing has neither content type nor metadata
	if err != nil {
		return nil, err
	}
	if info.ContentType == NoteType {
		return s.readNote(ctx, info)
	}
	final := completed(imageID, info)
	if final.Result.OriginalSize == nil || final.Result.ThumbnailSize == nil { // made by the original system
		sizes, err := s.measure(ctx, objects.Original, info)
		if err != nil {
			return nil, err
		}
		final.Result.OriginalSize, final.Result.ThumbnailSize = sizes[0], sizes[1]
	}
	final.Result.Renditions, err = s.readRenditions(ctx, imageID, objects, info, final.Result.ThumbnailSize)
	if err != nil {
		return nil, err
	}
	return final, nil
}

// ReadFailure returns the failure in a result; nil if it is a thumbnail, or was removed meanwhile.
func (s *Store) ReadFailure(ctx context.Context, result *imagestore.Info) (*Status, error) {
	info, err := s.images.Stat(ctx, result.Key)
	if err == nil && info.ContentType == NoteType {
		var final *Status
		if final, err = s.readNote(ctx, info); err == nil {
			return final, nil
		}
	}
	if errors.Is(err, imagestore.ErrNotFound) {
		err = nil
	}
	return nil, err
}

func (s *Store) readNote(ctx context.Context, info *imagestore.Info) (*Status, error) {
	final := &Status{}
	if err := s.images.ReadJSON(ctx, info, maxNote, final); err != nil {
		return nil, err
	}
	if final.State != Failed || final.Result == nil {
		return nil, fmt.Errorf("read object %q: it has the state %q; expected a failure note", info.Key, final.State)
	}
	final.Hearsay = info.Metadata[hearsay] != ""
	return final, nil
}

// completed is the status of an image from the metadata of its thumbnail; without sizes if it has none.
func completed(imageID string, thumbnail *imagestore.Info) *Status {
	when, err := strconv.ParseFloat(thumbnail.Metadata[processedAt], 64)
	if err != nil {
		when = Seconds(thumbnail.Modified)
	}
	return &Status{ImageID: imageID, State: Completed, ProcessedAt: when, Cause: thumbnail.Cause(), Result: &Result{
		Success:       true,
		Thumbnail:     thumbnail.Key,
		OriginalSize:  parseSize(thumbnail.Metadata[originalSize]),
		ThumbnailSize: parseSize(thumbnail.Metadata[thumbnailSize]),
		Placeholder:   thumbnail.Metadata[placeholder],
		Color:         strings.TrimPrefix(thumbnail.Metadata[color], NoColor),
	}}
}

// measure reads the sizes of images from their headers; nil for an object that is missing, or is not an image of a
// supported format.
func (s *Store) measure(ctx context.Context, images ...*imagestore.Info) ([]*Size, error) {
	sizes := make([]*Size, len(images))
	for i, info := range images {
		if info == nil {
			continue
		}
		body, err := s.images.GetRange(ctx, info, 0, info.Size)
		if err != nil {
			return nil, err
		}
		header, err := raster.Probe(ctx, body)
		body.Close()
		var refused *raster.Error
		if errors.As(err, &refused) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("measure %q: %w", info.Key, err)
		}
		width, height := header.Displayed()
		sizes[i] = &Size{width, height}
	}
	return sizes, nil
}

// String formats a size as 1920x1080.
func (s *Size) String() string { return fmt.Sprintf("%dx%d", s[0], s[1]) }

// parseSize reads what String wrote; nil if the text is something else.
func parseSize(text string) *Size {
	var size Size
	if _, err := fmt.Sscanf(text, "%dx%d", &size[0], &size[1]); err != nil {
		return nil
	}
	return &size
}
