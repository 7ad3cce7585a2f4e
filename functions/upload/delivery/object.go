package delivery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/auth"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/lazyregexp"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// Original is GET /images/{id}: the original, byte for byte.
func (d *Delivery) Original(w http.ResponseWriter, r *http.Request) error {
	if err := httpserver.CheckQuery(r); err != nil {
		return err
	}
	info, err := d.find(r.Context(), imageID(r), originalOf)
	if errors.Is(err, imagestore.ErrNotFound) {
		return &apierror.Error{Status: http.StatusNotFound, Code: apierror.CodeImageNotFound, Message: "Image not found"}
	}
	if err != nil {
		return err
	}
	return d.serveObject(w, r, info, forever)
}

// find returns the original of an image, or its result. The error is imagestore.ErrNotFound unless that exists and the
// request may see it, or errDeleted.
func (d *Delivery) find(
	ctx context.Context, imageID string, which func(imagestore.Objects) *imagestore.Info,
) (*imagestore.Info, error) {
	if !d.maySee(ctx, imageID) {
		return nil, imagestore.ErrNotFound
	}
	objects, err := d.Images.Find(ctx, imageID)
	if err != nil {
		return nil, err
	}
	if objects.Deleted != nil {
		return nil, errDeleted
	}
	listed := which(objects)
	if listed == nil {
		return nil, imagestore.ErrNotFound
	}
	return d.Images.Stat(ctx, listed.Key) // the listing has no content type
}

func originalOf(objects imagestore.Objects) *imagestore.Info { return objects.Original }
func resultOf(objects imagestore.Objects) *imagestore.Info   { return objects.Result }

// Thumbnail is GET /thumbnails/{id}.
func (d *Delivery) Thumbnail(w http.ResponseWriter, r *http.Request) error {
	if err := httpserver.CheckQuery(r); err != nil {
		return err
	}
	info, err := d.find(r.Context(), imageID(r), resultOf)
	isNote := err == nil && info.ContentType == status.NoteType // of an image that failed
	if isNote || errors.Is(err, imagestore.ErrNotFound) {
		return &apierror.Error{
			Status:  http.StatusNotFound,
			Code:    apierror.CodeThumbnailNotFound,
			Message: "Thumbnail not found; the status of the image says whether it will be there later",
		}
	}
	if err != nil {
		return err
	}
	return d.serveObject(w, r, info, forever)
}

// A lifetime is how long caches may keep what a URL refers to.
type lifetime struct {
	maxAge int64 // in seconds
	more   string
}

var (
	forever = lifetime{31536000, ", immutable"}
	// aWhile is for what a new configuration replaces.
	aWhile = lifetime{60, ", stale-while-revalidate=86400"}
)

func (l lifetime) String() string { return "max-age=" + strconv.FormatInt(l.maxAge, 10) + l.more }

// until bounds a lifetime by the time at which a signed URL expires. After that no cache may use what it has.
func (l lifetime) until(expires time.Time) lifetime {
	left := max(0, int64(time.Until(expires)/time.Second))
	return lifetime{min(l.maxAge, left), ", must-revalidate"}
}

// serveObject streams an object, or a range of it.
func (d *Delivery) serveObject(
	w http.ResponseWriter, r *http.Request, info *imagestore.Info, lifetime lifetime,
) error {
	if err := httpserver.CheckPreconditions(r, info.ETag, info.Modified); err != nil {
		return err // net/http would answer without a body
	}
	object := &objectReader{ctx: r.Context(), images: d.Images, info: info, end: info.Size}
	defer object.Close()
	if err := object.checkRange(w, r); err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", info.ContentType)
	header.Set("Content-Disposition", mime.FormatMediaType("inline", map[string]string{"filename": nameOf(info)}))
	header.Set("Content-Security-Policy", "default-src 'none'; sandbox") // whatever the object is, it runs nothing
	d.setSharing(r, header, lifetime)
	header.Set("ETag", `"`+info.ETag+`"`)
	http.ServeContent(w, r, "", info.Modified, object)
	return nil
}

// setSharing sets who may keep a response, for how long, and who may embed it. What a signed URL refers to is for
// everybody who has it.
func (d *Delivery) setSharing(r *http.Request, header http.Header, lifetime lifetime) {
	signed := auth.SignedFrom(r.Context())
	switch {
	case signed.Image != "":
		header.Set("Cache-Control", "public, "+lifetime.until(signed.Expires).String())
	case d.policy.Enforced:
		header.Set("Cache-Control", "private, "+lifetime.String())
		header.Add("Vary", "Authorization, X-Api-Key") // several clients may share a browser
		return
	default:
		header.Set("Cache-Control", "public, "+lifetime.String())
	}
	header.Set("Cross-Origin-Resource-Policy", "cross-origin") // other sites may embed it
}

// An objectReader reads an object from any offset, and sends no request to the image store before the first Read:
// http.ServeContent seeks to learn the size, and then reads only what the client asked for.
type objectReader struct {
	ctx    context.Context // of the request
	images *imagestore.Store
	info   *imagestore.Info
	offset int64
	body   io.ReadCloser
	end    int64 // where the range that was asked for ends; the size of the object without a range
}

// supportedRange is a range from one byte on, perhaps up to another, or the last bytes.
var supportedRange = lazyregexp.New(`^bytes=([0-9]{1,18})-([0-9]{0,18})$|^bytes=-[1-9][0-9]{0,17}$`)

// checkRange removes a Range header that is not supported, so that it is ignored, as RFC 9110, section 14.2, allows:
// net/http answers some of them with an error that is not JSON. Several ranges in one request are not supported: each
// would be a request to the image store. Neither are those of HEAD, as the section requires.
func (o *objectReader) checkRange(w http.ResponseWriter, r *http.Request) error {
	wanted := supportedRange.FindStringSubmatch(r.Header.Get("Range"))
	if wanted == nil || r.Method != http.MethodGet {
		r.Header.Del("Range")
		return nil
	}
	first, firstErr := strconv.ParseInt(wanted[1], 10, 64)
	last, lastErr := strconv.ParseInt(wanted[2], 10, 64)
	isBeyond := firstErr == nil && first >= o.info.Size
	switch {
	case lastErr == nil && last < first, isBeyond && isConditional(r.Header):
		r.Header.Del("Range")
	case isBeyond:
		w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", o.info.Size))
		return &apierror.Error{
			Status:  http.StatusRequestedRangeNotSatisfiable,
			Code:    apierror.CodeBeyondTheEnd,
			Message: "The range starts beyond the end of the object",
			Limit:   o.info.Size,
			Found:   first,
		}
	case lastErr == nil && last < o.end:
		o.end = last + 1
	}
	return nil
}

// isConditional reports whether a request has a condition on which its range, or any content, depends. Conditions come
// before ranges (RFC 9110, section 13.2.2).
func isConditional(header http.Header) bool {
	return header.Get("If-Range") != "" || header.Get("If-None-Match") != "" || header.Get("If-Modified-Since") != ""
}

// Seek implements io.Seeker.
func (o *objectReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += o.offset
	case io.SeekEnd:
		offset += o.info.Size
	}
	if offset < 0 {
		return 0, fmt.Errorf("seek to %d in %q", offset, o.info.Key)
	}
	if offset != o.offset {
		o.Close()
	}
	o.offset = offset
	return offset, nil
}

// Read implements io.Reader.
func (o *objectReader) Read(p []byte) (int, error) {
	if o.offset >= o.info.Size {
		return 0, io.EOF
	}
	if o.offset >= o.end { // If-Range had net/http ignore the range
		o.Close()
		o.end = o.info.Size
	}
	if o.body == nil {
		body, err := o.images.GetRange(o.ctx, o.info, o.offset, o.end)
		if err != nil {
			return 0, err
		}
		o.body = body
	}
	n, err := o.body.Read(p)
	o.offset += int64(n)
	if errors.Is(err, io.EOF) && o.offset == o.end && o.end < o.info.Size {
		err = nil // the range ends, but not the object
	}
	return n, err
}

// Close ends the request to the image store.
func (o *objectReader) Close() error {
	if o.body == nil {
		return nil
	}
	err := o.body.Close()
	o.body = nil
	return err
}
