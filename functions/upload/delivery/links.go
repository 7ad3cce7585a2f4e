package delivery

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/body"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/internal/jsonhttp"
	"gitlab.com/yourorg/image-service/functions/internal/rendition"
	"gitlab.com/yourorg/image-service/functions/internal/signing"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// A Signer signs URLs, so that whoever has one gets the image without credentials.
type Signer struct {
	Keys     *signing.Keys // nil if nothing is signed
	Lifetime time.Duration // of the URLs in a status
}

// links are the signed URLs of an image.
type links struct {
	Original   string            `json:"original"`
	Thumbnail  string            `json:"thumbnail,omitempty"`
	Renditions map[string]string `json:"renditions,omitempty"`
	// Expires is when they expire, in seconds since 1970.
	Expires int64 `json:"expires"`
}

// A linked is a status with the URLs that its reader may put into a page.
type linked struct {
	*status.Status
	URLs *links `json:"urls,omitempty"`
}

// link adds signed URLs to the status of a completed image, unless nothing is signed. The status itself is not changed.
func (d *Delivery) link(r *http.Request, known *status.Status) linked {
	if d.Signer.Keys == nil || known.State != status.Completed {
		return linked{Status: known}
	}
	result, signed := *known.Result, *known
	signed.Result = &result
	var urls *links
	urls, result.Renditions = d.linksOfCompleted(httpserver.Prefix(r), known.ImageID, result.Renditions)
	return linked{&signed, urls}
}

// linkListed adds signed URLs to the completed images of a list, unless nothing is signed.
func (d *Delivery) linkListed(r *http.Request, images []listedImage) {
	if d.Signer.Keys == nil {
		return
	}
	prefix := httpserver.Prefix(r)
	for i, image := range images {
		if image.State == status.Completed {
			images[i].URLs, images[i].Renditions = d.linksOfCompleted(prefix, image.ImageID, image.Renditions)
		}
	}
}

// linksOfCompleted returns the signed URLs of a completed image, and its renditions with theirs.
func (d *Delivery) linksOfCompleted(prefix, imageID string, files []events.Rendition) (*links, []events.Rendition) {
	expires := signing.Expiry(time.Now(), d.Signer.Lifetime, imageID)
	files = slices.Clone(files)
	for i, file := range files {
		files[i].URL = prefix + d.signed(file.URL, expires)
	}
	return &links{
		Original:  prefix + d.signed(originalPath(imageID), expires),
		Thumbnail: prefix + d.signed(thumbnailPath(imageID), expires),
		Expires:   expires.Unix(),
	}, files
}

func originalPath(imageID string) string  { return "/images/" + imageID }
func thumbnailPath(imageID string) string { return "/thumbnails/" + imageID }

// signed signs a path, which may have the parameter v.
func (d *Delivery) signed(path string, expires time.Time) string {
	path, hash, _ := strings.Cut(path, "?v=")
	return d.Signer.Keys.URL(path, hash, expires)
}

const (
	maxLinked    = 100     // images in one request for URLs
	maxLinksBody = 8 << 10 // bytes of that request
)

// linksRequest is the body of POST /urls.
type linksRequest struct {
	Images    []string `json:"images"`
	ExpiresIn *int64   `json:"expires_in"` // in seconds
}

// linksOf are the signed URLs of one image in the answer of POST /urls.
type linksOf struct {
	ImageID string `json:"image_id"`
	links
}

// Links is POST /urls: signed URLs of images that the client may see. That they exist is not checked, so that a page
// can have the URLs of a thumbnail that is still being made.
func (d *Delivery) Links(w http.ResponseWriter, r *http.Request) error {
	if err := httpserver.CheckQuery(r); err != nil {
		return err
	}
	if d.Signer.Keys == nil {
		return signing.ErrNothingSigned
	}
	asked, err := readLinksRequest(w, r)
	if err != nil {
		return err
	}
	lifetime := d.Signer.Lifetime
	if asked.ExpiresIn != nil {
		lifetime = time.Duration(*asked.ExpiresIn) * time.Second
	}
	all := make([]linksOf, 0, len(asked.Images))
	for _, id := range asked.Images {
		if id = strings.ToLower(id); !d.maySee(r.Context(), id) {
			refused := *errNoImage
			refused.Found = fmt.Sprintf("%.80s", id)
			return &refused
		}
		all = append(all, linksOf{id, d.linksTo(r, id, signing.Expiry(time.Now(), lifetime, id))})
	}
	jsonhttp.Write(w, http.StatusOK, map[string][]linksOf{"images": all})
	return nil
}

// linksTo returns the URLs of an image with the renditions of the configuration.
func (d *Delivery) linksTo(r *http.Request, imageID string, expires time.Time) links {
	prefix := httpserver.Prefix(r)
	l := links{
		Original:   prefix + d.signed(originalPath(imageID), expires),
		Thumbnail:  prefix + d.signed(thumbnailPath(imageID), expires),
		Renditions: map[string]string{},
		Expires:    expires.Unix(),
	}
	for _, name := range d.Renditions.Names() {
		if name != rendition.Thumbnail {
			l.Renditions[name] = prefix + d.signed(originalPath(imageID)+"/"+name, expires)
		}
	}
	return l
}

func readLinksRequest(w http.ResponseWriter, r *http.Request) (asked linksRequest, err error) {
	const example = `{"images":["1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"],"expires_in":3600}`
	if err := body.JSON(w, r, maxLinksBody, &asked, example); err != nil {
		return asked, err
	}
	if count := len(asked.Images); count == 0 || count > maxLinked {
		return asked, &apierror.Error{
			Status: http.StatusBadRequest, Code: apierror.CodeBadBody,
			Message: fmt.Sprintf("images is a list of 1 to %d image IDs", maxLinked), Limit: maxLinked, Found: count,
		}
	}
	shortest, longest := int64(signing.MinLifetime/time.Second), int64(signing.MaxLifetime/time.Second)
	if s := asked.ExpiresIn; s != nil && (*s < shortest || *s > longest) {
		return asked, &apierror.Error{
			Status: http.StatusBadRequest, Code: apierror.CodeBadBody,
			Message: fmt.Sprintf("expires_in is a number of seconds from %d to %d", shortest, longest),
			Limit:   []int64{shortest, longest}, Found: *s,
		}
	}
	return asked, nil
}
