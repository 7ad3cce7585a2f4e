package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/objects"
	"gitlab.com/yourorg/image-service/functions/internal/problem"
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
// the caller's fault, errors of the offer's reader, or faults of ours that may pass.
func (in *intake) accept(ctx context.Context, o offer) (image events.ImageUploaded, err error) {
	defer func() { in.count(image, err) }()
	if o.size > in.settings.maxBytes {
		return image, tooManyBytes(in.settings.maxBytes, o.size)
	}
	from := &source{from: o.from, limit: in.settings.maxBytes}
	incoming := in.store.Receive(from, o.size)
	defer incoming.Close()
	header, err := in.inspect(incoming.Ahead(ctx))
	if err != nil {
		return image, from.blame(err)
	}
	image = in.describe(o, header)
	if err := in.keep(ctx, incoming, &image, o.filename); err != nil {
		return image, from.blame(err)
	}
	// From here on it is quicker, and leaves less behind, to finish than to give up because the caller has gone.
	ctx = context.WithoutCancel(ctx)
	if err := in.publish(ctx, image); err != nil {
		if o.imageID == "" { // another offer of the same image may have been accepted meanwhile
			in.takeBack(ctx, image)
		}
		return image, err
	}
	in.Log.InfoContext(ctx, "image_uploaded",
		"image_id", image.ImageID, "filename", image.Filename, "size", image.Size,
		"content_type", image.ContentType, "width", image.Width, "height", image.Height)
	return image, nil
}

// inspect decides from the first bytes whether this is an image that the service can work with.
func (in *intake) inspect(ahead io.Reader) (raster.Header, error) {
	header, err := raster.Probe(ahead)
	if err == nil {
		err = in.settings.limits.Check(header)
	}
	if errors.Is(err, objects.ErrTooFarAhead) {
		return header, &problem.Problem{
			Status:  http.StatusUnprocessableEntity,
			Code:    string(events.ReasonDamaged),
			Message: "The image does not tell its size in its first 5 MiB",
		}
	}
	return header, refusal(err)
}

func (in *intake) describe(o offer, header raster.Header) events.ImageUploaded {
	imageID := o.imageID
	if imageID == "" {
		imageID = uuid.NewString()
	}
	filename := objects.SafeName(o.filename, "image"+header.Format.Extension())
	width, height := header.Displayed()
	return events.ImageUploaded{
		ImageID:     imageID,
		Bucket:      in.store.Bucket(),
		ObjectName:  objects.Key(imageID, filename),
		Filename:    filename,
		Timestamp:   status.Seconds(time.Now()),
		ContentType: header.Format.ContentType(),
		Width:       width,
		Height:      height,
	}
}

// keep stores the image. One that comes again is there already.
func (in *intake) keep(ctx context.Context, incoming *objects.Incoming, image *events.ImageUploaded, filename string) (err error) {
	image.Size, err = incoming.Put(ctx, image.ObjectName, objects.About{
		ContentType: image.ContentType,
		Metadata:    map[string]string{"Filename": originalName(filename)},
	})
	if errors.Is(err, objects.ErrExists) {
		return nil
	}
	return err
}

// originalName is what the caller called the file, within what S3 takes as metadata: 2 KB in all.
func originalName(filename string) string {
	encoded := objects.EncodeMetadata(filename)
	for len(encoded) > 1024 {
		filename = filename[:len(filename)*1024/len(encoded)]
		encoded = objects.EncodeMetadata(filename)
	}
	return encoded
}

// publish lets the image be known: to those who ask for its status, then to those who work on it.
func (in *intake) publish(ctx context.Context, image events.ImageUploaded) error {
	if _, err := in.board.Advance(ctx, status.Status{ImageID: image.ImageID, State: status.Queued}); err != nil {
		return err
	}
	traceparent, tracestate := trace.Parent(ctx)
	e, err := events.Encode(image, events.Envelope{
		Source:      events.SourceUpload,
		TraceParent: traceparent,
		TraceState:  tracestate,
	})
	if err != nil {
		return fmt.Errorf("encode %s: %v", image.EventType(), err) // not the caller's fault: no ErrInvalid in the chain
	}
	return in.announcer.Announce(ctx, e)
}

// takeBack removes an image that was stored and could not be announced. If that fails as well, an object is left that
// nobody knows of; it does no harm.
func (in *intake) takeBack(ctx context.Context, image events.ImageUploaded) {
	ctx, cancel := context.WithTimeout(ctx, undoTimeout)
	defer cancel()
	if err := errors.Join(in.board.Forget(ctx, image.ImageID), in.store.Remove(ctx, image.ObjectName)); err != nil {
		in.Log.WarnContext(ctx, "image_left_behind", "image_id", image.ImageID, "error.message", err.Error())
	}
}

func (in *intake) count(image events.ImageUploaded, err error) {
	if err != nil {
		in.refused.WithLabelValues(problem.Of(err).Code).Inc()
		return
	}
	in.uploads.Inc()
	in.bytes.Add(float64(image.Size))
}

// refusal makes an answer of what the engine says of an image that can never work. Other errors stay as they are.
func refusal(err error) error {
	var refused *raster.Refusal
	if !errors.As(err, &refused) {
		return err
	}
	code := http.StatusUnprocessableEntity
	switch refused.Reason {
	case raster.NotAnImage, raster.Unsupported:
		code = http.StatusUnsupportedMediaType
	}
	return &problem.Problem{
		Status:  code,
		Code:    string(refused.Reason),
		Message: refused.Message,
		Limit:   refused.Limit,
		Found:   refused.Found,
	}
}

func tooManyBytes(limit, found int64) *problem.Problem {
	return &problem.Problem{
		Status:  http.StatusRequestEntityTooLarge,
		Code:    string(events.ReasonTooManyBytes),
		Message: "The image is too large",
		Limit:   limit,
		Found:   found,
	}
}

var problemEmpty = &problem.Problem{
	Status:  http.StatusBadRequest,
	Code:    string(events.ReasonNotAnImage),
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
	var refused *problem.Problem
	if s.read == 0 && errors.As(err, &refused) {
		return problemEmpty
	}
	return err
}
