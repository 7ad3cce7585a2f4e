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

// An Image is what is stored of one image.
type Image struct {
	ID string
	Objects
	// After is where a walk goes on behind it.
	Cursor string
}

// Walk goes through all images that come after a place, in the order of their ids; "" begins. What belongs to no image is
// an Image without an ID, one for all of a folder, so that a walk that has little time comes past it. A fault of the store
// ends the walk with an error; that the bucket is not there is ErrNotFound.
func (s *Store) Scan(ctx context.Context, after string) iter.Seq2[Image, error] {
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
	at, found, passed := Image{Cursor: after}, map[string]*Info{}, 0 // where we are, and what we saw there
	finish := func() bool {
		if len(found) == 0 {
			return true
		}
		at.Objects = sort(found)
		found = map[string]*Info{}
		return yield(at, nil)
	}
	for object := range s.client.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Recursive: true, MaxKeys: page, StartAfter: after}) {
		if err := s.explain(object.Err, "list", s.bucket, ""); err != nil {
			yield(Image{}, err)
			return "", false
		}
		image, name, behind := placeOf(object.Key)
		if behind != at.Cursor {
			if !finish() {
				return "", false
			}
			at, passed = Image{ID: image, Cursor: behind}, 0
			if image == "" && !yield(at, nil) {
				return "", false
			}
		}
		switch passed++; {
		case image == "" && passed > page:
			return behind, true
		case image != "" && name != "" && !strings.Contains(name, "/"): // a folder in the image's folder is not ours
			found[name] = infoOf(object)
		}
	}
	if err := ctx.Err(); err != nil { // which the listing does not always tell
		yield(Image{}, s.explain(err, "list", s.bucket, ""))
		return "", false
	}
	finish()
	return "", false
}

// placeOf tells whose an object is, "" for no image, its name there, and what comes behind all that is in its folder.
func placeOf(key string) (image, name, behind string) {
	folder, name, inFolder := strings.Cut(key, "/")
	switch {
	case !inFolder:
		return "", "", key
	case !events.IsImageID(folder):
		return "", "", folder + "0" // behind every <folder>/..., as 0 comes after the slash
	default:
		return folder, name, folder + "0"
	}
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
