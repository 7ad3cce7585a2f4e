package imagestore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/minio/minio-go/v7"
)

// deferredFolder has the notes of events that wait for the object they name: deferred/<image ID>/<name>. It is beside
// the images, so that a listing of it finds all notes, however many images there are; a Scan passes it.
const deferredFolder = "deferred/"

// DeferredKey returns the key of a note about an image. name has no slash.
func DeferredKey(imageID, name string) string { return deferredFolder + imageID + "/" + name }

// SplitDeferredKey is the inverse of DeferredKey; ok is false if the key is not that of a note.
func SplitDeferredKey(key string) (imageID, name string, ok bool) {
	rest, ok := strings.CutPrefix(key, deferredFolder)
	if !ok {
		return "", "", false
	}
	imageID, name, ok = strings.Cut(rest, "/")
	return imageID, name, ok && imageID != "" && name != "" && !strings.Contains(name, "/")
}

// IsDeferred reports whether there is a note about an image.
func (s *Store) IsDeferred(ctx context.Context, imageID string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	prefix := DeferredKey(imageID, "")
	options := minio.ListObjectsOptions{Prefix: prefix, MaxKeys: 1}
	for object := range s.client.ListObjectsIter(ctx, s.bucket, options) {
		err := s.wrap(object.Err, "list", s.bucket, prefix)
		if errors.Is(err, ErrNotFound) { // there is no bucket
			return false, nil
		}
		return err == nil, err
	}
	return false, s.wrap(ctx.Err(), "list", s.bucket, prefix) // the listing does not always return it
}

// FindDeferred returns the notes about an image.
func (s *Store) FindDeferred(ctx context.Context, imageID string) (notes []*Info, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	prefix := DeferredKey(imageID, "")
	for object := range s.client.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: prefix}) {
		err := s.wrap(object.Err, "list", s.bucket, prefix)
		if errors.Is(err, ErrNotFound) { // there is no bucket
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		notes = append(notes, infoOf(object))
	}
	return notes, s.wrap(ctx.Err(), "list", s.bucket, prefix) // the listing does not always return it
}

// ScanDeferred returns all notes after a key in the order of their keys; "" starts at the first. An error of the store
// ends the scan; there are no notes without a bucket.
func (s *Store) ScanDeferred(ctx context.Context, after string) iter.Seq2[*Info, error] {
	return func(yield func(*Info, error) bool) {
		options := minio.ListObjectsOptions{Prefix: deferredFolder, Recursive: true, StartAfter: after}
		for object := range s.client.ListObjectsIter(ctx, s.bucket, options) {
			err := s.wrap(object.Err, "list", s.bucket, deferredFolder)
			if errors.Is(err, ErrNotFound) {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(infoOf(object), nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(nil, s.wrap(err, "list", s.bucket, deferredFolder))
		}
	}
}

// Exists reports whether there is an object in any bucket that the service's credentials can read.
func (s *Store) Exists(ctx context.Context, bucket, key string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, err := s.client.StatObject(ctx, bucket, key, minio.StatObjectOptions{})
	if err = s.wrap(err, "stat", bucket, key); errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// ErrTooLong means that an object has more bytes than its reader expects.
var ErrTooLong = errors.New("object too long")

// GetWhole reads an object of the service's bucket. It fails with ErrNotFound if there is no such object, and with
// ErrTooLong, and the Info, if it has more than limit bytes.
func (s *Store) GetWhole(ctx context.Context, key string, limit int64) ([]byte, *Info, error) {
	body, info, err := s.Get(ctx, s.bucket, key)
	if err != nil {
		return nil, nil, err
	}
	defer body.Close()
	if info.Size > limit {
		return nil, info, fmt.Errorf("read object %q: %w: it has %d bytes, expected at most %d", key, ErrTooLong, info.Size,
			limit)
	}
	content, err := io.ReadAll(body)
	if err != nil {
		return nil, nil, s.wrap(err, "read", s.bucket, key)
	}
	return content, info, nil
}
