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
// an Image without an ID, one for all of a folder, so that a walk that has little time comes past it. A fault of the store
// ends the walk with an error; that the bucket is not there is ErrNotFound.
func (s *Store) Walk(ctx context.Context, after string) iter.Seq2[Image, error] {
	return s.walk(ctx, after, 1000)
}

// walk asks for so many objects at a time, which is 1000 at the most. Behind a folder that is no image's, and has more than
// that, it begins another listing.
func (s *Store) walk(ctx context.Context, after string, page int) iter.Seq2[Image, error] {
	return func(yield func(Image, error) bool) {
		for more := true; more; {
			after, more = s.list(ctx, after, page, yield)
		}
	}
}

func (s *Store) list(ctx context.Context, after string, page int, yield func(Image, error) bool) (behind string, more bool) {
	image, found := "", map[string]*Info{} // the one that we are in, and what is known of it
	finish := func() bool {
		if len(found) == 0 {
			return true
		}
		done := Image{ID: image, Set: sort(found), After: after}
		found = map[string]*Info{}
		return yield(done, nil)
	}
	passed := 0 // in a folder that is no image's
	for object := range s.client.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Recursive: true, MaxKeys: page, StartAfter: after}) {
		if err := s.explain(object.Err, "list", s.bucket, ""); err != nil {
			yield(Image{}, err)
			return "", false
		}
		folder, name, inFolder := strings.Cut(object.Key, "/")
		place := object.Key
		if inFolder {
			place = folder + "0" // behind every <folder>/..., as 0 comes after the slash
		}
		isImage := inFolder && events.IsImageID(folder)
		if place != after {
			if !finish() {
				return "", false
			}
			image, after, passed = folder, place, 0
			if !isImage && !yield(Image{After: after}, nil) {
				return "", false
			}
		}
		switch passed++; {
		case isImage && name != "" && !strings.Contains(name, "/"): // a folder in the image's folder is not ours
			found[name] = infoOf(object)
		case !isImage && passed > page:
			return after, true
		}
	}
	if err := ctx.Err(); err != nil { // which the listing does not always tell
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
	before := time.Now().Add(-age)
	uploads := s.client.ListIncompleteUploads(ctx, s.bucket, "", true)
	defer func() {
		cancel()
		for range uploads { // or who lists would wait for ever to say that it was cancelled
		}
	}()
	for upload := range uploads {
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
