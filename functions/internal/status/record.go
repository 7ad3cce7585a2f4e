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
// original. What is stored first stays, and is returned: two workers that come to different results leave one.
func (b *Board) Record(ctx context.Context, original string, final Status, thumbnail []byte, contentType string) (*Status, error) {
	var err error
	if final.State == Completed {
		err = b.store.Put(ctx, objects.ThumbnailKey(original), thumbnail, objects.About{
			ContentType: contentType,
			Metadata: map[string]string{
				originalSize:  final.Result.OriginalSize.String(),
				thumbnailSize: final.Result.ThumbnailSize.String(),
				processedAt:   strconv.FormatFloat(final.ProcessedAt, 'f', 3, 64),
			},
		})
	} else {
		note, _ := json.Marshal(final)
		err = b.store.Put(ctx, objects.FailureKey(original), note, objects.About{ContentType: "application/json"})
	}
	if errors.Is(err, objects.ErrExists) {
		return b.Rebuild(ctx, final.ImageID)
	}
	if err != nil {
		return nil, err
	}
	return &final, nil
}

// Rebuild reads from the store what has become of an image; nil if nothing is stored of it.
func (b *Board) Rebuild(ctx context.Context, imageID string) (*Status, error) {
	set, err := b.store.Find(ctx, imageID)
	switch {
	case errors.Is(err, objects.ErrNotFound): // not even the bucket is there
		return nil, nil
	case err != nil:
		return nil, err
	case set.Thumbnail != nil:
		return b.completed(ctx, imageID, set)
	case set.Failure != nil:
		return b.failed(ctx, set.Failure.Key)
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
		result.OriginalSize, result.ThumbnailSize = b.look(ctx, set.Original), b.look(ctx, set.Thumbnail)
	}
	return &Status{ImageID: imageID, State: Completed, Result: result, ProcessedAt: when}, nil
}

// look reads the size of an image from the image itself; nil if it can not be told.
func (b *Board) look(ctx context.Context, info *objects.Info) *Size {
	if info == nil {
		return nil
	}
	body, err := b.store.GetFrom(ctx, info, 0)
	if err != nil {
		return nil
	}
	defer body.Close()
	header, err := raster.Probe(body)
	if err != nil {
		return nil
	}
	width, height := header.Displayed()
	return &Size{width, height}
}

func (b *Board) failed(ctx context.Context, note string) (*Status, error) {
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
	return nil, fmt.Errorf("read %q: it is no status", note)
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
