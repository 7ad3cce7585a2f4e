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

// What is stored beside a thumbnail, so that its status can be rebuilt.
const (
	originalSize  = "Original-Size"
	thumbnailSize = "Thumbnail-Size"
	processedAt   = "Processed-At"
)

// The record of a failure is a few lines; more is not ours.
const maxRecord = 64 << 10

// NoteType is the content type of the note of a failure, which lies where the thumbnail would.
const NoteType = "application/json"

// Record stores a final status where it lasts, under one key: completed, the thumbnail with its sizes; failed, a note.
// What is stored first stays, and is returned: of two workers that come to different results, as with different limits,
// one counts.
func (b *Board) Record(ctx context.Context, original string, final Status, thumbnail []byte, contentType string) (*Status, error) {
	content, about := thumbnail, imagestore.Attributes{ContentType: contentType}
	if final.State == Completed {
		about.Metadata = map[string]string{
			originalSize:  final.Result.OriginalSize.String(),
			thumbnailSize: final.Result.ThumbnailSize.String(),
			processedAt:   strconv.FormatFloat(final.ProcessedAt, 'f', 3, 64),
		}
	} else {
		note, err := json.Marshal(final)
		if err != nil {
			return nil, fmt.Errorf("write note on %q: %w", original, err)
		}
		content, about = note, imagestore.Attributes{ContentType: NoteType}
	}
	err := b.store.Put(ctx, imagestore.ThumbnailKey(original), content, about)
	if errors.Is(err, imagestore.ErrExists) {
		return b.recorded(ctx, final.ImageID)
	}
	if err != nil {
		return nil, err
	}
	return &final, nil
}

// recorded is the final status that was stored first.
func (b *Board) recorded(ctx context.Context, imageID string) (*Status, error) {
	first, err := b.Rebuild(ctx, imageID)
	if err != nil {
		return nil, err
	}
	if first == nil || !first.State.Final() {
		return nil, fmt.Errorf("record result of %s: the one that was there is gone", imageID)
	}
	return first, nil
}

// Rebuild reads from the store what has become of an image; nil if nothing is stored of it.
func (b *Board) Rebuild(ctx context.Context, imageID string) (*Status, error) {
	set, err := b.store.Find(ctx, imageID)
	switch {
	case err != nil:
		return nil, err
	case set.Result != nil:
		return b.result(ctx, imageID, set)
	case set.Original != nil:
		return &Status{ImageID: imageID, State: Queued}, nil
	}
	return nil, nil
}

func (b *Board) result(ctx context.Context, imageID string, set imagestore.Objects) (*Status, error) {
	info, err := b.store.Stat(ctx, set.Result.Key)
	switch {
	case err != nil:
		return nil, err
	case info.ContentType == NoteType:
		return b.failed(ctx, info)
	default:
		return b.completed(ctx, imageID, info, set)
	}
}

func (b *Board) completed(ctx context.Context, imageID string, info *imagestore.Info, set imagestore.Objects) (*Status, error) {
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
		thumbnail, thumbnailErr := b.look(ctx, info)
		if err := errors.Join(originalErr, thumbnailErr); err != nil {
			return nil, err
		}
		result.OriginalSize, result.ThumbnailSize = original, thumbnail
	}
	return &Status{ImageID: imageID, State: Completed, Result: result, ProcessedAt: when}, nil
}

// look reads the size of an image from the image itself; nil if it is none, or of a format that is not read.
func (b *Board) look(ctx context.Context, info *imagestore.Info) (*Size, error) {
	if info == nil {
		return nil, nil
	}
	body, err := b.store.GetRange(ctx, info, 0, info.Size)
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
		return nil, fmt.Errorf("look at %q: %w", info.Key, err)
	}
	width, height := header.Displayed()
	return &Size{width, height}, nil
}

// failed reads a note.
func (b *Board) failed(ctx context.Context, note *imagestore.Info) (*Status, error) {
	body, err := b.store.GetRange(ctx, note, 0, note.Size)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, maxRecord))
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", note.Key, err)
	}
	if final := parse(string(text)); final != nil {
		return final, nil
	}
	return nil, fmt.Errorf("read %q: it is no status", note.Key)
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
