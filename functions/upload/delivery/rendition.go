package delivery

import (
	"context"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/lazyregexp"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
	"gitlab.com/yourorg/image-service/functions/internal/rendition"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// Rendition is GET /images/{id}/{rendition}: a rendition by the current specification of its name, or by the one whose
// hash is the query parameter v, as the URLs in a status have it. What such a URL refers to never changes, unless a
// backfill has removed it; then the current one serves the pages that have the URL.
func (d *Delivery) Rendition(w http.ResponseWriter, r *http.Request) error {
	hash, err := specHash(r)
	if err != nil {
		return err
	}
	name := r.PathValue("rendition")
	found, err := d.findRendition(r.Context(), imageID(r), name, hash)
	if err != nil {
		return err
	}
	if found.lifetime == aWhile {
		w.Header().Set("Content-Location", name+"?v="+found.hash) // which may not be what was asked for
	}
	if len(found.files) > 1 {
		w.Header().Add("Vary", "Accept")
	}
	info, err := d.Images.Stat(r.Context(), found.files[negotiate(r.Header.Values("Accept"), found.files)].key)
	if err != nil {
		return err
	}
	return d.serveObject(w, r, info, found.lifetime)
}

var hashForm = lazyregexp.New(`^[0-9a-f]{8}$`)

// specHash returns the hash of a specification in the query of a request; "" if there is none.
func specHash(r *http.Request) (string, error) {
	if err := httpserver.CheckQuery(r, "v"); err != nil {
		return "", err
	}
	values, given := r.URL.Query()["v"]
	if !given {
		return "", nil
	}
	if len(values) > 1 || !hashForm.MatchString(values[0]) {
		return "", &apierror.Error{
			Status: http.StatusBadRequest,
			Code:   apierror.CodeBadQuery,
			Message: "v is the hash of a specification, given once, as in the URLs of a status; " +
				"without it you get the current one",
			Found: short(strings.Join(values, ",")),
		}
	}
	return values[0], nil
}

// A foundRendition has the files of a rendition, the preferred one first. There is one at least.
type foundRendition struct {
	hash     string // of their specification
	files    []file
	lifetime lifetime
}

// A file is one of the formats of a rendition.
type file struct{ key, contentType string }

// findRendition returns an *apierror.Error unless the rendition exists and the request may see it.
func (d *Delivery) findRendition(ctx context.Context, imageID, name, hash string) (foundRendition, error) {
	if !d.maySee(ctx, imageID) {
		return foundRendition{}, errNoImage
	}
	objects, err := d.Images.Find(ctx, imageID)
	if err != nil {
		return foundRendition{}, err
	}
	if objects.Deleted != nil {
		return foundRendition{}, errDeleted
	}
	if objects.Original == nil {
		return foundRendition{}, errNoImage
	}
	all, err := d.filesOf(ctx, objects, name)
	if err != nil {
		return foundRendition{}, err
	}
	found := foundRendition{hash, all[hash], forever}
	slices.Reverse(found.files) // so that WebP is the preferred format of a specification that is gone
	spec := d.Renditions.Find(name)
	if spec != nil && (len(found.files) == 0 || hash == spec.Hash) {
		found.hash, found.files = spec.Hash, inPreferredOrder(all[spec.Hash], *spec)
	}
	if hash == "" || len(all[hash]) == 0 {
		found.lifetime = aWhile
	}
	if len(found.files) > 0 {
		return found, nil
	}
	if spec != nil && d.isRequested(ctx, imageID, objects) {
		return foundRendition{}, beingMade(name)
	}
	return foundRendition{}, d.noRendition(name)
}

// isRequested has the renditions made that a completed image lacks, and reports whether they are on their way.
func (d *Delivery) isRequested(ctx context.Context, imageID string, objects imagestore.Objects) bool {
	if objects.Result == nil {
		return false // it gets them together with its thumbnail
	}
	result, err := d.Images.Stat(ctx, objects.Result.Key)
	return err == nil && result.ContentType != status.NoteType && d.OnDemand.Request(ctx, imageID)
}

// beingMade is the answer for a rendition that a completed image does not have yet.
func beingMade(name string) error {
	return &apierror.Error{
		Status:     http.StatusNotFound,
		Code:       apierror.CodeRenditionNotFound,
		Message:    "The image does not have this rendition yet; it is being made",
		Found:      name,
		RetryAfter: renderingTime,
	}
}

// renderingTime is about what a rendition takes if no other waits.
const renderingTime = 5 * time.Second

// filesOf returns the stored files of a rendition by the hashes of their specifications.
func (d *Delivery) filesOf(ctx context.Context, objects imagestore.Objects, name string) (map[string][]file, error) {
	all := map[string][]file{}
	for _, object := range objects.Renditions {
		if r, ok := imagestore.RenditionOf(objects.Original.Key, object.Key); ok && r.Name == name {
			all[r.Hash] = append(all[r.Hash], file{object.Key, raster.ContentTypeOf(r.Extension)})
		}
	}
	if name != rendition.Thumbnail || objects.Result == nil {
		return all, nil
	}
	thumbnail, err := d.Images.Stat(ctx, objects.Result.Key)
	if err != nil {
		return nil, err
	}
	if thumbnail.ContentType != status.NoteType {
		hash := status.ThumbnailHash(thumbnail)
		all[hash] = append(all[hash], file{thumbnail.Key, thumbnail.ContentType})
	}
	return all, nil
}

// inPreferredOrder sorts files as the formats of their specification. The file in the format of the original is that
// which the specification does not name.
func inPreferredOrder(files []file, spec rendition.Spec) []file {
	rank := func(f file) int {
		named := func(format string) bool { return raster.Format(format).ContentType() == f.contentType }
		if i := slices.IndexFunc(spec.Formats, named); i >= 0 {
			return i
		}
		return slices.Index(spec.Formats, rendition.Original)
	}
	slices.SortStableFunc(files, func(a, b file) int { return rank(a) - rank(b) })
	return files
}

var errNoImage = &apierror.Error{
	Status: http.StatusNotFound, Code: apierror.CodeImageNotFound, Message: "Image not found",
}

var errDeleted = &apierror.Error{
	Status: http.StatusGone, Code: apierror.CodeImageDeleted, Message: "The image was deleted",
}

// noRendition is the answer for a rendition that does not exist, or not yet.
func (d *Delivery) noRendition(name string) error {
	e := &apierror.Error{
		Status:  http.StatusNotFound,
		Code:    apierror.CodeRenditionNotFound,
		Message: "Rendition not found; the status of the image says whether it will be there later",
		Found:   name,
	}
	if d.Renditions.Find(name) == nil {
		e.Message, e.Limit = "There is no rendition of this name", fitting(d.Renditions.Names())
	}
	return e
}

// fitting returns as many names as fit into the body of an error.
func fitting(names []string) []string {
	length := 0
	for i, name := range names {
		if length += len(name) + len(`"",`); length > apierror.MaxBody/2 {
			return names[:i]
		}
	}
	return names
}

// negotiate returns the index of the file that an Accept header prefers (RFC 9110, section 12.5.1), and of the last one
// if it accepts none: clients that send no header, or an odd one, get the format that most of them read.
func negotiate(accept []string, files []file) int {
	if len(files) == 1 {
		return 0
	}
	ranges := parseAccept(strings.Join(accept, ","))
	best, quality := len(files)-1, 0.0
	for i, f := range files {
		if q := ranges.quality(f.contentType); q > quality {
			best, quality = i, q
		}
	}
	return best
}

// nameOf returns the file name of an object for its Content-Disposition. Copies are named after their original.
func nameOf(info *imagestore.Info) string {
	name := path.Base(info.Key)
	if short, ok := imagestore.RenditionFilename(name); ok {
		return raster.FileName(short, info.ContentType)
	}
	if imagestore.OriginalOf(info.Key) != info.Key { // a thumbnail
		return raster.FileName(name, info.ContentType)
	}
	return name
}
