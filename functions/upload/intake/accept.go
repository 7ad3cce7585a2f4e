package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/publisher"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"gitlab.com/yourorg/image-service/functions/internal/trace"
)

// What was begun for an image that is not accepted in the end is taken back within this time.
const undoTimeout = 5 * time.Second

// An offer is an image that somebody wants to be kept.
type offer struct {
	// imageID is that of an image that may have been offered before; "" for a new one.
	imageID  string
	from     io.Reader
	size     int64  // in bytes; -1 if not known
	filename string // as the caller calls it
}

// accept keeps the image and announces it. What it returns is what it announced. Its errors are Problems where they are
// the caller's fault, errors of the offer's reader, or faults of ours that may pass; ErrExists says that an image that
// may have been offered before is there already.
//
// What is not accepted in the end is taken back, but for two exceptions: an image that another offer may have accepted
// meanwhile, and one whose event may still arrive. That must find its object.
func (in *intake) accept(ctx context.Context, o offer) (image events.ImageUploaded, err error) {
	if o.size > in.settings.maxBytes {
		return image, tooManyBytes(in.settings.maxBytes, o.size)
	}
	from := &source{from: o.from, limit: in.settings.maxBytes}
	incoming := in.store.NewUpload(from, o.size)
	defer incoming.Close()
	header, err := in.inspect(incoming.Peek(ctx))
	if err != nil {
		return image, from.blame(err)
	}
	image = in.describe(ctx, o, header)
	err = in.keep(ctx, incoming, &image, o.filename)
	if o.imageID == "" && errors.Is(err, imagestore.ErrExists) {
		err = nil // the id is a new one, so it was we: MinIO's first answer was lost, and its client tried again
	}
	if err != nil {
		if o.imageID == "" {
			in.takeBack(ctx, image, "") // it may be there all the same: MinIO's answer was lost, or its caller left
		}
		return image, from.blame(err)
	}
	if o.imageID != "" {
		if err := in.yield(ctx, image); err != nil {
			return image, err
		}
	}
	if ticket, err := in.publish(ctx, image); err != nil {
		if o.imageID == "" && !errors.Is(err, publisher.ErrUncertain) {
			in.takeBack(ctx, image, ticket)
		}
		return image, err
	}
	return image, nil
}

// inspect decides from the first bytes whether this is an image that the service can work with.
func (in *intake) inspect(ahead io.Reader) (raster.Header, error) {
	header, err := raster.Probe(ahead)
	if err == nil {
		err = in.settings.limits.Check(header)
	}
	if errors.Is(err, imagestore.ErrPeekLimit) {
		return header, &apierror.Error{
			Status:  http.StatusUnprocessableEntity,
			Code:    apierror.CodeDamaged,
			Message: "The image does not tell its size in its first 5 MiB",
		}
	}
	return header, refusal(err)
}

// describe is what is known of the image before it is stored.
func (in *intake) describe(ctx context.Context, o offer, header raster.Header) events.ImageUploaded {
	width, height := header.Displayed()
	image := events.ImageUploaded{
		ImageID:     o.imageID,
		Bucket:      in.store.Bucket(),
		Filename:    imagestore.SafeName(o.filename, "image"+header.Format.Extension()),
		Timestamp:   status.Seconds(time.Now()),
		ContentType: header.Format.ContentType(),
		Width:       width,
		Height:      height,
	}
	if image.ImageID == "" {
		image.ImageID = newID(ownerOf(ctx))
	}
	image.ObjectName = imagestore.OriginalKey(image.ImageID, image.Filename)
	return image
}

// keep stores the image.
func (in *intake) keep(ctx context.Context, incoming *imagestore.Upload, image *events.ImageUploaded, filename string) (err error) {
	image.Size, err = incoming.Put(ctx, image.ObjectName, imagestore.Attributes{
		ContentType: image.ContentType,
		Metadata:    map[string]string{"Filename": originalName(filename)},
	})
	return err
}

// yield removes an image whose event was delivered twice at the same time, under two names, if the other one was stored
// before; then it is ErrExists.
func (in *intake) yield(ctx context.Context, image events.ImageUploaded) error {
	set, err := in.store.Find(ctx, image.ImageID)
	if err != nil || set.Original == nil || set.Original.Key == image.ObjectName {
		return err
	}
	if err := in.store.Remove(ctx, image.ObjectName); err != nil {
		return err
	}
	return fmt.Errorf("put object %q: there is %q: %w", image.ObjectName, set.Original.Key, imagestore.ErrExists)
}

// originalName is what the caller called the file, within what S3 takes as metadata: 2 KB in all.
func originalName(filename string) string {
	encoded := imagestore.EncodeMetadata(filename)
	for len(encoded) > 1024 {
		filename = filename[:len(filename)*1024/len(encoded)]
		encoded = imagestore.EncodeMetadata(filename)
	}
	return encoded
}

// publish announces an image that somebody has brought.
func (in *intake) publish(ctx context.Context, image events.ImageUploaded) (status.Ticket, error) {
	ticket, err := in.announce(ctx, image)
	if err != nil {
		return ticket, err
	}
	in.Log.InfoContext(ctx, "image_uploaded",
		"image_id", image.ImageID, "filename", image.Filename, "size", image.Size,
		"content_type", image.ContentType, "width", image.Width, "height", image.Height)
	in.uploads.Inc()
	in.bytes.Add(float64(image.Size))
	return ticket, nil
}

// announce lets the image be known: to those who ask for its status, then to those who work on it. Between the two it is
// in the outbox, so that it is announced even if we end here. It goes on if the caller leaves: to finish is quicker, and
// leaves less behind, than to give up.
func (in *intake) announce(ctx context.Context, image events.ImageUploaded) (status.Ticket, error) {
	ctx = context.WithoutCancel(ctx)
	ticket, err := in.board.Queue(ctx, image.ImageID)
	if err != nil {
		return ticket, err
	}
	traceparent, tracestate := trace.Parent(ctx)
	e, err := events.Encode(image, events.Envelope{
		Source:      events.SourceUpload,
		TraceParent: traceparent,
		TraceState:  tracestate,
	})
	if err != nil {
		return ticket, fmt.Errorf("encode %s: %v", image.EventType(), err) // not the caller's fault: no ErrInvalid in the chain
	}
	if err := in.announcer.Publish(ctx, e); err != nil {
		return ticket, err
	}
	in.board.Announced(image.ImageID)
	return ticket, nil
}

// takeBack removes an image that was not accepted. If that fails, or if a sweep has taken the image up meanwhile, it
// stays, and becomes as good as any other.
func (in *intake) takeBack(ctx context.Context, image events.ImageUploaded, ticket status.Ticket) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	if err := in.withdraw(ctx, image, ticket); err != nil {
		in.Log.WarnContext(ctx, "image_left_behind", "image_id", image.ImageID, "error.message", err.Error())
	}
}

func (in *intake) withdraw(ctx context.Context, image events.ImageUploaded, ticket status.Ticket) error {
	if ticket != "" {
		withdrawn, err := in.board.Withdraw(ctx, image.ImageID, ticket)
		if err != nil {
			return err
		}
		if !withdrawn {
			return errors.New("somebody else has begun to announce it")
		}
	}
	return in.store.Remove(ctx, image.ObjectName)
}

// refusal makes an answer of what the engine says of an image that can never work. Other errors stay as they are.
func refusal(err error) error {
	var refused *raster.Error
	if !errors.As(err, &refused) {
		return err
	}
	code := http.StatusUnprocessableEntity
	switch refused.Reason {
	case raster.ReasonNotAnImage, raster.ReasonUnsupported:
		code = http.StatusUnsupportedMediaType
	}
	return &apierror.Error{
		Status:  code,
		Code:    string(refused.Reason),
		Message: refused.Message,
		Limit:   refused.Limit,
		Found:   refused.Found,
	}
}

func tooManyBytes(limit, found int64) *apierror.Error {
	return &apierror.Error{
		Status:  http.StatusRequestEntityTooLarge,
		Code:    apierror.CodeTooManyBytes,
		Message: "The image is too large",
		Limit:   limit,
		Found:   found,
	}
}

var problemBusy = &apierror.Error{
	Status:     http.StatusServiceUnavailable,
	Code:       apierror.CodeBusy,
	Message:    "Too many uploads are on their way; try again",
	RetryAfter: 5 * time.Second,
}

var problemEmpty = &apierror.Error{
	Status:  http.StatusBadRequest,
	Code:    apierror.CodeNotAnImage,
	Message: "The file is empty",
	Found:   0,
}

// A source reads an offer up to the limit and remembers what went wrong, because those who read it, such as the client
// of MinIO, may not pass that on as it was.
type source struct {
	from  io.Reader
	limit int64
	read  int64
	err   error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.from.Read(p)
	s.read += int64(n)
	if s.read > s.limit {
		err = tooManyBytes(s.limit, s.read)
	}
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// blame finds out what was behind a failure.
func (s *source) blame(err error) error {
	if s.err != nil {
		return s.err
	}
	if errors.Is(err, imagestore.ErrBusy) {
		return problemBusy
	}
	var refused *apierror.Error
	if s.read == 0 && errors.As(err, &refused) {
		return problemEmpty
	}
	return err
}
