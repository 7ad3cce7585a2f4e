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
	"slices"
	"time"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/auth"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/outbox"
	"gitlab.com/yourorg/image-service/functions/internal/publisher"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
	"gitlab.com/yourorg/image-service/functions/internal/signing"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"gitlab.com/yourorg/image-service/functions/internal/trace"
	"gitlab.com/yourorg/image-service/functions/upload/grant"
	"gitlab.com/yourorg/image-service/functions/upload/quota"
)

const (
	// A rollback may take this long, even if the caller has gone.
	rollbackTimeout = 5 * time.Second
	// The header of an image may take this long to arrive and to be parsed. Half a megabyte of metadata before the pixels
	// is much, and arrives at 70 kbit/s.
	probeTimeout = time.Minute
)

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
	// LetIn is whether the candidate was accepted before its object could be read, so that no quota refuses it anymore.
	LetIn bool
	// Grant is what allows the upload, and limits it; nil for a client's own.
	Grant *signing.Grant
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

// announcer is the part of package relay that lists an image and announces it to the thumbnail function.
type announcer interface {
	AnnounceUpload(ctx context.Context, owner string, image events.ImageUploaded) (outbox.Token, error)
	Unlist(ctx context.Context, owner, imageID string)
}

// gate says whether the store may be given images.
type gate interface {
	Pass(ctx context.Context) error
}

// Backends are what an Acceptor works with.
type Backends struct {
	Gate   gate          // what every image passes
	Quota  *quota.Quota  // of the owner
	Grants *grant.Ledger // of those by which images come
	Images *imagestore.Store
	Relay  announcer
	Outbox *outbox.Outbox
}

// An Acceptor accepts images. It is safe for use by several goroutines.
type Acceptor struct {
	Backends
	limits Limits
	log    *slog.Logger
}

// New returns an Acceptor.
func New(backends Backends, limits Limits, log *slog.Logger) *Acceptor {
	return &Acceptor{Backends: backends, limits: limits, log: log}
}

// Accept stores and announces an image, and returns it as it was announced. Its errors are an apierror.Error where the
// caller is at fault, beside ErrNotYet if the object does not exist or must not be read, an error of the candidate's
// Body, imagestore.ErrExists if a candidate that is not New is stored already, ErrDeleted if it was deleted, or a
// failure of a backend that may pass.
func (a *Acceptor) Accept(ctx context.Context, c Candidate) (events.ImageUploaded, error) {
	if c.Object != nil && c.Object.Hidden {
		return events.ImageUploaded{}, objectNotFound(*c.Object)
	}
	if limit := a.maxBytes(c); c.Size > limit {
		return events.ImageUploaded{}, tooManyBytes(limit, c.Size)
	}
	if err := a.Grants.Take(ctx, c.Grant, c.ImageID); err != nil {
		return events.ImageUploaded{}, err // before anything is read
	}
	place, err := a.Quota.Reserve(ctx, c.Owner, c.ImageID, c.Size, c.LetIn)
	if err != nil {
		a.endGrant(ctx, c, false)
		return events.ImageUploaded{}, err // the same
	}
	image, stored, err := a.acceptInto(ctx, c, place)
	a.endReservation(ctx, place, image, stored)
	a.endGrant(ctx, c, stored)
	return image, err
}

// maxBytes returns how many bytes a candidate may have.
func (a *Acceptor) maxBytes(c Candidate) int64 {
	if c.Grant != nil {
		return min(a.limits.Bytes, c.Grant.MaxBytes)
	}
	return a.limits.Bytes
}

// endGrant counts a stored image against its grant, and gives the place of another one back. If Redis fails, the place
// is taken for as long as its lease.
func (a *Acceptor) endGrant(ctx context.Context, c Candidate, stored bool) {
	if err := a.Grants.End(ctx, c.Grant, c.ImageID, stored); err != nil {
		a.log.WarnContext(ctx, "grant_not_counted", "image_id", c.ImageID, "error.message", err.Error())
	}
}

// acceptInto accepts an image that has a place. stored is whether the image is in the bucket, accepted or not.
func (a *Acceptor) acceptInto(
	ctx context.Context, c Candidate, place *quota.Reservation,
) (image events.ImageUploaded, stored bool, err error) {
	if c.Object != nil {
		return a.acceptObject(ctx, c, place)
	}
	return a.acceptBody(ctx, c, place)
}

// acceptBody is acceptInto for an image in Body.
func (a *Acceptor) acceptBody(
	ctx context.Context, c Candidate, place *quota.Reservation,
) (image events.ImageUploaded, stored bool, err error) {
	body := NewBody(c.Body, a.maxBytes(c))
	image, stored, token, err := a.storeAndAnnounce(ctx, c, body, place)
	if err == nil {
		return image, true, nil
	}
	err = body.Cause(err)
	// Another request may have accepted an image that is not new; an event that may still arrive needs its object.
	if c.New && image.ObjectName != "" && !errors.Is(err, publisher.ErrUncertain) {
		removed := a.rollback(ctx, c.Owner, image, token)
		stored = stored && !removed
	}
	return image, stored, err
}

// acceptObject is acceptInto for an image in Object. It stores, and refuses for good, only what the store confirms.
func (a *Acceptor) acceptObject(
	ctx context.Context, c Candidate, place *quota.Reservation,
) (image events.ImageUploaded, stored bool, err error) {
	from := *c.Object
	object, info, err := a.Images.GetVersion(ctx, from.Bucket, from.Key, from.Version)
	if err != nil {
		return image, false, a.withoutObject(from, err)
	}
	defer object.Close()
	if err := a.Images.ConfirmHead(ctx, from.Bucket, from.Version, info); err != nil {
		return image, false, a.withoutObject(from, err)
	}
	c.Body, c.Size = object, info.Size
	if c.Size > a.limits.Bytes {
		err = tooManyBytes(a.limits.Bytes, c.Size)
	} else if err = place.Resize(ctx, c.Size); err == nil {
		image, stored, err = a.acceptBody(ctx, c, place)
	}
	if from.Version == "" && isVerdict(err) { // a listing has the latest version
		if err := a.Images.ConfirmListed(ctx, from.Bucket, info); err != nil {
			return image, stored, a.withoutObject(from, err)
		}
	}
	return image, stored, err
}

// isVerdict reports whether an error is a reason for which an image fails.
func isVerdict(err error) bool {
	var refused *apierror.Error
	return errors.As(err, &refused) && slices.Contains(events.Reasons(), events.Reason(refused.Code))
}

// endReservation counts an image that is stored, and gives the place of another one back. If Redis fails, the next
// count of the bucket puts it right.
func (a *Acceptor) endReservation(
	ctx context.Context, place *quota.Reservation, image events.ImageUploaded, stored bool,
) {
	var err error
	if stored {
		err = place.Commit(ctx, image.Size)
	} else {
		err = place.Release(ctx)
	}
	if err != nil {
		a.log.WarnContext(ctx, "quota_not_counted", "image_id", image.ImageID, "error.message", err.Error())
	}
}

// withoutObject turns the error of reading an object into that of Accept. That the service may not read its own bucket
// is a fault of its installation, and says nothing about the object.
func (a *Acceptor) withoutObject(object Object, err error) error {
	switch {
	case errors.Is(err, imagestore.ErrImpossible):
		return fmt.Errorf("%w: %w", impossibleObject(object), err)
	case errors.Is(err, imagestore.ErrNotFound):
		return fmt.Errorf("%w: %w: %w", ErrNotYet, objectNotFound(object), err)
	case errors.Is(err, imagestore.ErrForbidden) && object.Bucket != a.Images.Bucket():
		return fmt.Errorf("%w: %w: %w", ErrNotYet, objectUnreadable(object), err)
	}
	return err
}

// storeAndAnnounce returns the image as far as it is known: with an ObjectName if there may be an object. stored is
// whether there is one.
func (a *Acceptor) storeAndAnnounce(
	ctx context.Context, c Candidate, body *Body, place *quota.Reservation,
) (image events.ImageUploaded, stored bool, token outbox.Token, err error) {
	incoming := a.Images.NewUpload(body, c.Size)
	defer incoming.Close()
	if c.Size < 0 {
		incoming.Admit(func(size int64) error { return place.Resize(ctx, size) })
	}
	image, err = a.describe(ctx, c, incoming)
	if err != nil {
		return image, false, "", err
	}
	if err := a.Gate.Pass(ctx); err != nil {
		return events.ImageUploaded{}, false, "", err // nothing is stored
	}
	attributes := imagestore.Attributes{
		ContentType: image.ContentType,
		Metadata:    map[string]string{"Filename": imagestore.EncodeFilename(c.Filename)},
	}
	attributes.SetCause(c.Cause)
	attributes.SetLane(c.Owner)
	attributes.SetTrace(trace.Kept(ctx))
	image.Size, err = store(ctx, incoming, image.ObjectName, attributes)
	if c.New && errors.Is(err, imagestore.ErrExists) {
		err = nil // MinIO's first answer was lost, and its client tried again
	}
	if err != nil {
		return image, false, "", err
	}
	if stored, err := a.confirm(ctx, c, image); err != nil {
		return image, stored, "", err
	}
	token, err = a.Relay.AnnounceUpload(ctx, c.Owner, image)
	return image, true, token, err
}

func store(
	ctx context.Context, incoming *imagestore.Upload, key string, attributes imagestore.Attributes,
) (size int64, err error) {
	ctx, span := trace.Start(ctx, "store")
	size, err = incoming.Put(ctx, key, attributes)
	span.Int("image.bytes", size)
	span.End(err)
	return size, err
}

// confirm confirms that the stored image counts; stored is whether it may still be there. A new one has no rivals, and
// is listed if its name is plain.
func (a *Acceptor) confirm(ctx context.Context, c Candidate, image events.ImageUploaded) (stored bool, err error) {
	if c.New && imagestore.IsPlain(image.Filename) {
		return true, nil // a listing would cost MinIO a quarter of the work of the upload
	}
	stored, err = a.Images.Confirm(ctx, image.ImageID, image.ObjectName)
	if errors.Is(err, imagestore.ErrDeleted) {
		err = fmt.Errorf("%w: %w", ErrDeleted, err)
	}
	return stored, err
}

// describe describes an image before it is stored: all but its size in bytes. It refuses one that cannot be processed.
func (a *Acceptor) describe(
	ctx context.Context, c Candidate, incoming *imagestore.Upload,
) (events.ImageUploaded, error) {
	header, err := a.limits.probe(ctx, incoming.Peek(ctx))
	if err == nil {
		err = auth.Charge(ctx, units(header.Cost))
	}
	if err != nil {
		return events.ImageUploaded{}, err
	}
	image := describe(header, c)
	if c.Grant != nil && !c.Grant.Allows(image.ContentType) {
		return events.ImageUploaded{}, typeNotGranted(c.Grant.Types, image.ContentType)
	}
	image.Bucket, image.Timestamp = a.Images.Bucket(), status.Seconds(time.Now())
	return image, nil
}

// Describe returns what Accept would say about the image in a candidate's Body, and the name and key under which it
// would store the image. It reads the header of the image only. Errors are those of Accept about the image.
func (l Limits) Describe(c Candidate) (events.ImageUploaded, error) {
	if c.Size > l.Bytes {
		return events.ImageUploaded{}, tooManyBytes(l.Bytes, c.Size)
	}
	body := NewBody(c.Body, l.Bytes)
	header, err := l.probe(context.Background(), imagestore.Peek(body))
	if err != nil {
		return events.ImageUploaded{}, body.Cause(err)
	}
	return describe(header, c), nil
}

// probe reads the header of an image, as long as it takes no longer than that of any valid image.
func (l Limits) probe(ctx context.Context, start io.Reader) (raster.Header, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, probeTimeout, errSlowHeader)
	defer cancel()
	header, err := l.Probe(ctx, start)
	if errors.Is(err, context.DeadlineExceeded) && errors.Is(context.Cause(ctx), errSlowHeader) {
		return header, errSlowHeader
	}
	return header, refusal(err)
}

// unit is the CPU time of thumbnail that one request may cost: more than a photo of 48 megapixels takes.
const unit = 100 * time.Millisecond

// units returns what an image counts as against the rate limit of its client: at least as one request.
func units(cost raster.Cost) int64 { return max(1, int64((cost.CPU+unit-1)/unit)) }

func describe(header raster.Header, c Candidate) events.ImageUploaded {
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
	}
}

// rollback removes an image that was not accepted. If that fails, or a sweep has begun to announce the image, the image
// stays, and is processed like any other.
func (a *Acceptor) rollback(
	ctx context.Context, owner string, image events.ImageUploaded, token outbox.Token,
) (removed bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	err := a.withdraw(ctx, image.ImageID, token)
	if err == nil {
		err = a.Images.Remove(ctx, image.ObjectName)
	}
	if err != nil {
		a.log.WarnContext(ctx, "image_left_behind", "image_id", image.ImageID, "error.message", err.Error())
		return false
	}
	if token != "" {
		a.Relay.Unlist(ctx, owner, image.ImageID)
	}
	return true
}

func (a *Acceptor) withdraw(ctx context.Context, imageID string, token outbox.Token) error {
	if token == "" {
		return nil
	}
	withdrawn, err := a.Outbox.Withdraw(ctx, imageID, token)
	if err == nil && !withdrawn {
		err = errors.New("a sweep has begun to announce it")
	}
	return err
}
