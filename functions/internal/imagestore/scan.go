package imagestore

import (
	"context"
	"errors"
	"iter"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"gitlab.com/yourorg/image-service/events"
)

// An Image has the objects of one image.
type Image struct {
	ID string
	Objects
	// Cursor continues a Scan after the image.
	Cursor string
}

// Scan returns all images after a cursor in the order of their IDs; "" starts at the beginning. A folder that does not
// belong to an image is one Image without an ID, so that a scan with little time gets past it. An error of the store
// ends the scan; it is ErrNotFound if the bucket does not exist.
func (s *Store) Scan(ctx context.Context, cursor string) iter.Seq2[Image, error] {
	return s.scan(ctx, cursor, 1000)
}

// scan lists objects in pages of the given size, at most 1000. After a folder that does not belong to an image and has
// more objects than a page, it starts another listing.
func (s *Store) scan(ctx context.Context, cursor string, page int) iter.Seq2[Image, error] {
	return func(yield func(Image, error) bool) {
		for more := true; more; {
			cursor, more = s.list(ctx, cursor, page, yield)
		}
	}
}

// list yields the images of one listing. If more is true, the scan continues at next.
func (s *Store) list(ctx context.Context, cursor string, page int, yield func(Image, error) bool) (
	next string, more bool,
) {
	current, found, passed := Image{Cursor: cursor}, map[string]*Info{}, 0
	finish := func() bool {
		if len(found) == 0 {
			return true
		}
		current.Objects = classify(found)
		found = map[string]*Info{}
		return yield(current, nil)
	}
	options := minio.ListObjectsOptions{Recursive: true, MaxKeys: page, StartAfter: cursor}
	for object := range s.client.ListObjectsIter(ctx, s.bucket, options) {
		if err := s.wrap(object.Err, "list", s.bucket, ""); err != nil {
			yield(Image{}, err)
			return "", false
		}
		image, name, behind := splitKey(object.Key)
		if behind != current.Cursor {
			if !finish() {
				return "", false
			}
			current, passed = Image{ID: image, Cursor: behind}, 0
			if image == "" && !yield(current, nil) {
				return "", false
			}
		}
		switch passed++; {
		case image == "" && passed > page:
			return behind, true
		case image != "" && name != "" && !strings.Contains(name, "/"): // a folder below does not belong to the image
			found[name] = infoOf(object)
		}
	}
	if err := ctx.Err(); err != nil { // the listing does not always return it
		yield(Image{}, s.wrap(err, "list", s.bucket, ""))
		return "", false
	}
	finish()
	return "", false
}

// splitKey returns the image ID in a key, "" if it has none, the name of the object, and the cursor after all objects
// of its folder.
func splitKey(key string) (image, name, cursor string) {
	folder, name, inFolder := strings.Cut(key, "/")
	switch {
	case !inFolder:
		return "", "", key
	case !events.IsImageID(folder):
		return "", "", folder + "0" // after every <folder>/..., because 0 follows the slash in ASCII
	default:
		return folder, name, folder + "0"
	}
}

// AbortIncomplete aborts multipart uploads that are older than age, and returns their number. MinIO lists such uploads
// only by their key, and aborts them itself after a day; other stores keep them.
func (s *Store) AbortIncomplete(ctx context.Context, age time.Duration) (aborted int, err error) {
	ctx, cancel := context.WithCancel(ctx)
	before := time.Now().Add(-age)
	uploads := s.client.ListIncompleteUploads(ctx, s.bucket, "", true)
	defer func() {
		cancel()
		for range uploads { // or the listing would block forever to send its last error
		}
	}()
	for upload := range uploads {
		if upload.Err != nil {
			return aborted, s.wrap(upload.Err, "list incomplete uploads of", s.bucket, "")
		}
		if !upload.Initiated.Before(before) {
			continue
		}
		err := s.client.AbortMultipartUpload(ctx, s.bucket, upload.Key, upload.UploadID)
		err = s.wrap(err, "abort upload of", s.bucket, upload.Key)
		if err != nil && !errors.Is(err, ErrNotFound) { // not found: it was completed or aborted meanwhile
			return aborted, err
		}
		aborted++
	}
	return aborted, nil
}
