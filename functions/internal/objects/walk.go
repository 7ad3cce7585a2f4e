package objects

import (
	"context"
	"errors"
	"iter"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"gitlab.com/yourorg/image-service/events"
)

// An Image is what is stored of one image.
type Image struct {
	ID string
	Set
	// After is where a walk goes on behind it.
	After string
}

// Walk goes through all images that come after a place, in the order of their ids; "" begins. What belongs to no image is
// an Image without an ID: one for all of a folder, so that a walk, however short, comes past it. A fault of the store ends
// the walk with an error; that the bucket is not there is ErrNotFound.
func (s *Store) Walk(ctx context.Context, after string) iter.Seq2[Image, error] {
	return s.walk(ctx, after, 0)
}

// walk asks for so many objects at a time; 0 leaves that to the store, which gives 1000.
func (s *Store) walk(ctx context.Context, after string, page int) iter.Seq2[Image, error] {
	return func(yield func(Image, error) bool) {
		for after, more := after, true; more; {
			after, more = s.list(ctx, after, page, yield)
		}
	}
}

// list yields what comes after a place, up to the first folder that is no image's; behind it goes the next list.
func (s *Store) list(parent context.Context, after string, page int, yield func(Image, error) bool) (behind string, more bool) {
	ctx, cancel := context.WithCancel(parent)
	defer cancel() // which also ends the listing's goroutine
	id, found := "", map[string]*Info{}
	finish := func() bool {
		image := Image{ID: id, Set: sort(found), After: after}
		id, found = "", map[string]*Info{}
		return image.ID == "" || yield(image, nil)
	}
	for object := range s.client.Client.ListObjects(ctx, s.bucket, minio.ListObjectsOptions{Recursive: true, MaxKeys: page, StartAfter: after}) {
		if err := s.explain(object.Err, "list", s.bucket, ""); err != nil {
			yield(Image{}, err)
			return "", false
		}
		of, name, inFolder := strings.Cut(object.Key, "/")
		if of != id && !finish() {
			return "", false
		}
		after = object.Key
		if inFolder {
			after = of + "0" // behind every <of>/..., as 0 comes after the slash
		}
		switch {
		case inFolder && events.IsImageID(of):
			if id = of; name != "" && !strings.Contains(name, "/") { // a folder in the image's folder is not ours
				found[name] = infoOf(object)
			}
		case !yield(Image{After: after}, nil):
			return "", false
		case inFolder:
			return after, true
		}
	}
	if err := parent.Err(); err != nil { // which the listing does not always tell
		yield(Image{}, s.explain(err, "list", s.bucket, ""))
		return "", false
	}
	finish()
	return "", false
}

// AbortIncomplete ends uploads in parts that began longer ago than age and never became an object, and returns how many.
// MinIO lists none without the key that they are for, and ends them by itself after a day; other stores keep them until
// somebody does.
func (s *Store) AbortIncomplete(ctx context.Context, age time.Duration) (aborted int, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	before := time.Now().Add(-age)
	for upload := range s.client.ListIncompleteUploads(ctx, s.bucket, "", true) {
		if upload.Err != nil {
			return aborted, s.explain(upload.Err, "list incomplete uploads of", s.bucket, "")
		}
		if !upload.Initiated.Before(before) {
			continue
		}
		err := s.explain(s.client.AbortMultipartUpload(ctx, s.bucket, upload.Key, upload.UploadID), "abort upload of", s.bucket, upload.Key)
		if err != nil && !errors.Is(err, ErrNotFound) { // it was completed, or somebody else was quicker
			return aborted, err
		}
		aborted++
	}
	return aborted, nil
}
