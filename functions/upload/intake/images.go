package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"time"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// image is GET /images/{id}: the original, byte for byte.
func (in *intake) image(w http.ResponseWriter, r *http.Request) error {
	return in.serveObject(w, r, func(set imagestore.Objects) *imagestore.Info { return set.Original }, problemNoImage)
}

// thumbnail is GET /thumbnails/{id}.
func (in *intake) thumbnail(w http.ResponseWriter, r *http.Request) error {
	return in.serveObject(w, r, func(set imagestore.Objects) *imagestore.Info { return set.Result }, problemNoThumbnail)
}

var (
	problemNoImage     = &apierror.Error{Status: http.StatusNotFound, Code: apierror.CodeImageNotFound, Message: "Image not found"}
	problemNoThumbnail = &apierror.Error{
		Status:  http.StatusNotFound,
		Code:    apierror.CodeThumbnailNotFound,
		Message: "Thumbnail not found; the status says whether it is still to come",
	}
)

// How long a caller may take for a piece of 32 KiB.
const writeTimeout = 30 * time.Second

// serveObject streams what pick picks of an image's objects, or a range of it. Objects never change, so that caches may
// keep them for ever.
func (in *intake) serveObject(w http.ResponseWriter, r *http.Request, pick func(imagestore.Objects) *imagestore.Info, missing *apierror.Error) error {
	info, err := in.find(r, pick)
	if errors.Is(err, imagestore.ErrNotFound) {
		return missing
	}
	if err != nil {
		return err
	}
	object := &objectReader{ctx: r.Context(), store: in.store, info: info, connection: http.NewResponseController(w)}
	defer object.Close()
	if err := object.expect(w, r); err != nil {
		return err
	}

	header := w.Header()
	header.Set("Content-Type", info.ContentType)
	name := path.Base(info.Key)
	if imagestore.OriginalOf(info.Key) != info.Key { // of a thumbnail, which is named after its original
		name = raster.FileName(name, info.ContentType)
	}
	header.Set("Content-Disposition", mime.FormatMediaType("inline", map[string]string{"filename": name}))
	header.Set("Content-Security-Policy", "default-src 'none'; sandbox") // whatever it is, it runs nothing
	if in.guard.Authenticates() {
		header.Set("Cache-Control", "private, max-age=31536000, immutable")
		header.Add("Vary", "Authorization, X-Api-Key") // one browser, several clients
	} else {
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
		header.Set("Cross-Origin-Resource-Policy", "cross-origin") // other sites may show it
	}
	header.Set("ETag", `"`+info.ETag+`"`)
	http.ServeContent(w, r, "", info.Modified, object)
	return nil
}

// find looks an object up; ErrNotFound if the image or the object is not there.
func (in *intake) find(r *http.Request, pick func(imagestore.Objects) *imagestore.Info) (*imagestore.Info, error) {
	imageID := r.PathValue("id")
	if !events.IsImageID(imageID) || !in.maySee(r.Context(), imageID) {
		return nil, imagestore.ErrNotFound
	}
	set, err := in.store.Find(r.Context(), imageID)
	if err != nil {
		return nil, err
	}
	listed := pick(set)
	if listed == nil {
		return nil, imagestore.ErrNotFound
	}
	info, err := in.store.Stat(r.Context(), listed.Key) // a listing has no content type
	if err == nil && listed == set.Result && info.ContentType == status.NoteType {
		return nil, imagestore.ErrNotFound
	}
	return info, err
}

// objectReader reads an object from where it is told to, and asks for nothing until then: http.ServeContent seeks to
// learn the size, and reads only what the caller needs.
type objectReader struct {
	ctx        context.Context
	store      *imagestore.Store
	info       *imagestore.Info
	connection *http.ResponseController
	offset     int64
	body       io.ReadCloser
	// How far the store is asked: to the end of the range, if there is one, and no further than is needed.
	end int64
}

// A range that is served: from one byte on, perhaps up to another one.
var oneRange = regexp.MustCompile(`^bytes=([0-9]{1,18})-([0-9]{0,18})$|^bytes=-[1-9][0-9]{0,17}$`)

// expect looks at what the caller wants. What is no range is ignored, and so are several at once, as RFC 9110, section
// 14.2, allows: they are not worth a request to the store each.
func (o *objectReader) expect(w http.ResponseWriter, r *http.Request) error {
	o.end = o.info.Size
	wanted := oneRange.FindStringSubmatch(r.Header.Get("Range"))
	if wanted == nil {
		r.Header.Del("Range")
		return nil
	}
	if first, err := strconv.ParseInt(wanted[1], 10, 64); err == nil && first >= o.info.Size && r.Header.Get("If-Range") == "" {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", o.info.Size))
		return &apierror.Error{
			Status:  http.StatusRequestedRangeNotSatisfiable,
			Code:    apierror.CodeBeyondTheEnd,
			Message: "The range begins behind the end",
			Limit:   o.info.Size,
			Found:   first,
		}
	}
	if last, err := strconv.ParseInt(wanted[2], 10, 64); err == nil && last < o.end {
		o.end = last + 1
	}
	return nil
}

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

func (o *objectReader) Read(p []byte) (int, error) {
	if o.offset >= o.info.Size {
		return 0, io.EOF
	}
	if o.offset >= o.end { // what was expected is not what net/http made of it, because of an If-Range
		o.Close()
		o.end = o.info.Size
	}
	if o.body == nil {
		body, err := o.store.GetRange(o.ctx, o.info, o.offset, o.end)
		if err != nil {
			return 0, err
		}
		o.body = body
	}
	_ = o.connection.SetWriteDeadline(time.Now().Add(writeTimeout)) // for what was read before; no connection in tests
	n, err := o.body.Read(p)
	o.offset += int64(n)
	if err == io.EOF && o.offset == o.end && o.end < o.info.Size {
		err = nil // the range ends, but not the object
	}
	return n, err
}

// Close lets go of what is being read.
func (o *objectReader) Close() error {
	_ = o.connection.SetWriteDeadline(time.Time{})
	if o.body == nil {
		return nil
	}
	err := o.body.Close()
	o.body = nil
	return err
}
