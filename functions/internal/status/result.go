package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
)

// The metadata of a thumbnail from which its status is rebuilt.
const (
	originalSize  = "Original-Size"
	thumbnailSize = "Thumbnail-Size"
	processedAt   = "Processed-At"
)

// A failure note is a few lines of JSON; of anything longer, no more than this is read.
const maxNote = 64 << 10

// NoteType is the content type of a failure note, which is stored under the key of the thumbnail.
const NoteType = "application/json"

// Record stores the result of an image under one key: the thumbnail and its sizes if the image is completed, a failure
// note if it failed. An earlier result stays, and its status is returned: if two workers come to different results, for
// example with different limits, one of them counts.
func (s *Store) Record(
	ctx context.Context, original string, final Status, thumbnail []byte, contentType string,
) (*Status, error) {
	content, about := thumbnail, imagestore.About{ContentType: contentType}
	if final.State == Completed {
		about.Metadata = map[string]string{
			originalSize:  final.Result.OriginalSize.String(),
			thumbnailSize: final.Result.ThumbnailSize.String(),
			processedAt:   strconv.FormatFloat(final.ProcessedAt, 'f', 3, 64),
		}
	} else {
		note, err := json.Marshal(final)
		if err != nil {
			return nil, fmt.Errorf("write failure note for %q: %w", original, err)
		}
		content, about = note, imagestore.About{ContentType: NoteType}
	}
	err := s.images.Put(ctx, imagestore.ThumbnailKey(original), content, about)
	if errors.Is(err, imagestore.ErrExists) {
		return s.recorded(ctx, final.ImageID)
	}
	if err != nil {
		return nil, err
	}
	return &final, nil
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

// Rebuild returns the status of an image from the objects that are stored for it; nil if there are none.
func (s *Store) Rebuild(ctx context.Context, imageID string) (*Status, error) {
	set, err := s.images.Find(ctx, imageID)
	switch {
	case err != nil:
		return nil, err
	case set.Result != nil:
		return s.readResult(ctx, imageID, set)
	case set.Original != nil:
		return &Status{ImageID: imageID, State: Queued}, nil
	}
	return nil, nil
}

func (s *Store) readResult(ctx context.Context, imageID string, set imagestore.Set) (*Status, error) {
	info, err := s.images.Stat(ctx, set.Result.Key)
	switch {
	case err != nil:
		return nil, err
	case info.ContentType == NoteType:
		return s.readNote(ctx, info)
	default:
		return s.readThumbnail(ctx, imageID, info, set)
	}
}

func (s *Store) readNote(ctx context.Context, note *imagestore.Info) (*Status, error) {
	body, err := s.images.GetRange(ctx, note, 0, note.Size)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, maxNote))
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", note.Key, err)
	}
	if final := parse(string(text)); final != nil {
		return final, nil
	}
	return nil, fmt.Errorf("read %q: it is not a status; expected the JSON of a failure note", note.Key)
}

func (s *Store) readThumbnail(
	ctx context.Context, imageID string, thumbnail *imagestore.Info, set imagestore.Set,
) (*Status, error) {
	when, err := strconv.ParseFloat(thumbnail.Metadata[processedAt], 64)
	if err != nil {
		when = Seconds(thumbnail.Modified)
	}
	result := &Result{
		Success:       true,
		Thumbnail:     thumbnail.Key,
		OriginalSize:  parseSize(thumbnail.Metadata[originalSize]),
		ThumbnailSize: parseSize(thumbnail.Metadata[thumbnailSize]),
	}
	if result.OriginalSize == nil || result.ThumbnailSize == nil { // made by the original system
		original, originalErr := s.measure(ctx, set.Original)
		measured, thumbnailErr := s.measure(ctx, thumbnail)
		if err := errors.Join(originalErr, thumbnailErr); err != nil {
			return nil, err
		}
		result.OriginalSize, result.ThumbnailSize = original, measured
	}
	return &Status{ImageID: imageID, State: Completed, Result: result, ProcessedAt: when}, nil
}

// measure reads the size of an image from its header; nil if the object is not an image of a supported format.
func (s *Store) measure(ctx context.Context, info *imagestore.Info) (*Size, error) {
	if info == nil {
		return nil, nil
	}
	body, err := s.images.GetRange(ctx, info, 0, info.Size)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	header, err := raster.Probe(body)
	var refused *raster.Error
	switch {
	case errors.As(err, &refused):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("measure %q: %w", info.Key, err)
	}
	width, height := header.Displayed()
	return &Size{width, height}, nil
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
