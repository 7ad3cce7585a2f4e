package imagestore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
)

// What comes of an original lies beside it, in <image id>/, under the name of its thumbnail. SafeName gives no original a
// name that begins so, and a listing of the names tells how far an image has come. Originals of the original system may
// have any name.
const thumbnailPrefix = "thumbnail_"

// Key is where the original of an image lies: <image id>/<filename>.
func OriginalKey(imageID, filename string) string { return imageID + "/" + filename }

// ThumbnailKey is where the thumbnail of an original lies, or the note of why there can be none:
// <image id>/thumbnail_<filename>. It is one key for both, so that the store itself decides on one result.
func ThumbnailKey(original string) string {
	imageID, filename, _ := strings.Cut(original, "/")
	return imageID + "/" + thumbnailPrefix + filename
}

// OriginalKey is where the original of a thumbnail lies.
func OriginalOf(thumbnail string) string {
	return strings.Replace(thumbnail, "/"+thumbnailPrefix, "/", 1)
}

// A Set is all that is stored of an image; what is not there is nil. An original alone waits for its result: a thumbnail,
// or a note of why there can be none, which is no image. A note alone is of an image that was refused.
type Objects struct {
	Original, Result *Info
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

// Find lists what is stored of an image, in one request. Without a bucket that is nothing.
func (s *Store) Find(ctx context.Context, imageID string) (Objects, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	found := map[string]*Info{}
	for object := range s.client.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: imageID + "/"}) {
		if err := s.explain(object.Err, "list", s.bucket, imageID+"/"); err != nil {
			if errors.Is(err, ErrNotFound) {
				return Objects{}, nil
			}
			return Objects{}, err
		}
		name := strings.TrimPrefix(object.Key, imageID+"/")
		if !strings.Contains(name, "/") { // a folder in the image's folder is not ours
			found[name] = infoOf(object)
		}
	}
	// The listing does not always tell that it was cancelled.
	return sort(found), s.explain(ctx.Err(), "list", s.bucket, imageID+"/")
}

// sort tells the objects of an image by their names. What has a result of its own is an original, whatever its name. Of
// several originals, which there are for a moment when an event comes twice at the same time, the one counts whose result
// was stored first, or, without results, which was itself.
func sort(found map[string]*Info) Objects {
	var set Objects
	var lone *Info // a result without an original of its name
	for name, info := range found {
		result := found[thumbnailPrefix+name]
		of, isResult := strings.CutPrefix(name, thumbnailPrefix)
		switch {
		case !isResult || result != nil:
			if one := (Objects{info, result}); set.Original == nil || one.before(set) {
				set = one
			}
		case found[of] == nil && (lone == nil || info.before(lone)):
			lone = info
		}
	}
	if lone != nil && (set.Result == nil || lone.before(set.Result)) {
		set.Result = lone
	}
	return set
}

// before tells which of two originals, with their results, counts.
func (s Objects) before(other Objects) bool {
	if s.Result != nil && other.Result != nil {
		return s.Result.before(other.Result)
	}
	return s.Result != nil || other.Result == nil && s.Original.before(other.Original)
}

// before tells which of two objects was stored first.
func (i *Info) before(other *Info) bool {
	return cmp.Or(i.Modified.Compare(other.Modified), strings.Compare(i.Key, other.Key)) < 0
}

// Stat is what is known of an object of the service's bucket; ErrNotFound if there is none.
func (s *Store) Stat(ctx context.Context, key string) (*Info, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
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

// GetRange reads an object that was found as info says, from one offset up to another; ErrNotFound if it is another
// object by now.
func (s *Store) GetRange(ctx context.Context, info *Info, from, to int64) (io.ReadCloser, error) {
	var options minio.GetObjectOptions
	if err := options.SetMatchETag(info.ETag); err != nil {
		return nil, fmt.Errorf("get object %q: %w", info.Key, err)
	}
	if from > 0 || to < info.Size {
		if err := options.SetRange(from, to-1); err != nil {
			return nil, fmt.Errorf("get object %q: %w", info.Key, err)
		}
	}
	body, _, err := s.get(ctx, s.bucket, info.Key, options)
	return body, err
}

// get waits only so long for the beginning of the answer, and for each piece of the rest.
func (s *Store) get(ctx context.Context, bucket, key string, options minio.GetObjectOptions) (io.ReadCloser, *Info, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	timeout := time.AfterFunc(askTimeout, func() { cancel(context.DeadlineExceeded) })
	body, object, _, err := s.client.GetObject(ctx, bucket, key, options)
	if !timeout.Stop() && err == nil {
		body.Close()
		err = context.DeadlineExceeded
	}
	if err != nil {
		cancel(nil)
		return nil, nil, s.explain(err, "get", bucket, key)
	}
	return newAnswer(ctx, cancel, body), infoOf(object), nil
}

// An answer is a body that does not wait for a store that stands still, and ends its request when it is closed.
type answer struct {
	ctx     context.Context // of the request
	cancel  context.CancelCauseFunc
	body    io.ReadCloser
	stalled *time.Timer
}

func newAnswer(ctx context.Context, cancel context.CancelCauseFunc, body io.ReadCloser) *answer {
	stalled := time.AfterFunc(answerTimeout, func() { cancel(errStalled) })
	stalled.Stop()
	return &answer{ctx, cancel, body, stalled}
}

func (a *answer) Read(p []byte) (int, error) {
	a.stalled.Reset(answerTimeout)
	defer a.stalled.Stop()
	n, err := a.body.Read(p)
	if err != nil && err != io.EOF && context.Cause(a.ctx) == errStalled {
		err = errStalled
	}
	return n, err
}

func (a *answer) Close() error {
	err := a.body.Close()
	a.cancel(nil)
	return err
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

// EncodeMetadata makes any text fit for a value of metadata, which S3 wants in ASCII: percent-encoded, as in a URL.
func EncodeMetadata(text string) string { return url.PathEscape(text) }
