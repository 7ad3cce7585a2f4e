package imagestore

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
)

// thumbnailPrefix distinguishes the result of an original, which is beside it in <image ID>/, so that a listing of the
// names shows the state of an image. SafeName gives no original such a name; originals of the original system may have
// any.
const thumbnailPrefix = "thumbnail_"

// OriginalKey returns the key of an original: <image ID>/<filename>.
func OriginalKey(imageID, filename string) string { return imageID + "/" + filename }

// ThumbnailKey returns the key of the result of an original, which is a thumbnail or a failure note: <image
// ID>/thumbnail_<filename>, shortened where the store allows no such name. Both have one key, so that the store itself
// keeps one result.
func ThumbnailKey(original string) string {
	imageID, filename, _ := strings.Cut(original, "/")
	return imageID + "/" + resultName(filename)
}

// maxSegment is the length of the longest segment of a key that MinIO's disks allow, in bytes.
const maxSegment = 255

// resultName returns the name of the result of an original. One that would be too long, which no name of SafeName is,
// ends in a hash instead.
func resultName(filename string) string {
	name := thumbnailPrefix + filename
	if len(name) <= maxSegment {
		return name
	}
	sum := sha256.Sum256([]byte(filename))
	hash := "-" + hex.EncodeToString(sum[:16])
	return strings.ToValidUTF8(name[:maxSegment-len(hash)], "") + hash
}

// OriginalOf returns the key of the original of a thumbnail whose key was not shortened.
func OriginalOf(thumbnail string) string {
	return strings.Replace(thumbnail, "/"+thumbnailPrefix, "/", 1)
}

// Objects are those of one image; nil for one that does not exist. An original alone waits for its result, which is a
// thumbnail or a failure note. A failure note alone belongs to an image that was refused.
type Objects struct {
	Original, Result *Info
	// Renditions are those beside the thumbnail, of any specification, in the order of their keys. They are stored before
	// the result, so that an image with a result has all of the set that it was processed under.
	Renditions []*Info
	// Deleted is the tombstone of an image that was deleted; nil for all others. Of such an image nothing else counts:
	// the fields above are nil, and what is stored beside the tombstone are Leftovers, in the order of their keys.
	Deleted   *Tombstone
	Leftovers []*Info
}

// None reports whether nothing is stored for the image, not even that it was deleted.
func (o Objects) None() bool { return o.Original == nil && o.Result == nil && o.Deleted == nil }

// Info describes an object.
type Info struct {
	Key         string
	Size        int64
	ETag        string // without quotes
	Modified    time.Time
	Served      time.Time         // when the store answered, by its own clock, in whole seconds; only from Get
	ContentType string            // only from Stat and Get
	Metadata    map[string]string // only from Stat and Get; names as in http.Header
}

// Find returns the objects of an image, in one request. There are none without a bucket.
func (s *Store) Find(ctx context.Context, imageID string) (Objects, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	found := map[string]*Info{}
	for object := range s.client.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: imageID + "/"}) {
		if err := s.wrap(object.Err, "list", s.bucket, imageID+"/"); err != nil {
			if errors.Is(err, ErrNotFound) {
				return Objects{}, nil
			}
			return Objects{}, err
		}
		name := strings.TrimPrefix(object.Key, imageID+"/")
		if !strings.Contains(name, "/") { // a folder below does not belong to the image
			found[name] = infoOf(object)
		}
	}
	// The listing does not always return the error of ctx.
	return classify(found), s.wrap(ctx.Err(), "list", s.bucket, imageID+"/")
}

// classify returns the original, the result and the renditions among the objects of an image by their names. An object
// with a result is an original, whatever its name. There are several originals for a moment when an event is delivered
// twice at the same time: the one whose result was stored first counts, or, without results, the one that was stored
// first.
func classify(found map[string]*Info) Objects {
	objects, deleted := buried(found)
	if deleted {
		return objects
	}
	var lone *Info // a result without an original of its name
	hasOriginal := map[string]bool{}
	for name := range found {
		hasOriginal[resultName(name)] = true
	}
	for name, info := range found {
		result := found[resultName(name)]
		switch {
		case result == nil && isRenditionName(name):
			objects.Renditions = append(objects.Renditions, info)
		case !strings.HasPrefix(name, thumbnailPrefix) || result != nil:
			one := Objects{Original: info, Result: result}
			if objects.Original == nil || one.before(objects) {
				objects.Original, objects.Result = one.Original, one.Result
			}
		case !hasOriginal[name] && (lone == nil || info.before(lone)):
			lone = info
		}
	}
	if lone != nil && (objects.Result == nil || lone.before(objects.Result)) {
		objects.Result = lone
	}
	slices.SortFunc(objects.Renditions, func(a, b *Info) int { return strings.Compare(a.Key, b.Key) })
	return objects
}

// before reports whether o, an original with its result, counts and not other.
func (o Objects) before(other Objects) bool {
	if o.Result != nil && other.Result != nil {
		return o.Result.before(other.Result)
	}
	return o.Result != nil || other.Result == nil && o.Original.before(other.Original)
}

// before reports whether i was stored before other; their keys decide a tie.
func (i *Info) before(other *Info) bool {
	return cmp.Or(i.Modified.Compare(other.Modified), strings.Compare(i.Key, other.Key)) < 0
}

// Stat describes an object of the service's bucket. It fails with ErrNotFound if there is no such object.
func (s *Store) Stat(ctx context.Context, key string) (*Info, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	object, err := s.client.StatObject(ctx, s.bucket, key, minio.StatObjectOptions{})
	if err != nil {
		return nil, s.wrap(err, "stat", s.bucket, key)
	}
	return infoOf(object), nil
}

// Get reads an object of any bucket that the service's credentials can read. It fails with ErrNotFound if there is no
// such object. The caller closes the body.
func (s *Store) Get(ctx context.Context, bucket, key string) (io.ReadCloser, *Info, error) {
	return s.get(ctx, bucket, key, minio.GetObjectOptions{})
}

// GetVersion is Get for a version of an object; "" is the latest one. ErrNotFound includes a version ID that the server
// does not issue.
func (s *Store) GetVersion(ctx context.Context, bucket, key, version string) (io.ReadCloser, *Info, error) {
	body, info, err := s.get(ctx, bucket, key, minio.GetObjectOptions{VersionID: version})
	var response minio.ErrorResponse
	if version != "" && errors.As(err, &response) && response.Code == minio.InvalidArgument {
		err = fmt.Errorf("get object %q in %q, version %.90q: %w", key, bucket, version, ErrNotFound)
	}
	return body, info, err
}

// GetRange reads the bytes [from, to) of the object that info describes. It fails with ErrNotFound if the object was
// removed, and with another error if there is a different one under its key. The caller closes the body.
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

// get bounds the time until the response begins, and until each piece of the body.
func (s *Store) get(ctx context.Context, bucket, key string, options minio.GetObjectOptions) (
	io.ReadCloser, *Info, error,
) {
	ctx, cancel := context.WithCancelCause(ctx)
	timeout := time.AfterFunc(requestTimeout, func() { cancel(context.DeadlineExceeded) })
	body, object, header, err := s.client.GetObject(ctx, bucket, key, options)
	if !timeout.Stop() && err == nil {
		body.Close()
		err = context.DeadlineExceeded
	}
	if err != nil {
		cancel(nil)
		return nil, nil, s.wrap(err, "get", bucket, key)
	}
	info := infoOf(object)
	info.Served = dateOf(header)
	return newObjectBody(ctx, cancel, body), info, nil
}

// dateOf returns the time of a response by the clock of its sender, or else by this one.
func dateOf(header http.Header) time.Time {
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		return date
	}
	return time.Now()
}

// An objectBody fails with errStalled if the store stops sending, and ends its request when it is closed.
type objectBody struct {
	ctx     context.Context // of the request
	cancel  context.CancelCauseFunc
	body    io.ReadCloser
	stalled *time.Timer
}

func newObjectBody(ctx context.Context, cancel context.CancelCauseFunc, body io.ReadCloser) *objectBody {
	stalled := time.AfterFunc(responseTimeout, func() { cancel(errStalled) })
	stalled.Stop()
	return &objectBody{ctx, cancel, body, stalled}
}

func (b *objectBody) Read(p []byte) (int, error) {
	b.stalled.Reset(responseTimeout)
	defer b.stalled.Stop()
	n, err := b.body.Read(p)
	if err != nil && err != io.EOF && errors.Is(context.Cause(b.ctx), errStalled) {
		err = errStalled
	}
	return n, err
}

func (b *objectBody) Close() error {
	err := b.body.Close()
	b.cancel(nil)
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

// encodeMetadata percent-encodes text for a value of metadata, which must be ASCII in S3.
func encodeMetadata(text string) string { return url.PathEscape(text) }
