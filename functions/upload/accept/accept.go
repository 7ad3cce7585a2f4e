// Package accept takes in one image: it checks the header, stores the bytes, and has the image announced.
//
// An image that Accept returns without an error is stored in MinIO, its status is queued, and its image.uploaded event
// is acknowledged. If a step fails, what the steps before it stored is removed, unless another request or an event may
// already refer to it. Bodies are streamed. The package does not recognize repeated requests; package idempotency does.
package accept

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/outbox"
	"gitlab.com/yourorg/image-service/functions/internal/publisher"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// A rollback may take this long, even if the caller has gone.
const rollbackTimeout = 5 * time.Second

// A Candidate is an image to be accepted.
type Candidate struct {
	// Owner is the client that sends the image; "" for nobody. ImageID follows from it.
	Owner   string
	ImageID string
	// New is whether ImageID was made for this request, so that no other request can have stored an image under it.
	New bool
	// Object, if not nil, is where the image is. Otherwise it is Body.
	Object *Object
	Body   io.Reader
	Size   int64 // of Body, in bytes; -1 if unknown
	// Filename is the caller's name for the image: any text, paths included.
	Filename string
	// Cause is the event that brings the image; zero if none does. It is stored with the image.
	Cause events.Cause
}

// An Object is an object that another system has stored.
type Object struct {
	Bucket, Key string
	Version     string // "" for the latest
	// Hidden is whether the sender may not read it: then it is never looked for.
	Hidden bool
}

// Limits are what Accept checks of an image.
type Limits struct {
	Bytes int64
	raster.Limits
}

// announcer is the part of package relay that announces an image to the thumbnail function.
type announcer interface {
	AnnounceUpload(ctx context.Context, image events.ImageUploaded) (outbox.Token, error)
}

// gate says whether the store may be given images.
type gate interface {
	Pass(ctx context.Context) error
}

// An Acceptor accepts images. It is safe for use by several goroutines.
type Acceptor struct {
	gate   gate
	images *imagestore.Store
	relay  announcer
	outbox *outbox.Outbox
	limits Limits
	log    *slog.Logger
}

// New returns an Acceptor, whose images pass the gate first.
func New(
	gate gate, images *imagestore.Store, relay announcer, outbox *outbox.Outbox, limits Limits, log *slog.Logger,
) *Acceptor {
	return &Acceptor{gate: gate, images: images, relay: relay, outbox: outbox, limits: limits, log: log}
}

// Accept stores and announces an image, and returns it as it was announced. Its errors are an apierror.Error where the
// caller is at fault, which wraps ErrNotYet if the object does not exist, an error of the candidate's Body,
// imagestore.ErrExists if a candidate that is not New is stored already, or a failure of a backend that may pass.
func (a *Acceptor) Accept(ctx context.Context, c Candidate) (events.ImageUploaded, error) {
	if c.Object != nil && c.Object.Hidden {
		return events.ImageUploaded{}, objectNotFound(*c.Object)
	}
	if c.Object != nil {
		object, info, err := a.images.GetVersion(ctx, c.Object.Bucket, c.Object.Key, c.Object.Version)
		if errors.Is(err, imagestore.ErrNotFound) {
			return events.ImageUploaded{}, fmt.Errorf("%w: %w: %w", ErrNotYet, objectNotFound(*c.Object), err)
		}
		if err != nil {
			return events.ImageUploaded{}, err
		}
		defer object.Close()
		c.Body, c.Size = object, info.Size
	}
	if c.Size > a.limits.Bytes {
		return events.ImageUploaded{}, tooManyBytes(a.limits.Bytes, c.Size)
	}
	body := NewBody(c.Body, a.limits.Bytes)
	image, token, err := a.storeAndAnnounce(ctx, c, body)
	if err == nil {
		return image, nil
	}
	err = body.Cause(err)
	// Another request may have accepted an image that is not new; an event that may still arrive needs its object.
	if c.New && image.ObjectName != "" && !errors.Is(err, publisher.ErrUncertain) {
		a.rollback(ctx, image, token)
	}
	return image, err
}

// storeAndAnnounce returns the image as far as it is known: with an ObjectName if there may be an object.
func (a *Acceptor) storeAndAnnounce(
	ctx context.Context, c Candidate, body *Body,
) (image events.ImageUploaded, token outbox.Token, err error) {
	incoming := a.images.NewUpload(body, c.Size)
	defer incoming.Close()
	image, err = a.describe(ctx, c, incoming)
	if err != nil {
		return image, "", err
	}
	if err := a.gate.Pass(ctx); err != nil {
		return events.ImageUploaded{}, "", err // nothing is stored
	}
	attributes := imagestore.Attributes{
		ContentType: image.ContentType,
		Metadata:    map[string]string{"Filename": imagestore.EncodeFilename(c.Filename)},
	}
	attributes.SetCause(c.Cause)
	image.Size, err = incoming.Put(ctx, image.ObjectName, attributes)
	if c.New && errors.Is(err, imagestore.ErrExists) {
		err = nil // MinIO's first answer was lost, and its client tried again
	}
	if err != nil {
		return image, "", err
	}
	if err := a.images.Confirm(ctx, image.ImageID, image.ObjectName); err != nil {
		return image, "", err
	}
	token, err = a.relay.AnnounceUpload(ctx, image)
	return image, token, err
}

// describe describes an image before it is stored: all but its size in bytes. It refuses one that cannot be processed.
func (a *Acceptor) describe(
	ctx context.Context, c Candidate, incoming *imagestore.Upload,
) (events.ImageUploaded, error) {
	image, err := a.limits.describe(incoming.Peek(ctx), c)
	if err != nil {
		return image, err
	}
	image.Bucket, image.Timestamp = a.images.Bucket(), status.Seconds(time.Now())
	return image, nil
}

// Describe returns what Accept would say about the image in a candidate's Body, and the name and key under which it
// would store the image. It reads the header of the image only. Errors are those of Accept about the image.
func (l Limits) Describe(c Candidate) (events.ImageUploaded, error) {
	if c.Size > l.Bytes {
		return events.ImageUploaded{}, tooManyBytes(l.Bytes, c.Size)
	}
	body := NewBody(c.Body, l.Bytes)
	image, err := l.describe(imagestore.Peek(body), c)
	return image, body.Cause(err)
}

func (l Limits) describe(start io.Reader, c Candidate) (events.ImageUploaded, error) {
	header, err := l.Probe(start)
	if err != nil {
		return events.ImageUploaded{}, refusal(err)
	}
	filename := imagestore.SafeName(c.Filename, "")
	if filename == "" {
		filename = "image" + header.Format.Extension()
	}
	width, height := header.Displayed()
	return events.ImageUploaded{
		ImageID:     c.ImageID,
		ObjectName:  imagestore.OriginalKey(c.ImageID, filename),
		Filename:    filename,
		ContentType: header.Format.ContentType(),
		Width:       width,
		Height:      height,
	}, nil
}

// rollback removes an image that was not accepted. If that fails, or a sweep has begun to announce the image, the image
// stays, and is processed like any other.
func (a *Acceptor) rollback(ctx context.Context, image events.ImageUploaded, token outbox.Token) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	err := a.withdraw(ctx, image.ImageID, token)
	if err == nil {
		err = a.images.Remove(ctx, image.ObjectName)
	}
	if err != nil {
		a.log.WarnContext(ctx, "image_left_behind", "image_id", image.ImageID, "error.message", err.Error())
	}
}

func (a *Acceptor) withdraw(ctx context.Context, imageID string, token outbox.Token) error {
	if token == "" {
		return nil
	}
	withdrawn, err := a.outbox.Withdraw(ctx, imageID, token)
	if err == nil && !withdrawn {
		err = errors.New("a sweep has begun to announce it")
	}
	return err
}
