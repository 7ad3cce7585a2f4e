package objects

import (
	"context"
	"errors"
	"iter"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
)

// An Image is what is stored of one image.
type Image struct {
	ID string
	Set
}

// Walk goes through all images that come after the one called after, in the order of their ids; "" begins. What lies in
// the bucket and belongs to no image is passed over. A fault of the store ends the walk with an error; that the bucket is
// not there is ErrNotFound.
func (s *Store) Walk(ctx context.Context, after string) iter.Seq2[Image, error] {
	return s.walk(ctx, after, 0)
}

// walk asks for so many objects at a time; 0 leaves that to the store, which gives 1000.
func (s *Store) walk(ctx context.Context, after string, page int) iter.Seq2[Image, error] {
	return func(yield func(Image, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel() // which also ends the listing's goroutine
		options := minio.ListObjectsOptions{Recursive: true, MaxKeys: page}
		if after != "" {
			options.StartAfter = after + "0" // behind every <after>/..., as 0 comes after the slash
		}
		id, found := "", map[string]*Info{}
		for object := range s.client.Client.ListObjects(ctx, s.bucket, options) {
			if object.Err != nil {
				yield(Image{}, s.explain(object.Err, "list", s.bucket, ""))
				return
			}
			of, name, _ := strings.Cut(object.Key, "/")
			if of != id {
				if len(found) > 0 && !yield(Image{id, sort(found)}, nil) {
					return
				}
				id, found = of, map[string]*Info{}
			}
			if name != "" && !strings.Contains(name, "/") { // a folder in the image's folder is not ours
				found[name] = infoOf(object)
			}
		}
		if len(found) > 0 {
			yield(Image{id, sort(found)}, nil)
		}
	}
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
