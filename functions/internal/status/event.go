package status

import (
	"cmp"
	"context"
	"fmt"

	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/trace"
)

// Event returns the event for a final status: image.thumbnailed or image.failed. The same status gives the same event,
// so that a repeated delivery gets the same reply. bucket and original name the original; both are empty for an image
// that was never stored.
func (s Status) Event(ctx context.Context, source, bucket, original string) (event.Event, error) {
	traceparent, tracestate := trace.Parent(ctx)
	id := "" // the default
	if s.State == Failed {
		// An image that is tried again may fail again, for another reason, and that is another event.
		id = fmt.Sprintf("%s/%s/%d", events.TypeImageFailed, s.ImageID, s.Time().UnixMilli())
	}
	e, err := events.Encode(s.payload(bucket, original), events.Envelope{
		Source:      source,
		ID:          id,
		Time:        s.Time(),
		TraceParent: traceparent,
		TraceState:  tracestate,
	})
	if err != nil {
		// Not the caller's fault, so events.ErrInvalid must not be in the chain.
		return e, fmt.Errorf("encode status of %s as an event: %s", s.ImageID, err.Error())
	}
	return e, nil
}

func (s Status) payload(bucket, original string) events.Payload {
	if s.State == Failed {
		return events.ImageFailed{
			ImageID:     s.ImageID,
			Bucket:      bucket,
			ObjectName:  original,
			Reason:      events.Reason(cmp.Or(s.Reason, string(events.ReasonUnsupported))), // the original system gave none
			Error:       s.Result.Error,
			ProcessedAt: s.ProcessedAt,
			Cause:       s.Cause,
		}
	}
	if s.Result.Thumbnail != "" && s.Result.Thumbnail != imagestore.ThumbnailKey(original) {
		original = imagestore.OriginalOf(s.Result.Thumbnail) // whatever name the event has for it
	}
	return events.ImageThumbnailed{
		ImageID:       s.ImageID,
		Bucket:        bucket,
		ObjectName:    original,
		Thumbnail:     s.Result.Thumbnail,
		OriginalSize:  s.Result.OriginalSize.pixels(),
		ThumbnailSize: s.Result.ThumbnailSize.pixels(),
		Renditions:    s.Result.Renditions,
		Placeholder:   s.Result.Placeholder,
		Color:         s.Result.Color,
		ProcessedAt:   s.ProcessedAt,
		Cause:         s.Cause,
	}
}

func (s *Size) pixels() [2]int {
	if s == nil {
		return [2]int{}
	}
	return *s
}
