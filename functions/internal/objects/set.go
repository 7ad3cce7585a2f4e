package objects

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
)

// Names of what belongs to an image, all under <image id>/. No original has a name that begins like the others', which
// SafeName sees to, so a listing of the names tells what became of the image.
const (
	thumbnailPrefix = "thumbnail_"
	failurePrefix   = "failed_"
)

// Key is where the original of an image lies: <image id>/<filename>.
func Key(imageID, filename string) string { return imageID + "/" + filename }

// ThumbnailKey is where the thumbnail of an original lies: <image id>/thumbnail_<filename>.
func ThumbnailKey(original string) string { return beside(original, thumbnailPrefix) }

// FailureKey is where it is noted why an original can never have a thumbnail: <image id>/failed_<filename>.
func FailureKey(original string) string { return beside(original, failurePrefix) }

func beside(original, prefix string) string {
	imageID, filename, _ := strings.Cut(original, "/")
	return imageID + "/" + prefix + filename
}

// A Set is all that is stored of an image; what is not there is nil. An original alone waits for its thumbnail.
type Set struct {
	Original, Thumbnail, Failure *Info
}

// Info is what the store knows of an object.
type Info struct {
	Key         string
	Size        int64
	ETag        string // without quotes
	Modified    time.Time
	ContentType string            // only from Stat and Get
	Metadata    map[string]string // only from Stat and Get; names as in http.Header
}

// Find lists what is stored of an image, in one request.
func (s *Store) Find(ctx context.Context, imageID string) (Set, error) {
	ctx, cancel := context.WithCancel(ctx) // ends the listing's goroutine
	defer cancel()
	var set Set
	for object := range s.client.Client.ListObjects(ctx, s.bucket, minio.ListObjectsOptions{Prefix: imageID + "/"}) {
		if object.Err != nil {
			return Set{}, s.explain(object.Err, "list", s.bucket, imageID+"/")
		}
		info := infoOf(object)
		switch name := strings.TrimPrefix(object.Key, imageID+"/"); {
		case strings.Contains(name, "/"): // a folder in the image's folder is not ours
		case strings.HasPrefix(name, thumbnailPrefix):
			set.Thumbnail = info
		case strings.HasPrefix(name, failurePrefix):
			set.Failure = info
		default:
			set.Original = info
		}
	}
	return set, nil
}

// Stat is what is known of an object of the service's bucket; ErrNotFound if there is none.
func (s *Store) Stat(ctx context.Context, key string) (*Info, error) {
	object, err := s.client.StatObject(ctx, s.bucket, key, minio.StatObjectOptions{})
	if err != nil {
		return nil, s.explain(err, "stat", s.bucket, key)
	}
	return infoOf(object), nil
}

// Get reads an object of any bucket that the service's credentials can read; ErrNotFound if there is none. The caller
// closes the body.
func (s *Store) Get(ctx context.Context, bucket, key string) (io.ReadCloser, *Info, error) {
	return s.get(ctx, bucket, key, minio.GetObjectOptions{})
}

// GetFrom reads an object that was found as info says, from an offset on; ErrNotFound if it is another one by now.
func (s *Store) GetFrom(ctx context.Context, info *Info, offset int64) (io.ReadCloser, error) {
	var options minio.GetObjectOptions
	if err := options.SetMatchETag(info.ETag); err != nil {
		return nil, fmt.Errorf("get object %q: %w", info.Key, err)
	}
	if offset > 0 {
		if err := options.SetRange(offset, 0); err != nil {
			return nil, fmt.Errorf("get object %q: %w", info.Key, err)
		}
	}
	body, _, err := s.get(ctx, s.bucket, info.Key, options)
	return body, err
}

func (s *Store) get(ctx context.Context, bucket, key string, options minio.GetObjectOptions) (io.ReadCloser, *Info, error) {
	body, object, _, err := s.client.GetObject(ctx, bucket, key, options)
	if err != nil {
		return nil, nil, s.explain(err, "get", bucket, key)
	}
	return body, infoOf(object), nil
}

func infoOf(object minio.ObjectInfo) *Info {
	return &Info{
		Key:         object.Key,
		Size:        object.Size,
		ETag:        strings.Trim(object.ETag, `"`),
		Modified:    object.LastModified,
		ContentType: object.ContentType,
		Metadata:    object.UserMetadata,
	}
}

// EncodeMetadata makes any text fit for a value of metadata, which S3 wants in ASCII; DecodeMetadata reads it back.
func EncodeMetadata(text string) string { return url.PathEscape(text) }

// DecodeMetadata reads what EncodeMetadata wrote, and anything else as it is.
func DecodeMetadata(value string) string {
	if text, err := url.PathUnescape(value); err == nil {
		return text
	}
	return value
}
