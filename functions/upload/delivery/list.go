package delivery

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/internal/imageindex"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/jsonhttp"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"gitlab.com/yourorg/image-service/functions/upload/ownership"
	"golang.org/x/sync/errgroup"
)

const (
	defaultLimit = 20
	// maxLimit is how many images one request looks at, whether or not it lists them: each costs a request to the image
	// store.
	maxLimit = 100
	// listParallel bounds the requests to the image store at a time.
	listParallel = 8
	// What the image store has not said after this time is left out.
	listTimeout = 3 * time.Second
)

// unknown is the state of an image that Redis has forgotten, while the image store cannot be asked.
const unknown status.State = "unknown"

// List is GET /images: the images of the client, or for those who may see all images, all of them; the newest first.
func (d *Delivery) List(w http.ResponseWriter, r *http.Request) error {
	if !d.Index.Enabled() {
		return errListingOff
	}
	if err := httpserver.CheckQuery(r, "limit", "cursor", "state"); err != nil {
		return err
	}
	query, err := parseListQuery(r.URL.Query())
	if err != nil {
		return err
	}
	ctx := r.Context()
	owner := imageindex.Everybody
	if !d.policy.MaySeeAll(ctx) {
		owner = ownership.Of(ctx)
	}
	answer, err := d.list(ctx, owner, query)
	if err != nil {
		return err
	}
	d.linkListed(r, answer.Images)
	return serveList(w, r, answer)
}

var errListingOff = &apierror.Error{
	Status:  http.StatusNotFound,
	Code:    apierror.CodeListingOff,
	Message: "This service does not list images; its setting LIST_IMAGES says who may list which",
}

func serveList(w http.ResponseWriter, r *http.Request, answer list) error {
	w.Header().Set("Cache-Control", "private, no-cache")
	w.Header().Add("Vary", "Authorization, X-Api-Key")
	return httpserver.ServeText(w, r, "application/json", jsonhttp.Encode(answer))
}

// A listQuery is what a client asks for.
type listQuery struct {
	limit int
	after *imageindex.Position // nil for the newest
	state status.State         // "" for any
}

var listedStates = []string{
	string(status.Queued), string(status.Processing), string(status.Completed), string(status.Failed),
}

func parseListQuery(query url.Values) (q listQuery, err error) {
	for name, values := range query {
		if len(values) > 1 {
			return q, badListQuery(name+" is given more than once", 1, len(values))
		}
	}
	q.limit = defaultLimit
	if text, given := query["limit"]; given {
		if q.limit, err = strconv.Atoi(text[0]); err != nil || q.limit < 1 || q.limit > maxLimit {
			return q, badListQuery(fmt.Sprintf("limit is a number from 1 to %d", maxLimit), maxLimit, short(text[0]))
		}
	}
	if text := query.Get("cursor"); text != "" {
		if q.after = parseCursor(text); q.after == nil {
			return q, badListQuery("cursor is not the next of an earlier answer", nil, short(text))
		}
	}
	if text := query.Get("state"); text != "" {
		if q.state = status.State(text); !slices.Contains(listedStates, text) {
			return q, badListQuery("state is one of "+strings.Join(listedStates, ", "), listedStates, short(text))
		}
	}
	return q, nil
}

func short(text string) string { return fmt.Sprintf("%.90s", text) }

func badListQuery(message string, limit, found any) error {
	return &apierror.Error{
		Status: http.StatusBadRequest, Code: apierror.CodeBadQuery, Message: message, Limit: limit, Found: found,
	}
}

// formatCursor names a place by the time and the ID of the image before it, so that a page begins right there however
// many images come or go.
func formatCursor(p imageindex.Position) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%.3f %s", p.Stored, p.ImageID))
}

// parseCursor reads what formatCursor wrote; nil for anything else.
func parseCursor(text string) *imageindex.Position {
	decoded, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	seconds, id, _ := strings.Cut(string(decoded), " ")
	stored, err := strconv.ParseFloat(seconds, 64)
	if err != nil || !(stored >= 0 && stored < 1e12) || !events.IsImageID(id) {
		return nil
	}
	return &imageindex.Position{Stored: stored, ImageID: id}
}

// A list is the answer of GET /images.
type list struct {
	Images []listedImage `json:"images"`
	// Next is the cursor of the next page; "" if there is none. A page may have fewer images than asked for, even none,
	// and another one after it.
	Next string `json:"next,omitempty"`
	// Complete is whether all images are listed. Otherwise some from before Since, in seconds since 1970, are missing.
	Complete bool    `json:"complete"`
	Since    float64 `json:"since,omitempty"`
}

// A listedImage is the status of an image in short, and what was uploaded.
type listedImage struct {
	ImageID       string             `json:"image_id"`
	State         status.State       `json:"status"`
	UploadedAt    float64            `json:"uploaded_at"`
	Filename      string             `json:"filename,omitempty"`
	Bytes         int64              `json:"bytes,omitempty"`
	URL           string             `json:"url"`
	ThumbnailURL  string             `json:"thumbnail_url,omitempty"`
	URLs          *links             `json:"urls,omitempty"` // signed
	OriginalSize  *status.Size       `json:"original_size,omitempty"`
	ThumbnailSize *status.Size       `json:"thumbnail_size,omitempty"`
	Renditions    []events.Rendition `json:"renditions,omitempty"`
	Placeholder   string             `json:"placeholder,omitempty"`
	Color         string             `json:"color,omitempty"`
	Reason        string             `json:"reason,omitempty"`
	Error         string             `json:"error,omitempty"`
}

// list looks at up to maxLimit images of an owner. With a state it goes on until it has found enough of them: which
// images have a state changes in the thumbnail function, which does not know their owners, so that the index has no
// states.
func (d *Delivery) list(ctx context.Context, owner string, q listQuery) (list, error) {
	size := q.limit
	if q.state != "" {
		size = maxLimit
	}
	page, err := d.Index.Page(ctx, owner, q.after, size)
	if err != nil {
		return list{}, err
	}
	answer := list{Images: []listedImage{}, Complete: page.Complete}
	if !page.Complete {
		answer.Since = status.Seconds(page.Since)
	}
	ids := make([]string, len(page.Images))
	for i, position := range page.Images {
		ids[i] = position.ImageID
	}
	known := make([]*status.Status, len(ids))
	if len(ids) > 0 {
		if known, err = d.Statuses.Cached(ctx, ids); err != nil {
			return list{}, err
		}
	}
	looking, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	for len(page.Images) > 0 && len(answer.Images) < q.limit {
		count := min(len(page.Images), max(listParallel, q.limit-len(answer.Images)))
		described := d.describeAll(looking, owner, page.Images[:count], known[:count])
		for i, image := range described {
			if image != nil && (q.state == "" || q.state == image.State) {
				answer.Images = append(answer.Images, *image)
			}
			if len(answer.Images) == q.limit {
				count = i + 1
				break
			}
		}
		last := page.Images[count-1]
		page.Images, known = page.Images[count:], known[count:]
		answer.Next = ""
		if page.More || len(page.Images) > 0 {
			answer.Next = formatCursor(last)
		}
	}
	return answer, nil
}

// describeAll describes images; nil for one that is gone, which leaves the index.
func (d *Delivery) describeAll(
	ctx context.Context, owner string, positions []imageindex.Position, known []*status.Status,
) []*listedImage {
	described := make([]*listedImage, len(positions))
	var group errgroup.Group
	group.SetLimit(listParallel)
	for i, position := range positions {
		group.Go(func() error {
			described[i] = d.describeListed(ctx, position, known[i])
			if described[i] == nil {
				if err := d.Index.Remove(ctx, owner, position.ImageID); err != nil {
					d.IgnoreError(ctx, "unlist", err)
				}
			}
			return nil
		})
	}
	_ = group.Wait() // no function returns an error
	return described
}

// describeListed describes an image. known is its status in Redis, or nil. If the image store fails, the image is
// described by what Redis knows; the error is the store's, which is measured and logged where it is asked.
func (d *Delivery) describeListed(
	ctx context.Context, position imageindex.Position, known *status.Status,
) *listedImage {
	image := &listedImage{
		ImageID: position.ImageID, State: unknown, UploadedAt: position.Stored, URL: "/images/" + position.ImageID,
	}
	objects, err := d.Images.Find(ctx, position.ImageID)
	switch {
	case err == nil && objects.Original == nil:
		return nil
	case err == nil:
		image.Filename, image.Bytes = path.Base(objects.Original.Key), objects.Original.Size
		known = d.statusOf(ctx, position.ImageID, objects, known)
	}
	if known == nil {
		return image
	}
	image.State, image.Reason = known.State, known.Reason
	if result := known.Result; result != nil {
		image.OriginalSize, image.ThumbnailSize, image.Error = result.OriginalSize, result.ThumbnailSize, result.Error
		image.Renditions, image.Placeholder, image.Color = result.Renditions, result.Placeholder, result.Color
	}
	if known.State == status.Completed {
		image.ThumbnailURL = "/thumbnails/" + position.ImageID
	}
	return image
}

// statusOf returns the status of an image by its objects, where they know more than Redis; nil if the image store
// fails. What Redis had forgotten is written back.
func (d *Delivery) statusOf(
	ctx context.Context, imageID string, objects imagestore.Objects, known *status.Status,
) *status.Status {
	switch {
	case known != nil && known.State.Final():
		return known
	case objects.Result == nil && known != nil:
		return known
	case objects.Result == nil:
		return &status.Status{ImageID: imageID, State: status.Queued}
	}
	final, err := d.Statuses.ReadResult(ctx, imageID, objects)
	if err != nil {
		return known
	}
	if _, err := d.Statuses.Advance(ctx, *final); err != nil {
		d.IgnoreError(ctx, "restore_status", err)
	}
	return final
}
