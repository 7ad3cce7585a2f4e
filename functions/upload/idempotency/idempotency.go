// Package idempotency accepts an image once, however often it is sent: by clients that repeat a request with its
// Idempotency-Key, and by Knative, which delivers an event at least once.
//
// The key or the event determines the image's ID, and the objects stored under that ID say what became of earlier
// requests. There is no lock that can be left behind, and nothing to remember for a request that crashed: the next one
// finishes what it finds. A repetition gets the answer of the first request. Uploads under one key must have the
// same bytes and filename; deliveries of one event need not, and the first counts.
package idempotency

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"path"
	"strings"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"gitlab.com/yourorg/image-service/functions/internal/trace"
	"gitlab.com/yourorg/image-service/functions/upload/accept"
)

// announcer is the part of package relay that announces an image which an earlier request has stored.
type announcer interface {
	AnnounceStored(ctx context.Context, imageID string, original *imagestore.Info) (events.ImageUploaded, error)
}

// An Acceptor accepts images once. It is safe for use by several goroutines.
type Acceptor struct {
	acceptor *accept.Acceptor
	images   *imagestore.Store
	statuses *status.Store
	relay    announcer
	redis    redis.UniversalClient
	maxBytes int64
}

// New returns an Acceptor that accepts images of at most maxBytes with acceptor. The caller closes the client.
func New(
	acceptor *accept.Acceptor, images *imagestore.Store, statuses *status.Store, relay announcer,
	client redis.UniversalClient, maxBytes int64,
) *Acceptor {
	return &Acceptor{
		acceptor: acceptor, images: images, statuses: statuses, relay: relay, redis: client, maxBytes: maxBytes,
	}
}

// AcceptUpload accepts the image at an index in a request: once for a key, or as a new image if the key is "". It gives
// the candidate its ID. A repetition is compared with what is stored, and what an earlier request has left undone is
// finished. The errors are those of accept.Acceptor, and an apierror.Error if the key was used for another image.
func (a *Acceptor) AcceptUpload(
	ctx context.Context, key string, index int, c accept.Candidate,
) (events.ImageUploaded, error) {
	ctx, span := trace.Start(ctx, "receive")
	image, err := a.acceptUpload(ctx, key, index, c)
	endReceive(span, image, err)
	return image, err
}

// endReceive ends the span of an image that was received. That an image is refused is not an error of the service.
func endReceive(span trace.Span, image events.ImageUploaded, err error) {
	if !span.IsRecording() {
		return
	}
	span.Image(image.ImageID, image.ContentType, image.Width, image.Height)
	outcome := "accepted"
	if err != nil {
		public := apierror.From(err)
		outcome = public.Code
		if public.Status < http.StatusInternalServerError {
			err = nil
		}
	}
	span.Text("image.outcome", outcome)
	span.End(err)
}

func (a *Acceptor) acceptUpload(
	ctx context.Context, key string, index int, c accept.Candidate,
) (events.ImageUploaded, error) {
	if key == "" {
		c.ImageID, c.New = newID(c), true
		return a.acceptor.Accept(ctx, c)
	}
	c.ImageID = keyImageID(c, key, index)
	read := &digest{Hash: sha256.New()}
	c.Body = io.TeeReader(c.Body, read)
	image, known, err := a.repeat(ctx, c, read)
	if known || err != nil {
		return image, err
	}
	image, err = a.acceptor.Accept(ctx, c)
	if !isTaken(err) {
		return image, err
	}
	earlier, known, repeatErr := a.repeat(ctx, c, read)
	if known || repeatErr != nil {
		return earlier, repeatErr
	}
	return image, missing(c.ImageID, err)
}

// isTaken reports whether an image may not have been accepted because another request for it, at the same time, was: it
// is stored, or it was the last one that its client might have.
func isTaken(err error) bool {
	var refused *apierror.Error
	return errors.Is(err, imagestore.ErrExists) ||
		errors.As(err, &refused) && refused.Code == apierror.CodeQuotaExceeded
}

// missing returns the error for an image that isTaken said may be stored, and is not.
func missing(imageID string, err error) error {
	if errors.Is(err, imagestore.ErrExists) {
		return gone(imageID)
	}
	return err
}

// A digest is the size and the hash of what was read of a candidate.
type digest struct {
	hash.Hash
	size int64
}

func (d *digest) Write(p []byte) (int, error) {
	d.size += int64(len(p))
	return d.Hash.Write(p)
}

// repeat answers a repetition with the stored image, if the two are the same; known reports whether there is one. read
// sees what is read of the candidate.
func (a *Acceptor) repeat(
	ctx context.Context, c accept.Candidate, read *digest,
) (image events.ImageUploaded, known bool, err error) {
	objects, err := a.statuses.Reconcile(ctx, c.ImageID)
	stored := objects.Original
	switch {
	case err != nil || objects.None():
		return image, false, err
	case objects.Deleted != nil:
		return image, true, accept.ErrDeleted
	case stored == nil:
		known, err = a.resumeRefused(ctx, c.ImageID, objects)
		return events.ImageUploaded{ImageID: c.ImageID}, known, err
	}
	filename := path.Base(stored.Key)
	if c.Size >= 0 && c.Size != stored.Size || imagestore.SafeName(c.Filename, filename) != filename {
		return image, true, errKeyReused
	}
	body := accept.NewBody(c.Body, a.maxBytes)
	if _, err := io.Copy(io.Discard, body); err != nil {
		return image, true, body.Cause(err)
	}
	if read.size != stored.Size { // a small body must not have the service read a large image
		return image, true, errKeyReused
	}
	storedSum, err := a.sumOf(ctx, c.ImageID, stored)
	if err != nil {
		return image, true, err
	}
	if !bytes.Equal(storedSum, read.Sum(nil)) {
		return image, true, errKeyReused
	}
	err = a.resumeStored(ctx, c.ImageID)
	return events.ImageUploaded{ImageID: c.ImageID, ObjectName: stored.Key}, true, err
}

var errKeyReused = &apierror.Error{
	Status:  http.StatusUnprocessableEntity,
	Code:    apierror.CodeIdempotencyKeyReused,
	Message: "This Idempotency-Key was used for another image or another filename",
}

// AcceptEvent accepts the image of an event, once, and gives the candidate its ID. What is stored by earlier deliveries
// counts for more than what this one brings, so the image that it returns may be another. It has its ID and its key
// even if there is an error. An event that refers to the original of an image brings that image.
func (a *Acceptor) AcceptEvent(ctx context.Context, e event.Event, c accept.Candidate) (events.ImageUploaded, error) {
	ctx, span := trace.StartConsumer(ctx, "receive")
	image, err := a.acceptEvent(ctx, e, c)
	endReceive(span, image, err)
	return image, err
}

func (a *Acceptor) acceptEvent(ctx context.Context, e event.Event, c accept.Candidate) (events.ImageUploaded, error) {
	c.ImageID = EventImageID(c.Owner, e.Source(), e.ID())
	image, known, err := a.resume(ctx, c.ImageID)
	if !known && err == nil {
		image, known, err = a.referred(ctx, c)
	}
	if !known && err == nil {
		image, err = a.acceptOnce(ctx, c)
	}
	if image.ObjectName == "" {
		image.ImageID = c.ImageID
		image.ObjectName = imagestore.OriginalKey(c.ImageID, imagestore.SafeName(c.Filename, "image"))
	}
	return image, err
}

// acceptOnce accepts the image of an event, unless another delivery was first.
func (a *Acceptor) acceptOnce(ctx context.Context, c accept.Candidate) (events.ImageUploaded, error) {
	image, err := a.acceptor.Accept(ctx, c)
	if !isTaken(err) {
		return image, err
	}
	earlier, known, resumeErr := a.resume(ctx, c.ImageID)
	if known || resumeErr != nil {
		return earlier, resumeErr
	}
	return image, missing(c.ImageID, err)
}

// referred returns the image whose original an event refers to, if the service keeps it already; known reports whether
// it does. A copy would cost as much as the image, for an event of some bytes.
func (a *Acceptor) referred(
	ctx context.Context, c accept.Candidate,
) (image events.ImageUploaded, known bool, err error) {
	if c.Object == nil || c.Object.Hidden || c.Object.Bucket != a.images.Bucket() {
		return image, false, nil
	}
	imageID, _, _ := strings.Cut(c.Object.Key, "/")
	if !events.IsImageID(imageID) {
		return image, false, nil
	}
	objects, err := a.statuses.Reconcile(ctx, imageID)
	if err == nil && objects.Deleted != nil { // a bucket may keep versions of it, which the event may name
		return image, true, accept.ErrDeleted
	}
	if err != nil || objects.Original == nil || objects.Original.Key != c.Object.Key {
		return image, false, err
	}
	if err := a.resumeStored(ctx, imageID); err != nil {
		return image, true, err
	}
	image = events.ImageUploaded{ImageID: imageID, ObjectName: objects.Original.Key}
	return image, true, NewReferences(a.redis, a.images.Bucket()).remember(ctx, c.ImageID, imageID)
}

// resumeStored is resume for an image that was found stored.
func (a *Acceptor) resumeStored(ctx context.Context, imageID string) error {
	_, known, err := a.resume(ctx, imageID)
	if err == nil && !known {
		err = gone(imageID)
	}
	return err
}

func gone(imageID string) error {
	return fmt.Errorf("find the earlier image %s: %w", imageID, imagestore.ErrNotFound)
}

// resume finishes what an earlier request for an image has left undone; known reports whether there was one. If the
// image waits for its thumbnail, it is announced again, as it may never have been. If the image was refused before it
// was stored, the error is that refusal.
func (a *Acceptor) resume(ctx context.Context, imageID string) (image events.ImageUploaded, known bool, err error) {
	objects, err := a.statuses.Reconcile(ctx, imageID)
	switch {
	case err != nil:
		return image, false, err
	case objects.None():
		return image, false, nil
	case objects.Deleted != nil:
		return image, true, accept.ErrDeleted
	case objects.Original == nil:
		known, err := a.resumeRefused(ctx, imageID, objects)
		return image, known, err
	case objects.Result != nil:
		return image, true, nil
	}
	image, err = a.relay.AnnounceStored(ctx, imageID, objects.Original)
	return image, true, err
}

// resumeRefused is resume for an image without an original. If all that is known of it is an image.uploaded, which
// anybody who may publish can make up, its failure must not keep the image itself out.
func (a *Acceptor) resumeRefused(
	ctx context.Context, imageID string, objects imagestore.Objects,
) (known bool, err error) {
	final, err := a.statuses.ReadResult(ctx, imageID, objects)
	switch {
	case err != nil:
		return true, err
	case final.Hearsay:
		return false, a.statuses.Discard(ctx, imageID, objects.Result)
	case final.State == status.Failed: // otherwise the original was removed since
		return true, refusal(final)
	}
	return true, nil
}

// refusal is the answer to a repetition of a request for an image that has failed before it was stored.
func refusal(final *status.Status) *apierror.Error {
	code := http.StatusUnprocessableEntity
	if final.Reason == apierror.CodeObjectNotFound {
		code = http.StatusNotFound
	}
	return &apierror.Error{Status: code, Code: final.Reason, Message: final.Result.Error}
}
