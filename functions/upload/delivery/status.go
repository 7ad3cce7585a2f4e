package delivery

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/internal/jsonhttp"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"gitlab.com/yourorg/image-service/functions/upload/idempotency"
	"gitlab.com/yourorg/image-service/functions/upload/ownership"
)

// Status is GET /status/{id}: at once, or, with a wait, once it is final.
func (d *Delivery) Status(w http.ResponseWriter, r *http.Request) error {
	if err := httpserver.CheckQuery(r, "wait"); err != nil {
		return err
	}
	patience, err := waitOf(w, r)
	if err != nil {
		return err
	}
	if err := readContent(w, r); err != nil {
		return err
	}
	id, ctx := imageID(r), r.Context()
	read := func(how reader) (*status.Status, error) { return d.read(ctx, how, id) }
	known, err := d.await(ctx, patience, read, nil, id)
	return d.answer(w, r, known, err)
}

// answer writes a status. That of an image which was deleted is an error, as all that is read of it.
func (d *Delivery) answer(w http.ResponseWriter, r *http.Request, known *status.Status, err error) error {
	if err == nil && known.State == status.Deleted {
		err = errDeleted
	}
	if err != nil {
		return err
	}
	jsonhttp.Write(w, http.StatusOK, d.link(r, known))
	return nil
}

// EventStatus is GET /status?source=...&id=...: the status of the image that an event of this source and ID has
// brought. It is an event that the client sent to the service itself; for those who may see all images, otherwise one
// that came through the Broker. With a wait, the event may yet arrive.
func (d *Delivery) EventStatus(w http.ResponseWriter, r *http.Request) error {
	if err := httpserver.CheckQuery(r, "source", "id", "wait"); err != nil {
		return err
	}
	query, ctx := r.URL.Query(), r.Context()
	source, err := parameter(query, "source")
	if err != nil {
		return err
	}
	id, err := parameter(query, "id")
	if err != nil {
		return err
	}
	patience, err := waitOf(w, r)
	if err != nil {
		return err
	}
	if err := readContent(w, r); err != nil {
		return err
	}
	imageIDs := []string{idempotency.EventImageID("", source, id)}
	if owner := ownership.Of(ctx); owner != "" {
		imageIDs = append([]string{idempotency.EventImageID(owner, source, id)}, imageIDs...)
	}
	read := func(how reader) (*status.Status, error) { return d.readFirst(ctx, how, imageIDs) }
	known, err := d.await(ctx, patience, read, errNoEventStatus, imageIDs...)
	return d.answer(w, r, known, err)
}

// readFirst returns the status of the first image that has one.
func (d *Delivery) readFirst(ctx context.Context, how reader, imageIDs []string) (*status.Status, error) {
	for _, id := range imageIDs {
		known, err := d.read(ctx, how, id)
		if !errors.Is(err, errNoStatus) {
			return known, err
		}
	}
	return nil, errNoEventStatus
}

// referred returns the images that events refer to, which are given by the IDs that their own images would have.
// Without Redis there are none.
func (d *Delivery) referred(ctx context.Context, eventImageIDs []string) (imageIDs []string) {
	for _, id := range eventImageIDs {
		imageID, err := d.References.Find(ctx, id)
		if err != nil {
			d.IgnoreError(ctx, "find_reference", err)
		}
		if imageID != "" {
			imageIDs = append(imageIDs, imageID)
		}
	}
	return imageIDs
}

// parameter returns a query parameter that must be given once.
func parameter(query url.Values, name string) (string, error) {
	values := query[name]
	if len(values) == 1 && values[0] != "" {
		return values[0], nil
	}
	return "", &apierror.Error{
		Status:  http.StatusBadRequest,
		Code:    apierror.CodeBadQuery,
		Message: "The query needs the source and the id of an event, each once; check " + name,
		Limit:   []string{"source", "id"},
		Found:   strings.Join(values, ","),
	}
}

// read returns the status of an image, or of the one that the event which the ID is derived from refers to; errNoStatus
// if there is none that the request may see.
func (d *Delivery) read(ctx context.Context, how reader, imageID string) (*status.Status, error) {
	known, err := d.readOwn(ctx, how, imageID)
	if !errors.Is(err, errNoStatus) {
		return known, err
	}
	for _, id := range d.referred(ctx, []string{imageID}) {
		return d.readOwn(ctx, how, id)
	}
	return nil, errNoStatus
}

func (d *Delivery) readOwn(ctx context.Context, how reader, imageID string) (*status.Status, error) {
	if !d.maySee(ctx, imageID) {
		return nil, errNoStatus
	}
	known, stale, err := how(ctx, imageID)
	if err != nil {
		return nil, err
	}
	if known == nil {
		return nil, errNoStatus
	}
	if stale {
		if err := d.restore(ctx, *known); err != nil {
			d.IgnoreError(ctx, "restore_status", err)
		}
	}
	return known, nil
}

// restore puts a status back into Redis, so that the next request need not ask the image store. An image that waits may
// not have been announced before Redis forgot it, so it enters the outbox as well.
func (d *Delivery) restore(ctx context.Context, known status.Status) (err error) {
	if known.State == status.Queued {
		_, err = d.Outbox.Queue(ctx, known.ImageID)
	} else {
		_, err = d.Statuses.Advance(ctx, known)
	}
	return err
}

var errNoStatus = &apierror.Error{
	Status:  http.StatusNotFound,
	Code:    apierror.CodeStatusNotFound,
	Message: "Status not found",
}

var errNoEventStatus = &apierror.Error{
	Status:  http.StatusNotFound,
	Code:    apierror.CodeStatusNotFound,
	Message: "There is no image of this event, or not yet",
}
