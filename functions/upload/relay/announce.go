package relay

import (
	"context"
	"errors"
	"fmt"
	"path"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/imageindex"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/outbox"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"gitlab.com/yourorg/image-service/functions/internal/trace"
	"gitlab.com/yourorg/image-service/functions/upload/ownership"
)

// AnnounceStored announces an upload whose original an earlier request has stored, and returns it as it was announced.
func (r *Relay) AnnounceStored(
	ctx context.Context, imageID string, original *imagestore.Info,
) (events.ImageUploaded, error) {
	image, _, err := r.describe(ctx, imageID, original)
	if err != nil {
		return image, err
	}
	_, err = r.AnnounceUpload(ctx, ownership.Of(ctx), image)
	return image, err
}

// describe describes a stored original, and returns it with its metadata. One that is not an image, or not one that can
// be processed, was stored by another program or under other limits. It is announced all the same: the thumbnail
// function notes what is wrong.
func (r *Relay) describe(
	ctx context.Context, imageID string, original *imagestore.Info,
) (events.ImageUploaded, *imagestore.Info, error) {
	object, stored, err := r.Images.Get(ctx, r.Images.Bucket(), original.Key)
	if err != nil {
		return events.ImageUploaded{}, nil, err
	}
	defer object.Close()
	header, err := raster.Probe(ctx, object)
	var refused *raster.Error
	if err != nil && !errors.As(err, &refused) {
		return events.ImageUploaded{}, nil, fmt.Errorf("read header of %q: %w", original.Key, err)
	}
	width, height := header.Displayed()
	image := events.ImageUploaded{
		ImageID:    imageID,
		Bucket:     r.Images.Bucket(),
		ObjectName: original.Key,
		Filename:   path.Base(original.Key),
		Size:       original.Size,
		Timestamp:  status.Seconds(original.Modified),
		Width:      width,
		Height:     height,
	}
	if refused == nil {
		image.ContentType = header.Format.ContentType()
	}
	return image, stored, nil
}

// AnnounceUpload announces the image of an owner's upload, logs it, and counts it as accepted. The token is that of the
// image's place in the outbox; it may be set even if there is an error. An error that wraps publisher.ErrUncertain
// leaves open whether the event arrives.
func (r *Relay) AnnounceUpload(
	ctx context.Context, owner string, image events.ImageUploaded,
) (outbox.Token, error) {
	token, err := r.announce(ctx, image, r.Index.Entry(owner, image.ImageID, image.Timestamp))
	if err != nil {
		return token, err
	}
	r.log.InfoContext(ctx, "image_uploaded",
		"image_id", image.ImageID, "filename", image.Filename, "size", image.Size,
		"content_type", image.ContentType, "width", image.Width, "height", image.Height)
	r.metrics.uploads.Inc()
	r.metrics.uploadBytes.Add(float64(image.Size))
	return token, nil
}

// Unlist takes an image of an owner out of the index that is gone. If that fails, the page that comes to it does it.
func (r *Relay) Unlist(ctx context.Context, owner, imageID string) {
	if err := r.Index.Remove(ctx, owner, imageID); err != nil {
		r.log.WarnContext(ctx, "image_left_in_index", "image_id", imageID, "error.message", err.Error())
	}
}

// announce makes the image's status queued, and then publishes its event. Between the two the image is in the outbox,
// so that it is announced even if the process ends. announce goes on if the caller leaves: to finish is quicker than to
// roll back, and leaves less behind.
func (r *Relay) announce(
	ctx context.Context, image events.ImageUploaded, listed imageindex.Entry,
) (outbox.Token, error) {
	ctx, span := trace.StartProducer(context.WithoutCancel(ctx), "announce")
	token, err := r.queueAndPublish(ctx, image, listed)
	span.Image(image.ImageID, image.ContentType, image.Width, image.Height)
	span.End(err)
	return token, err
}

func (r *Relay) queueAndPublish(
	ctx context.Context, image events.ImageUploaded, listed imageindex.Entry,
) (outbox.Token, error) {
	token, err := r.Outbox.QueueListed(ctx, image.ImageID, listed)
	if err != nil {
		return token, err
	}
	traceparent, tracestate := trace.Parent(ctx)
	e, err := events.Encode(image, events.Envelope{
		Source:      events.SourceUpload,
		TraceParent: traceparent,
		TraceState:  tracestate,
	})
	if err != nil {
		// Not the caller's fault, so events.ErrInvalid must not be in the chain.
		return token, fmt.Errorf("encode %s: %s", image.EventType(), err.Error())
	}
	if err := r.Publisher.Publish(ctx, e); err != nil {
		return token, err
	}
	r.Outbox.Acknowledge(image.ImageID)
	return token, nil
}
