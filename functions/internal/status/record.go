package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"gitlab.com/yourorg/image-service/functions/internal/objects"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
)

// What is stored beside a thumbnail, so that its status can be rebuilt.
const (
	originalSize  = "Original-Size"
	thumbnailSize = "Thumbnail-Size"
	processedAt   = "Processed-At"
)

// The record of a failure is a few lines; more is not ours.
const maxRecord = 64 << 10

// Record stores a final status where it lasts: completed, the thumbnail with its sizes; failed, a note beside the
// original. What is stored first stays, and is returned: two workers that come to different results, as with different
// limits, leave one.
func (b *Board) Record(ctx context.Context, original string, final Status, thumbnail []byte, contentType string) (*Status, error) {
	err := b.put(ctx, original, final, thumbnail, contentType)
	if err != nil && !errors.Is(err, objects.ErrExists) {
		return nil, err
	}
	set, err := b.store.Find(ctx, final.ImageID) // after the put: of two workers, one at least sees both results
	if err != nil {
		return nil, err
	}
	if set.Thumbnail != nil && set.Failure != nil {
		if err := b.store.Remove(ctx, later(set.Thumbnail, set.Failure).Key); err != nil {
			return nil, err
		}
	}
	return b.statusOf(ctx, final.ImageID, set)
}

// later is which of two results came second, and has to go.
func later(thumbnail, failure *objects.Info) *objects.Info {
	if failure.Modified.Before(thumbnail.Modified) {
		return thumbnail
	}
	return failure
}

func (b *Board) put(ctx context.Context, original string, final Status, thumbnail []byte, contentType string) error {
	if final.State == Completed {
		return b.store.Put(ctx, objects.ThumbnailKey(original), thumbnail, objects.About{
			ContentType: contentType,
			Metadata: map[string]string{
				originalSize:  final.Result.OriginalSize.String(),
				thumbnailSize: final.Result.ThumbnailSize.String(),
				processedAt:   strconv.FormatFloat(final.ProcessedAt, 'f', 3, 64),
			},
		})
	}
	note, err := json.Marshal(final)
	if err != nil {
		return fmt.Errorf("write note on %q: %w", original, err)
	}
	return b.store.Put(ctx, objects.FailureKey(original), note, objects.About{ContentType: "application/json"})
}

// Rebuild reads from the store what has become of an image; nil if nothing is stored of it.
func (b *Board) Rebuild(ctx context.Context, imageID string) (*Status, error) {
	set, err := b.store.Find(ctx, imageID)
	switch {
	case errors.Is(err, objects.ErrNotFound): // not even the bucket is there
		return nil, nil
	case err != nil:
		return nil, err
	}
	return b.statusOf(ctx, imageID, set)
}

func (b *Board) statusOf(ctx context.Context, imageID string, set objects.Set) (*Status, error) {
	switch {
	case set.Failure != nil && (set.Thumbnail == nil || later(set.Thumbnail, set.Failure) == set.Thumbnail):
		return b.failed(ctx, imageID, set.Failure.Key)
	case set.Thumbnail != nil:
		return b.completed(ctx, imageID, set)
	case set.Original != nil:
		return &Status{ImageID: imageID, State: Queued}, nil
	}
	return nil, nil
}

func (b *Board) completed(ctx context.Context, imageID string, set objects.Set) (*Status, error) {
	info, err := b.store.Stat(ctx, set.Thumbnail.Key)
	if err != nil {
		return nil, err
	}
	when, err := strconv.ParseFloat(info.Metadata[processedAt], 64)
	if err != nil {
		when = Seconds(info.Modified)
	}
	result := &Result{
		Success:       true,
		Thumbnail:     info.Key,
		OriginalSize:  parseSize(info.Metadata[originalSize]),
		ThumbnailSize: parseSize(info.Metadata[thumbnailSize]),
	}
	if result.OriginalSize == nil || result.ThumbnailSize == nil { // made by the original system
		original, originalErr := b.look(ctx, set.Original)
		thumbnail, thumbnailErr := b.look(ctx, set.Thumbnail)
		if err := errors.Join(originalErr, thumbnailErr); err != nil {
			return nil, err
		}
		result.OriginalSize, result.ThumbnailSize = original, thumbnail
	}
	return &Status{ImageID: imageID, State: Completed, Result: result, ProcessedAt: when}, nil
}

// look reads the size of an image from the image itself; nil if it is none, or of a format that is not read.
func (b *Board) look(ctx context.Context, info *objects.Info) (*Size, error) {
	if info == nil {
		return nil, nil
	}
	body, err := b.store.GetRange(ctx, info, 0, info.Size)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	header, err := raster.Probe(body)
	var refused *raster.Refusal
	switch {
	case errors.As(err, &refused):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("look at %q: %w", info.Key, err)
	}
	width, height := header.Displayed()
	return &Size{width, height}, nil
}

// failed reads a note. An object of that name that is none is an original: of the original system, which took any name.
func (b *Board) failed(ctx context.Context, imageID, note string) (*Status, error) {
	body, _, err := b.store.Get(ctx, b.store.Bucket(), note)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, maxRecord))
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", note, err)
	}
	if final := parse(string(text)); final != nil {
		return final, nil
	}
	return &Status{ImageID: imageID, State: Queued}, nil
}

func (s *Size) String() string { return fmt.Sprintf("%dx%d", s[0], s[1]) }

// parseSize reads what String wrote; nil if it is something else.
func parseSize(text string) *Size {
	var size Size
	if _, err := fmt.Sscanf(text, "%dx%d", &size[0], &size[1]); err != nil {
		return nil
	}
	return &size
}
